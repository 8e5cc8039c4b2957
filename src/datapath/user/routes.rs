//! The edge as a router, for encapsulations that carry IP packets and no Ethernet (GRE, IP in IP).
//!
//! VMs of one tenant share a subnet, so they ask for each other's MAC by ARP or neighbour
//! discovery; the edge answers for every address it has a route to (proxy ARP, RFC 1027; proxy
//! neighbour advertisement, RFC 4861 section 7.2.8) with a MAC of its own, and forwards what is
//! then sent to it by the inner destination address. It is one hop: the inner TTL is decremented
//! once, where the packet enters. What is not IP ends here, and so do broadcast and multicast, but
//! for networks that pass them on: GRE carries any packet (RFC 2784). Routes are
//! given, none are learned: a VM's address has a route at every edge of its tenant. What comes
//! out of a tunnel must come from an address that has its route through that tunnel.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{PoisonError, RwLock};

use crate::encap::DropReason;
use crate::vswitch::{Location, PeerId, PortId};
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::ipv4::protocol;
use crate::wire::{arp, checksum, ipv4, ipv6};

/// Type of a neighbour solicitation and of its answer (RFC 4861 section 4.3, 4.4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Bytes of an advertisement with its target link-layer address option.
const ADVERTISEMENT_LEN: usize = 32;
/// Longest answer: Ethernet, IPv6 and an advertisement.
pub const MAX_ANSWER: usize = ethernet::LEN + ipv6::LEN + ADVERTISEMENT_LEN;

/// Where an address lives, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// The tenant network's id on the wire.
    pub network: u64,
    /// The VM's address.
    pub address: IpAddr,
    /// Where it is.
    pub via: Via,
}

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A VM at this host: its port (counted over all networks) and its MAC.
    Port(usize, Mac),
    /// A VM behind a tunnel to this address.
    Peer(IpAddr),
    /// All VMs of the network, here and elsewhere: a broadcast address. A network that has one
    /// passes multicast on as well.
    Everyone,
}

/// The way to an address, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Port or peer.
    pub location: Location,
    /// MAC of a VM at this host; zero for peers.
    pub mac: Mac,
}

type Hops = HashMap<(u64, IpAddr), Hop, ahash::RandomState>;

/// The routes of all networks of one edge.
#[derive(Debug)]
pub struct Routes {
    /// The router's MAC, the same on every port.
    pub mac: Mac,
    hops: RwLock<Hops>,
    /// Broadcast addresses by network.
    everyone: HashSet<(u64, IpAddr), ahash::RandomState>,
    /// Networks that pass multicast on.
    passing: HashSet<u64, ahash::RandomState>,
}

impl Routes {
    /// Resolves the routes; `peer` finds a peer's id, and routes to unknown peers are left out.
    #[must_use]
    pub fn new(
        configs: &[RouteConfig],
        seed: u64,
        peer: impl Fn(IpAddr) -> Option<PeerId>,
    ) -> Self {
        let hop = |config: &RouteConfig| {
            Some(((config.network, config.address), resolve(config.via, &peer)?))
        };
        let [a, b, c, d, ..] = seed.to_be_bytes();
        // Locally administered (IEEE 802 section 8.4).
        let everyone = configs.iter().filter(|config| config.via == Via::Everyone);
        Routes {
            mac: Mac([2, 0xED, a, b, c, d]),
            hops: RwLock::new(configs.iter().filter_map(hop).collect()),
            everyone: everyone.clone().map(|config| (config.network, config.address)).collect(),
            passing: everyone.map(|config| config.network).collect(),
        }
    }

    /// The way to an address of a network.
    #[must_use]
    pub fn hop(&self, network: u64, address: IpAddr) -> Option<Hop> {
        // A panic while the lock was held leaves a whole table behind, so it is used on.
        let hops = self.hops.read().unwrap_or_else(PoisonError::into_inner);
        hops.get(&(network, address)).copied()
    }

    /// Changes the way to an address; to an unknown peer there is none.
    pub fn change(&self, config: &RouteConfig, peer: impl Fn(IpAddr) -> Option<PeerId>) {
        if let Some(hop) = resolve(config.via, peer) {
            let mut hops = self.hops.write().unwrap_or_else(PoisonError::into_inner);
            hops.insert((config.network, config.address), hop);
        }
    }

