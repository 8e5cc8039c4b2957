//! 802.1Q by the kernel: per tenant an interface for its VLAN on the NIC, bridged to its VMs.

use super::Host;
use crate::ids::VlanId;
use crate::netns::{Error, Result, link};
use crate::plan::Edge;

pub(super) fn attach(host: &mut Host, edge: &Edge) -> Result<()> {
    let nic = host.index(&edge.nic)?;
    for network in &edge.networks {
        let vid = VlanId::try_from(network.id).map_err(|e| Error::Plan(e.to_string()))?.value();
        let bridge = host.bridge(&format!("br{vid}"), network)?;
        if edge.untagged == Some(vid) {
            // What has a tag is taken by the others' interfaces before the bridge sees it.
            host.netlink.one(link::enslave(nic, &edge.nic, bridge))?;
            continue;
        }
        let tagged = format!("vlan{vid}");
        let index = host.make(link::vlan(&tagged, nic, vid), &tagged)?;
        host.netlink.one(link::enslave(index, &tagged, bridge))?;
    }
    Ok(())
}
