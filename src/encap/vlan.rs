//! IEEE 802.1Q: one tag in the frame's own Ethernet header.

use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::vlan::{LEN, Tag, VID_RESERVED};

/// One customer tag; the network is the VID.
///
/// A tagged inner frame keeps its tags behind the new one. VID 4095 is always dropped as reserved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vlan {
    /// Priority (PCP) written, 0 to 7.
    pub pcp: u8,
    /// The port's own VLAN, which priority tags (VID 0) mean; without one they name no network
    /// and are dropped as reserved.
    pub pvid: Option<u16>,
    /// Refuses a second tag behind the port's own VLAN: the double tag that hops into another
    /// VLAN at a switch further on.
    pub no_hopping: bool,
    /// Takes tagged frames from VMs, as a bridge does for which tags are payload. It is careless: where
    /// the own VLAN is a trunk's native one, the VM's tag is all that is left.
    pub inner_tags: bool,
}

impl Engine for Vlan {
    fn encap(&self) -> Encap {
        Encap::Vlan
    }

    fn transport(&self) -> Transport {
        Transport::Frame
    }

    fn header_len(&self) -> usize {
        LEN
    }

    fn stacks_tags(&self) -> bool {
        self.inner_tags
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        inner.ethertype()?;
        let tag = Tag { pcp: self.pcp, ..Tag::customer(vid(network)?) };
        tag.emit(out)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let tag = Tag::parse(payload)?;
        let vid = match (tag.vid, self.pvid) {
            (0, Some(pvid)) => pvid,
            (vid, _) => self::vid(u64::from(vid))?,
        };
        let tagged_again = Tag::parse(payload.get(LEN..).unwrap_or_default()).is_ok();
        if self.no_hopping && tagged_again && self.pvid == Some(vid) {
            return Err(DropReason::InnerTag);
        }
        Ok(Decap { network: u64::from(vid), kind: InnerKind::Ethernet, offset: LEN })
    }
}

/// A network's number as a usable VID.
pub(super) fn vid(network: u64) -> Result<u16, DropReason> {
    match u16::try_from(network) {
        Ok(0 | VID_RESERVED) => Err(DropReason::ReservedId),
        Ok(vid) if vid < VID_RESERVED => Ok(vid),
        _ => Err(DropReason::UnknownNetwork),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet};
    use super::*;

    #[test]
    fn a_tag_goes_in_and_comes_out() {
        let engine = Vlan { pcp: 5, ..Vlan::default() };
        let mut out = [0xA5; 4];
        engine.header(100, &ethernet(&FRAME), &mut out).unwrap();
        assert_eq!(out, [0x81, 0x00, 0xA0, 0x64]);
        let mut tail = out.to_vec();
        tail.extend(&FRAME[12..]);
        let decap = engine.decap(&tail, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 100, kind: InnerKind::Ethernet, offset: 4 });
        for short in 0..6 {
            assert_eq!(engine.decap(&tail[..short], &OUTER), Err(DropReason::Truncated));
        }
    }

    #[test]
    fn reserved_ids_and_untagged_frames_are_dropped_by_name() {
        let engine = Vlan::default();
        for vid in [0x00, 0xFFF] {
            let [high, low] = u16::to_be_bytes(vid);
            let tail = [0x81, 0, high, low, 8, 0];
            assert_eq!(engine.decap(&tail, &OUTER), Err(DropReason::ReservedId));
            let refused = engine.header(u64::from(vid), &ethernet(&FRAME), &mut [0; 4]);
            assert_eq!(refused, Err(DropReason::ReservedId));
        }
        let untagged = engine.decap(&[8, 0, 0x45, 0, 0, 0], &OUTER);
        assert_eq!(untagged, Err(DropReason::UnknownProtocol));
        let refused = engine.header(4096, &ethernet(&FRAME), &mut [0; 4]);
        assert_eq!(refused, Err(DropReason::UnknownNetwork));
    }

    #[test]
    fn the_ports_own_vlan_takes_priority_tags_and_refuses_hopping() {
        let engine = Vlan { pvid: Some(1), no_hopping: true, ..Vlan::default() };
        let network = |tail: &[u8]| engine.decap(tail, &OUTER).map(|decap| decap.network);
        assert_eq!(network(&[0x81, 0, 0xC0, 0, 8, 0]), Ok(1));
        assert_eq!(network(&[0x81, 0, 0, 9, 0x81, 0, 0, 20, 8, 0]), Ok(9));
        let hop = [0x81, 0, 0, 1, 0x81, 0, 0, 20, 8, 0];
        assert_eq!(network(&hop), Err(DropReason::InnerTag));
        assert!(Vlan::default().decap(&hop, &OUTER).is_ok());
    }
}
