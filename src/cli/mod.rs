//! Arguments, progress and exit codes.

mod args;
mod build;
pub mod check;
mod claims;
pub mod clean;
pub mod diff;
pub mod dissect;
pub mod doctor;
pub mod endpoint;
pub mod explain;
pub mod graph;
pub mod list;
mod output;
pub mod predict;
mod progress;
pub mod report;
mod run;
pub mod schema;
mod several;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};

/// One expectation failed, or a run broke off.
const FAILED: u8 = 1;
/// The lab or the command line is wrong.
const WRONG: u8 = 2;
/// This machine cannot do it.
const CANNOT: u8 = 3;
/// Ended by a signal from the keyboard: 128 + SIGINT, as shells count.
const INTERRUPTED: u8 = 130;

/// Runs the command line and returns the exit status: 0 held, 1 an expectation failed or the run
/// broke off, 2 wrong input, 3 this machine cannot do it, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    log(args.verbose);
    match dispatch(args.command) {
        Ok(status) => ExitCode::from(status),
        // A reader that closed the pipe early (`| head`) wanted no more.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overlab: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<u8> {
    let mut out = io::stdout().lock();
    match command {
        Command::Run(options) => {
            drop(out);
            if options.all || options.lab.is_dir() {
                several::run(&options)
            } else {
                run::run(&options)
            }
        }
        Command::Plan { lab, json } => {
            let Some((_, plan)) = run::load(&lab) else { return Ok(WRONG) };
            let text = if json { crate::plan::json(&plan)? } else { crate::plan::print(&plan) };
            writeln!(out, "{text}")?;
            Ok(0)
        }
        Command::Report(options) => report::run(&options, &mut out),
        Command::Diff(options) => diff::run(&options, &mut out),
        Command::Build(options) => {
            drop(out);
            build::run(&options)
        }
        Command::Graph(options) => graph::run(&options, &mut out),
        Command::Predict(options) => predict::run(&options, &mut out),
        Command::Check { files, json } => {
            let right = check::run(&files, json, &mut out, &mut io::stderr())?;
            Ok(if right { 0 } else { WRONG })
        }
        Command::List { dir, json } => match list::run(&dir, json, &mut out) {
            Ok(()) => Ok(0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                eprintln!("overlab: cannot list labs in {}: {e}", dir.display());
                Ok(WRONG)
            }
            Err(e) => Err(e.into()),
        },
        Command::Claims(options) => claims::run(&options, &mut out),
        Command::Doctor { json } => {
            let found = doctor::examine();
            writeln!(out, "{}", if json { found.json()? } else { found.text() })?;
            Ok(0)
        }
        Command::Clean { out: reports } => {
            write!(out, "{}", clean::clean(&reports))?;
            Ok(0)
        }
        Command::Dissect(options) => match dissect::run(&options, &mut out) {
            Ok(()) => Ok(0),
            Err(dissect::Error::Output(error)) => Err(error.into()),
            Err(error) => {
                eprintln!("overlab: {error}");
                Ok(WRONG)
            }
        },
        Command::Endpoint(options) => match endpoint::run(&options, &mut out) {
            Ok(()) => Ok(0),
            Err(error) => {
                eprintln!("overlab: {error}");
                Ok(match &error {
                    error if error.broke_off() => FAILED,
                    error if error.is_wrong_request() => WRONG,
                    _ => CANNOT,
                })
            }
        },
        Command::Explain { protocol } => {
            let known = explain::run(protocol.as_deref(), &mut out, &mut io::stderr())?;
            Ok(if known { 0 } else { WRONG })
        }
        Command::Schema { document } => {
            schema::run(document, &mut out)?;
            Ok(0)
        }
        Command::Completions { shell } => {
            // In memory first, since `generate` panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "overlab", &mut script);
            out.write_all(&script)?;
            Ok(0)
        }
    }
}

/// Columns of the terminal, or a width to read in a file.
fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0))
}

/// Whether standard output takes colours.
fn color() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "overlab=debug",
        _ => "overlab=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("OVERLAB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .init();
}
