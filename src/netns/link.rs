//! Netlink verbs for links: each makes one request.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::link::{
    AfSpecBridge, AfSpecInet6, AfSpecUnspec, BridgePortState, BridgeStpState, BridgeVlanInfo,
    BridgeVlanInfoFlags, In6AddrGenMode, InfoBridgePort, InfoData, InfoPortData, InfoVeth,
    InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, VxlanDf,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{
    LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth, LinkVlan, LinkVxlan,
};

use super::error::{Error, Result};
use super::socket::{Feature, Netlink, Request};
use crate::plan::PortVlans;

/// `USER_HZ`: bridge timers travel in hundredths of a second.
/// TTL of packets to a group.
const GROUP_TTL: u8 = 64;
const TICKS_PER_SECOND: u32 = 100;

/// Ranges of VLANs in one request, so that it stays below a page.
const RANGES: usize = 128;

/// Index of the loopback interface in every namespace.
pub const LOOPBACK: u32 = 1;

/// One end of a veth pair, born in its namespace.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The namespace.
    pub namespace: BorrowedFd<'a>,
    /// Interface name, at most 15 bytes.
    pub name: &'a str,
    /// Interface index to give it; 0 lets the kernel choose.
    pub index: u32,
    /// MAC address; the kernel draws one where absent.
    pub mac: Option<[u8; 6]>,
    /// Largest IP packet in bytes.
    pub mtu: u32,
}

/// How a switch runs its spanning tree; times in seconds, within 802.1D's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanningTree {
    /// Bridge priority, a multiple of 4096; the smallest becomes the root.
    pub priority: u16,
    /// Time in the listening and again in the learning state.
    pub forward_delay: u32,
    /// Time between configuration BPDUs.
    pub hello: u32,
    /// Time after which a BPDU no longer heard is forgotten.
    pub max_age: u32,
}

impl Default for SpanningTree {
    /// The shortest valid timers: 2 x (forward delay - 1) >= max age >= 2 x (hello + 1)
    /// (802.1D-2004, 17.14), so a port forwards after 8 s instead of 30.
    fn default() -> Self {
        SpanningTree { priority: 32768, forward_delay: 4, hello: 1, max_age: 6 }
    }
}

fn new_link(what: String, message: LinkMessage, needs: Option<Feature>) -> Request {
    let message = RouteNetlinkMessage::NewLink(message);
    Request { what, message, flags: NLM_F_CREATE | NLM_F_EXCL, needs }
}

fn set_link(what: String, message: LinkMessage) -> Request {
    Request { what, message: RouteNetlinkMessage::SetLink(message), flags: 0, needs: None }
}

/// A veth pair, each end in its own namespace from birth. Both are down.
#[must_use]
pub fn veth(a: &End<'_>, b: &End<'_>) -> Request {
    let peer = born(LinkMessageBuilder::<LinkUnspec>::new(), b);
    let pair = born(LinkMessageBuilder::<LinkVeth>::new(a.name, b.name), a)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
    let needs = Feature {
        name: "veth pairs (CONFIG_VETH)",
        remedy: "Load them with `sudo modprobe veth`.",
    };
    new_link(format!("make veth pair {} - {}", a.name, b.name), pair.build(), Some(needs))
}

fn born<T>(builder: LinkMessageBuilder<T>, end: &End<'_>) -> LinkMessageBuilder<T> {
    // Otherwise it has a queue for each processor that the machine could have, all but one unused.
    let builder = builder
        .name(end.name)
        .index(end.index)
        .mtu(end.mtu)
        .setns_by_fd(end.namespace.as_raw_fd())
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1));
    match end.mac {
        Some(mac) => builder.address(mac.to_vec()),
        None => builder,
    }
}

/// A bridge, with spanning tree or without. Multicast is flooded: there is no querier to make
/// snooping of use, and a switch that drops what nobody joined would look like isolation.
/// Senders of BPDUs and the like are not learned: MAC tables hold the hosts.
#[must_use]
pub fn bridge(name: &str, index: u32, tree: Option<SpanningTree>, ageing_seconds: u32) -> Request {
    switch(name, index, tree, ageing_seconds, false, None)
}

