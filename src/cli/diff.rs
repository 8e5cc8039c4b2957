//! `overlab diff`: what changed between two runs.

use std::io::Write;
use std::path::PathBuf;

use super::report::{load, surface, write};
use super::{FAILED, WRONG};
use crate::report::diff;

/// `overlab diff`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The result of the earlier run, or the directory of its report.
    pub before: PathBuf,
    /// The result of the later run, or the directory of its report.
    pub after: PathBuf,
    /// What is drawn.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Write to this file instead of standard output.
    #[arg(short, long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// End with status 1 where ratios to the plain path are lower beyond chance (rates, where there is no plain path), all of
    /// them held together, and where anything else changed for the worse: a flow, an expectation or a pair that fails now,
    /// more leaks, an attack that succeeds, smaller packets, or what the later run does not show any more.
    #[arg(long)]
    pub fail_on_regression: bool,
}

/// Formats of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for a terminal.
    Terminal,
    /// One self-contained page.
    Html,
    /// GitHub-flavoured Markdown.
    Md,
    /// All of it, as a JSON document.
    Json,
}

/// Draws the difference; exit status 0 whatever it is, unless asked otherwise, and 2 for what is no result of this
/// version.
///
/// # Errors
/// Where it cannot be written.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (Some(before), Some(after)) = (load(&options.before), load(&options.after)) else {
        return Ok(WRONG);
    };
    let found = diff::diff(&before, &after);
    let text = match options.format {
        Format::Terminal => found.terminal(surface(options.out.is_none()).0),
        Format::Html => found.html(),
        Format::Md => found.markdown(),
        Format::Json => serde_json::to_string_pretty(&found)? + "\n",
    };
    write(options.out.as_deref(), &text, out)?;
    Ok(if options.fail_on_regression && found.regressed() { FAILED } else { 0 })
}
