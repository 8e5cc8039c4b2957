//! The probe frames: complete Ethernet frames that carry a token, of the four kinds tried.

use std::net::{IpAddr, Ipv4Addr};

use super::token::Token;
use crate::plan::VmPlan;

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
}

impl Kind {
    /// All, in the order they are tried.
    pub const ALL: [Kind; 4] = [Kind::Unicast, Kind::Broadcast, Kind::Multicast, Kind::Arp];

    /// The name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Unicast => "unicast",
            Kind::Broadcast => "broadcast",
            Kind::Multicast => "multicast",
            Kind::Arp => "arp",
        }
    }
}

/// MAC and IPv4 address of one VM; an IPv6 VM sends from 0.0.0.0 (only Ethernet delivery is tried).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station {
    pub mac: [u8; 6],
    pub address: Ipv4Addr,
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
        parts.next().is_none().then_some(Station { mac, address })
    }
}

/// One probe from `from`, aimed at `to` where its kind has an aim.
pub fn frame(kind: Kind, from: &Station, to: &Station, token: &Token) -> Vec<u8> {
    let (mac, address) = match kind {
        Kind::Unicast => (to.mac, to.address),
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

    #[test]
    fn every_kind_carries_its_token_and_is_well_formed() {
        let from = Station { mac: [2, 0, 0, 0, 0, 1], address: Ipv4Addr::new(10, 0, 0, 1) };
        let to = Station { mac: [2, 0, 0, 0, 0, 2], address: Ipv4Addr::new(10, 0, 0, 2) };
        let token = Token { secret: [1; 16], tenant: 0, number: 5 };
        for kind in Kind::ALL {
            let frame = frame(kind, &from, &to, &token);
            assert_eq!(Token::find(&frame), Some(token), "{kind:?}");
            assert!(frame.len() >= 60, "no padding may be added behind it");
            assert_eq!(frame[6..12], from.mac);
            assert_eq!(frame[0] & 1 == 0, kind == Kind::Unicast);
            if kind != Kind::Arp {
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
