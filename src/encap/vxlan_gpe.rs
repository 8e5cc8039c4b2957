//! VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-12): VXLAN that says what is inside.

use super::inner::{trim, vni};
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::udp::port;
use crate::wire::vxlan_gpe::{Header, LEN, next_protocol};

/// The VXLAN-GPE header; the network is the VNI.
#[derive(Debug, Clone, Copy)]
pub struct VxlanGpe {
    /// UDP destination port.
    pub port: u16,
}

impl Default for VxlanGpe {
    fn default() -> Self {
        VxlanGpe { port: port::VXLAN_GPE }
    }
}

impl Engine for VxlanGpe {
    fn encap(&self) -> Encap {
        Encap::Vxlan
    }

    fn transport(&self) -> Transport {
        Transport::Udp { port: self.port }
    }

    fn header_len(&self) -> usize {
        LEN
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        let next_protocol = match inner.kind {
            InnerKind::Ethernet => next_protocol::ETHERNET,
            InnerKind::Ipv4 => next_protocol::IPV4,
            InnerKind::Ipv6 => next_protocol::IPV6,
        };
        Header { next_protocol, replicated: false, oam: false, vni: vni(network)? }.emit(out)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        if header.oam {
            return Err(DropReason::UnknownProtocol);
        }
        let kind = match header.next_protocol {
            next_protocol::ETHERNET => InnerKind::Ethernet,
            next_protocol::IPV4 => InnerKind::Ipv4,
            next_protocol::IPV6 => InnerKind::Ipv6,
            _ => return Err(DropReason::UnknownProtocol),
        };
        trim(kind, payload.get(LEN..).ok_or(DropReason::Truncated)?)?;
        Ok(Decap { network: u64::from(header.vni), kind, offset: LEN })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER};
    use super::*;

    #[test]
    fn frames_and_packets_go_on_and_come_off() {
        let engine = VxlanGpe::default();
        for (kind, bytes, next) in
            [(InnerKind::Ethernet, &FRAME[..], 3), (InnerKind::Ipv4, &FRAME[14..], 1)]
        {
            let mut packet = vec![0xA5; LEN];
            engine.header(77, &Inner { kind, parts: [bytes, &[]], flow: 0 }, &mut packet).unwrap();
            assert_eq!(packet, [0x0C, 0, 0, next, 0, 0, 77, 0]);
            packet.extend(bytes);
            assert_eq!(engine.decap(&packet, &OUTER), Ok(Decap { network: 77, kind, offset: 8 }));
            packet[3] = 4;
            assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::UnknownProtocol));
            packet[0] |= 1;
            assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::UnknownProtocol));
        }
    }
}
