//! `overlab list`: the labs, or the topologies, of a directory.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::{lab, plan};

/// One lab of the list, or one topology.
#[derive(Debug, Serialize)]
struct Listed {
    /// Path of the file.
    lab: String,
    /// Its title; absent where it has faults.
    title: Option<String>,
    /// Its encapsulations.
    carriers: Vec<String>,
    /// Seconds that a run takes, roughly; absent where it has faults.
    seconds: Option<f64>,
    /// How many faults it has.
    faults: usize,
    /// Nodes and cables, where it is a topology.
    #[serde(skip_serializing_if = "Option::is_none")]
    topology: Option<Size>,
}

/// How large a topology is.
#[derive(Debug, Serialize)]
struct Size {
    hosts: u64,
    switches: u64,
    links: u64,
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
    let (topologies, labs): (Vec<_>, Vec<_>) = labs.iter().partition(|l| l.topology.is_some());
    if !labs.is_empty() {
        lab_table(&labs, out)?;
    }
    if !topologies.is_empty() {
        topology_table(&topologies, out)?;
    }
    Ok(())
}

fn lab_table(labs: &[&Listed], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Builder::default();
    table.push_record(["LAB", "CARRIERS", "TAKES", "TITLE"]);
    for lab in labs {
        let title = lab.title.clone().unwrap_or_else(|| {
            format!("{}: see `overlab check {}`", lab::counted(lab.faults, "fault"), lab.lab)
        });
        let time = lab.seconds.map_or_else(String::new, |s| format!("{s:.0} s"));
        table.push_record([lab.lab.clone(), lab.carriers.join(", "), time, title]);
    }
    writeln!(out, "{}", table.build().with(Style::blank()))
}

fn topology_table(topologies: &[&Listed], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Builder::default();
    table.push_record(["TOPOLOGY", "HOSTS", "SWITCHES", "LINKS", "TITLE"]);
    for listed in topologies {
        let Some(Size { hosts, switches, links }) = &listed.topology else { continue };
        let [hosts, switches, links] = [hosts, switches, links].map(ToString::to_string);
        let title = listed.title.clone().unwrap_or_default();
        table.push_record([listed.lab.clone(), hosts, switches, links, title]);
    }
    writeln!(out, "{}", table.build().with(Style::blank()))
}

/// The YAML files of a directory in the order of their names.
pub(super) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
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
    if matches!(lab::kind_of(path), Ok(lab::FileKind::Topology))
        && let Ok(topology) = lab::load_topology(path)
    {
        let lab::topology::Counts { hosts, switches, links } = topology.counts();
        return Listed {
            lab: name,
            title: topology.title,
            carriers: Vec::new(),
            seconds: None,
            faults: 0,
            topology: Some(Size { hosts, switches, links }),
        };
    }
    match lab::load(path) {
        Ok(loaded) => {
            let plan = plan::plan(&loaded.lab, &loaded.topology).ok();
            Listed {
                lab: name,
                carriers: loaded.lab.encaps().iter().map(ToString::to_string).collect(),
                seconds: plan.as_ref().map(|plan| plan.estimate().as_secs_f64()),
                faults: usize::from(plan.is_none()),
                title: plan.map(|plan| plan.title),
                topology: None,
            }
        }
        Err(faults) => Listed {
            lab: name,
            title: None,
            carriers: Vec::new(),
            seconds: None,
            faults: faults.0.len(),
            topology: None,
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
            "title: Two VMs\ntopology: single-switch\ncompare: { encap: [vlan, vxlan] }\n\
             tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }]\n\
             traffic: [{ tcp: { from: red/a, to: red/b, for: 2s } }]\nmeasure: { rounds: 2 }\n",
        )
        .unwrap();
        let mut out = Vec::new();
        run(dir.path(), true, &mut out).unwrap();
        let labs: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&labs[0]["faults"], &labs[0]["title"]), (&2.into(), &serde_json::Value::Null));
        assert_eq!(labs[1]["title"], "Two VMs");
        // Two encapsulations on two fabrics, each with its plain path: 4 x 2 rounds x 2 s of flows.
        assert!(labs[1]["seconds"].as_f64().unwrap() > 16.0);

        let mut out = Vec::new();
        run(dir.path(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2 faults: see"), "{text}");
        assert!(text.contains("vlan, vxlan"), "{text}");
    }

    #[test]
    fn topologies_are_listed_with_their_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let text = "title: Pods\nfat-tree: { k: 4 }\n";
        std::fs::write(dir.path().join("pods.yaml"), text).unwrap();
        let mut out = Vec::new();
        run(dir.path(), true, &mut out).unwrap();
        let listed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let size = serde_json::json!({ "hosts": 16, "switches": 20, "links": 48 });
        assert_eq!((&listed[0]["title"], &listed[0]["topology"]), (&"Pods".into(), &size));
        let mut out = Vec::new();
        run(dir.path(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(" TOPOLOGY") && !text.contains("CARRIERS"), "{text}");
    }
}
