//! `overlab report`: a report drawn again from a result.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::WRONG;
use crate::measure::result::RunResult;
use crate::report;

/// `overlab report`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The result document, or the directory of a report with its result.json.
    pub result: PathBuf,
    /// What is drawn.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Write to this file instead of standard output.
    #[arg(short, long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The table that a run ends with.
    Terminal,
    /// One self-contained page with charts.
    Html,
    /// GitHub-flavoured Markdown.
    Md,
    /// One figure per line.
    Csv,
    /// The result document itself, in this version's order.
    Json,
}

/// Draws the report; exit status 2 for what is no result of this version.
///
/// # Errors
/// Where it cannot be written.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(result) = load(&options.result) else { return Ok(WRONG) };
    let text = match options.format {
        Format::Terminal => {
            let (width, color) = surface(options.out.is_none());
            report::terminal(&result, width, color)
        }
        Format::Html => report::html(&result),
        Format::Md => report::markdown(&result),
        Format::Csv => report::csv(&result),
        Format::Json => report::json(&result)?,
    };
    write(options.out.as_deref(), &text, out)?;
    Ok(0)
}

/// Reads a result, or says on standard error why it is none.
pub(super) fn load(path: &Path) -> Option<RunResult> {
    let path = if path.is_dir() { path.join("result.json") } else { path.to_owned() };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("overlab: cannot read {}: {error}", path.display());
            return None;
        }
    };
    report::read(&text).map_err(|error| eprintln!("overlab: {}: {error}", path.display())).ok()
}

/// Columns of the terminal, and whether it takes colours.
pub(super) fn surface(to_stdout: bool) -> (usize, bool) {
    let color = to_stdout && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
    (width, color)
}

/// Writes a text to a file, or to standard output.
pub(super) fn write(file: Option<&Path>, text: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    match file {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => Ok(out.write_all(text.as_bytes())?),
    }
}
