//! VXLAN (RFC 7348).

use super::inner::{check_ethernet, vni};
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::udp::port;
use crate::wire::vxlan::{Header, LEN};

/// The VXLAN header of RFC 7348 section 5; the network is the VNI.
#[derive(Debug, Clone, Copy)]
pub struct Vxlan {
    /// UDP destination port.
    pub port: u16,
    /// Drops packets with a reserved bit set, as Linux does; the RFC ignores those bits.
    pub strict: bool,
    /// Carries tagged inner frames; section 6.1 says they SHOULD be dropped unless configured.
    pub inner_tags: bool,
}

impl Default for Vxlan {
    fn default() -> Self {
        Vxlan { port: port::VXLAN, strict: false, inner_tags: false }
    }
}

impl Engine for Vxlan {
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
        inner.ethertype()?;
        check_ethernet(inner.parts[0], self.inner_tags)?;
        let vni = vni(network)?;
        Header::new(vni).emit(out)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        if self.strict && header.has_reserved() {
            return Err(DropReason::BadFlags);
        }
        let inner = payload.get(LEN..).ok_or(DropReason::Truncated)?;
        check_ethernet(inner, self.inner_tags)?;
        let network = u64::from(header.vni);
        Ok(Decap { network, kind: InnerKind::Ethernet, offset: LEN })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet, tagged};
    use super::*;

    #[test]
    fn a_header_goes_on_and_comes_off() {
        let engine = Vxlan::default();
        let mut packet = vec![0xA5; LEN];
        engine.header(0xAB_CDEF, &ethernet(&FRAME), &mut packet).unwrap();
        assert_eq!(packet, [8, 0, 0, 0, 0xAB, 0xCD, 0xEF, 0]);
        packet.extend(FRAME);
        let decap = engine.decap(&packet, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 0xAB_CDEF, kind: InnerKind::Ethernet, offset: 8 });
        for short in 0..LEN + 14 {
            assert_eq!(engine.decap(&packet[..short], &OUTER), Err(DropReason::Truncated));
        }
    }

    #[test]
    fn the_strict_receiver_refuses_what_the_rfc_ignores() {
        let mut packet = vec![0x88, 0, 0, 1, 0, 0, 42, 0];
        packet.extend(FRAME);
        assert_eq!(Vxlan::default().decap(&packet, &OUTER).map(|d| d.network), Ok(42));
        let strict = Vxlan { strict: true, ..Vxlan::default() };
        assert_eq!(strict.decap(&packet, &OUTER), Err(DropReason::BadFlags));
        packet[0] = 0x80;
        assert_eq!(Vxlan::default().decap(&packet, &OUTER), Err(DropReason::BadFlags));
    }

    #[test]
    fn inner_tags_pass_only_where_configured() {
        let frame = tagged(100);
        let mut packet = vec![8, 0, 0, 0, 0, 0, 42, 0];
        packet.extend(&frame);
        let default = Vxlan::default();
        assert_eq!(default.decap(&packet, &OUTER), Err(DropReason::InnerTag));
        let refused = default.header(42, &ethernet(&frame), &mut [0; 8]);
        assert_eq!(refused, Err(DropReason::InnerTag));
        let open = Vxlan { inner_tags: true, ..default };
        assert!(open.decap(&packet, &OUTER).is_ok());
        assert!(open.header(42, &ethernet(&frame), &mut [0; 8]).is_ok());
    }

    #[test]
    fn an_id_of_25_bits_and_a_bare_packet_are_refused() {
        let engine = Vxlan::default();
        let wide = engine.header(1 << 24, &ethernet(&FRAME), &mut [0; 8]);
        assert_eq!(wide, Err(DropReason::UnknownNetwork));
        let bare = Inner { kind: InnerKind::Ipv4, parts: [&FRAME, &[]], flow: 0 };
        assert_eq!(engine.header(1, &bare, &mut [0; 8]), Err(DropReason::UnknownProtocol));
    }
}
