//! IEEE 802.1ad: a service tag and a customer tag in the frame's own Ethernet header.

use super::vlan::vid;
use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;
use crate::wire::ethernet::ethertype;
use crate::wire::vlan::{LEN, Tag};

/// Two tags; the network is the customer's VID, all under one service VID.
#[derive(Debug, Clone, Copy)]
pub struct Qinq {
    /// VID of the service tag.
    pub service: u16,
    /// Priority (PCP) written into both, 0 to 7.
    pub pcp: u8,
}

impl Default for Qinq {
    fn default() -> Self {
        Qinq { service: 100, pcp: 0 }
    }
}

impl Engine for Qinq {
    fn encap(&self) -> Encap {
        Encap::Qinq
    }

    fn transport(&self) -> Transport {
        Transport::Frame
    }

    fn header_len(&self) -> usize {
        2 * LEN
    }

    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason> {
        inner.ethertype()?;
        let customer = Tag { pcp: self.pcp, ..Tag::customer(vid(network)?) };
        let service = Tag { pcp: self.pcp, ..Tag::service(vid(u64::from(self.service))?) };
        let (front, back) = out.split_at_mut_checked(LEN).ok_or(DropReason::Truncated)?;
        customer.emit(back)?;
        service.emit(front)?;
        Ok(())
    }

    fn decap(&self, payload: &[u8], _outer: &Outer) -> Result<Decap, DropReason> {
        let service = Tag::parse(payload)?;
        let customer = Tag::parse(payload.get(LEN..).ok_or(DropReason::Truncated)?)?;
        if service.tpid == ethertype::C_TAG || customer.tpid != ethertype::C_TAG {
            return Err(DropReason::UnknownProtocol);
        }
        if vid(u64::from(service.vid))? != self.service {
            return Err(DropReason::UnknownNetwork);
        }
        let network = u64::from(vid(u64::from(customer.vid))?);
        Ok(Decap { network, kind: InnerKind::Ethernet, offset: 2 * LEN })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FRAME, OUTER, ethernet};
    use super::*;

    #[test]
    fn two_tags_go_in_and_come_out() {
        let engine = Qinq { service: 5, pcp: 3 };
        let mut tail = vec![0xA5; 8];
        engine.header(100, &ethernet(&FRAME), &mut tail).unwrap();
        assert_eq!(tail, [0x88, 0xA8, 0x60, 0x05, 0x81, 0x00, 0x60, 0x64]);
        tail.extend(&FRAME[12..]);
        let decap = engine.decap(&tail, &OUTER).unwrap();
        assert_eq!(decap, Decap { network: 100, kind: InnerKind::Ethernet, offset: 8 });
        for short in 0..10 {
            assert_eq!(engine.decap(&tail[..short], &OUTER), Err(DropReason::Truncated));
        }
    }

    #[test]
    fn another_service_and_other_stacks_are_dropped() {
        let engine = Qinq { service: 5, pcp: 0 };
        let refused = |tail: &[u8]| engine.decap(tail, &OUTER).unwrap_err();
        let other = [0x88, 0xA8, 0, 6, 0x81, 0, 0, 100, 8, 0];
        assert_eq!(refused(&other), DropReason::UnknownNetwork);
        let twice = [0x81, 0, 0, 5, 0x81, 0, 0, 100, 8, 0];
        assert_eq!(refused(&twice), DropReason::UnknownProtocol);
        let reserved = [0x88, 0xA8, 0, 5, 0x81, 0, 0x0F, 0xFF, 8, 0];
        assert_eq!(refused(&reserved), DropReason::ReservedId);
        let single = [0x88, 0xA8, 0, 5, 8, 0, 0x45, 0, 0, 20];
        assert_eq!(refused(&single), DropReason::UnknownProtocol);
    }
}
