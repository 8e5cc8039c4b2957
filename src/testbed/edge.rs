//! From a planned edge to the configuration of an engine.

use std::sync::Arc;

use super::TestbedError;
use crate::datapath::user::{EdgeConfig, Oversize};
use crate::encap::{Engine, Plain, Vlan, Vxlan};
use crate::ids::Encap;
use crate::lab::Learning;
use crate::plan::{Edge, Variant};
use crate::vswitch::{NetworkConfig, Peer};
use crate::wire::ethernet::Mac;

/// MAC addresses one tenant's table holds at one host.
const MAC_LIMIT: usize = 65_536;

/// The engine's configuration for one edge of a variant.
pub(super) fn config(
    variant: &Variant,
    edge: &Edge,
    seed: u64,
) -> Result<EdgeConfig, TestbedError> {
    let engine = engine(variant)?;
    let peer = |vtep: std::net::IpAddr| Peer::Vtep(vtep);
    let networks = edge
        .networks
        .iter()
        .map(|network| {
            let fdb = network.fdb.iter().map(|(mac, vtep)| {
                let mac: Mac = mac.parse().map_err(TestbedError::Mac)?;
                Ok((mac, peer(*vtep)))
            });
            Ok(NetworkConfig {
                id: network.id,
                ports: network.ports.len(),
                peers: match edge.vtep {
                    Some(_) => network.peers.iter().copied().map(peer).collect(),
                    None => vec![Peer::Fabric],
                },
                fdb: fdb.collect::<Result<_, TestbedError>>()?,
                learning: variant.learning == Learning::Flood,
                mac_limit: MAC_LIMIT,
            })
        })
        .collect::<Result<_, TestbedError>>()?;
    Ok(EdgeConfig {
        host: variant.namespace(&edge.host),
        engine,
        nic: edge.nic.clone(),
        vtep: edge.vtep,
        networks,
        ports: edge.networks.iter().flat_map(|n| n.ports.clone()).collect(),
        inner_mtu: variant.inner_mtu,
        oversize: Oversize::default(),
        routes: Vec::new(),
        offloads: variant.offloads,
        seed: seed ^ fnv(&edge.host),
    })
}

fn engine(variant: &Variant) -> Result<Arc<dyn Engine>, TestbedError> {
    Ok(match variant.encap {
        Encap::None => Arc::new(Plain),
        Encap::Vlan => Arc::new(Vlan::default()),
        Encap::Vxlan => Arc::new(Vxlan { port: variant.port, ..Vxlan::default() }),
        encap => return Err(TestbedError::NoEngine { encap }),
    })
}

/// A number that differs from host to host and stays the same from run to run (FNV-1a).
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
