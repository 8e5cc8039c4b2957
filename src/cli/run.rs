//! `overlab run`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::output::Output;
use super::progress::Line;
use super::{CANNOT, FAILED, INTERRUPTED, WRONG, args};
use crate::lab::{self, Loaded};
use crate::measure::result::RunResult;
use crate::netns::{self, World};
use crate::plan::{Plan, plan};
use crate::report::{self, Files};
use crate::runner::{self, RunError};
use crate::testbed::Testbed;

/// Reads and plans a lab; says on standard error what is wrong with it.
pub fn load(path: &Path) -> Option<(Loaded, Plan)> {
    let loaded = match lab::load(path) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return None;
        }
    };
    match plan(&loaded.lab, &loaded.topology) {
        Ok(plan) => Some((loaded, plan)),
        Err(error) => {
            eprintln!("overlab: {}: {error}; nothing was built", path.display());
            None
        }
    }
}

/// Runs a lab and reports; returns the exit status.
pub fn run(options: &args::Run) -> anyhow::Result<u8> {
    let Some((loaded, mut plan)) = load(&options.lab) else { return Ok(WRONG) };
    if options.capture {
        plan.capture = Some(lab::Capture::Underlay);
    }
    // Before the namespaces of our own: leftovers are looked for in the machine's.
    let mut out = match Output::prepare(options) {
        Ok(out) => out,
        Err(error) => {
            eprintln!("overlab: {error:#}; nothing was built");
            return Ok(WRONG);
        }
    };
    // Relative paths are still the user's after this: only mounts and networks change.
    let world = match netns::enter() {
        Ok(world) => world,
        Err(error) => {
            eprintln!("overlab: {error}");
            eprintln!("`overlab doctor` says what this machine can do.");
            return Ok(CANNOT);
        }
    };
    let line = Arc::new(Line::new(plan.estimate()));
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = options.lab.display().to_string();
    let hash = loaded.hash();
    let outcome = runtime.block_on(async {
        let work = {
            let (line, stop, keep) = (Arc::clone(&line), Arc::clone(&stop), options.keep);
            let capture = out.capture();
            tokio::task::spawn_blocking(move || {
                let hold = |testbed: &Testbed| hold(&world, &plan, testbed, &line, &stop);
                let options = runner::Options {
                    lab: &name,
                    lab_hash: &hash,
                    capture: &capture,
                    progress: line.as_ref(),
                    stop: &stop,
                    keep: keep.then_some(&hold as &dyn Fn(&Testbed)),
                };
                runner::run(&world, &plan, options)
            })
        };
        until_done(work, &stop, &line).await
    });
    line.finish();
    let result = match outcome? {
        Ok(result) => result,
        Err(error) => {
            eprintln!("overlab: {error}");
            return Ok(if RunError::is_unsupported(&error) { CANNOT } else { FAILED });
        }
    };
    let files = out.finish(&result)?;
    show(options, &result, &files)?;
    Ok(if !result.complete {
        INTERRUPTED
    } else if result.expectations.iter().all(|v| v.held) {
        0
    } else {
        FAILED
    })
}

/// Waits for the work; the first signal asks it to stop, the second ends the process, whose
/// namespaces go with it.
async fn until_done<T>(
    mut work: tokio::task::JoinHandle<T>,
    stop: &AtomicBool,
    line: &Line,
) -> anyhow::Result<T> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            done = &mut work => return done.context("the run panicked; nothing is left of it"),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if stop.swap(true, Relaxed) {
            line.finish();
            std::process::exit(INTERRUPTED.into());
        }
        runner::Progress::stage(line, "interrupted: finishing this flow, then reporting");
    }
}

/// Says how to enter the testbed and waits for a signal.
fn hold(world: &World, plan: &Plan, testbed: &Testbed, line: &Line, stop: &AtomicBool) {
    line.finish();
    eprintln!("\nThe testbed stands with {} namespaces. To enter one:", testbed.namespaces());
    for variant in &plan.variants {
        if let Some(vm) = variant.vms().next() {
            eprintln!("  {}", world.shell(&variant.namespace(&vm.node)));
        }
    }
    eprintln!("Others: `ip netns list` in such a shell. Press Ctrl-C to remove everything.");
    while !stop.load(Relaxed) {
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Prints the table, or the document where `--json -` asks for it.
fn show(options: &args::Run, result: &RunResult, files: &Files) -> anyhow::Result<()> {
    let to_stdout = options.json.as_deref() == Some(Path::new("-"));
    if let Some(path) = options.json.as_ref().filter(|_| !to_stdout) {
        fs::write(path, report::json(result)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    if to_stdout {
        writeln!(out, "{}", report::json(result)?)?;
        return Ok(());
    }
    let (width, color) = (super::width(), super::color());
    writeln!(out, "{}", report::terminal(result, width, color))?;
    writeln!(out, "{}", report::closing(files, color))?;
    Ok(())
}
