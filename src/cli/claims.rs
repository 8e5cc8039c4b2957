//! `overlab claims`: the lesson's rows, the labs that prove them, and what those found last.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{FAILED, WRONG, list};
use crate::lab::{self, lesson};
use crate::measure::result::{ClaimResult, RunResult};
use crate::report::{self, claims};

/// Directories below the results' that are looked into.
const DEPTH: usize = 3;

/// `overlab claims`.
#[derive(Debug, clap::Args)]
pub struct Claims {
    /// The directory of the labs.
    #[arg(default_value = "labs")]
    pub labs: PathBuf,
    /// Where results are, at most three directories deep; the newest one of each lab counts.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub results: PathBuf,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// End with status 1 where a row failed, is out of date (a lab was changed after its run) or has labs without a result, and
    /// where a file could not be read.
    #[arg(long)]
    pub check: bool,
}

/// How the wall is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// A Markdown table.
    Md,
    /// One HTML page.
    Html,
    /// All of it, for programs.
    Json,
}

/// Writes the wall; returns the exit status, which says whether labs could be listed, and with `--check` whether
/// claims held.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn run(options: &Claims, out: &mut dyn Write) -> anyhow::Result<u8> {
    let labs = match list::files(&options.labs) {
        Ok(labs) => labs,
        Err(error) => {
            eprintln!("overlab: cannot list labs in {}: {error}", options.labs.display());
            return Ok(WRONG);
        }
    };
    let wall = wall(&labs, &options.results);
    match options.format {
        Format::Text => write!(out, "{}", claims::terminal(&wall, super::width(), super::color()))?,
        Format::Md => write!(out, "{}", claims::markdown(&wall))?,
        Format::Html => writeln!(out, "{}", claims::html(&wall))?,
        Format::Json => {
            writeln!(out, "{}", claims::json(&wall).context("cannot write the rows as JSON")?)?;
        }
    }
    Ok(if options.check && !wall.proved() { FAILED } else { 0 })
}

/// Every row with what the labs' newest results say about it.
fn wall(labs: &[PathBuf], results: &Path) -> claims::Wall {
    let mut wall = claims::Wall::default();
    let mut newest: BTreeMap<String, RunResult> = BTreeMap::new();
    search(results, DEPTH, &mut newest, &mut wall.unread);
    let mut proofs: BTreeMap<&str, Vec<claims::Proof>> = BTreeMap::new();
    for path in
        labs.iter().filter(|path| !matches!(lab::kind_of(path), Ok(lab::FileKind::Topology)))
    {
        let loaded = match lab::load(path) {
            Ok(loaded) => loaded,
            Err(faults) => {
                wall.unread.push(format!(
                    "{}: {} faults, see `overlab check`",
                    path.display(),
                    faults.0.len()
                ));
                continue;
            }
        };
        let name = stem(path);
        let result = newest.get(&name);
        let out_of_date = result.is_some_and(|run| run.lab_hash != loaded.hash());
        for claim in &lesson::CLAIMS {
            let about = |id: Option<&str>| id == Some(claim.id);
            if !loaded.lab.expect.iter().any(|e| about(e.claim.as_deref())) {
                continue;
            }
            let verdicts = result.into_iter().flat_map(|run| &run.expectations);
            let verdicts: Vec<_> =
                verdicts.filter(|v| about(v.claim.as_deref())).cloned().collect();
            proofs.entry(claim.id).or_default().push(claims::Proof {
                lab: name.clone(),
                started: result.map(|run| run.started.clone()),
                program: result.map(|run| format!("{} ({})", run.version, run.build)),
                out_of_date,
                verdicts,
            });
        }
    }
    let row = |claim: &lesson::Claim| {
        claims::Row::new(text(claim), proofs.remove(claim.id).unwrap_or_default())
    };
    wall.rows = lesson::CLAIMS.iter().map(row).collect();
    wall
}

