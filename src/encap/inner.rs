//! What several engines ask of the inner packet.

use super::{DropReason, Inner, InnerKind};
use crate::wire::ethernet::ethertype;
use crate::wire::{ethernet, ipv4, ipv6, vlan};

impl InnerKind {
    /// The `EtherType` that announces it in GRE and Geneve.
    #[must_use]
    pub const fn protocol_type(self) -> u16 {
        match self {
            InnerKind::Ethernet => ethertype::TEB,
            InnerKind::Ipv4 => ethertype::IPV4,
            InnerKind::Ipv6 => ethertype::IPV6,
        }
    }

    /// What an `EtherType` in GRE or Geneve announces.
    ///
    /// # Errors
    /// [`DropReason::UnknownProtocol`] for all but Ethernet and IP.
    pub const fn from_protocol_type(kind: u16) -> Result<Self, DropReason> {
        match kind {
            ethertype::TEB => Ok(InnerKind::Ethernet),
            ethertype::IPV4 => Ok(InnerKind::Ipv4),
            ethertype::IPV6 => Ok(InnerKind::Ipv6),
            _ => Err(DropReason::UnknownProtocol),
        }
    }
}

impl Inner<'_> {
    /// Bytes of both parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts[0].len() + self.parts[1].len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `EtherType` of a frame whose Ethernet header lies in the first part.
    pub(super) fn ethertype(&self) -> Result<u16, DropReason> {
        if self.kind != InnerKind::Ethernet {
            return Err(DropReason::UnknownProtocol);
        }
        frame_type(self.parts[0])
    }
}

/// The `EtherType` of a frame, tags not looked through.
pub(super) fn frame_type(frame: &[u8]) -> Result<u16, DropReason> {
    Ok(ethernet::Header::parse(frame)?.ethertype)
}

/// Refuses a frame that is shorter than its Ethernet header or, unless `tags` are allowed, tagged.
pub(super) fn check_ethernet(frame: &[u8], tags: bool) -> Result<(), DropReason> {
    if vlan::is_tpid(frame_type(frame)?) && !tags { Err(DropReason::InnerTag) } else { Ok(()) }
}

/// A network's number as a 24-bit id.
pub(super) fn vni(network: u64) -> Result<u32, DropReason> {
    match u32::try_from(network) {
        Ok(vni @ 0..=0xFF_FFFF) => Ok(vni),
        _ => Err(DropReason::UnknownNetwork),
    }
}

/// The packet without what follows it, and its header valid: for IP, version, lengths, the IPv4
/// header checksum and a hop left to live. The inner length counts, not the outer one
/// (RFC 4213 section 3.6).
///
/// # Errors
/// What is wrong with it.
pub fn trim(kind: InnerKind, packet: &[u8]) -> Result<&[u8], DropReason> {
    match kind {
        InnerKind::Ethernet => {
            frame_type(packet)?;
            Ok(packet)
        }
        InnerKind::Ipv4 => {
            let header = ipv4::Header::parse_verified(packet)?;
            if header.ttl == 0 {
                return Err(DropReason::TtlZero);
            }
            packet.get(..usize::from(header.total_len)).ok_or(DropReason::BadLength)
        }
        InnerKind::Ipv6 => {
            let header = ipv6::Header::parse(packet)?;
            if header.hop_limit == 0 {
                return Err(DropReason::TtlZero);
            }
            let len = ipv6::LEN + usize::from(header.payload_len);
            packet.get(..len).ok_or(DropReason::BadLength)
        }
    }
}
