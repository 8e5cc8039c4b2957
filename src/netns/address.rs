//! Netlink verbs for addresses, routes, neighbours and forwarding databases.

use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{AddressMessageBuilder, RouteMessageBuilder, RouteNextHopBuilder};

use super::error::{Error, Result};
use super::socket::{Netlink, Request};

/// `NUD_PERMANENT | NUD_NOARP`, the state of configured VXLAN entries.
const NUD_FIXED: u16 = 0xC0;

/// Adds an address with its prefix to an interface. IPv6 skips duplicate detection, which would
/// make the address unusable for a second.
#[must_use]
pub fn address(index: u32, name: &str, net: IpNet) -> Request {
    let message = match net {
        IpNet::V4(net) => AddressMessageBuilder::<std::net::Ipv4Addr>::new()
            .index(index)
            .address(net.addr(), net.prefix_len())
            .build(),
        IpNet::V6(net) => {
            let mut message = AddressMessageBuilder::<std::net::Ipv6Addr>::new()
                .index(index)
                .address(net.addr(), net.prefix_len())
                .build();
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            message
        }
    };
    Request {
        what: format!("add address {net} to {name}"),
        message: RouteNetlinkMessage::NewAddress(message),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        needs: None,
    }
}

/// Adds a route through gateways (several make it equal-cost multipath), or straight out of a device.
///
/// # Errors
/// [`Error::Plan`] where there is neither gateway nor device, or the address families differ.
pub fn route(to: IpNet, via: &[IpAddr], device: Option<u32>) -> Result<Request> {
    let wrong = |why: String| Error::Plan(format!("route to {to}: {why}"));
    let family = match to {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    let mut route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(to.network(), to.prefix_len())
        .map_err(|e| wrong(e.to_string()))?;
    if let Some(index) = device {
        route = route.output_interface(index);
    }
    route = match via {
        [] if device.is_none() => return Err(wrong("neither gateway nor device".to_owned())),
        [] => route.scope(RouteScope::Link),
        [gateway] => route.gateway(*gateway).map_err(|e| wrong(e.to_string()))?,
        gateways => route.multipath(
            gateways
                .iter()
                .map(|gateway| {
                    let hop = RouteNextHopBuilder::new(family).via(*gateway);
                    Ok(hop.map_err(|e| wrong(e.to_string()))?.build())
                })
                .collect::<Result<_>>()?,
        ),
    };
    Ok(Request {
        what: format!("add route to {to}"),
        message: RouteNetlinkMessage::NewRoute(route.build()),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        needs: None,
    })
}

/// Fixes an IP address's MAC on an interface.
#[must_use]
pub fn neighbour(index: u32, name: &str, ip: IpAddr, mac: [u8; 6]) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes = vec![
        NeighbourAttribute::Destination(ip.into()),
        NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
    ];
    Request {
        what: format!("fix neighbour {ip} on {name}"),
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        needs: None,
    }
}

/// Empties the neighbour tables of the namespace that the calling thread is in.
///
/// # Errors
/// The kernel refused.
pub fn forget(namespace: &str) -> Result<()> {
    let mut netlink = Netlink::open(namespace)?;
    let query = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let found = netlink.dump("list neighbours", &query)?;
    for message in found {
        let RouteNetlinkMessage::NewNeighbour(mut entry) = message else { continue };
        let to = |attribute: &NeighbourAttribute| {
            matches!(attribute, NeighbourAttribute::Destination(_))
        };
        entry.attributes.retain(to);
        let message = RouteNetlinkMessage::DelNeighbour(entry);
        let what = "forget a neighbour".to_owned();
        // It may be gone by itself meanwhile.
        if let Err(error) = netlink.one(Request { what, message, flags: 0, needs: None }) {
            tracing::debug!(%error, "a neighbour stays");
        }
    }
    Ok(())
}

/// Sends what goes to `mac` to a remote VTEP too. The all-zero MAC stands for everything that is
/// not known, so its entries are the list for head-end replication.
#[must_use]
pub fn fdb_remote(index: u32, name: &str, mac: [u8; 6], remote: IpAddr) -> Request {
    let mut message = bridge_entry(index, mac);
    message.header.state = NeighbourState::Other(NUD_FIXED);
    message.header.flags = NeighbourFlags::Own;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(remote)));
    Request {
        what: format!("append {} at {remote} to the FDB of {name}", show(mac)),
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | NLM_F_APPEND,
        needs: None,
    }
}

/// Fixes a MAC behind a bridge port.
#[must_use]
pub fn fdb_static(port: u32, name: &str, mac: [u8; 6]) -> Request {
    let mut message = bridge_entry(port, mac);
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::Controller;
    Request {
        what: format!("fix {} behind bridge port {name}", show(mac)),
        message: RouteNetlinkMessage::NewNeighbour(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        needs: None,
    }
}

fn bridge_entry(index: u32, mac: [u8; 6]) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    message
}

fn show(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// One entry of a forwarding database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdbEntry {
    /// The MAC address.
    pub mac: Vec<u8>,
    /// The bridge port or VXLAN device it is behind.
    pub port: u32,
    /// Whether it is the entry of a bridge (and not of the device itself).
    pub of_bridge: bool,
    /// Whether it was learned from traffic.
    pub learned: bool,
    /// Remote VTEP, in a VXLAN device's entry.
    pub remote: Option<IpAddr>,
}

/// The forwarding databases of all bridges and VXLAN devices of a namespace.
///
/// # Errors
/// The kernel refused to list them.
pub fn fdb(netlink: &mut Netlink) -> Result<Vec<FdbEntry>> {
    let mut query = NeighbourMessage::default();
    query.header.family = AddressFamily::Bridge;
    let found =
        netlink.dump("list forwarding databases", &RouteNetlinkMessage::GetNeighbour(query))?;
    Ok(found
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewNeighbour(entry) => Some(fdb_entry(entry)),
            _ => None,
        })
        .collect())
}

fn fdb_entry(message: NeighbourMessage) -> FdbEntry {
    let fixed = u16::from(message.header.state) & NUD_FIXED != 0;
    let mut entry = FdbEntry {
        mac: Vec::new(),
        port: message.header.ifindex,
        of_bridge: !message.header.flags.contains(NeighbourFlags::Own),
        learned: !fixed,
        remote: None,
    };
    for attribute in message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => entry.mac = mac,
            // The kernel's answers carry bridge entries' addresses without their family.
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                entry.remote = Some(ip.into());
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                entry.remote = Some(ip.into());
            }
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
                entry.remote = <[u8; 4]>::try_from(bytes.as_slice())
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from))
                    .ok();
            }
            _ => {}
        }
    }
    entry
}
