//! Where a run's files go.
//!
//! A run writes into a directory that is called after its process, so that what a killed run
//! leaves is known for ours, and moves its files into place when all of them are whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{args, clean};
use crate::measure::result::RunResult;
use crate::report::{self, Files};

/// Where reports go unless `--out` says otherwise.
const REPORTS: &str = "reports";
/// The capture's name beside the report.
const CAPTURE: &str = "capture.pcapng";

/// A run's files, not yet in place. Dropping it removes them.
pub struct Output {
    unfinished: PathBuf,
    place: Place,
    /// A directory made for this run, to be taken back if nothing comes of it.
    made: Option<PathBuf>,
}

enum Place {
    /// A directory of its own in [`REPORTS`], called after the lab and the time.
    Named(String),
    /// The directory the user named.
    Given(PathBuf),
}

impl Output {
    /// Removes what killed runs left here, and makes the place to write to, before anything is
    /// built, so that a place that cannot be written is told at once.
    pub fn prepare(options: &args::Run) -> anyhow::Result<Self> {
        if let Some(file) = options.json.as_deref().filter(|path| *path != Path::new("-")) {
            can_be_written(file).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let base = options.out.as_deref().unwrap_or(Path::new(REPORTS));
        let cannot = || format!("cannot write reports to {}", base.display());
        let made = (!base.exists()).then(|| base.to_owned());
        fs::create_dir_all(base).with_context(cannot)?;
        for removed in clean::clean(base).removed {
            tracing::info!("removed {}, left by a killed run", removed.display());
        }
        let unfinished = base.join(clean::unfinished_name()?);
        fs::create_dir(&unfinished).with_context(cannot)?;
        let place = match &options.out {
            Some(dir) => Place::Given(dir.clone()),
            None => {
                let stem = options.lab.file_stem().map_or("lab".into(), |s| s.to_string_lossy());
                let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
                Place::Named(format!("{stem}-{time}"))
            }
        };
        let output = Output { unfinished, place, made };
        Ok(output)
    }

    /// Where a capture is to be written.
    pub fn capture(&self) -> PathBuf {
        self.unfinished.join(CAPTURE)
    }

    /// Writes the report and puts everything in place.
    pub fn finish(&mut self, result: &RunResult) -> anyhow::Result<Files> {
        let files = report::write(&self.unfinished, result)?;
        let paths = files.paths().map(Path::to_owned);
        let dir = match &self.place {
            Place::Given(dir) => {
                let capture = self.capture();
                for file in paths.iter().chain(capture.exists().then_some(&capture)) {
                    let name = file.file_name().unwrap_or_default();
                    fs::rename(file, dir.join(name))
                        .with_context(|| format!("cannot write to {}", dir.display()))?;
                }
                dir.clone()
            }
            Place::Named(name) => self.take_name(name)?,
        };
        self.made = None;
        Ok(files.moved(&dir))
    }

    /// Gives the directory its name; runs that began in the same second get a number.
    fn take_name(&self, name: &str) -> anyhow::Result<PathBuf> {
        for number in 1..1000 {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let dir = Path::new(REPORTS).join(format!("{name}{suffix}"));
            match fs::rename(&self.unfinished, &dir) {
                Ok(()) => return Ok(dir),
                // A directory of that name has files in it.
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(e) => {
                    return Err(e).with_context(|| format!("cannot write to {}", dir.display()));
                }
            }
        }
        anyhow::bail!("there are a thousand reports called {REPORTS}/{name} already")
    }
}

/// Whether a file can be written, or made where there is none.
fn can_be_written(file: &Path) -> nix::Result<()> {
    use nix::unistd::{AccessFlags, access};
    if file.is_dir() {
        return Err(nix::errno::Errno::EISDIR);
    }
    if file.exists() {
        return access(file, AccessFlags::W_OK);
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    access(parent.unwrap_or(Path::new(".")), AccessFlags::W_OK | AccessFlags::X_OK)
}

impl Drop for Output {
    fn drop(&mut self) {
        // Not there any more where it was given its name.
        let _ = fs::remove_dir_all(&self.unfinished);
        if let Some(made) = &self.made {
            // Only if nothing else came into it meanwhile.
            let _ = fs::remove_dir(made);
        }
    }
}
