//! Both ends of a VLAN segment's trunk: edges with the engine for tags, whose ports are the
//! gateway's patch cables at one end and the bare machines at the other.

use std::sync::Arc;

use super::TestbedError;
use super::edge::MAC_LIMIT;
use crate::datapath::user::{Edge, EdgeConfig, Oversize};
use crate::encap::Vlan;
use crate::ids::Encap;
use crate::measure::Place;
use crate::netns::Underlay;
use crate::plan::{SegmentPlan, Variant};
use crate::vswitch::{NetworkConfig, Peer};

/// One end of a trunk, to be opened.
struct End {
    /// Namespace.
    namespace: String,
    /// Name of the edge: a gateway has another one for the overlay.
    name: String,
    nic: String,
    /// VLAN id and ports of each segment.
    networks: Vec<(u16, Vec<String>)>,
    mtu: u32,
}

/// The edges of a variant's segments, two for each trunk.
pub(super) fn edges(
    underlay: &Underlay,
    variant: &Variant,
    seed: u64,
) -> Result<Vec<Edge>, TestbedError> {
    let failed = |source| TestbedError::Engine { variant: variant.name.clone(), source };
    let open = |end: End| {
        let config = config(variant, &end, seed);
        let opened = underlay.within(&end.namespace, || Edge::open(&config));
        opened.and_then(|edge| edge).map_err(failed)
    };
    ends(variant).into_iter().map(open).collect()
}

fn ends(variant: &Variant) -> Vec<End> {
    let mut ends: Vec<End> = Vec::new();
    for segment in &variant.segments {
        let gateway = variant.namespace(&segment.gateway);
        let names = [format!("{gateway} {}", segment.trunk), variant.namespace(&segment.switch)];
        let namespaces = [gateway, names[1].clone()];
        let nics = [&segment.trunk, &segment.uplink];
        for (at, ((name, namespace), nic)) in
            names.into_iter().zip(namespaces).zip(nics).enumerate()
        {
            let network = (segment.vlan, ports(segment, at));
            match ends.iter_mut().find(|end| end.name == name) {
                Some(end) => end.networks.push(network),
                None => ends.push(End {
                    namespace,
                    name,
                    nic: nic.clone(),
                    networks: vec![network],
                    mtu: segment.mtu,
                }),
            }
        }
    }
    ends
}

/// The ports of a segment at the gateway (0) and at its switch (1).
fn ports(segment: &SegmentPlan, at: usize) -> Vec<String> {
    match at {
        0 => vec![segment.patch[1].clone()],
        _ => segment.machines.iter().map(|(_, port)| port.clone()).collect(),
    }
}

fn config(variant: &Variant, end: &End, seed: u64) -> EdgeConfig {
    let network = |(vlan, ports): &(u16, Vec<String>)| NetworkConfig {
        id: u64::from(*vlan),
        ports: ports.len(),
        peers: vec![Peer::Fabric],
        fdb: Vec::new(),
        learning: true,
        mac_limit: MAC_LIMIT,
    };
    EdgeConfig {
        host: end.name.clone(),
        engine: Arc::new(Vlan::default()),
        nic: end.nic.clone(),
        vtep: None,
        networks: end.networks.iter().map(network).collect(),
        ports: end.networks.iter().flat_map(|(_, ports)| ports.clone()).collect(),
        inner_mtu: end.mtu,
        oversize: Oversize::Drop,
        delivery: variant.engine.delivery(Encap::Vlan),
        routes: Vec::new(),
        offloads: variant.offloads,
        direct: true,
        seed,
    }
}
