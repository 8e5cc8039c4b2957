//! `overlab check`: whether labs and topologies are right, without building anything.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::lab::{self, Fault, FileKind};
use crate::plan;

/// What was found in one file.
#[derive(Debug, Serialize)]
struct Checked {
    /// The file as it was named.
    file: String,
    /// Whether it has no fault.
    ok: bool,
    /// Its faults and those of the topology it names.
    faults: Vec<Fault>,
}

/// Checks files, each a lab or a topology, and returns whether all are right.
///
/// With `json` one array goes to `out`; otherwise a line for each right file goes to `out` and
/// the faults of the others to `err`.
///
/// # Errors
/// Where `out` or `err` cannot be written to.
pub fn run(
    files: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<bool> {
    let mut checked = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let faults = match check(file) {
            Ok(what) => {
                if !json {
                    writeln!(out, "{name}: {what}")?;
                }
                Vec::new()
            }
            Err(faults) => {
                if !json {
                    writeln!(err, "{faults}")?;
                }
                faults.0
            }
        };
        checked.push(Checked { file: name, ok: faults.is_empty(), faults });
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &checked)?;
        writeln!(out)?;
    }
    Ok(checked.iter().all(|c| c.ok))
}

/// Checks one file and says what it is.
fn check(file: &Path) -> Result<String, lab::Faults> {
    if lab::kind_of(file)? == FileKind::Topology {
        let topology = lab::load_topology(file)?;
        return Ok(format!(
            "right, a topology of {}",
            lab::counted(topology.host_names().len(), "host")
        ));
    }
    let lab::Loaded { lab, topology, .. } = lab::load(file)?;
    // What only shows when addresses and routes are laid out.
    plan::plan(&lab, &topology).map_err(|error| {
        let file = file.display().to_string();
        lab::Faults(vec![Fault::whole(&file, error.to_string())])
    })?;
    let vms = lab.tenants.iter().map(|t| t.vms.len()).sum();
    let tenants = lab::counted(lab.tenants.len(), "tenant");
    Ok(format!("right, a lab of {tenants} and {}", lab::counted(vms, "VM")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_wrong_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let right = dir.path().join("right.yaml");
        let wrong = dir.path().join("wrong.yaml");
        std::fs::write(&right, "hosts: [h1, h2]\nlinks: [[h1, h2]]\n").unwrap();
        std::fs::write(&wrong, "hosts: [h1, h1]\n").unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert!(run(std::slice::from_ref(&right), false, &mut out, &mut err).unwrap());
        assert!(String::from_utf8(out).unwrap().ends_with("right, a topology of 2 hosts\n"));
        assert!(err.is_empty());

        let mut out = Vec::new();
        assert!(!run(&[right, wrong], true, &mut out, &mut err).unwrap());
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(found[0]["ok"], true);
        let paths = [0, 1].map(|n| found[1]["faults"][n]["path"].as_str());
        assert_eq!(paths, [Some("hosts[0]"), Some("hosts[1]")]);
        assert_eq!(found[1]["faults"][0]["line"], 1);
        assert!(err.is_empty());
    }
}
