//! `overlab run` of a directory: every lab in it, one after the other, each in a process of its own.
//!
//! A process per lab, because a run leaves the machine's namespaces for its own, and because a lab
//! that breaks off must not take the others with it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use super::{CANNOT, FAILED, INTERRUPTED, WRONG, args, list};
use crate::lab::{self, FileKind};
use crate::measure::result::RunResult;
use crate::report;

/// Lines of a lab's log that are shown where it failed without a result.
const LAST: usize = 12;

/// What became of one lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Held,
    Failed,
    /// The machine cannot do it.
    Cannot,
    Interrupted,
}

impl End {
    fn of(status: ExitStatus) -> End {
        match status.code() {
            Some(0) => End::Held,
            Some(code) if code == i32::from(CANNOT) => End::Cannot,
            Some(code) if code == i32::from(INTERRUPTED) => End::Interrupted,
            None if status.signal() == Some(Signal::SIGINT as i32) => End::Interrupted,
            _ => End::Failed,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            End::Held => "held",
            End::Failed => "FAILED",
            End::Cannot => "cannot",
            End::Interrupted => "interrupted",
        }
    }
}

/// The exit status for all: the worst.
fn status(ends: &[End]) -> u8 {
    let any = |end| ends.contains(&end);
    match () {
        () if any(End::Interrupted) => INTERRUPTED,
        () if any(End::Failed) => FAILED,
        () if any(End::Cannot) => CANNOT,
        () => 0,
    }
}

/// Runs every lab of a directory; returns the exit status.
///
/// # Errors
/// Where reports or standard output cannot be written.
pub fn run(options: &args::Run) -> anyhow::Result<u8> {
    if options.json.is_some() || options.keep {
        eprintln!(
            "overlab: --json and --keep are for one lab, and {} is a directory",
            options.lab.display()
        );
        return Ok(WRONG);
    }
    let mut labs = match list::files(&options.lab) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("overlab: cannot list labs in {}: {error}", options.lab.display());
            return Ok(WRONG);
        }
    };
    labs.retain(|path| !matches!(lab::kind_of(path), Ok(FileKind::Topology)));
    if labs.is_empty() {
        eprintln!("overlab: there are no labs in {}", options.lab.display());
        return Ok(WRONG);
    }
    let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
    let base =
        options.out.clone().unwrap_or_else(|| Path::new("reports").join(format!("all-{time}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ends, second) = runtime.block_on(all(&labs, &base, options))?;
    let of = |end| ends.iter().filter(|e| **e == end).count();
    let mut out = io::stdout().lock();
    write!(out, "\n{} of {} labs held", of(End::Held), labs.len())?;
    if second > 0 {
        write!(out, ", {second} of them only when run again")?;
    }
    for (end, words) in [(End::Failed, "failed"), (End::Cannot, "this machine cannot run")] {
        if of(end) > 0 {
            write!(out, ", {} {words}", of(end))?;
        }
    }
    if ends.len() < labs.len() || of(End::Interrupted) > 0 {
        write!(out, "; interrupted")?;
    }
    writeln!(out, ".\nReports: {}/", base.display())?;
    writeln!(
        out,
        "         `overlab claims --results {}` puts them beside the lesson",
        base.display()
    )?;
    Ok(status(&ends))
}

/// Runs the labs in turn; returns how each ended, and how many held only when they were run again.
async fn all(
    labs: &[PathBuf],
    base: &Path,
    options: &args::Run,
) -> anyhow::Result<(Vec<End>, usize)> {
    let wide = labs.iter().map(|lab| lab.display().to_string().chars().count()).max().unwrap_or(0);
    let (mut ends, mut second) = (Vec::new(), 0);
    for lab in labs {
        let name = lab.file_stem().unwrap_or_default();
        let dir = base.join(name);
        let mut tries = 0;
        let end = loop {
            fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let log = dir.join("run.log");
            let begun = Instant::now();
            let end = End::of(one(lab, &dir, &log, options).await?);
            let seconds = begun.elapsed().as_secs_f64();
            let found = fs::read_to_string(dir.join("result.json")).ok();
            let found = found.and_then(|text| report::read(&text).ok());
            tell(&format!("{:<wide$}", lab.display()), end, seconds, found.as_ref(), &log)?;
            tries += 1;
            if end != End::Failed || tries > options.again {
                break end;
            }
            let kept = base.join(format!("{}-failed-{tries}", name.display()));
            fs::rename(&dir, &kept).with_context(|| format!("cannot make {}", kept.display()))?;
        };
        second += usize::from(end == End::Held && tries > 1);
        ends.push(end);
        if end == End::Interrupted {
            break;
        }
    }
    Ok((ends, second))
}

/// One line of how a lab ended, and below it what failed.
fn tell(
    lab: &str,
    end: End,
    seconds: f64,
    found: Option<&RunResult>,
    log: &Path,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let expected = found.map_or_else(String::new, expectations);
    let line = format!("{lab}  {:<11}  {seconds:6.1} s  {expected}", end.words());
    writeln!(out, "{}", line.trim_end())?;
    for line in details(end, found, log) {
        writeln!(out, "    {line}")?;
    }
    out.flush()
}

/// Runs one lab with its output in a log. The first signal is handed on to it, and so is every other.
async fn one(
    lab: &Path,
    dir: &Path,
    log: &Path,
    options: &args::Run,
) -> anyhow::Result<ExitStatus> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("run").arg(lab).arg("--out").arg(dir);
    if options.capture {
        command.arg("--capture");
    }
    // A group of its own: the terminal's Ctrl-C is ours to hand on, once.
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
    let mut child = command.kill_on_drop(true).spawn().context("cannot start a run")?;
    let process = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if let Some(process) = process {
            // It may have ended meanwhile, which the wait tells.
            let _ = kill(process, Signal::SIGINT);
        }
    }
}

