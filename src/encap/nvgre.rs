//! NVGRE (RFC 7637).

use super::inner::{check_ethernet, vni};
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::ipv4::protocol;
use crate::wire::nvgre::{Header, LEN};

/// GRE with a VSID and a `FlowID` for a key; the network is the VSID.
///
/// An inner VLAN tag is dropped both ways: the RFC forbids it (section 3.3).
#[derive(Debug, Clone, Copy, Default)]
pub struct Nvgre {
    /// Accepts keys below 2^16, which as an NVGRE key name a reserved VSID: a plain GRETAP peer
    /// with a small number for its key.
    pub small_keys: bool,
}

impl Engine for Nvgre {
    fn encap(&self) -> Encap {
        Encap::Nvgre
    }

    fn transport(&self) -> Transport {
        Transport::Ip { protocol: protocol::GRE }
    }

    fn header_len(&self) -> usize {
        LEN
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        inner.ethertype()?;
        check_ethernet(inner.parts[0], false)?;
        let [.., flow_id] = inner.flow.to_be_bytes();
        let header = Header { vsid: vni(network)?, flow_id };
        if header.is_reserved() {
            return Err(DropReason::ReservedId);
        }
        header.emit(out)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let header = Header::parse(payload)?;
        let small = self.small_keys && header.vsid <= 0xFF;
        if header.is_reserved() && !small {
            return Err(DropReason::ReservedId);
        }
        check_ethernet(payload.get(LEN..).ok_or(DropReason::Truncated)?, false)?;
        let network = u64::from(header.vsid);
        Ok(Decap { network, kind: InnerKind::Ethernet, offset: LEN })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet, tagged};
    use super::*;

    #[test]
    fn a_header_goes_on_and_comes_off() {
        let mut packet = vec![0xA5; LEN];
        Nvgre::default().header(0x12_3456, &ethernet(&FRAME), &mut packet).unwrap();
        assert_eq!(packet, [0x20, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0x78]);
        packet.extend(FRAME);
        let decap = Nvgre::default().decap(&packet, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 0x12_3456, kind: InnerKind::Ethernet, offset: 8 });
        for short in 0..LEN + 14 {
            assert_eq!(
                Nvgre::default().decap(&packet[..short], &OUTER),
                Err(DropReason::Truncated)
            );
        }
    }

    #[test]
    fn tags_and_reserved_ids_are_dropped_both_ways() {
        let frame = tagged(5);
        let engine = Nvgre::default();
        let refused = engine.header(0x1000, &ethernet(&frame), &mut [0; 8]);
        assert_eq!(refused, Err(DropReason::InnerTag));
        let mut packet = vec![0x20, 0, 0x65, 0x58, 0, 0x10, 0, 0];
        packet.extend(&frame);
        assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::InnerTag));
        for vsid in [0, 0xFFF, 0xFF_FFFF] {
            let refused = engine.header(vsid, &ethernet(&FRAME), &mut [0; 8]);
            assert_eq!(refused, Err(DropReason::ReservedId));
        }
        packet[4..7].copy_from_slice(&[0, 0x0F, 0xFF]);
        assert_eq!(engine.decap(&packet, &OUTER), Err(DropReason::ReservedId));
    }

    #[test]
    fn a_gretap_peers_small_key_passes_where_allowed() {
        let mut packet = vec![0x20, 0, 0x65, 0x58, 0, 0, 0xFD, 0xE8];
        packet.extend(FRAME);
        assert_eq!(Nvgre::default().decap(&packet, &OUTER), Err(DropReason::ReservedId));
        let open = Nvgre { small_keys: true };
        assert_eq!(open.decap(&packet, &OUTER).map(|decap| decap.network), Ok(0xFD));
    }
}
