//! Which headers a frame on the underlay consists of, from the outer Ethernet header inwards.
//!
//! For frames as a kernel holds them: a super-frame's length and checksum fields may not be filled
//! in yet, so lengths of IP and UDP are not looked at. Whatever is not understood ends the walk.
//! Never reads beyond the bytes given.

use super::ethernet::{self, ethertype};
use super::ipv4::{self, protocol};
use super::{geneve, gre, ipv6, tcp, udp, vlan, vxlan};

/// One header of a frame and its offset from the frame's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// IEEE 802.1Q or 802.1ad tag: its VLAN id.
    Tag {
        /// The 12-bit VLAN id.
        vid: u16,
    },
    /// IPv4 header (RFC 791).
    Ipv4(usize),
    /// IPv6 header (RFC 8200), extension headers not followed.
    Ipv6(usize),
    /// UDP header (RFC 768) with its destination port.
    Udp(usize, u16),
    /// VXLAN (RFC 7348 section 5) or Geneve (RFC 8926 section 3.4) header: its VNI.
    Vni(u32),
    /// GRE header (RFC 2784, RFC 2890).
    Gre {
        /// Where it starts.
        at: usize,
        /// Its key, where it has one.
        key: Option<u32>,
    },
    /// The L4 header where the walk was to end, or the first that is not followed.
    L4(usize, u8),
}

enum Next {
    Ethernet,
    Type(u16),
    Protocol(u8),
}

/// The layers of `frame`, from its outer Ethernet header up to the L4 header at offset `l4`.
///
/// With `l4` absent, UDP on `tunnel_port` (and Geneve's own port) is opened as a tunnel and all
/// other L4 headers end the walk; with it present every UDP header before it is a tunnel's.
#[must_use]
pub fn layers(frame: &[u8], l4: Option<usize>, tunnel_port: Option<u16>) -> Vec<Layer> {
    let mut walk = Walk { frame, at: 0, l4, tunnel_port, found: Vec::with_capacity(8) };
    let mut next = Some(Next::Ethernet);
    while let Some(this) = next {
        next = walk.step(&this);
    }
    walk.found
}

struct Walk<'a> {
    frame: &'a [u8],
    at: usize,
    l4: Option<usize>,
    tunnel_port: Option<u16>,
    found: Vec<Layer>,
}

impl Walk<'_> {
    fn step(&mut self, next: &Next) -> Option<Next> {
        let rest = self.frame.get(self.at..)?;
        match *next {
            Next::Ethernet => {
                self.at += ethernet::LEN;
                Some(Next::Type(ethernet::Header::parse(rest).ok()?.ethertype))
            }
            Next::Type(tpid) if vlan::is_tpid(tpid) => {
                let [a, b, c, d] = *rest.first_chunk::<{ vlan::LEN }>()?;
                let vid = u16::from_be_bytes([a, b]) & 0x0FFF;
                self.found.push(Layer::Tag { vid });
                self.at += vlan::LEN;
                Some(Next::Type(u16::from_be_bytes([c, d])))
            }
            Next::Type(ethertype::IPV4) => {
                let [first, _, _, _, _, _, f0, f1, _, protocol, ..] =
                    *rest.first_chunk::<{ ipv4::LEN }>()?;
                self.found.push(Layer::Ipv4(self.at));
                self.at += usize::from(first & 0xF) * 4;
                let offset = u16::from_be_bytes([f0, f1]) & 0x1FFF;
                (offset == 0).then_some(Next::Protocol(protocol))
            }
            Next::Type(ethertype::IPV6) => {
                let header = ipv6::Header::parse(rest).ok()?;
                self.found.push(Layer::Ipv6(self.at));
                self.at += ipv6::LEN;
                Some(Next::Protocol(header.next_header))
            }
            Next::Type(ethertype::TEB) => Some(Next::Ethernet),
            Next::Type(_) => None,
            Next::Protocol(protocol) => {
                if self.l4.is_some_and(|l4| self.at >= l4) {
                    self.found.push(Layer::L4(self.at, protocol));
                    return None;
                }
                self.protocol(protocol, rest)
            }
        }
    }

    fn protocol(&mut self, protocol: u8, rest: &[u8]) -> Option<Next> {
        match protocol {
            protocol::IPIP => Some(Next::Type(ethertype::IPV4)),
            protocol::IPV6 => Some(Next::Type(ethertype::IPV6)),
            protocol::GRE => {
                let header = gre::Header::parse(rest).ok()?;
                self.found.push(Layer::Gre { at: self.at, key: header.key });
                self.at += header.len();
                Some(Next::Type(header.protocol))
            }
            protocol::UDP => self.udp(rest),
            _ => {
                self.found.push(Layer::L4(self.at, protocol));
                None
            }
        }
    }

    fn udp(&mut self, rest: &[u8]) -> Option<Next> {
        let [_, _, p0, p1] = *rest.first_chunk::<4>()?;
        let port = u16::from_be_bytes([p0, p1]);
        self.found.push(Layer::Udp(self.at, port));
        if self.l4.is_none() && port != udp::port::GENEVE && self.tunnel_port != Some(port) {
            self.found.push(Layer::L4(self.at, protocol::UDP));
            return None;
        }
        self.at += udp::LEN;
        let rest = rest.get(udp::LEN..)?;
        if port == udp::port::GENEVE {
            let header = geneve::Header::parse(rest).ok()?;
            self.found.push(Layer::Vni(header.vni));
            self.at += header.len();
            return Some(Next::Type(header.protocol));
        }
        let header = vxlan::Header::parse(rest).ok()?;
        self.found.push(Layer::Vni(header.vni));
        self.at += vxlan::LEN;
        Some(Next::Ethernet)
    }
}

