//! A port that comes to an edge later: that of a VM which moves there.

use super::{Host, plain};
use crate::ids::Encap;
use crate::lab::Fabric;
use crate::netns::{Error, Namespaces, Result, link};
use crate::plan::{Edge, EdgeNetwork, Variant};

/// Joins a port, which is in the host's namespace already, to its tenant's network there.
///
/// # Errors
/// The network or the port is not there, or the kernel refused.
pub fn dock(
    namespaces: &Namespaces,
    variant: &Variant,
    edge: &Edge,
    network: &EdgeNetwork,
    port: &str,
) -> Result<()> {
    let namespace = variant.namespace(&edge.host);
    namespaces.inside(&namespace, || {
        if variant.encap == Encap::None && variant.fabric == Fabric::L3 {
            return plain::answer_on(port);
        }
        let bridge = match variant.encap {
            Encap::None => plain::BRIDGE.to_owned(),
            Encap::Vlan | Encap::Vxlan => format!("br{}", network.id),
            encap => return Err(Error::Plan(format!("no kernel edge carries {encap}"))),
        };
        let mut host = Host::read(&namespace)?;
        let (port_index, bridge) = (host.index(port)?, host.index(&bridge)?);
        host.netlink.one(link::enslave(port_index, port, bridge))
    })
}
