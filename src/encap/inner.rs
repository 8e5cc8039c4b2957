//! What several engines ask of the inner packet.

use super::{DropReason, Inner, InnerKind};
use crate::wire::{ethernet, vlan};

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

    /// The EtherType of a frame whose Ethernet header lies in the first part.
    pub(super) fn ethertype(&self) -> Result<u16, DropReason> {
        if self.kind != InnerKind::Ethernet {
            return Err(DropReason::UnknownProtocol);
        }
        ethertype(self.parts[0])
    }
}

/// The EtherType of a frame, tags not looked through.
pub(super) fn ethertype(frame: &[u8]) -> Result<u16, DropReason> {
    Ok(ethernet::Header::parse(frame)?.ethertype)
}

/// Refuses a frame that is shorter than its Ethernet header or, unless `tags` are allowed, tagged.
pub(super) fn check_ethernet(frame: &[u8], tags: bool) -> Result<(), DropReason> {
    if vlan::is_tpid(ethertype(frame)?) && !tags { Err(DropReason::InnerTag) } else { Ok(()) }
}

/// A network's number as a 24-bit id.
pub(super) fn vni(network: u64) -> Result<u32, DropReason> {
    match u32::try_from(network) {
        Ok(vni @ 0..=0xFF_FFFF) => Ok(vni),
        _ => Err(DropReason::UnknownNetwork),
    }
}
