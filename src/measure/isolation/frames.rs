//! The probe frames: complete Ethernet frames that carry a token, of the kinds tried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::token::Token;
use crate::measure::error::MeasureError;
use crate::plan::{Variant, VmPlan};
use crate::wire::ipv4::protocol;
use crate::wire::{checksum, ipv6};

/// How a probe is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// To the MAC and IP address of one of the other tenant's VMs.
    Unicast,
    /// To everyone.
    Broadcast,
    /// To a link-local group, which every switch floods (RFC 4541 section 2.1.2).
    Multicast,
    /// An ARP request for the address of one of the other tenant's VMs.
    Arp,
    /// To a MAC address that nobody has, which switches flood.
    Unknown,
    /// A neighbour solicitation for the IPv6 address of one of the other tenant's VMs.
    Nd,
}

impl Kind {
    /// All, in the order they are tried.
    pub const ALL: [Kind; 6] =
        [Kind::Unicast, Kind::Unknown, Kind::Broadcast, Kind::Multicast, Kind::Arp, Kind::Nd];

    /// The name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Unicast => "unicast",
            Kind::Broadcast => "broadcast",
            Kind::Multicast => "multicast",
            Kind::Arp => "arp",
            Kind::Unknown => "unknown",
            Kind::Nd => "nd",
        }
    }
}

/// Nobody's: no VM's MAC begins with it, and it is never a source.
const NOBODY: [u8; 6] = [0x0E, 0, 0x5E, 0, 0, 0x7F];

/// MAC and addresses of one VM; an IPv6 VM sends from 0.0.0.0 (only Ethernet delivery is tried).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station {
    pub mac: [u8; 6],
    pub address: Ipv4Addr,
    pub address6: Option<Ipv6Addr>,
}

impl Station {
    /// The VM's own; `None` where its MAC is not six hexadecimal bytes.
    pub fn of(vm: &VmPlan) -> Option<Station> {
        let mut mac = [0; 6];
        let mut parts = vm.mac.split([':', '-']);
        for byte in &mut mac {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        let address = match vm.address.addr() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let addresses = std::iter::once(vm.address).chain(vm.address6).map(|net| net.addr());
        let mut six = addresses.filter_map(|address| match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        });
        parts.next().is_none().then_some(Station { mac, address, address6: six.next() })
    }

    /// The same, or an error that names the VM's namespace.
    pub fn known(variant: &Variant, vm: &VmPlan) -> Result<Station, MeasureError> {
        Station::of(vm).ok_or_else(|| MeasureError::Namespace {
            operation: format!("read the MAC `{}`", vm.mac),
            namespace: variant.namespace(&vm.node),
            source: std::io::ErrorKind::InvalidInput.into(),
        })
    }
}

/// Whether a probe of this kind can go from one to the other.
pub fn possible(kind: Kind, from: &Station, to: &Station) -> bool {
    kind != Kind::Nd || from.address6.is_some() && to.address6.is_some()
}

/// One probe from `from`, aimed at `to` where its kind has an aim.
pub fn frame(kind: Kind, from: &Station, to: &Station, token: &Token) -> Vec<u8> {
    let (mac, address) = match kind {
        Kind::Unicast => (to.mac, to.address),
        Kind::Unknown => (NOBODY, to.address),
        Kind::Nd => (solicited_mac(to), to.address),
        Kind::Broadcast | Kind::Arp => ([0xFF; 6], Ipv4Addr::BROADCAST),
        // 224.0.0.120 lies in the range that is never pruned by IGMP snooping.
        Kind::Multicast => ([0x01, 0x00, 0x5E, 0, 0, 120], Ipv4Addr::new(224, 0, 0, 120)),
    };
    let mut frame = Vec::with_capacity(128);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&from.mac);
    if kind == Kind::Arp {
        arp(&mut frame, from, to);
        // Behind the ARP packet, where Ethernet has its padding: it travels with the frame.
        frame.extend_from_slice(&token.bytes());
    } else if kind == Kind::Nd {
        solicitation(&mut frame, from, to);
        frame.extend_from_slice(&token.bytes());
    } else {
        udp(&mut frame, from.address, address, &token.bytes());
    }
    frame
}

/// An ARP request (RFC 826): who has `to`, tell `from`.
fn arp(frame: &mut Vec<u8>, from: &Station, to: &Station) {
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend_from_slice(&from.mac);
    frame.extend_from_slice(&from.address.octets());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(&to.address.octets());
}