/// The bridge of a switch. With `vlans` it tells VLANs apart: a MAC table for each (independent
/// learning), and only the VLANs of a port pass it, which are none at first. `table` bounds the
/// addresses that it learns (Linux 6.7; older kernels pass over it).
#[must_use]
pub fn switch(
    name: &str,
    index: u32,
    tree: Option<SpanningTree>,
    ageing_seconds: u32,
    vlans: bool,
    table: Option<u32>,
) -> Request {
    let mut bridge = born_bridge(name, index, tree, ageing_seconds);
    if let Some(table) = table {
        bridge = bridge.fdb_max_learned(table);
    }
    if !vlans {
        let needs = Feature {
            name: "bridges (CONFIG_BRIDGE)",
            remedy: "Load them with `sudo modprobe bridge`.",
        };
        return new_link(format!("make bridge {name}"), bridge.build(), Some(needs));
    }
    // From birth: Linux 6.1 answers EBUSY where it is turned on later.
    let bridge = bridge.vlan_filtering(true).vlan_default_pvid(0);
    let needs = Feature {
        name: "bridges with VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)",
        remedy: "No module brings it: it is built into the bridge module or not.",
    };
    new_link(format!("make bridge {name} with VLAN filtering"), bridge.build(), Some(needs))
}

fn born_bridge(
    name: &str,
    index: u32,
    tree: Option<SpanningTree>,
    ageing_seconds: u32,
) -> LinkMessageBuilder<LinkBridge> {
    let bridge = LinkBridge::new(name)
        .index(index)
        .mcast_snooping(false)
        .no_linklocal_learn(true)
        .ageing_time(ageing_seconds.saturating_mul(TICKS_PER_SECOND));
    match tree {
        Some(tree) => bridge
            .forward_delay(tree.forward_delay.saturating_mul(TICKS_PER_SECOND))
            .hello_time(tree.hello.saturating_mul(TICKS_PER_SECOND))
            .max_age(tree.max_age.saturating_mul(TICKS_PER_SECOND))
            .priority(tree.priority)
            .stp_state(BridgeStpState::KernelStp),
        None => bridge,
    }
}

/// Lets VLANs pass a bridge port: those of the ranges with their tag, both ways, and one without.
#[must_use]
pub fn port_vlans(index: u32, name: &str, vlans: &PortVlans) -> Vec<Request> {
    let info = |flags, vid| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
    let tagged = vlans.tagged.chunks(RANGES).map(|ranges| {
        let infos = ranges.iter().flat_map(|(first, last)| {
            let single = first == last;
            let (begin, end) = (BridgeVlanInfoFlags::RangeBegin, BridgeVlanInfoFlags::RangeEnd);
            let flags = if single { BridgeVlanInfoFlags::empty() } else { begin };
            [Some(info(flags, *first)), (!single).then(|| info(end, *last))].into_iter().flatten()
        });
        infos.collect()
    });
    let bare = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
    // The later one counts, where a VLAN is in a range too.
    let untagged = vlans.untagged.map(|vid| vec![info(bare, vid)]);
    tagged
        .chain(untagged)
        .map(|infos: Vec<AfSpecBridge>| {
            let mut message = LinkMessage::default();
            message.header.interface_family = AddressFamily::Bridge;
            message.header.index = index;
            let what = format!("let VLANs pass {name}");
            message.attributes.push(LinkAttribute::AfSpecBridge(infos));
            set_link(what, message)
        })
        .collect()
}

/// A VXLAN device (RFC 7348) from `local` to `port`, without a default remote: see [`super::fdb_remote`].
#[must_use]
pub fn vxlan(name: &str, vni: u32, local: IpAddr, port: u16, mtu: u32, learning: bool) -> Request {
    new_vxlan(name, vni, vxlan_device(name, vni, local, port, mtu).learning(learning))
}

/// A VXLAN device that learns, and sends what it does not know to an IP multicast group, which it
/// joins on the interface `below` (RFC 7348 section 4.2).
#[must_use]
pub fn vxlan_in_group(
    name: &str,
    vni: u32,
    (local, group, below): (IpAddr, IpAddr, u32),
    port: u16,
    mtu: u32,
) -> Request {
    let device = vxlan_device(name, vni, local, port, mtu).learning(true).dev(below);
    // Linux sends to groups with a TTL of 1 otherwise, which no router forwards.
    let device = device.append_info_data(InfoVxlan::Ttl(GROUP_TTL));
    let device = match group {
        IpAddr::V4(group) => device.group(group),
        IpAddr::V6(group) => device.group6(group),
    };
    new_vxlan(name, vni, device)
}

