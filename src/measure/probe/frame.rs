//! The inner frames of probes.

use std::net::IpAddr;

use crate::lab::Cast;
use crate::measure::isolation::frames::{Kind, Station, frame};
use crate::measure::isolation::token::Token;
use crate::plan::VmPlan;
use crate::wire::ipv4::protocol;
use crate::wire::{checksum, ipv6, udp};

/// The discard port (RFC 863), and one from the dynamic range.
const PORTS: (u16, u16) = (49_161, 9);
/// Shortest Ethernet frame, without FCS (IEEE 802.3).
const SHORTEST: usize = 60;

/// A frame from one VM that carries a mark which nobody else can have made.
#[derive(Debug, Clone, Copy)]
pub struct Marked<'v> {
    /// The sender.
    pub from: &'v VmPlan,
    /// Whom it is for.
    pub to: &'v VmPlan,
    /// Whom it is addressed to.
    pub cast: Cast,
    /// `EtherType` of a frame without an IP packet in it.
    pub ethertype: Option<u16>,
    /// VLAN id of its tag, where it has one.
    pub tag: Option<u16>,
    /// The mark: 16 bytes of the system's random generator, of one probe.
    pub secret: [u8; 16],
}

impl Marked<'_> {
    /// The frame with this number, without its tag; `None` where a MAC of the plan is none.
    #[must_use]
    pub fn untagged(&self, number: u32) -> Option<Vec<u8>> {
        let token = Token { secret: self.secret, tenant: 0, number };
        let (from, to) = (Station::of(self.from)?, Station::of(self.to)?);
        if let Some(kind) = self.ethertype {
            let to = match self.cast {
                Cast::Unicast => to.mac,
                Cast::Broadcast => [0xFF; 6],
                // Of the group that the other multicast frames are sent to.
                Cast::Multicast => [0x01, 0x00, 0x5E, 0, 0, 120],
            };
            let mut bytes = [to, from.mac].concat();
            bytes.extend(kind.to_be_bytes());
            bytes.extend(token.bytes());
            // Shorter frames would be padded on some links, and not on others.
            bytes.resize(SHORTEST.max(bytes.len()), 0);
            return Some(bytes);
        }
        if let (IpAddr::V6(src), IpAddr::V6(dst)) =
            (self.from.address.addr(), self.to.address.addr())
        {
            let mut bytes = [to.mac, from.mac].concat();
            bytes.extend([0x86, 0xDD]);
            bytes.extend(packet(src, dst, &token.bytes())?);
            return Some(bytes);
        }
        let kind = match self.cast {
            Cast::Unicast => Kind::Unicast,
            Cast::Broadcast => Kind::Broadcast,
            Cast::Multicast => Kind::Multicast,
        };
        Some(frame(kind, &from, &to, &token))
    }

    /// As [`Marked::untagged`], with the tag where there is one.
    #[must_use]
    pub fn frame(&self, number: u32) -> Option<Vec<u8>> {
        let mut bytes = self.untagged(number)?;
        if let Some(vid) = self.tag {
            let [high, low] = vid.to_be_bytes();
            // Behind the two MAC addresses (IEEE 802.1Q clause 9.5).
            bytes.splice(12..12, [0x81, 0x00, high, low]);
        }
        Some(bytes)
    }
}

/// A UDP datagram in IPv6.
fn packet(src: std::net::Ipv6Addr, dst: std::net::Ipv6Addr, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(udp::LEN + payload.len()).ok()?;
    let mut bytes = vec![0; ipv6::LEN + udp::LEN];
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: length,
        next_header: protocol::UDP,
        hop_limit: 64,
        src,
        dst,
    };
    header.emit(&mut bytes).ok()?;
    let mut header = udp::Header { src_port: PORTS.0, dst_port: PORTS.1, length, checksum: 0 };
    let room = bytes.get_mut(ipv6::LEN..)?;
    header.emit(room).ok()?;
    let pseudo = checksum::pseudo_v6(src, dst, protocol::UDP, length.into());
    header.checksum = checksum::finish_udp(checksum::sum_parts(&[room, payload], pseudo));
    header.emit(room).ok()?;
    bytes.extend(payload);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(name: &str, address: &str, last: u8) -> VmPlan {
        VmPlan {
            name: name.into(),
            tenant: "red".into(),
            host: "h1".into(),
            node: format!("red.{name}"),
            port: "p".into(),
            address: address.parse().unwrap(),
            address6: None,
            mac: format!("06:00:00:00:00:0{last}"),
            mtu: 1450,
        }
    }

    #[test]
    fn a_tag_stands_behind_the_addresses_and_the_mark_is_kept() {
        let (a, b) = (vm("a", "10.0.0.1/24", 1), vm("b", "10.0.0.2/24", 2));
        let plain = Marked {
            from: &a,
            to: &b,
            cast: Cast::Unicast,
            ethertype: None,
            tag: None,
            secret: [7; 16],
        };
        let tagged = Marked { tag: Some(5), ..plain };
        let (plain, tagged) = (plain.frame(3).unwrap(), tagged.frame(3).unwrap());
        assert_eq!(tagged[12..18], [0x81, 0, 0, 5, 8, 0]);
        assert_eq!((&tagged[..12], &tagged[16..]), (&plain[..12], &plain[12..]));
        let token = Token { secret: [7; 16], tenant: 0, number: 3 };
        assert_eq!(Token::find(&tagged), Some(token));
    }

    #[test]
    fn frames_without_ip_carry_the_mark_behind_their_type() {
        let (a, b) = (vm("a", "10.0.0.1/24", 1), vm("b", "10.0.0.2/24", 2));
        for cast in [Cast::Unicast, Cast::Broadcast, Cast::Multicast] {
            let kind = Some(0x88B5);
            let marked =
                Marked { from: &a, to: &b, cast, ethertype: kind, tag: None, secret: [7; 16] };
            let frame = marked.frame(3).unwrap();
            assert_eq!((frame.len(), &frame[12..14]), (60, &[0x88, 0xB5][..]));
            assert_eq!(frame[0] & 1 == 0, cast == Cast::Unicast);
            assert_eq!(Token::find(&frame).map(|token| token.number), Some(3));
        }
    }

    #[test]
    fn ipv6_probes_have_a_right_checksum() {
        let (a, b) = (vm("a", "fd00::1/64", 1), vm("b", "fd00::2/64", 2));
        let marked = Marked {
            from: &a,
            to: &b,
            cast: Cast::Unicast,
            ethertype: None,
            tag: None,
            secret: [7; 16],
        };
        let frame = marked.frame(0).unwrap();
        let ip = ipv6::Header::parse(&frame[14..]).unwrap();
        let datagram = ip.payload(&frame[14..]).unwrap();
        let length = u32::try_from(datagram.len()).unwrap();
        let pseudo = checksum::pseudo_v6(ip.src, ip.dst, 17, length);
        assert!(checksum::is_right(checksum::sum(datagram, pseudo)));
    }
}
