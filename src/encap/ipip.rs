//! IP in IP without a header of its own: 4in4 (RFC 2003), 6in4 (RFC 4213), 4in6 and 6in6 (RFC 2473).

use std::net::Ipv6Addr;

use super::inner::trim;
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::ipv4::protocol;
use crate::wire::ipv6;

/// IPv4 or IPv6 packets straight behind the outer IP header. There is no network id: one pair of
/// endpoints is one network, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpInIp {
    /// IPv4 inside, protocol 4.
    V4,
    /// IPv6 inside, protocol 41.
    V6,
}

impl IpInIp {
    const fn kind(self) -> InnerKind {
        match self {
            IpInIp::V4 => InnerKind::Ipv4,
            IpInIp::V6 => InnerKind::Ipv6,
        }
    }
}

impl Engine for IpInIp {
    fn encap(&self) -> Encap {
        match self {
            IpInIp::V4 => Encap::Ipip,
            IpInIp::V6 => Encap::SixInFour,
        }
    }

    fn transport(&self) -> Transport {
        let protocol = match self {
            IpInIp::V4 => protocol::IPIP,
            IpInIp::V6 => protocol::IPV6,
        };
        Transport::Ip { protocol }
    }

    fn header_len(&self) -> usize {
        0
    }

    fn header(&self, _network: u64, inner: &Inner<'_>, _out: &mut [u8]) -> Result<(), DropReason> {
        if inner.kind != self.kind() {
            return Err(DropReason::UnknownProtocol);
        }
        let hops = match self {
            IpInIp::V4 => inner.parts[0].get(8),
            IpInIp::V6 => inner.parts[0].get(7),
        };
        match hops {
            None => Err(DropReason::Truncated),
            Some(0) => Err(DropReason::TtlZero),
            Some(_) => Ok(()),
        }
    }

    fn decap(&self, payload: &[u8], outer: &Outer) -> Result<Decap, DropReason> {
        let packet = trim(self.kind(), payload)?;
        if *self == IpInIp::V6 && outer.source.is_ipv4() {
            let source = ipv6::Header::parse(packet)?.src;
            if is_refused_source(source) {
                return Err(DropReason::BadSource);
            }
        }
        Ok(Decap { network: 0, kind: self.kind(), offset: 0 })
    }
}

/// Sources that no packet from a 6in4 tunnel may have (RFC 4213 section 3.6): groups, loopback,
/// and addresses that hold an IPv4 address, but for the unspecified one of address detection.
fn is_refused_source(source: Ipv6Addr) -> bool {
    let compatible = source.to_bits() >> 32 == 0 && !source.is_unspecified();
    source.is_multicast() || compatible || source.to_ipv4_mapped().is_some()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ipv6_packet};
    use super::*;

    #[test]
    fn an_ipv4_packet_is_taken_as_it_is() {
        let packet = &FRAME[14..];
        let inner = Inner { kind: InnerKind::Ipv4, parts: [packet, &[]], flow: 0 };
        assert_eq!(IpInIp::V4.header(0, &inner, &mut []), Ok(()));
        let decap = IpInIp::V4.decap(packet, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 0, kind: InnerKind::Ipv4, offset: 0 });
        for short in 0..packet.len() {
            assert!(IpInIp::V4.decap(&packet[..short], &OUTER).is_err());
        }
    }

    #[test]
    fn the_inner_header_is_checked() {
        let refused = |at: usize, value: u8| {
            let mut packet = FRAME[14..].to_vec();
            packet[at] = value;
            IpInIp::V4.decap(&packet, &OUTER).unwrap_err()
        };
        assert_eq!(refused(0, 0x65), DropReason::BadVersion);
        assert_eq!(refused(8, 63), DropReason::BadChecksum);
        let mut dead = FRAME[14..].to_vec();
        dead[8] = 0;
        dead[10] = 0x65;
        assert_eq!(IpInIp::V4.decap(&dead, &OUTER), Err(DropReason::TtlZero));
        let inner = Inner { kind: InnerKind::Ipv4, parts: [&dead, &[]], flow: 0 };
        assert_eq!(IpInIp::V4.header(0, &inner, &mut []), Err(DropReason::TtlZero));
        assert_eq!(IpInIp::V6.header(0, &inner, &mut []), Err(DropReason::UnknownProtocol));
    }

    #[test]
    fn sources_of_rfc_4213_section_3_6() {
        let decap = |source: &str| {
            let packet = ipv6_packet(source.parse().unwrap());
            IpInIp::V6.decap(&packet, &OUTER).map(|decap| decap.kind)
        };
        for wrong in ["ff02::1", "::1", "::192.0.2.1", "::ffff:192.0.2.1"] {
            assert_eq!(decap(wrong), Err(DropReason::BadSource), "{wrong}");
        }
        for right in ["::", "2001:db8::1", "fe80::1", "::1:0:0:0"] {
            assert_eq!(decap(right), Ok(InnerKind::Ipv6), "{right}");
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_refused_and_one_below_is_cut() {
        let packet = ipv6_packet("2001:db8::1".parse().unwrap());
        let short = &packet[..packet.len() - 1];
        assert_eq!(IpInIp::V6.decap(short, &OUTER), Err(DropReason::BadLength));
        let mut padded = packet.clone();
        padded.extend([0; 7]);
        assert_eq!(trim(InnerKind::Ipv6, &padded), Ok(&packet[..]));
    }
}
