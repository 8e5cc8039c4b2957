//! The files of a report on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{csv, html, json, markdown};
use crate::measure::result::RunResult;

/// Where a report was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// `report.md`.
    pub markdown: PathBuf,
    /// `report.html`.
    pub html: PathBuf,
    /// `result.json`.
    pub json: PathBuf,
    /// `result.csv`.
    pub csv: PathBuf,
}

impl Files {
    /// All paths, the one to open first in front.
    #[must_use]
    pub fn paths(&self) -> [&Path; 4] {
        [&self.html, &self.markdown, &self.json, &self.csv]
    }

    /// The same files in another directory, after they were moved there.
    #[must_use]
    pub fn moved(&self, dir: &Path) -> Files {
        let there = |path: &Path| dir.join(path.file_name().unwrap_or_default());
        Files {
            markdown: there(&self.markdown),
            html: there(&self.html),
            json: there(&self.json),
            csv: there(&self.csv),
        }
    }
}

/// Writes `report.md`, `report.html`, `result.json` and `result.csv` into `dir`, which is made where
/// missing. Each appears whole or not at all: all are written under temporary names beside their
/// places, then renamed.
///
/// # Errors
/// What the file system refused, with the path; no temporary file is left then.
pub fn write(dir: &Path, run: &RunResult) -> io::Result<Files> {
    fs::create_dir_all(dir).map_err(|e| at("cannot make directory", dir, &e))?;
    let contents = [
        ("report.md", markdown(run)),
        ("report.html", html(run)),
        ("result.json", json(run).map_err(io::Error::other)?),
        ("result.csv", csv(run)),
    ];
    let mut staged = Vec::new();
    let outcome = stage(dir, &contents, &mut staged);
    if outcome.is_err() {
        for (temporary, _) in &staged {
            // Those already renamed are gone from here; the first error is the one to tell.
            let _ = fs::remove_file(temporary);
        }
    }
    outcome?;
    Ok(Files {
        markdown: dir.join("report.md"),
        html: dir.join("report.html"),
        json: dir.join("result.json"),
        csv: dir.join("result.csv"),
    })
}

fn stage(
    dir: &Path,
    contents: &[(&str, String)],
    staged: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<()> {
    for (name, text) in contents {
        let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
        staged.push((temporary.clone(), dir.join(name)));
        let mut file = File::create(&temporary).map_err(|e| at("cannot write", &temporary, &e))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| at("cannot write", &temporary, &e))?;
    }
    for (temporary, path) in staged.iter() {
        fs::rename(temporary, path).map_err(|e| at("cannot replace", path, &e))?;
    }
    Ok(())
}

fn at(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}
