//! `overlab graph`: a lab or a topology as a picture.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::WRONG;
use crate::draw;
use crate::lab::{self, FileKind};
use crate::plan::{Plan, plan_wiring};

/// `overlab graph`.
#[derive(Debug, clap::Args)]
pub struct Graph {
    /// The lab file, or a topology file, of which only the wiring is drawn.
    pub lab: PathBuf,
    /// Write to this file: SVG, or DOT where it ends in `.dot` or `.gv` [default: SVG to standard output].
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Draw only this variant of the lab, e.g. vxlan.
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
}

/// Draws; returns the exit status.
///
/// # Errors
/// Where the picture cannot be written.
pub fn run(options: &Graph, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(mut plan) = load(&options.lab) else { return Ok(WRONG) };
    if let Some(name) = &options.variant {
        let names: Vec<String> = plan.variants.iter().map(|v| v.name.clone()).collect();
        plan.variants.retain(|variant| variant.name == *name);
        if plan.variants.is_empty() {
            eprintln!("overlab: there is no variant `{name}`; there are {}", names.join(", "));
            return Ok(WRONG);
        }
    }
    let is_dot = |path: &PathBuf| path.extension().is_some_and(|e| e == "dot" || e == "gv");
    let text =
        if options.out.as_ref().is_some_and(is_dot) { draw::dot(&plan) } else { draw::svg(&plan) };
    match &options.out {
        Some(path) if path != Path::new("-") => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        _ => out.write_all(text.as_bytes())?,
    }
    Ok(0)
}

/// The plan of a lab, or of the wiring of a topology.
fn load(path: &Path) -> Option<Plan> {
    if !matches!(lab::kind_of(path), Ok(FileKind::Topology)) {
        return super::run::load(path).map(|(_, plan)| plan);
    }
    let name = path.display().to_string();
    let topology = lab::load_topology(path).and_then(|topology| lab::bridged(&name, topology));
    let topology = match topology {
        Ok(topology) => topology,
        Err(faults) => {
            eprintln!("{faults}");
            return None;
        }
    };
    let title = topology.title.clone().unwrap_or(name);
    match plan_wiring(&topology, &title) {
        Ok(plan) => Some(plan),
        Err(error) => {
            eprintln!("overlab: {}: {error}", path.display());
            None
        }
    }
}