fn vxlan_device(
    name: &str,
    vni: u32,
    local: IpAddr,
    port: u16,
    mtu: u32,
) -> LinkMessageBuilder<LinkVxlan> {
    // A VTEP must not fragment (RFC 7348 section 4.3): what is too big is dropped and told.
    let device = LinkVxlan::new(name, vni).port(port).mtu(mtu);
    let device = device.append_info_data(InfoVxlan::Df(VxlanDf::Set));
    match local {
        IpAddr::V4(local) => device.local(local),
        IpAddr::V6(local) => device.local6(local),
    }
}

fn new_vxlan(name: &str, vni: u32, device: LinkMessageBuilder<LinkVxlan>) -> Request {
    let needs = Feature {
        name: "VXLAN devices (CONFIG_VXLAN)",
        remedy: "Load them with `sudo modprobe vxlan`, or take `datapath: user`.",
    };
    new_link(format!("make VXLAN device {name} with VNI {vni}"), device.build(), Some(needs))
}

/// An 802.1Q interface for one VLAN on top of another interface.
#[must_use]
pub fn vlan(name: &str, below: u32, vid: u16) -> Request {
    let device = LinkVlan::new(name, below, vid);
    let needs = Feature {
        name: "802.1Q interfaces (CONFIG_VLAN_8021Q)",
        remedy: "Load them with `sudo modprobe 8021q`, or take `datapath: user`.",
    };
    new_link(format!("make VLAN interface {name} with id {vid}"), device.build(), Some(needs))
}

/// Keeps the kernel from making up an IPv6 address for an interface when that comes up, and from the
/// multicast that announces it. For one interface what `addr_gen_mode` under `/proc/sys` says for a
/// namespace, where each look-up takes longer than the whole request.
#[must_use]
pub fn plain(index: u32, name: &str) -> Request {
    let mut message = LinkUnspec::new_with_index(index).build();
    let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![none])]));
    set_link(format!("keep the kernel from making up addresses on {name}"), message)
}

/// Brings an interface up.
#[must_use]
pub fn up(index: u32, name: &str) -> Request {
    set_link(format!("bring up {name}"), LinkUnspec::new_with_index(index).up().build())
}

/// Sets an interface down.
#[must_use]
pub fn down(index: u32, name: &str) -> Request {
    set_link(format!("set {name} down"), LinkUnspec::new_with_index(index).down().build())
}

/// Makes an interface a port of a bridge and brings it up.
#[must_use]
pub fn enslave(index: u32, name: &str, bridge: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).controller(bridge).up().build();
    set_link(format!("make {name} a port of the bridge"), message)
}

/// Sets the largest IP packet of an interface, in bytes.
#[must_use]
pub fn mtu(index: u32, name: &str, mtu: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
    set_link(format!("set the MTU of {name} to {mtu}"), message)
}

/// Makes a bridge port neither learn nor take unknown unicast.
#[must_use]
pub fn port_known_only(index: u32, name: &str) -> Request {
    let message = LinkBridgePort::new(index).learning(false).flood(false).build();
    // RTM_SETLINK accepts a port's settings and ignores them; only RTM_NEWLINK applies them.
    let message = RouteNetlinkMessage::NewLink(message);
    let what = format!("turn off learning and flooding on {name}");
    Request { what, message, flags: 0, needs: None }
}

/// Makes a bridge port the way into one of several tunnels: frames from one never go into another,
/// since each peer is reached directly. Without `learning` it takes known unicast only.
#[must_use]
pub fn port_of_tunnel(index: u32, name: &str, learning: bool) -> Request {
    let port = LinkBridgePort::new(index).isolated(true).learning(learning).flood(learning);
    let message = RouteNetlinkMessage::NewLink(port.build());
    Request { what: format!("set {name} apart on its bridge"), message, flags: 0, needs: None }
}

/// Removes an interface.
#[must_use]
pub fn delete(index: u32, name: &str) -> Request {
    let message = RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build());
    Request { what: format!("remove {name}"), message, flags: 0, needs: None }
}

