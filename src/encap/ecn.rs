//! Congestion marks and service classes through a tunnel: ECN by RFC 6040, DSCP by RFC 2983.

use super::{DropReason, InnerKind};
use crate::wire::ethernet::{self, ethertype};
use crate::wire::{ipv4, ipv6, vlan};

/// Mask of the ECN bits in a TOS or traffic class byte.
pub const MASK: u8 = 0b11;
/// Congestion experienced.
pub const CE: u8 = 0b11;
/// ECN-capable, code point 0.
pub const ECT0: u8 = 0b10;
/// ECN-capable, code point 1.
pub const ECT1: u8 = 0b01;
/// Not ECN-capable.
pub const NOT_ECT: u8 = 0b00;

/// What the encapsulator writes into the outer ECN field (RFC 6040 section 4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ingress {
    /// The inner code point.
    #[default]
    Normal,
    /// Not-ECT, for a far end that does not know RFC 6040.
    Compatibility,
}

/// How service classes cross the tunnel (RFC 2983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dscp {
    /// Copied out on encapsulation and back in on decapsulation.
    Uniform,
    /// Copied out on encapsulation, ignored on decapsulation (RFC 2003 section 3.1).
    Copy,
    /// This outer DSCP, 6 bits, whatever is inside; ignored on decapsulation.
    Pipe(u8),
}

impl Default for Dscp {
    fn default() -> Self {
        Dscp::Pipe(0)
    }
}

/// The outer TOS or traffic class byte for an inner one (`None` where the inner packet is not IP).
#[must_use]
pub fn outer_tos(inner: Option<u8>, dscp: Dscp, ingress: Ingress) -> u8 {
    let class = match dscp {
        Dscp::Uniform | Dscp::Copy => inner.unwrap_or(0) & !MASK,
        Dscp::Pipe(class) => class << 2,
    };
    let mark = match ingress {
        Ingress::Normal => inner.unwrap_or(NOT_ECT) & MASK,
        Ingress::Compatibility => NOT_ECT,
    };
    class | mark
}

/// The inner code point after decapsulation (RFC 6040 section 4.2), and whether the combination
/// is one that should be logged.
///
/// # Errors
/// [`DropReason::EcnCongestion`] for CE outside of a packet that is not ECN-capable.
pub const fn egress(inner: u8, outer: u8) -> Result<(u8, bool), DropReason> {
    match (inner & MASK, outer & MASK) {
        (NOT_ECT, CE) => Err(DropReason::EcnCongestion),
        (NOT_ECT, outer) => Ok((NOT_ECT, outer != NOT_ECT)),
        (CE, outer) => Ok((CE, outer == ECT1)),
        (_, CE) => Ok((CE, false)),
        (ECT0, ECT1) => Ok((ECT1, false)),
        (ECT1, ECT0) => Ok((ECT1, true)),
        (inner, _) => Ok((inner, false)),
    }
}

/// Where the IP header of a packet is and what its TOS or traffic class byte says.
fn locate(kind: InnerKind, packet: &[u8]) -> Option<(usize, InnerKind, u8)> {
    let (offset, kind) = match kind {
        InnerKind::Ethernet => network(packet)?,
        bare => (0, bare),
    };
    let header = packet.get(offset..)?;
    let tos = match kind {
        InnerKind::Ipv4 => ipv4::Header::parse(header).ok()?.tos,
        _ => ipv6::Header::parse(header).ok()?.traffic_class,
    };
    Some((offset, kind, tos))
}

/// Where the network header of a frame starts, tags looked through, if it is IP.
fn network(frame: &[u8]) -> Option<(usize, InnerKind)> {
    let mut offset = ethernet::LEN;
    let mut kind = ethernet::Header::parse(frame).ok()?.ethertype;
    for _ in 0..4 {
        match kind {
            ethertype::IPV4 => return Some((offset, InnerKind::Ipv4)),
            ethertype::IPV6 => return Some((offset, InnerKind::Ipv6)),
            tpid if vlan::is_tpid(tpid) => {}
            _ => return None,
        }
        let [_, _, high, low] = frame.get(offset..)?.first_chunk::<4>()?;
        kind = u16::from_be_bytes([*high, *low]);
        offset += vlan::LEN;
    }
    None
}

/// The TOS or traffic class byte of an inner packet; `None` where it is not IP.
#[must_use]
pub fn inner_tos(kind: InnerKind, packet: &[u8]) -> Option<u8> {
    locate(kind, packet).map(|(_, _, tos)| tos)
}

