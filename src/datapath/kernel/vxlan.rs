//! VXLAN by the kernel (RFC 7348): per tenant a VXLAN device with its VNI, bridged to its VMs.

use super::Host;
use crate::ids::Vni;
use crate::lab::Learning;
use crate::netns::link::{self, parse_mac};
use crate::netns::{Error, Result, fdb_remote, fdb_static};
use crate::plan::{Edge, EdgeNetwork, Variant};

/// The entry for everything that is not known: where BUM frames are replicated to.
const UNKNOWN: [u8; 6] = [0; 6];

pub(super) fn attach(host: &mut Host, variant: &Variant, edge: &Edge) -> Result<()> {
    let vtep = edge.vtep.ok_or_else(|| Error::Plan(format!("{} has no VTEP", edge.host)))?;
    let learning = variant.learning != Learning::Static;
    let nic = host.index(&edge.nic)?;
    for network in &edge.networks {
        let vni = Vni::try_from(network.id).map_err(|e| Error::Plan(e.to_string()))?.value();
        let name = format!("vxlan{vni}");
        let (port, mtu) = (variant.port, variant.inner_mtu);
        let device = match network.group {
            Some(group) => link::vxlan_in_group(&name, vni, (vtep, group, nic), port, mtu),
            None => link::vxlan(&name, vni, vtep, port, mtu, learning),
        };
        let index = host.make(device, &name)?;
        let bridge = host.bridge(&format!("br{vni}"), network)?;
        let mut requests = vec![link::enslave(index, &name, bridge)];
        let replicated = network.peers.iter().filter(|_| network.group.is_none());
        requests.extend(replicated.map(|peer| fdb_remote(index, &name, UNKNOWN, *peer)));
        if !learning {
            requests.push(link::port_known_only(index, &name));
            requests.extend(known(index, &name, network)?);
        }
        host.netlink.all(requests)?;
    }
    Ok(())
}

/// Static learning: every remote MAC is fixed twice, in the bridge (it is behind the VXLAN
/// device) and in the device (it is at this VTEP). Broadcast still goes to all peers.
fn known(device: u32, name: &str, network: &EdgeNetwork) -> Result<Vec<crate::netns::Request>> {
    let mut requests = Vec::with_capacity(2 * network.fdb.len());
    for (mac, remote) in &network.fdb {
        let mac = parse_mac(mac)?;
        requests.push(fdb_static(device, name, mac));
        requests.push(fdb_remote(device, name, mac, *remote));
    }
    Ok(requests)
}
