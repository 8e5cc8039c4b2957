//! Our engines against software that others wrote: tshark reads what they send, and the Linux 6.1
//! of user-mode Linux and Open vSwitch's userspace datapath talk to them, both ways.
//!
//! Each case runs in a process of its own, because a process leaves the machine's namespaces once
//! and while it has one thread; so this file is its own runner. A case whose peer is not
//! installed is skipped aloud, and fails where `OVERLAB_CI=1`. `.ci/run` installs the peers.

// Sizes and numbers of tests are small.
#![allow(clippy::cast_possible_truncation, clippy::cast_lossless)]

mod bench;
mod cases;
mod emitted;
mod guest;
mod ovs;
mod tools;
mod tshark;
mod uml;

use std::path::Path;
use std::process::{Command, ExitCode};

use tools::SKIPPED;

/// One case: its name, the programs it needs, and whether it needs root.
pub struct Case {
    name: String,
    programs: &'static [&'static str],
    root: bool,
    run: Box<dyn Fn()>,
}

fn cases() -> Vec<Case> {
    [emitted::cases(), cases::all()].into_iter().flatten().collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["guest", ..] => return guest::main(&arguments[1..]),
        ["case", name] => return alone(name),
        _ => {}
    }
    if arguments.iter().any(|argument| argument == "--list") {
        for case in cases() {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(*f));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for case in cases().into_iter().filter(|case| chosen(&case.name)) {
        match in_own_process(&case.name) {
            Some(0) => passed += 1,
            Some(SKIPPED) => skipped += 1,
            _ => failed += 1,
        }
    }
    println!("\ntest result: {passed} passed; {failed} failed; {skipped} skipped");
    let wanted = std::env::var_os("OVERLAB_CI").is_some_and(|value| value == "1");
    ExitCode::from(u8::from(failed > 0 || wanted && skipped > 0))
}

/// Runs a case and shows what it said where it did not pass.
fn in_own_process(name: &str) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().expect("our own path"));
    let output = child.args(["case", name]).output().expect("start ourselves");
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => println!("test {name} ... ok {}", text.trim()),
        Some(SKIPPED) => println!("test {name} ... {}", text.trim()),
        _ => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("test {name} ... FAILED ({})\n{text}\n{why}", output.status);
        }
    }
    output.status.code()
}

fn alone(name: &str) -> ExitCode {
    let Some(case) = cases().into_iter().find(|case| case.name == name) else {
        eprintln!("no case is called {name}");
        return ExitCode::from(2);
    };
    if let Err(why) = tools::available(case.programs, case.root) {
        println!("SKIPPED: {why}");
        return ExitCode::from(SKIPPED as u8);
    }
    (case.run)();
    ExitCode::SUCCESS
}

/// A directory of the case's own, gone at its end.
fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("overlab-peers").tempdir().expect("a temporary directory")
}

/// A path as text, as programs' arguments want it.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}
