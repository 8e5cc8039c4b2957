//! From a planned L2 fabric to switches of this program, where the kernel's bridges cannot be them.

use super::TestbedError;
use crate::datapath::switch::{Switch, SwitchConfig, Switches, Timers};
use crate::ids::{Encap, VlanId};
use crate::lab::{Accept, VlanLearning};
use crate::measure::Place;
use crate::netns::{Switching, Underlay, default_port, link::SpanningTree, vids};
use crate::plan::{Node, NodeKind, PortVlans, Variant};
use crate::vswitch::{Acceptable, PortConfig, VidSet};
use crate::wire::ethernet::ethertype::{C_TAG, S_TAG};

/// Starts the switches of a variant; `None` where the kernel's bridges do it, or all are routers.
///
/// # Errors
/// A socket could not be opened, or a thread not be started.
pub fn start(underlay: &Underlay, variant: &Variant) -> Result<Option<Switches>, TestbedError> {
    let nodes: Vec<&Node> =
        variant.nodes.iter().filter(|node| node.kind == NodeKind::Switch).collect();
    if underlay.switching() != Switching::Switch || nodes.is_empty() {
        return Ok(None);
    }
    let failed = |source| TestbedError::Switch { variant: variant.name.clone(), source };
    let opened = nodes.into_iter().map(|node| {
        let config = config(variant, node);
        let open = || Switch::open(config);
        underlay.within(&variant.namespace(&node.name), open).and_then(|opened| opened)
    });
    let opened = opened.collect::<std::io::Result<_>>().map_err(failed)?;
    Switches::start(opened).map(Some).map_err(failed)
}

fn config(variant: &Variant, node: &Node) -> SwitchConfig {
    let service =
        || variant.engine.service.map_or(crate::encap::Qinq::default().service, VlanId::value);
    let (tpid, known) = match variant.encap {
        Encap::Vlan => (C_TAG, vids(variant)),
        Encap::Qinq => (S_TAG, vec![service()]),
        _ => (C_TAG, Vec::new()),
    };
    let ends = variant.links.iter().flat_map(|link| &link.ends);
    let ports = ends.filter(|end| end.node == node.name).map(|end| {
        let vlans = end.vlans.clone().unwrap_or_else(|| default_port(&known));
        let mac_limit = end.mac_limit.map(|most| most as usize);
        (end.interface.clone(), PortConfig { mac_limit, ..port(&vlans) })
    });
    let tree = SpanningTree::default();
    SwitchConfig {
        name: node.name.clone(),
        namespace: variant.namespace(&node.name),
        tpid,
        ports: ports.collect(),
        mac_table: node.mac_table.map_or(usize::MAX, |most| most as usize),
        shared: node.vlan_learning == Some(VlanLearning::Shared),
        timers: variant.stp.then(|| Timers {
            forward_delay_ms: u64::from(tree.forward_delay) * 1000,
            max_age_ms: u64::from(tree.max_age) * 1000,
        }),
    }
}

fn port(vlans: &PortVlans) -> PortConfig {
    let mut tagged = VidSet::default();
    for (first, last) in &vlans.tagged {
        tagged.insert(*first, *last);
    }
    let accept = match vlans.accept {
        Accept::All => Acceptable::All,
        Accept::Priority => Acceptable::PriorityTagged,
        Accept::Untagged => Acceptable::Untagged,
    };
    PortConfig { tagged, untagged: vlans.untagged, accept, mac_limit: None }
}
