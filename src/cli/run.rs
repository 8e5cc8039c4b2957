//! `overlab run`.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::progress::Line;
use super::{CANNOT, FAILED, INTERRUPTED, WRONG, args};
use crate::lab::{self, Loaded};
use crate::measure::result::RunResult;
use crate::netns::{self, World};
use crate::plan::{Plan, plan};
use crate::report;
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
    let Some((_, plan)) = load(&options.lab) else { return Ok(WRONG) };
    // Relative paths are still the user's after this: only mounts and networks change.
    let world = match netns::enter() {
        Ok(world) => world,
        Err(error) => {
            eprintln!("overlab: {error}");
            eprintln!("`overlab doctor` says what this machine can do.");
            return Ok(CANNOT);
        }
    };
    let out = Output::new(options)?;
    let line = Arc::new(Line::new(plan.estimate()));
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = options.lab.display().to_string();
    let outcome = runtime.block_on(async {
        let work = {
            let (line, stop, keep) = (Arc::clone(&line), Arc::clone(&stop), options.keep);
            tokio::task::spawn_blocking(move || {
                let hold = |testbed: &Testbed| hold(&world, &plan, testbed, &line, &stop);
                let keep = keep.then_some(&hold as &dyn Fn(&Testbed));
                runner::run(&world, &plan, &name, line.as_ref(), &stop, keep)
            })
        };
        until_done(work, &stop, &line).await
    });
    line.finish();
    let result = match outcome? {
        Ok(result) => result,
        Err(error) => {
            eprintln!("overlab: {error}");
            out.discard();
            return Ok(if RunError::is_unsupported(&error) { CANNOT } else { FAILED });
        }
    };
    out.write(&result)?;
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

/// Where the report goes.
struct Output {
    dir: PathBuf,
    /// Whether we made the directory, and may remove it when there is nothing to put in it.
    made: bool,
    json: Option<PathBuf>,
}

impl Output {
    /// Makes the directory before anything is built, so that a wrong place is told at once.
    fn new(options: &args::Run) -> anyhow::Result<Self> {
        let json = options.json.clone();
        let cannot = |dir: &Path| format!("cannot write reports to {}", dir.display());
        if let Some(dir) = &options.out {
            let made = !dir.exists();
            fs::create_dir_all(dir).with_context(|| cannot(dir))?;
            return Ok(Output { dir: dir.clone(), made, json });
        }
        let reports = Path::new("reports");
        fs::create_dir_all(reports).with_context(|| cannot(reports))?;
        let stem = options.lab.file_stem().map_or("lab".into(), |s| s.to_string_lossy());
        let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
        // Runs that begin in the same second get directories of their own.
        for number in 1.. {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let dir = reports.join(format!("{stem}-{time}{suffix}"));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Output { dir, made: true, json }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).with_context(|| cannot(&dir)),
            }
        }
        unreachable!("some number is free")
    }

    fn discard(&self) {
        if self.made {
            // Removes it only if empty, which is what is wanted.
            let _ = fs::remove_dir(&self.dir);
        }
    }

    fn write(&self, result: &RunResult) -> anyhow::Result<()> {
        let files = report::write(&self.dir, result)?;
        let to_stdout = self.json.as_deref() == Some(Path::new("-"));
        if let Some(path) = self.json.as_ref().filter(|_| !to_stdout) {
            fs::write(path, report::json(result)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let mut out = io::stdout().lock();
        if to_stdout {
            writeln!(out, "{}", report::json(result)?)?;
            return Ok(());
        }
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
        writeln!(out, "{}", report::terminal(result, width, color))?;
        writeln!(out, "{}", report::closing(&files, color))?;
        Ok(())
    }
}
