//! Namespaces, links and kernel edges for real, as root and as an ordinary user.
//!
//! A process leaves the machine's namespaces once and while it has one thread, so every test
//! runs in a process of its own: this file is its own runner. Started as root, each test runs
//! once as root and once as user 65534; started as an ordinary user, as that user only.

// Sizes and numbers of tests are small.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_lossless
)]

#[path = "netns/edges.rs"]
mod edges;
#[path = "netns/fixture.rs"]
mod fixture;
#[path = "netns/probe.rs"]
mod probe;
#[path = "netns/speed.rs"]
mod speed;
#[path = "netns/teardown.rs"]
mod teardown;
#[path = "netns/underlay.rs"]
mod underlay;
#[path = "netns/verbs.rs"]
mod verbs;

use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

type Test = (&'static str, fn());

const ROLE: &str = "OVERLAB_TEST_ROLE";
const NOBODY: u32 = 65534;

fn tests() -> Vec<Test> {
    [edges::TESTS, probe::TESTS, speed::TESTS, teardown::TESTS, underlay::TESTS, verbs::TESTS]
        .concat()
}

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return child(&role, &std::env::args().nth(1).unwrap_or_default());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests() {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let roles: &[&str] = if Uid::effective().is_root() { &["root", "user"] } else { &["self"] };
    let mut failed = 0;
    let mut passed = 0;
    for (name, _) in tests() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        for role in roles {
            let output = Command::new(std::env::current_exe().unwrap())
                .arg(name)
                .env(ROLE, role)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() {
                passed += 1;
                let note = text.lines().last().unwrap_or_default();
                println!("test {name} ({role}) ... ok {note}");
            } else {
                failed += 1;
                println!("test {name} ({role}) ... FAILED\n{text}");
                println!("{}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
    println!("\ntest result: {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn child(role: &str, name: &str) -> ExitCode {
    if role == "user" {
        become_nobody();
    }
    let Some((_, test)) = tests().into_iter().find(|(known, _)| *known == name) else {
        eprintln!("no test is called {name}");
        return ExitCode::from(2);
    };
    test();
    ExitCode::SUCCESS
}

/// Gives up root for good, as `setpriv --reuid` does.
fn become_nobody() {
    setgroups(&[]).unwrap();
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setresgid(gid, gid, gid).unwrap();
    setresuid(uid, uid, uid).unwrap();
    // After a change of user /proc/self belongs to root until the process may be dumped again;
    // a program that the user starts himself has no such trouble.
    nix::sys::prctl::set_dumpable(true).unwrap();
    assert!(!overlab::netns::Privileges::read().suffice(), "still privileged");
}