/// The TOS byte that an inner packet has to leave with, where it differs from the one it has.
///
/// # Errors
/// [`DropReason::EcnCongestion`], see [`egress`].
pub fn changed_tos(inner: u8, outer: u8, dscp: Dscp) -> Result<Option<u8>, DropReason> {
    let (mark, _) = egress(inner, outer)?;
    let class = if dscp == Dscp::Uniform { outer } else { inner } & !MASK;
    let tos = class | mark;
    Ok((tos != inner).then_some(tos))
}

/// Carries the outer marks over to a packet taken out of its tunnel, checksum included. A packet
/// that is not IP stays as it is.
///
/// # Errors
/// [`DropReason::EcnCongestion`], see [`egress`].
pub fn decap(kind: InnerKind, packet: &mut [u8], outer: u8, dscp: Dscp) -> Result<(), DropReason> {
    // The common case on an idle underlay: nothing to carry over.
    if outer & MASK == NOT_ECT && dscp != Dscp::Uniform {
        return Ok(());
    }
    let Some((offset, kind, inner)) = locate(kind, packet) else { return Ok(()) };
    if let (Some(tos), Some(header)) = (changed_tos(inner, outer, dscp)?, packet.get_mut(offset..))
    {
        match kind {
            InnerKind::Ipv4 => ipv4::set_tos(header, tos),
            _ => ipv6::set_traffic_class(header, tos),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::FRAME;
    use super::*;

    #[test]
    fn the_sixteen_cells_of_rfc_6040_section_4_2() {
        let drop = Err(DropReason::EcnCongestion);
        let columns = [NOT_ECT, ECT0, ECT1, CE];
        for (inner, cells) in [
            (NOT_ECT, [Ok(NOT_ECT), Ok(NOT_ECT), Ok(NOT_ECT), drop]),
            (ECT0, [Ok(ECT0), Ok(ECT0), Ok(ECT1), Ok(CE)]),
            (ECT1, [Ok(ECT1), Ok(ECT1), Ok(ECT1), Ok(CE)]),
            (CE, [Ok(CE), Ok(CE), Ok(CE), Ok(CE)]),
        ] {
            for (outer, cell) in columns.into_iter().zip(cells) {
                assert_eq!(egress(inner, outer).map(|(mark, _)| mark), cell, "{inner} {outer}");
            }
        }
        let logged = |inner, outer| egress(inner, outer).is_ok_and(|(_, log)| log);
        assert!(
            logged(NOT_ECT, ECT0)
                && logged(NOT_ECT, ECT1)
                && logged(CE, ECT1)
                && logged(ECT1, ECT0)
        );
        assert!(!logged(ECT0, ECT1) && !logged(CE, ECT0) && !logged(NOT_ECT, NOT_ECT));
    }

    #[test]
    fn encapsulation_copies_all_four_code_points() {
        for mark in 0..4 {
            assert_eq!(outer_tos(Some(0xB8 | mark), Dscp::Pipe(0), Ingress::Normal), mark);
            assert_eq!(outer_tos(Some(0xB8 | mark), Dscp::Uniform, Ingress::Normal), 0xB8 | mark);
            assert_eq!(outer_tos(Some(mark), Dscp::Pipe(46), Ingress::Compatibility), 0xB8);
        }
        assert_eq!(outer_tos(None, Dscp::Uniform, Ingress::Normal), 0);
    }

    #[test]
    fn a_mark_reaches_the_inner_header_and_its_checksum() {
        let mut frame = FRAME;
        ipv4::set_tos(&mut frame[14..], ECT0);
        decap(InnerKind::Ethernet, &mut frame, CE, Dscp::Pipe(0)).unwrap();
        assert_eq!(ipv4::Header::parse_verified(&frame[14..]).unwrap().tos, CE);
        decap(InnerKind::Ipv4, &mut frame[14..], 0xB8, Dscp::Uniform).unwrap();
        assert_eq!(ipv4::Header::parse_verified(&frame[14..]).unwrap().tos, 0xB8 | CE);
    }

    #[test]
    fn tags_are_looked_through_and_other_packets_left_alone() {
        let mut frame = super::super::testing::tagged(7);
        assert_eq!(inner_tos(InnerKind::Ethernet, &frame), Some(0));
        let refused = decap(InnerKind::Ethernet, &mut frame, CE, Dscp::Pipe(0));
        assert_eq!(refused, Err(DropReason::EcnCongestion));
        let mut arp = [0; 42];
        arp[12..14].copy_from_slice(&[8, 6]);
        assert_eq!(decap(InnerKind::Ethernet, &mut arp, CE, Dscp::Uniform), Ok(()));
        assert_eq!(inner_tos(InnerKind::Ethernet, &arp), None);
    }
}