fn text(claim: &lesson::Claim) -> ClaimResult {
    ClaimResult {
        id: claim.id.to_owned(),
        says: claim.says.to_owned(),
        theory: claim.theory.to_owned(),
        note: (!claim.note.is_empty()).then(|| claim.note.to_owned()),
    }
}

/// The newest whole result of each lab below a directory, by the lab's name.
fn search(
    dir: &Path,
    depth: usize,
    newest: &mut BTreeMap<String, RunResult>,
    unread: &mut Vec<String>,
) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.file_name().is_some_and(|name| name == "result.json") {
            match read(&path) {
                Ok(run) if run.complete => {
                    let name = stem(Path::new(&run.lab));
                    let older = newest.get(&name).is_some_and(|other| at(other) > at(&run));
                    if !older {
                        newest.insert(name, run);
                    }
                }
                // An interrupted run proves nothing.
                Ok(_) => {}
                Err(error) => unread.push(format!("{}: {error}", path.display())),
            }
        } else if depth > 0 && !hidden && path.is_dir() && !path.is_symlink() {
            search(&path, depth - 1, newest, unread);
        }
    }
}

fn read(path: &Path) -> anyhow::Result<RunResult> {
    let text = fs::read_to_string(path).map_err(|error: io::Error| anyhow::anyhow!("{error}"))?;
    Ok(report::read(&text)?)
}

/// When a run began; before all others where that cannot be read.
fn at(run: &RunResult) -> jiff::Timestamp {
    run.started.parse().unwrap_or(jiff::Timestamp::MIN)
}

/// A lab's name: its file without directory and ending.
fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::Verdict;

    #[test]
    fn the_newest_whole_result_of_a_lab_counts() {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().join("one.yaml");
        fs::write(
            &lab,
            "title: One\ntopology: single-switch\ncarrier: { encap: vxlan }\n\
             tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }]\n\
             expect: [{ overhead: 50, claim: C19 }]\n",
        )
        .unwrap();
        let mut run: RunResult =
            report::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        run.lab = "elsewhere/one.yaml".into();
        run.lab_hash = lab::load(&lab).unwrap().hash();
        let mut write = |name: &str, started: &str, held: bool, complete: bool| {
            run.started = started.into();
            run.complete = complete;
            run.expectations = vec![Verdict {
                claim: Some("C19".into()),
                held,
                what: name.into(),
                ..Verdict::default()
            }];
            let place = dir.path().join("found/deep").join(name);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("result.json"), report::json(&run).unwrap()).unwrap();
        };
        // Later by the clock, earlier in the file's own time zone.
        write("a-newer", "2026-01-01T10:00:00+00:00", true, true);
        write("b-older", "2026-01-01T11:00:00+02:00", false, true);
        write("c-broken-off", "2027-01-01T11:00:00+00:00", false, false);
        fs::create_dir_all(dir.path().join("found/damaged")).unwrap();
        fs::write(dir.path().join("found/damaged/result.json"), "{").unwrap();

        let found = dir.path().join("found");
        let wall = |lab: &PathBuf| super::wall(std::slice::from_ref(lab), &found);
        let before = wall(&lab);
        let changed = fs::read_to_string(&lab).unwrap().replace("title: One", "title: Two");
        fs::write(&lab, changed).unwrap();
        let after = wall(&lab);
        let state =
            |wall: &claims::Wall| wall.rows.iter().find(|row| row.claim.id == "C19").unwrap().state;
        assert_eq!(state(&after), claims::State::OutOfDate, "the lab is another one now");
        let wall = before;
        let row = |id: &str| wall.rows.iter().find(|row| row.claim.id == id).unwrap();
        assert_eq!(row("C19").state, claims::State::Held);
        assert_eq!(row("C19").labs[0].verdicts[0].what, "a-newer");
        assert_eq!(row("C1").state, claims::State::NoLab);
        assert_eq!(wall.rows.len(), lesson::CLAIMS.len());
        assert!(wall.unread.len() == 1 && wall.unread[0].contains("damaged"), "{:?}", wall.unread);
    }
}
