//! Tests that each run in a process of their own: a process leaves the machine's namespaces once,
//! and while it has one thread, which no ordinary test process has.
//!
//! The process that cargo starts lists the tests and starts itself again for each of them, as root
//! and as user 65534 where it is root and the tests are for both, otherwise as the user it is.

// Each test program uses a part of this.
#![allow(dead_code)]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// A test's name and what it does.
pub type Test = (&'static str, fn());

/// Who runs each test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Root and an ordinary user, where this is root.
    Both,
    /// The user who started the tests.
    Starter,
}

const ROLE: &str = "OVERLAB_TEST_ROLE";
const NOBODY: u32 = 65534;

/// Where this process was started to run one test: runs it and says how it went.
pub fn child(tests: &[Test]) -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let name = std::env::args().nth(1).unwrap_or_default();
    if role == "user" {
        become_nobody();
    }
    let Some((_, test)) = tests.iter().find(|(known, _)| *known == name) else {
        eprintln!("no test is called {name}");
        return Some(ExitCode::from(2));
    };
    test();
    Some(ExitCode::SUCCESS)
}

/// Runs the tests that the command line chooses, `at_once` at a time, each in its own process.
/// With `missing`, what they need and this machine has not, they are skipped aloud, and fail where
/// `OVERLAB_CI` is set.
pub fn parent(tests: &[Test], by: By, at_once: usize, missing: Option<&str>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_once);
    if let Some(missing) = missing {
        eprintln!("SKIPPED: {missing}");
        return ExitCode::from(u8::from(std::env::var_os("OVERLAB_CI").is_some()));
    }
    let roles: &[&str] = match by {
        By::Both if Uid::effective().is_root() => &["root", "user"],
        By::Both | By::Starter => &["self"],
    };
    // What a test found out is told beside its name, where it runs alone.
    let told = arguments.test_threads == Some(1);
    let both = tests.iter().flat_map(|(name, _)| roles.iter().map(move |role| (*name, *role)));
    let trials = both.map(|(name, role)| {
        Trial::test(format!("{name} ({role})"), move || in_own_process(name, role, told))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn in_own_process(name: &str, role: &str, told: bool) -> Result<(), Failed> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.arg(name).env(ROLE, role).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        if let Some(line) = text.trim().lines().last().filter(|_| told) {
            print!("{line} ... ");
        }
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{text}\n{why}", output.status).into())
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
