//! The plain path, without encapsulation: bridged on an L2 fabric, routed on an L3 fabric.

use super::Host;
use crate::netns::{Error, Result, link, sysctl};
use crate::plan::Edge;

/// The bridge of a plain edge.
pub(super) const BRIDGE: &str = "edge";

/// Joins the VMs' ports and the NIC in one bridge.
pub(super) fn bridged(host: &mut Host, edge: &Edge) -> Result<()> {
    let [network] = edge.networks.as_slice() else {
        return Err(Error::Plan(format!(
            "{} carries {} tenants on a plain bridge, which keeps none apart",
            edge.host,
            edge.networks.len()
        )));
    };
    let nic = host.index(&edge.nic)?;
    let bridge = host.bridge(BRIDGE, network)?;
    host.netlink.one(link::enslave(nic, &edge.nic, bridge))
}

/// Answers the VMs' ARP requests on behalf of their subnet's other members, to whom the plan's
/// /32 routes lead. The calling thread is inside the host's namespace.
pub(super) fn routed(edge: &Edge) -> Result<()> {
    edge.networks.iter().flat_map(|network| &network.ports).try_for_each(|port| answer_on(port))
}

/// Answers on one port.
pub(super) fn answer_on(port: &str) -> Result<()> {
    sysctl::set(&format!("net/ipv4/conf/{port}/proxy_arp"), "1")?;
    // By default a proxy waits up to 0.8 s, in case the real owner answers.
    sysctl::set(&format!("net/ipv4/neigh/{port}/proxy_delay"), "0")
}
