//! The capture of a whole run.

use std::path::Path;

use super::RunError;
use crate::lab;
use crate::measure::capture::{Capture, LIMIT, Port};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// Starts to capture what the plan wants captured; `None` where it wants nothing.
pub(super) fn start(
    testbed: &Testbed,
    plan: &Plan,
    path: &Path,
) -> Result<Option<Capture>, RunError> {
    match plan.capture {
        None => Ok(None),
        Some(lab::Capture::Underlay) => {
            let ports: Vec<Port> = plan.variants.iter().flat_map(nics).collect();
            Ok(Some(Capture::start(testbed, &ports, path, LIMIT)?))
        }
    }
}

/// Ends it and says in a sentence what the file holds and what it does not.
pub(super) fn stop(capture: Capture, path: &Path) -> Result<String, RunError> {
    let summary = capture.stop()?;
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut note = format!(
        "{file} holds {} packets of the underlay. Capturing takes processor time, so the figures \
         of this run are not to be compared with those of a run without it.",
        summary.packets
    );
    if summary.omitted > 0 {
        let limit = LIMIT >> 20;
        note += &format!(
            " {} packets are left out: each interface has an equal share of {limit} MiB.",
            summary.omitted
        );
    }
    if summary.dropped > 0 {
        note += &format!(" {} packets came too fast to be written.", summary.dropped);
    }
    Ok(note)
}

/// Every host's interface towards the fabric.
fn nics(variant: &Variant) -> impl Iterator<Item = Port> {
    variant.edges.iter().map(|edge| Port {
        namespace: variant.namespace(&edge.host),
        interface: edge.nic.clone(),
        comment: match edge.vtep {
            Some(vtep) => format!("{}: host {}, VTEP {vtep}", variant.name, edge.host),
            None => format!("{}: host {}", variant.name, edge.host),
        },
    })
}
