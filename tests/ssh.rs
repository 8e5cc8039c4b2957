//! Tunnels over OpenSSH for real: its client and its server, each in a host's namespace.
//!
//! A process leaves the machine's namespaces once and while it has one thread, so every test runs
//! in a process of its own: this file is its own runner. Started as root, each test runs once as
//! root and once as user 65534; started as an ordinary user, as that user only.

// Sizes and numbers of tests are small.
#![allow(clippy::cast_possible_truncation)]

#[path = "ssh/carried.rs"]
mod carried;
#[path = "ssh/ended.rs"]
mod ended;
// Its other plans are for the tests of namespaces.
#[allow(dead_code)]
#[path = "netns/fixture.rs"]
mod fixture;
#[path = "ssh/wire.rs"]
mod wire;

use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

type Test = (&'static str, fn());

const ROLE: &str = "OVERLAB_TEST_ROLE";
const NOBODY: u32 = 65534;

fn tests() -> Vec<Test> {
    [carried::TESTS, ended::TESTS, wire::TESTS].concat()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Ok(role) = std::env::var(ROLE) {
        return child(&role, arguments.first().map_or("", String::as_str));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests() {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = missing() {
        println!("SKIPPED: tunnels over OpenSSH: {missing}");
        return ExitCode::from(u8::from(std::env::var_os("OVERLAB_CI").is_some()));
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(*f));
    let roles: &[&str] = if Uid::effective().is_root() { &["root", "user"] } else { &["self"] };
    let (mut passed, mut failed) = (0, 0);
    for (name, _) in tests().into_iter().filter(|(name, _)| chosen(name)) {
        for role in roles {
            if passes(name, role) { passed += 1 } else { failed += 1 }
        }
    }
    println!("\ntest result: {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// What is not here that the tests need.
fn missing() -> Option<String> {
    if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/net/tun") {
        return Some(format!("/dev/net/tun: {error}"));
    }
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let there = |program: &str| {
        path.split(':').any(|dir| std::path::Path::new(dir).join(program).is_file())
    };
    let programs = ["ssh", "sshd", "ssh-keygen"];
    programs.iter().find(|program| !there(program)).map(|program| format!("no {program} here"))
}

fn passes(name: &str, role: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.arg(name).env(ROLE, role).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        println!("test {name} ({role}) ... ok {}", text.trim().lines().last().unwrap_or_default());
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        println!("test {name} ({role}) ... FAILED\n{text}\n{why}");
    }
    output.status.success()
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
    // After a change of user /proc/self belongs to root until the process may be dumped again.
    nix::sys::prctl::set_dumpable(true).unwrap();
}