/// Where the payload behind the TCP (else UDP) header at `l4` starts.
#[must_use]
pub fn behind(frame: &[u8], l4: usize, tcp: bool) -> Option<usize> {
    if !tcp {
        return Some(l4 + udp::LEN);
    }
    let words = usize::from(*frame.get(l4 + 12)? >> 4);
    (words * 4 >= tcp::LEN).then_some(l4 + words * 4)
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    const VXLAN: &str = "000000000000 000000000000 8100 0065 0800
        4500 0000 0000 4000 4011 0000 0a000001 0a000002 c000 12b5 0000 0000 08000000 00036000
        000000000000 000000000000 0800
        4500 0000 0000 4000 4006 0000 0a000001 0a000002 0000000000000000000000000000000000000000";

    #[test]
    fn walks_through_a_tag_and_a_tunnel() {
        let frame = hex(VXLAN);
        let expected = [
            Layer::Tag { vid: 101 },
            Layer::Ipv4(18),
            Layer::Udp(38, 4789),
            Layer::Vni(864),
            Layer::Ipv4(68),
            Layer::L4(88, 6),
        ];
        assert_eq!(layers(&frame, None, Some(4789)), expected);
        assert_eq!(layers(&frame, Some(88), None), expected);
        assert_eq!(layers(&frame, None, Some(1))[2..], [Layer::Udp(38, 4789), Layer::L4(38, 17)]);
    }

    #[test]
    fn walks_through_gre_geneve_and_ip_in_ip() {
        let inner = "4500 0000 0000 4000 4001 0000 0a000001 0a000002 0800";
        let outer = |protocol: &str| {
            format!(
                "{}0800 4500 0000 0000 4000 40{protocol} 0000 0a000001 0a000002",
                "00".repeat(12)
            )
        };
        let gre = hex(&format!("{} 2000 0800 00000064 {inner}", outer("2f")));
        assert_eq!(
            layers(&gre, None, None),
            [
                Layer::Ipv4(14),
                Layer::Gre { at: 34, key: Some(100) },
                Layer::Ipv4(42),
                Layer::L4(62, 1)
            ]
        );
        let geneve = hex(&format!(
            "{} c000 17c1 0000 0000 0100 0800 000064 00 01020300 {inner}",
            outer("11")
        ));
        assert_eq!(layers(&geneve, None, None)[2..4], [Layer::Vni(100), Layer::Ipv4(54)]);
        let ipip = hex(&format!("{} {inner}", outer("04")));
        assert_eq!(layers(&ipip, None, None)[1..], [Layer::Ipv4(34), Layer::L4(54, 1)]);
    }

    #[test]
    fn every_truncation_ends_quietly() {
        let frame = hex(VXLAN);
        for length in 0..frame.len() {
            assert!(layers(&frame[..length], None, Some(4789)).len() <= 6);
            assert!(layers(&frame[..length], Some(88), None).len() <= 6);
        }
    }
}
