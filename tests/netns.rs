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
use std::sync::Mutex;

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
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(*f));
    // What is timed runs alone; the rest mostly waits for spanning trees, so several run at once.
    let (timed, others): (Vec<_>, Vec<_>) = tests()
        .into_iter()
        .filter(|(name, _)| chosen(name))
        .flat_map(|(name, _)| roles.iter().map(move |role| (name, *role)))
        .partition(|(name, _)| name.starts_with("speed::"));
    let total = timed.len() + others.len();
    let failed = run(timed, 1) + run(others, 4);
    println!("\ntest result: {} passed; {failed} failed", total - failed);
    ExitCode::from(u8::from(failed > 0))
}

/// Runs tests, `at_once` at a time, and returns how many failed.
fn run(tests: Vec<(&'static str, &'static str)>, at_once: usize) -> usize {
    let queue = Mutex::new(tests.into_iter());
    let next = || queue.lock().unwrap().next();
    let work = || std::iter::from_fn(next).filter(|(name, role)| !passes(name, role)).count();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
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
    // After a change of user /proc/self belongs to root until the process may be dumped again;
    // a program that the user starts himself has no such trouble.
    nix::sys::prctl::set_dumpable(true).unwrap();
    assert!(!overlab::netns::Privileges::read().suffice(), "still privileged");
}