    /// The frame that answers a question for the MAC of an address routed here; 0 bytes where
    /// there is none to give: the question is no question, or for an address on the asker's own
    /// port.
    ///
    /// # Errors
    /// [`DropReason::UnknownDestination`] for an address without a route;
    /// [`DropReason::UnknownProtocol`] for a frame that is no question; [`DropReason::Truncated`].
    pub fn answer(
        &self,
        network: u64,
        port: PortId,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        reply(frame, out, |address| match self.hop(network, address) {
            None => Err(DropReason::UnknownDestination),
            Some(hop) => Ok((hop.location != Location::Port(port)).then_some(self.mac)),
        })
    }

    /// The MAC of frames to all VMs of a network that a packet to this address is for: broadcast
    /// or multicast, where the encapsulation passes them on.
    #[must_use]
    pub fn to_all(&self, network: u64, destination: IpAddr) -> Option<Mac> {
        if self.everyone.contains(&(network, destination)) {
            return Some(Mac([0xFF; 6]));
        }
        let group = destination.is_multicast() && self.passing.contains(&network);
        group.then(|| group_mac(destination))
    }
}

/// The way to one address, with the peer found.
fn resolve(via: Via, peer: impl Fn(IpAddr) -> Option<PeerId>) -> Option<Hop> {
    let (location, mac) = match via {
        Via::Port(port, mac) => (Location::Port(PortId(port)), mac),
        Via::Peer(address) => (Location::Peer(peer(address)?), Mac::ZERO),
        Via::Everyone => return None,
    };
    Some(Hop { location, mac })
}

/// The MAC of frames to an IP multicast group (RFC 1112 section 6.4, RFC 2464 section 7).
#[must_use]
pub fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, a, b, c] = group.octets();
            Mac([0x01, 0x00, 0x5E, a & 0x7F, b, c])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}

/// Writes the frame that answers a question for a MAC (ARP, neighbour solicitation) and returns
/// its length; 0 bytes where there is nothing to say. `known` gives the MAC of an address, or none
/// where the question is not to be answered.
///
/// # Errors
/// [`DropReason::UnknownProtocol`] for a frame that is no question; [`DropReason::Truncated`];
/// what `known` says.
pub fn reply(
    frame: &[u8],
    out: &mut [u8],
    known: impl Fn(IpAddr) -> Result<Option<Mac>, DropReason>,
) -> Result<usize, DropReason> {
    let header = ethernet::Header::parse(frame)?;
    let rest = frame.get(ethernet::LEN..).ok_or(DropReason::Truncated)?;
    let back = |mac| ethernet::Header { dst: header.src, src: mac, ethertype: header.ethertype };
    if header.ethertype == ethertype::ARP {
        let asked = arp::Message::parse(rest)?;
        if asked.operation != arp::REQUEST {
            return Ok(0);
        }
        let Some(mac) = known(asked.target_ip.into())? else { return Ok(0) };
        let message = arp::Message {
            operation: arp::REPLY,
            sender_mac: mac,
            sender_ip: asked.target_ip,
            target_mac: asked.sender_mac,
            target_ip: asked.sender_ip,
        };
        let len = back(mac).emit(out)?;
        return Ok(len + message.emit(out.get_mut(len..).unwrap_or_default())?);
    }
    let (from, target) = solicitation(header.ethertype, rest)?;
    let Some(mac) = known(target.into())? else { return Ok(0) };
    let len = back(mac).emit(out)?;
    Ok(len + advertise(mac, target, from, out.get_mut(len..).unwrap_or_default())?)
}

/// Who asks for the MAC of which address.
fn solicitation(kind: u16, packet: &[u8]) -> Result<(Ipv6Addr, Ipv6Addr), DropReason> {
    if kind != ethertype::IPV6 {
        return Err(DropReason::UnknownProtocol);
    }
    let header = ipv6::Header::parse(packet)?;
    let message = packet.get(ipv6::LEN..).and_then(<[u8]>::first_chunk::<24>);
    match message {
        Some([SOLICITATION, 0, _, _, _, _, _, _, target @ ..])
            if header.next_header == protocol::ICMPV6 && header.hop_limit == 255 =>
        {
            Ok((header.src, Ipv6Addr::from(*target)))
        }
        _ => Err(DropReason::UnknownProtocol),
    }
}

