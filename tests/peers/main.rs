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
#[path = "../support/preload.rs"]
mod preload;
mod tools;
mod tshark;
mod uml;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

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
    let mut arguments = Arguments::from_args();
    // One at a time: they push bulk data.
    arguments.test_threads = Some(1);
    let mut skipped = 0;
    let trials = cases().into_iter().map(|case| {
        let available = tools::available(case.programs, case.root);
        if let Err(why) = &available {
            eprintln!("SKIPPED: {}: {why}", case.name);
            skipped += 1;
        }
        let trial = Trial::test(case.name.clone(), move || in_own_process(&case.name));
        trial.with_ignored_flag(available.is_err())
    });
    let trials = trials.collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let wanted = std::env::var_os("OVERLAB_CI").is_some_and(|value| value == "1");
    ExitCode::from(u8::from(conclusion.has_failed() || wanted && skipped > 0))
}

/// Runs a case; shows its figures where it passed, and all that it said where not.
fn in_own_process(name: &str) -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?).args(["case", name]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        print!("{} ... ", text.trim());
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{text}\n{why}", output.status).into())
}

fn alone(name: &str) -> ExitCode {
    let Some(case) = cases().into_iter().find(|case| case.name == name) else {
        eprintln!("no case is called {name}");
        return ExitCode::from(2);
    };
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