/// The MAC of a VM's solicited-node group (RFC 4291 section 2.7.1, RFC 2464 section 7).
fn solicited_mac(to: &Station) -> [u8; 6] {
    let [.., a, b, c] = to.address6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets();
    [0x33, 0x33, 0xFF, a, b, c]
}

/// A neighbour solicitation (RFC 4861 section 4.3): who has `to`, tell `from`.
fn solicitation(frame: &mut Vec<u8>, from: &Station, to: &Station) {
    let address = |of: &Station| of.address6.unwrap_or(Ipv6Addr::UNSPECIFIED);
    let (src, target) = (address(from), address(to));
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::from([0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, a, b, c]);
    let mut message = [0; 32];
    message[0] = 135;
    message[8..24].copy_from_slice(&target.octets());
    // Option 1, source link-layer address, one unit of 8 bytes.
    message[24..26].copy_from_slice(&[1, 1]);
    message[26..].copy_from_slice(&from.mac);
    let pseudo = checksum::pseudo_v6(src, group, protocol::ICMPV6, 32);
    let sum = checksum::finish(checksum::sum(&message, pseudo));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut header = [0; ipv6::LEN];
    let ip = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: 32,
        next_header: protocol::ICMPV6,
        hop_limit: 255,
        src,
        dst: group,
    };
    // The room is a header's.
    let _ = ip.emit(&mut header);
    frame.extend_from_slice(&[0x86, 0xDD]);
    frame.extend_from_slice(&header);
    frame.extend_from_slice(&message);
}

/// A UDP datagram to the discard port (RFC 863), without UDP checksum (RFC 768 allows 0).
fn udp(frame: &mut Vec<u8>, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 28).unwrap_or(u16::MAX);
    let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum: u32 =
        header.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xFFFF) + (folded >> 16)).unwrap_or(0);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&[0x08, 0x00]);
    frame.extend_from_slice(&header);
    frame.extend_from_slice(&[0xC0, 0x09, 0, 9]);
    frame.extend_from_slice(&(length - 20).to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(last: u8) -> Station {
        Station {
            mac: [2, 0, 0, 0, 0, last],
            address: Ipv4Addr::new(10, 0, 0, last),
            address6: Some(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, last.into())),
        }
    }

    #[test]
    fn a_solicitation_is_one_and_needs_addresses_of_both() {
        let (from, to) = (station(1), station(2));
        let frame = frame(Kind::Nd, &from, &to, &Token { secret: [1; 16], tenant: 0, number: 5 });
        assert_eq!(frame[..6], [0x33, 0x33, 0xFF, 0, 0, 2]);
        let header = ipv6::Header::parse(&frame[14..]).unwrap();
        let message = header.payload(&frame[14..]).unwrap();
        let pseudo = checksum::pseudo_v6(header.src, header.dst, protocol::ICMPV6, 32);
        assert!(checksum::is_right(checksum::sum(message, pseudo)));
        assert_eq!((message[0], &message[8..24]), (135, &to.address6.unwrap().octets()[..]));
        assert_eq!(header.dst, "ff02::1:ff00:2".parse::<Ipv6Addr>().unwrap());
        assert!(possible(Kind::Nd, &from, &to));
        assert!(!possible(Kind::Nd, &Station { address6: None, ..from }, &to));
    }

    #[test]
    fn every_kind_carries_its_token_and_is_well_formed() {
        let from = station(1);
        let to = station(2);
        let token = Token { secret: [1; 16], tenant: 0, number: 5 };
        for kind in Kind::ALL {
            let frame = frame(kind, &from, &to, &token);
            assert_eq!(Token::find(&frame), Some(token), "{kind:?}");
            assert!(frame.len() >= 60, "no padding may be added behind it");
            assert_eq!(frame[6..12], from.mac);
            assert_eq!(frame[0] & 1 == 0, matches!(kind, Kind::Unicast | Kind::Unknown));
            if !matches!(kind, Kind::Arp | Kind::Nd) {
                let words = frame[14..34].as_chunks::<2>().0;
                let sum: u32 = words.iter().map(|w| u32::from(u16::from_be_bytes(*w))).sum();
                assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF, "header checksum");
                assert_eq!(
                    usize::from(u16::from_be_bytes([frame[16], frame[17]])),
                    frame.len() - 14
                );
            }
        }
    }
}