/// Writes a solicited advertisement of `target` to `to`; to a prober without an address, none.
fn advertise(
    mac: Mac,
    target: Ipv6Addr,
    to: Ipv6Addr,
    out: &mut [u8],
) -> Result<usize, DropReason> {
    const FLAG_SOLICITED: u8 = 0x40;
    if to.is_unspecified() {
        return Err(DropReason::UnknownDestination);
    }
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: ADVERTISEMENT_LEN as u16,
        next_header: protocol::ICMPV6,
        hop_limit: 255,
        src: target,
        dst: to,
    };
    let len = header.emit(out)?;
    let message = out
        .get_mut(len..)
        .and_then(<[u8]>::first_chunk_mut::<ADVERTISEMENT_LEN>)
        .ok_or(DropReason::Truncated)?;
    *message = [0; ADVERTISEMENT_LEN];
    message[0] = ADVERTISEMENT;
    message[4] = FLAG_SOLICITED;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac.0);
    let pseudo = checksum::pseudo_v6(target, to, protocol::ICMPV6, ADVERTISEMENT_LEN as u32);
    let sum = checksum::finish(checksum::sum(&message[..], pseudo));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(len + ADVERTISEMENT_LEN)
}

/// Source and destination of an IP packet.
///
/// # Errors
/// As the headers' parsers; [`DropReason::UnknownProtocol`] for what is not IP.
pub fn addresses(kind: u16, packet: &[u8]) -> Result<(IpAddr, IpAddr), DropReason> {
    match kind {
        ethertype::IPV4 => {
            let header = ipv4::Header::parse(packet)?;
            Ok((header.src.into(), header.dst.into()))
        }
        ethertype::IPV6 => {
            let header = ipv6::Header::parse(packet)?;
            Ok((header.src.into(), header.dst.into()))
        }
        _ => Err(DropReason::UnknownProtocol),
    }
}

