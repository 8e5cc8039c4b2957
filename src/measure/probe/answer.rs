//! ICMP errors as their receiver sees them.

use std::net::IpAddr;

use crate::wire::ethernet::{self, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::{icmp, ipv6};

/// One ICMP or ICMPv6 message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::measure) struct Answer {
    /// `protocol-unreachable`, `port-unreachable`, `fragmentation-needed`, or `icmp-TYPE-CODE`.
    pub name: String,
    /// The MTU that it names, where it is about one.
    pub mtu: Option<u32>,
    /// Bytes before what it quotes, from the start of the frame.
    pub quoted: usize,
}

/// The ICMP message in an Ethernet frame; `None` where it holds none. Its checksum is verified
/// only where it is about an MTU.
pub(in crate::measure) fn read(frame: &[u8]) -> Option<Answer> {
    let header = ethernet::Header::parse(frame).ok()?;
    let packet = frame.get(ethernet::LEN..)?;
    let (message, v4, addresses) = match header.ethertype {
        ethertype::IPV4 => {
            let ip = ipv4::Header::parse(packet).ok()?;
            if ip.protocol != protocol::ICMP {
                return None;
            }
            (ip.payload(packet).ok()?, true, (IpAddr::V4(ip.src), IpAddr::V4(ip.dst)))
        }
        ethertype::IPV6 => {
            let ip = ipv6::Header::parse(packet).ok()?;
            if ip.next_header != protocol::ICMPV6 {
                return None;
            }
            (ip.payload(packet).ok()?, false, (IpAddr::V6(ip.src), IpAddr::V6(ip.dst)))
        }
        _ => return None,
    };
    let too_big = match addresses {
        (IpAddr::V6(src), IpAddr::V6(dst)) => icmp::parse_v6(message, src, dst).ok(),
        _ => icmp::parse_v4(message).ok(),
    };
    let [kind, code, ..] = *message else { return None };
    let name = match (v4, kind, code) {
        _ if too_big.is_some() => "fragmentation-needed".to_owned(),
        (true, 3, 2) | (false, 4, 1) => "protocol-unreachable".to_owned(),
        (true, 3, 3) | (false, 1, 4) => "port-unreachable".to_owned(),
        (true, ..) => format!("icmp-{kind}-{code}"),
        (false, ..) => format!("icmpv6-{kind}-{code}"),
    };
    let before = frame.len() - packet.len() + (message.as_ptr().addr() - packet.as_ptr().addr());
    Some(Answer { name, mtu: too_big.map(|told| told.mtu), quoted: before + icmp::LEN })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 packet of this protocol and payload.
    fn frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        frame.extend([0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn messages_are_named_by_type_and_code() {
        let name =
            |kind, code| read(&frame(1, &[kind, code, 0, 0, 0, 0, 0, 0, 0x45])).unwrap().name;
        assert_eq!(name(3, 2), "protocol-unreachable");
        assert_eq!(name(3, 3), "port-unreachable");
        assert_eq!(name(11, 0), "icmp-11-0");
        assert_eq!(read(&frame(17, &[3, 2, 0, 0])), None);
        assert_eq!(read(&[0; 13]), None);
    }

    #[test]
    fn an_mtu_is_believed_only_with_a_right_checksum() {
        // 3 + 4 and 1458 in ones' complement: 0304 + 05b2 = 08b6, inverted f749.
        let told = frame(1, &[3, 4, 0xF7, 0x49, 0, 0, 0x05, 0xB2]);
        let answer = read(&told).unwrap();
        assert_eq!((answer.mtu, answer.name.as_str()), (Some(1458), "fragmentation-needed"));
        assert_eq!(answer.quoted, 14 + 20 + 8);
        let forged = frame(1, &[3, 4, 0xF7, 0x48, 0, 0, 0x05, 0xB2]);
        assert_eq!(read(&forged).unwrap().name, "icmp-3-4");
    }
}
