//! How a machine's interface is configured, read back from the kernel.

use std::fs;

use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};

use super::error::{Error, Result};
use super::namespaces::Namespaces;

/// Settings under `/proc/sys` that an interface has: those of its addresses and of its neighbours.
const SETTINGS: [&str; 4] = ["net/ipv4/conf", "net/ipv6/conf", "net/ipv4/neigh", "net/ipv6/neigh"];

/// Everything about an interface of a namespace that somebody can have set, one line each, in a
/// fixed order: the link, its addresses, all routes, and the kernel's settings for it. Left out is
/// what happens to it: counters, states of neighbours, times.
///
/// # Errors
/// The kernel refused to list something.
pub fn configuration(
    namespaces: &Namespaces,
    namespace: &str,
    interface: &str,
) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut netlink = namespaces.netlink(namespace)?;
    let mut index = 0;
    let query = RouteNetlinkMessage::GetLink(LinkMessage::default());
    for message in netlink.dump("list links", &query)? {
        if let RouteNetlinkMessage::NewLink(link) = message
            && named(&link, interface)
        {
            index = link.header.index;
            lines.extend(of_link(&link));
        }
    }
    let query = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    for message in netlink.dump("list addresses", &query)? {
        if let RouteNetlinkMessage::NewAddress(address) = message
            && address.header.index == index
        {
            lines.extend(of_address(&address));
        }
    }
    let query = RouteNetlinkMessage::GetRoute(RouteMessage::default());
    let routes = netlink.dump("list routes", &query)?;
    let mut routes: Vec<String> = routes
        .iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => Some(of_route(route)),
            _ => None,
        })
        .collect();
    routes.sort();
    lines.extend(routes);
    lines.extend(namespaces.inside(namespace, || settings(interface))?);
    Ok(lines)
}

fn named(link: &LinkMessage, interface: &str) -> bool {
    link.attributes.iter().any(|a| matches!(a, LinkAttribute::IfName(name) if name == interface))
}

fn of_link(link: &LinkMessage) -> Vec<String> {
    let mut lines = vec![format!("flags {:?}", link.header.flags)];
    for attribute in &link.attributes {
        lines.extend(match attribute {
            LinkAttribute::IfName(name) => Some(format!("name {name}")),
            LinkAttribute::Mtu(mtu) => Some(format!("mtu {mtu}")),
            LinkAttribute::Address(mac) => Some(format!("mac {}", hex(mac))),
            LinkAttribute::Broadcast(mac) => Some(format!("broadcast {}", hex(mac))),
            LinkAttribute::TxQueueLen(length) => Some(format!("queue length {length}")),
            LinkAttribute::NumTxQueues(count) => Some(format!("transmit queues {count}")),
            LinkAttribute::NumRxQueues(count) => Some(format!("receive queues {count}")),
            LinkAttribute::GsoMaxSize(size) => Some(format!("largest super-frame {size}")),
            LinkAttribute::Qdisc(name) => Some(format!("queueing {name}")),
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Kind(kind) => Some(format!("kind {}", kind_name(kind))),
                _ => None,
            }),
            _ => None,
        });
    }
    lines.sort();
    lines
}

fn kind_name(kind: &InfoKind) -> String {
    kind.to_string()
}

fn of_address(address: &AddressMessage) -> Vec<String> {
    let length = address.header.prefix_len;
    let found = address.attributes.iter().filter_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(format!("address {ip}/{length}")),
        AddressAttribute::Address(ip) if ip.is_ipv6() => Some(format!("address {ip}/{length}")),
        _ => None,
    });
    found.collect()
}

fn of_route(route: &RouteMessage) -> String {
    let show = |address: &RouteAddress| match address {
        RouteAddress::Inet(ip) => ip.to_string(),
        RouteAddress::Inet6(ip) => ip.to_string(),
        other => format!("{other:?}"),
    };
    let (mut to, mut rest) = ("default".to_owned(), Vec::new());
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                to = format!("{}/{}", show(address), route.header.destination_prefix_length);
            }
            RouteAttribute::Gateway(address) => rest.push(format!("via {}", show(address))),
            RouteAttribute::PrefSource(address) => rest.push(format!("from {}", show(address))),
            RouteAttribute::Table(table) => rest.push(format!("table {table}")),
            RouteAttribute::Priority(metric) => rest.push(format!("metric {metric}")),
            _ => {}
        }
    }
    rest.sort();
    format!("route {:?} {to} {}", route.header.kind, rest.join(" "))
}

/// The kernel's settings for an interface; those that cannot be read are left out.
fn settings(interface: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for group in SETTINGS {
        let directory = format!("/proc/sys/{group}/{interface}");
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::system(format!("list {directory}"), error)),
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(value) = fs::read_to_string(entry.path()) else { continue };
            // IPv6's own copy of the link's MTU.
            let line = if name == "mtu" {
                format!("mtu {} in {group}", value.trim())
            } else {
                format!("{group} {name} {}", value.trim())
            };
            lines.push(line);
        }
    }
    lines.sort();
    Ok(lines)
}

fn hex(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