/// Takes one hop off a packet's life, its header checksum included (RFC 1624).
///
/// # Errors
/// [`DropReason::TtlZero`] where none would be left; [`DropReason::Truncated`].
pub fn decrement(kind: u16, packet: &mut [u8]) -> Result<(), DropReason> {
    let at = if kind == ethertype::IPV4 { 8 } else { 7 };
    let hops = packet.get_mut(at).ok_or(DropReason::Truncated)?;
    if *hops <= 1 {
        return Err(DropReason::TtlZero);
    }
    *hops -= 1;
    if kind == ethertype::IPV4
        && let Some([_, _, _, _, _, _, _, _, ttl, protocol, high, low]) =
            packet.first_chunk_mut::<12>()
    {
        let new = u16::from_be_bytes([*ttl, *protocol]);
        let old = u16::from_be_bytes([*ttl + 1, *protocol]);
        let sum = checksum::update(u16::from_be_bytes([*high, *low]), old, new);
        [*high, *low] = sum.to_be_bytes();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    const VM: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const HERE: PortId = PortId(0);

    fn routes() -> Routes {
        let route =
            |address: &str, via| RouteConfig { network: 7, address: address.parse().unwrap(), via };
        let far = "192.0.2.2".parse().unwrap();
        let configs = [
            route("10.0.0.1", Via::Port(0, VM)),
            route("10.0.0.2", Via::Peer(far)),
            route("2001:db8::2", Via::Peer(far)),
            route("10.0.0.3", Via::Peer("192.0.2.3".parse().unwrap())),
        ];
        Routes::new(&configs, 0x0102_0304_0506_0708, |peer| (peer == far).then_some(PeerId(4)))
    }

    fn request(target: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xFF; 6];
        frame.extend(VM.0);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(VM.0);
        frame.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        frame.extend(target);
        frame
    }

    #[test]
    fn addresses_behind_the_tunnel_are_answered_for() {
        let mut out = [0; MAX_ANSWER];
        let len = routes().answer(7, HERE, &request([10, 0, 0, 2]), &mut out).unwrap();
        assert_eq!(len, 42);
        let header = ethernet::Header::parse(&out).unwrap();
        assert_eq!((header.dst, header.src), (VM, routes().mac));
        let reply = arp::Message::parse(&out[14..]).unwrap();
        assert_eq!(reply.to_string(), "ARP 10.0.0.2 is at 02:ed:01:02:03:04");
    }

    #[test]
    fn own_unknown_and_foreign_addresses_are_not() {
        let mut out = [0; MAX_ANSWER];
        let mut ask = |network, target| routes().answer(network, HERE, &request(target), &mut out);
        assert_eq!(ask(7, [10, 0, 0, 1]), Ok(0), "a probe for the VM's own address");
        assert_eq!(ask(7, [10, 0, 0, 9]), Err(DropReason::UnknownDestination));
        assert_eq!(ask(7, [10, 0, 0, 3]), Err(DropReason::UnknownDestination), "no such peer");
        assert_eq!(ask(8, [10, 0, 0, 2]), Err(DropReason::UnknownDestination), "another tenant");
        let tcp = samples::tcp(1, samples::ACK, b"x");
        let refused = routes().answer(7, HERE, &tcp, &mut out);
        assert_eq!(refused, Err(DropReason::UnknownProtocol));
    }

    #[test]
    fn broadcast_and_multicast_pass_where_the_network_says_so() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let all = |address| RouteConfig { network: 7, address, via: Via::Everyone };
        let routes = Routes::new(&[all(ip("255.255.255.255")), all(ip("10.0.0.255"))], 1, |_| None);
        assert_eq!(routes.to_all(7, ip("10.0.0.255")), Some(Mac([0xFF; 6])));
        assert_eq!(routes.to_all(7, ip("10.0.0.5")), None);
        assert_eq!(routes.to_all(7, ip("239.129.2.3")), Some(Mac([1, 0, 0x5E, 1, 2, 3])));
        let six = routes.to_all(7, ip("ff02::1:ff00:2"));
        assert_eq!(six, Some(Mac([0x33, 0x33, 0xFF, 0, 0, 2])));
        assert_eq!(routes.to_all(8, ip("239.129.2.3")), None, "another network");
        assert_eq!(routes.hop(7, ip("10.0.0.255")), None);
    }

    #[test]
    fn neighbours_are_advertised() {
        let target: Ipv6Addr = "2001:db8::2".parse().unwrap();
        let from: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut frame = vec![0x33, 0x33, 0xFF, 0, 0, 2];
        frame.extend(VM.0);
        frame.extend([0x86, 0xDD]);
        let mut packet = [0; 40];
        ipv6::Header {
            traffic_class: 0,
            flow_label: 0,
            payload_len: 24,
            next_header: protocol::ICMPV6,
            hop_limit: 255,
            src: from,
            dst: target,
        }
        .emit(&mut packet)
        .unwrap();
        frame.extend(packet);
        frame.extend([135, 0, 0, 0, 0, 0, 0, 0]);
        frame.extend(target.octets());
        let mut out = [0xA5; MAX_ANSWER];
        assert_eq!(routes().answer(7, HERE, &frame, &mut out), Ok(MAX_ANSWER));
        let header = ipv6::Header::parse(&out[14..]).unwrap();
        assert_eq!((header.src, header.dst, header.hop_limit), (target, from, 255));
        let message = header.payload(&out[14..]).unwrap();
        let pseudo = checksum::pseudo_v6(target, from, 58, 32);
        assert!(checksum::is_right(checksum::sum(message, pseudo)));
        assert_eq!((message[0], &message[26..]), (136, &routes().mac.0[..]));
    }

    #[test]
    fn a_hop_is_taken_off_and_the_last_one_kept() {
        let mut frame = samples::tcp(1, samples::ACK, b"x");
        for left in (1..64).rev() {
            decrement(ethertype::IPV4, &mut frame[14..]).unwrap();
            assert_eq!(ipv4::Header::parse_verified(&frame[14..]).unwrap().ttl, left);
        }
        assert_eq!(decrement(ethertype::IPV4, &mut frame[14..]), Err(DropReason::TtlZero));
        assert_eq!(frame[22], 1);
    }
}
