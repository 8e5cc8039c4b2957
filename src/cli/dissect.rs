//! `overlab dissect`: every frame of a capture, layer by layer, and what a receiver makes of it.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::dissect::capture::Capture;
use crate::dissect::render::{self, Colours};
use crate::dissect::{Judge, KEYS, Settings};

/// `overlab dissect`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub struct Options {
    /// Capture file, pcap or pcapng; `-` reads it from standard input.
    pub file: PathBuf,
    /// One JSON object per frame and line.
    #[arg(long)]
    pub json: bool,
    /// Settings of the receiver that judges the frames; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub receiver: Vec<String>,
}

fn after_help() -> String {
    format!("Receiver settings (what is not said is as the frames have it):\n{KEYS}")
}

/// Why nothing could be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A receiver setting is wrong.
    #[error("--receiver {0}")]
    Setting(String),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Shows every frame. A damaged file is no failure: the frames before the damage are shown, and
/// then what is wrong and at which byte.
///
/// # Errors
/// A wrong setting, a file that cannot be read, an output that cannot be written.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let mut settings = Settings::default();
    for setting in &options.receiver {
        settings.set(setting).map_err(Error::Setting)?;
    }
    let file = read(&options.file).map_err(|source| {
        let file = options.file.clone();
        Error::File { file, source }
    })?;
    let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let colours = if coloured { Colours::terminal() } else { Colours::default() };
    let mut judge = Judge::new(settings);
    let mut first = None;
    let mut number = 0;
    for frame in Capture::new(&file) {
        let frame = match frame {
            Ok(frame) => frame,
            Err(damage) if options.json => {
                let line = json!({ "malformed": damage.what, "offset": damage.offset });
                writeln!(out, "{line}")?;
                break;
            }
            Err(damage) => {
                writeln!(out, "The file is damaged {damage}")?;
                break;
            }
        };
        number += 1;
        let time = frame.time.unwrap_or(0);
        let since = time - *first.get_or_insert(time);
        let now = u64::try_from(since).map_or(Duration::ZERO, Duration::from_nanos);
        let judged = judge.judge(now, frame.link, frame.bytes);
        if options.json {
            writeln!(out, "{}", render::json(number, &frame, &judged))?;
        } else {
            write!(out, "{}", render::tree(number, &frame, &judged, colours))?;
        }
    }
    Ok(())
}

fn read(file: &PathBuf) -> io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
