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
            let about = about(plan);
            Ok(Some(Capture::start(testbed, &ports, path, &about, LIMIT)?))
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

/// What a reader of the file should know: the lab, its variants, and what each packet is.
fn about(plan: &Plan) -> String {
    let variants = plan.variants.iter().map(|v| {
        let fabric = v.fabric.name();
        format!("{} ({}, {} fabric, MTU {})", v.name, v.encap, fabric, v.underlay_mtu)
    });
    format!(
        "{}. The underlay at every host, one interface per namespace and variant: {}. Super-frames \
         are cut and checksums finished, so each packet is one that a cable could have carried; \
         the same packet appears at the host that sent it and at the one that received it.",
        plan.title,
        variants.collect::<Vec<_>>().join("; ")
    )
}

/// Every host's interfaces towards the fabric, and the trunks of segments.
fn nics(variant: &Variant) -> impl Iterator<Item = Port> {
    let hosts = variant.edges.iter().flat_map(|edge| {
        let ends = variant.links.iter().flat_map(|link| {
            let [a, b] = &link.ends;
            [(a, b), (b, a)]
        });
        ends.filter(|(end, _)| end.node == edge.host).map(|(end, peer)| {
            let vtep = match edge.vtep {
                Some(vtep) => format!(", VTEP {vtep}"),
                None => String::new(),
            };
            let (name, host, peer) = (&variant.name, &edge.host, &peer.node);
            Port {
                namespace: variant.namespace(&edge.host),
                interface: end.interface.clone(),
                comment: format!("variant {name}: host {host} towards {peer}{vtep}"),
            }
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    let trunks = variant.segments.iter().filter(move |segment| seen.insert(&segment.switch));
    let trunks = trunks.map(|segment| {
        let (name, host, switch) = (&variant.name, &segment.gateway, &segment.switch);
        Port {
            namespace: variant.namespace(host),
            interface: segment.trunk.clone(),
            comment: format!("variant {name}: trunk of host {host} towards {switch}"),
        }
    });
    hosts.chain(trunks)
}