fn expectations(run: &RunResult) -> String {
    let held = run.expectations.iter().filter(|v| v.held).count();
    format!("{held} of {} expectations", run.expectations.len())
}

/// What failed and with which figures, or the end of the log where there is no result.
fn details(end: End, found: Option<&RunResult>, log: &Path) -> Vec<String> {
    match (end, found) {
        (End::Held | End::Interrupted, _) => Vec::new(),
        (End::Failed, Some(run)) => run
            .expectations
            .iter()
            .filter(|v| !v.held)
            .map(|v| format!("✗ {}: {} ({})", v.variant, v.what, v.figures()))
            .collect(),
        _ => {
            let text = fs::read_to_string(log).unwrap_or_default();
            // Stages tell how far it came, not why it ended.
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('[')).collect();
            lines[lines.len().saturating_sub(LAST)..].iter().map(ToString::to_string).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_is_the_status() {
        assert_eq!(status(&[End::Held, End::Held]), 0);
        assert_eq!(status(&[End::Held, End::Cannot]), CANNOT);
        assert_eq!(status(&[End::Cannot, End::Failed, End::Held]), FAILED);
        assert_eq!(status(&[End::Failed, End::Interrupted]), INTERRUPTED);
        let exit = |code: i32| End::of(ExitStatus::from_raw(code << 8));
        let ends = [0, 1, 2, 3, 130, 101].map(exit);
        use End::{Cannot, Failed, Held, Interrupted};
        assert_eq!(ends, [Held, Failed, Failed, Cannot, Interrupted, Failed]);
        assert_eq!(End::of(ExitStatus::from_raw(Signal::SIGKILL as i32)), Failed);
    }

    #[test]
    fn a_log_ends_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("run.log");
        fs::write(&log, "[  0.1 s] building\noverlab: no such thing\n").unwrap();
        assert_eq!(details(End::Cannot, None, &log), ["overlab: no such thing"]);
        assert!(details(End::Held, None, &log).is_empty());
    }
}
