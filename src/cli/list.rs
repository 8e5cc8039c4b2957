//! `overlab list`: the labs here.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::lab;

/// One lab of the list.
#[derive(Debug, Serialize)]
struct Listed {
    /// Path of the lab file.
    lab: String,
    /// Its title; absent where it has faults.
    title: Option<String>,
    /// Its encapsulations.
    carriers: Vec<String>,
    /// Seconds that its flows run for over all variants and rounds.
    traffic_seconds: f64,
    /// How many faults it has.
    faults: usize,
}

/// Writes a line for each lab in a directory, as a table or with `json` as one array.
///
/// # Errors
/// Where the directory cannot be read or `out` cannot be written to.
pub fn run(dir: &Path, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let labs: Vec<Listed> = files(dir)?.iter().map(|path| listed(path)).collect();
    if json {
        serde_json::to_writer_pretty(&mut *out, &labs)?;
        return writeln!(out);
    }
    if labs.is_empty() {
        return writeln!(out, "no labs in {}", dir.display());
    }
    let mut table = Builder::default();
    table.push_record(["LAB", "CARRIERS", "TRAFFIC", "TITLE"]);
    for lab in &labs {
        let title = lab.title.clone().unwrap_or_else(|| {
            let plural = if lab.faults == 1 { "" } else { "s" };
            format!("{} fault{plural}: see `overlab check {}`", lab.faults, lab.lab)
        });
        let time = format!("{:.0} s", lab.traffic_seconds);
        table.push_record([lab.lab.clone(), lab.carriers.join(", "), time, title]);
    }
    writeln!(out, "{}", table.build().with(Style::blank()))
}

/// The YAML files of a directory in the order of their names.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn listed(path: &Path) -> Listed {
    let name = path.display().to_string();
    match lab::load(path) {
        Ok(loaded) => Listed {
            lab: name,
            title: Some(loaded.lab.title.clone()),
            carriers: loaded.lab.encaps().iter().map(ToString::to_string).collect(),
            traffic_seconds: loaded.traffic_time().as_secs_f64(),
            faults: 0,
        },
        Err(faults) => Listed {
            lab: name,
            title: None,
            carriers: Vec::new(),
            traffic_seconds: 0.0,
            faults: faults.0.len(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_lab_is_listed_with_its_faults() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "title: x\n").unwrap();
        std::fs::write(
            dir.path().join("b.yaml"),
            "title: Two VMs\ntopology: one-switch\ncompare: { encap: [vlan, vxlan] }\n\
             tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }]\n\
             traffic: [{ tcp: { from: red/a, to: red/b, for: 2s } }]\nmeasure: { rounds: 2 }\n",
        )
        .unwrap();
        let mut out = Vec::new();
        run(dir.path(), true, &mut out).unwrap();
        let labs: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&labs[0]["faults"], &labs[0]["title"]), (&2.into(), &serde_json::Value::Null));
        assert_eq!(labs[1]["title"], "Two VMs");
        // Two encapsulations on two fabrics, each with its plain path: 4 x 2 rounds x 2 s.
        assert_eq!(labs[1]["traffic_seconds"], 16.0);

        let mut out = Vec::new();
        run(dir.path(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2 faults: see"), "{text}");
        assert!(text.contains("vlan, vxlan"), "{text}");
    }
}