/// What the kernel says of one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub name: String,
    /// MAC address; empty where it has none.
    pub mac: Vec<u8>,
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// The other end is up too.
    pub carrier: bool,
    /// The kernel has taken note of the carrier and sends: before, it drops what it is given.
    pub operational: bool,
    /// Index of the bridge it is a port of.
    pub bridge: Option<u32>,
    /// Spanning-tree state, where it is a bridge port.
    pub port_state: Option<BridgePortState>,
    /// Designated root of the port's bridge: priority and MAC.
    pub root: Option<(u16, [u8; 6])>,
    /// Counters since birth.
    pub counters: LinkCounters,
}

/// Interface counters (`struct rtnl_link_stats64`). Bytes are those of Ethernet frames without
/// FCS; a super-frame counts as one packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Received packets.
    pub rx_packets: u64,
    /// Received bytes.
    pub rx_bytes: u64,
    /// Packets dropped on receipt.
    pub rx_dropped: u64,
    /// Sent packets.
    pub tx_packets: u64,
    /// Sent bytes.
    pub tx_bytes: u64,
    /// Packets dropped before sending.
    pub tx_dropped: u64,
}

/// All interfaces of a namespace.
///
/// # Errors
/// The kernel refused to list them.
pub fn list(netlink: &mut Netlink) -> Result<Vec<LinkState>> {
    let query = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let found = netlink.dump("list interfaces", &query)?;
    Ok(found
        .into_iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(state(link)),
            _ => None,
        })
        .collect())
}

/// One interface of a namespace.
///
/// # Errors
/// [`Error::UnknownInterface`], or the kernel refused to list them.
pub fn find(netlink: &mut Netlink, name: &str) -> Result<LinkState> {
    list(netlink)?.into_iter().find(|link| link.name == name).ok_or_else(|| {
        Error::UnknownInterface {
            interface: name.to_owned(),
            namespace: netlink.namespace().to_owned(),
        }
    })
}

fn state(message: LinkMessage) -> LinkState {
    let flags = message.header.flags;
    let mut link = LinkState {
        index: message.header.index,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        ..LinkState::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::OperState(state) => {
                link.operational = state == rtnetlink::packet_route::link::State::Up;
            }
            LinkAttribute::Controller(bridge) => link.bridge = Some(bridge),
            LinkAttribute::Stats64(stats) => {
                link.counters = LinkCounters {
                    rx_packets: stats.rx_packets,
                    rx_bytes: stats.rx_bytes,
                    rx_dropped: stats.rx_dropped,
                    tx_packets: stats.tx_packets,
                    tx_bytes: stats.tx_bytes,
                    tx_dropped: stats.tx_dropped,
                }
            }
            LinkAttribute::LinkInfo(infos) => port_of(&mut link, infos),
            _ => {}
        }
    }
    link
}

fn port_of(link: &mut LinkState, infos: Vec<LinkInfo>) {
    for info in infos {
        let LinkInfo::PortData(InfoPortData::BridgePort(facts)) = info else { continue };
        for fact in facts {
            match fact {
                InfoBridgePort::State(state) => link.port_state = Some(state),
                InfoBridgePort::RootId(root) => link.root = Some((root.priority, root.address)),
                _ => {}
            }
        }
    }
}

/// A MAC address as written, e.g. `02:00:00:00:00:01`.
///
/// # Errors
/// [`Error::Plan`] where it is none.
pub fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2);
        *byte = part
            .and_then(|part| u8::from_str_radix(part, 16).ok())
            .ok_or_else(|| Error::Plan(format!("`{text}` is no MAC address")))?;
    }
    match parts.next() {
        None => Ok(mac),
        Some(_) => Err(Error::Plan(format!("`{text}` is no MAC address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read_and_garbage_refused() {
        assert_eq!(parse_mac("02:00:00:aB:00:ff").unwrap(), [2, 0, 0, 0xab, 0, 0xff]);
        for wrong in
            ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "0g:00:00:00:00:00", "+2:0:0:0:0:0"]
        {
            assert!(parse_mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn default_timers_keep_the_standards_relations() {
        let SpanningTree { forward_delay, hello, max_age, priority } = SpanningTree::default();
        assert!(2 * (forward_delay - 1) >= max_age && max_age >= 2 * (hello + 1));
        assert!((4..=30).contains(&forward_delay) && (6..=40).contains(&max_age));
        assert_eq!(priority % 4096, 0);
    }
}
