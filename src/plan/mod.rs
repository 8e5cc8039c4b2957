//! What will be built, pure and printable.
//!
//! [`plan`] turns a checked lab and its topology into a [`Plan`]. It needs no privilege, opens
//! nothing, and gives the same plan for the same files; [`print()`] and [`json`] show it.
//!
//! The files are the steps: `graph` expands the topology, `axis` lists what can be compared and `axes` crosses the compared values into
//! variants, `place` gives VMs their addresses, `address` keeps the underlay's addresses apart from
//! them, `route` finds the shortest paths, `edge` says what each host knows of the tenants, and
//! `variant` puts one network together; `new_tenant` counts what one more tenant takes.

mod address;
mod axes;
mod axis;
mod edge;
mod error;
mod estimate;
mod flow;
mod graph;
mod id;
mod joined;
mod model;
mod mtu;
mod multicast;
mod name;
mod new_tenant;
mod place;
mod predict;
mod print;
mod reroute;
mod route;
mod schedule;
mod stp;
mod switches;
mod variant;

pub use error::PlanError;
pub use id::{id_range, id_space};
pub use joined::{RouterPlan, RouterPort, SegmentPlan};
pub use model::*;
pub use new_tenant::NewTenant;
pub use predict::{
    Broadcast, CarrierPrediction, Ids, Many, Placement, Prediction, Scale, grouped, predict,
    predict_scale,
};
pub use print::{json, print};
pub use reroute::reroute;
pub use schedule::{Pair, Schedule};
pub use stp::{PortRole, SpanningTree};

use crate::ids::Encap;
use crate::lab::topology::Generator;
use crate::lab::{Carrier, Compare, Expected, Fabric, Lab, Measure, Topology, TopologyRef, Watch};
use address::Ranges;
use graph::Graph;

/// Plans the wiring of a topology alone: bridged, so that spanning tree shows, unless it is routed.
///
/// # Errors
/// As [`plan()`].
pub fn plan_wiring(topology: &Topology, title: &str) -> Result<Plan, PlanError> {
    let routed = topology.generator().is_some_and(Generator::routed);
    plan(&bare(topology, title, if routed { Fabric::L3 } else { Fabric::L2 }), topology)
}

/// A lab of nothing but a topology.
fn bare(topology: &Topology, title: &str, fabric: Fabric) -> Lab {
    Lab {
        title: title.to_owned(),
        about: None,
        topology: TopologyRef::Inline(topology.clone()),
        carrier: Carrier { encap: Encap::None, fabric, ..Carrier::default() },
        compare: Compare::default(),
        tenants: Vec::new(),
        routers: Vec::new(),
        segments: Vec::new(),
        traffic: Vec::new(),
        events: Vec::new(),
        watch: Watch::default(),
        detection: None,
        probes: Vec::new(),
        measure: Measure::default(),
        expect: Vec::new(),
        capture: None,
        published: None,
        seed: 0,
    }
}

/// Plans a lab on its topology.
///
/// `lab` and `topology` are expected to have passed the reader's checks; what the reader let
/// through and cannot be built is refused here too, one fault at a time.
///
/// # Errors
/// What cannot be built, with its object, the reason and what to change.
pub fn plan(lab: &Lab, topology: &Topology) -> Result<Plan, PlanError> {
    let mut variants = Vec::new();
    for (label, topology) in wirings(lab, topology) {
        let graph = Graph::new(topology)?;
        let (placed, trunks) = place::place(lab, &graph)?;
        let ranges = Ranges::new(lab, &graph)?;
        for mut choice in axes::cross(lab, topology, &placed)? {
            if let Some(label) = &label {
                choice.name += label;
                choice.baseline = choice.baseline.map(|name| name + label);
            }
            let other = (choice.rate != topology.rate)
                .then(|| Graph::new(&Topology { rate: choice.rate, ..topology.clone() }))
                .transpose()?;
            let graph = other.as_ref().unwrap_or(&graph);
            let mut variant = variant::build(lab, &choice, graph, &ranges, &placed, &trunks)?;
            switches::tell(topology, &mut variant);
            variants.push(variant);
        }
    }
    check_expectations(lab, &variants)?;
    Ok(Plan {
        title: lab.title.clone(),
        about: lab.about.clone(),
        seed: lab.seed,
        variants,
        flows: flow::flows(lab)?,
        schedule: schedule::schedule(lab)?,
        probes: lab.probes.clone(),
        measure: lab.measure.clone(),
        expect: lab.expect.clone(),
        capture: lab.capture,
        published: lab.published.clone(),
    })
}

/// Variants that are named anywhere are there.
fn check_names<'a>(
    mut named: impl Iterator<Item = &'a String>,
    variants: &[Variant],
) -> Result<(), PlanError> {
    let Some(name) = named.find(|name| !variants.iter().any(|v| v.name == **name)) else {
        return Ok(());
    };
    let known: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
    Err(PlanError::NoVariant { name: name.clone(), known: known.join(", ") })
}

/// The topologies to build on, each with what it adds to the names of variants.
fn wirings<'l>(lab: &'l Lab, only: &'l Topology) -> Vec<(Option<String>, &'l Topology)> {
    let compared = lab.compare.topology.iter();
    let all: Vec<_> = compared
        .filter_map(|c| Some((Some(format!("-{}", c.label())), c.topology.as_ref()?)))
        .collect();
    if all.is_empty() { vec![(None, only)] } else { all }
}

/// Expectations name variants and links that only the plan knows.
fn check_expectations(lab: &Lab, variants: &[Variant]) -> Result<(), PlanError> {
    let listed = |names: Vec<&str>| names.join(", ");
    let published = lab.published.iter().flat_map(|p| &p.figures);
    check_names(published.filter_map(|figure| figure.variant.as_ref()), variants)?;
    for expectation in &lab.expect {
        let compared = match &expectation.what {
            Expected::Throughput(expected) | Expected::Cpu(expected) => expected.of.as_ref(),
            Expected::Unaware { of, .. } => of.as_ref(),
            _ => None,
        };
        check_names(expectation.variant.iter().chain(compared), variants)?;
        // With several topologies each variant has links of its own.
        let about = |v: &&Variant| expectation.variant.as_ref().is_none_or(|name| *name == v.name);
        let (Expected::Spread { links, .. }, Some(first)) =
            (&expectation.what, variants.iter().find(about))
        else {
            continue;
        };
        if let Some(name) = links.iter().find(|name| !first.links.iter().any(|l| l.name == **name))
        {
            let known = listed(first.links.iter().map(|l| l.name.as_str()).collect());
            return Err(PlanError::NoLinkCalled { name: name.clone(), known });
        }
    }
    Ok(())
}
