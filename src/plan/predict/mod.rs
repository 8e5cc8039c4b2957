//! What a data centre of a size needs in tunnels, table entries, routes and packets, per carrier.
//!
//! [`predict()`] takes a lab, [`predict_scale`] a number of hosts, VMs and tenants that no machine
//! here could build. Both count with the plan's own parts: the topology's graph, the routes that
//! `route` finds, the presence of tenants that `edge` makes peers from, the ids that `id` gives
//! out, and the spanning tree. Nothing is scaled up from a smaller plan.

mod broadcast;
mod carrier;
mod many;
mod scale;

use serde::Serialize;

pub use broadcast::Broadcast;
pub use carrier::{CarrierPrediction, Ids};
pub use many::{Many, grouped};
pub use scale::{Placement, Scale, predict_scale};

use super::edge::Presence;
use super::graph::Graph;
use super::{PlanError, axes, place};
use crate::lab::{Lab, Learning, Topology, in_groups};
use carrier::{Asked, Scene, Shared};

/// What was predicted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// Hosts of the topology.
    pub hosts: u64,
    /// Hosts with VMs.
    pub hosts_used: u64,
    /// Switches that a host is joined to.
    pub tors: u64,
    /// The other switches.
    pub spines: u64,
    /// Cables.
    pub links: u64,
    /// Tenants.
    pub tenants: u64,
    /// VMs of all tenants.
    pub vms: u64,
    /// One for each way to carry them.
    pub carriers: Vec<CarrierPrediction>,
    /// What the figures rest on.
    pub notes: Vec<String>,
}

/// Predicts for every variant of a lab.
///
/// # Errors
/// As [`super::plan()`].
pub fn predict(lab: &Lab, topology: &Topology) -> Result<Prediction, PlanError> {
    let graph = Graph::new(topology)?;
    let (placed, _) = place::place(lab, &graph)?;
    let numbers = graph.host_numbers();
    let present: Vec<Presence> =
        placed.iter().map(|vms| Presence::of(vms.iter().map(|vm| numbers[vm.host]))).collect();
    let carriers = axes::cross(lab, topology, &placed)?
        .into_iter()
        .map(|choice| {
            let tenants = choice.tenants.iter().map(|&t| &present[t]).collect();
            let mut scene =
                Scene { graph: &graph, topology, present: tenants, shared: Shared::default() };
            let learning = choice.carrier.learning;
            let asked = Asked {
                name: choice.name,
                encap: choice.encap,
                fabric: choice.fabric,
                multicast: in_groups(choice.encap) && learning == Learning::Multicast,
            };
            scene.predict(asked)
        })
        .collect::<Result<_, _>>()?;
    Ok(whole(&graph, topology, &present, carriers))
}

/// Puts the counts of the scene beside the carriers'.
fn whole(
    graph: &Graph,
    topology: &Topology,
    present: &[Presence],
    carriers: Vec<CarrierPrediction>,
) -> Prediction {
    let mut used = vec![false; graph.hosts().count()];
    for (host, _) in present.iter().flat_map(Presence::hosts) {
        used[host] = true;
    }
    let tors = (0..graph.nodes.len()).filter(|&node| carrier::is_tor(graph, node)).count() as u64;
    let hosts = used.len() as u64;
    Prediction {
        hosts,
        hosts_used: used.iter().filter(|used| **used).count() as u64,
        tors,
        spines: graph.nodes.len() as u64 - hosts - tors,
        links: graph.cables.len() as u64,
        tenants: present.len() as u64,
        vms: present.iter().map(Presence::vms).sum(),
        carriers,
        notes: notes(topology),
    }
}

/// What the figures rest on.
fn notes(topology: &Topology) -> Vec<String> {
    // A port that lets fewer VLANs pass makes less of everything.
    let trunks = if topology.ports.is_empty() {
        "Every trunk of a bridged fabric carries every VLAN, so that each of its switches learns every \
         VM."
    } else {
        "`ports` are not counted with: bridged figures are those of a fabric whose trunks carry every \
         VLAN. Where ports let fewer pass, tables hold no more than this, and a broadcast reaches no \
         more hosts and crosses no more links."
    };
    let bounded = topology.mac_table.is_some()
        || topology.switch.values().any(|settings| settings.mac_table.is_some());
    let full =
        "A MAC table that is full (`mac_table`) learns no more: frames to all others are flooded.";
    let mut notes = vec![
        "Table entries are those after every VM has sent a broadcast, such as an ARP request, within \
         the ageing time.",
        trunks,
        "A broadcast is one of the first VM of each tenant; `on links` counts every link it crosses: \
         the hosts' own, and blocked ones, whose other end sends all the same. Routers and tunnels of \
         IP packets carry none.",
    ];
    notes.extend(bounded.then_some(full));
    notes.into_iter().map(str::to_owned).collect()
}
