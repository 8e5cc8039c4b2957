//! No encapsulation: frames as they are, for the plain path through the same virtual switch.

use super::{Decap, DropReason, Engine, Inner, InnerKind, Outer, Transport};
use crate::ids::Encap;

/// Adds nothing; all frames belong to network 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Engine for Plain {
    fn encap(&self) -> Encap {
        Encap::None
    }

    fn transport(&self) -> Transport {
        Transport::Frame
    }

    fn header_len(&self) -> usize {
        0
    }

    fn header(&self, _: u64, _: &Inner<'_>, _: &mut [u8]) -> Result<(), DropReason> {
        Ok(())
    }

    fn decap(&self, _: &[u8], _: &Outer) -> Result<Decap, DropReason> {
        Ok(Decap { network: 0, kind: InnerKind::Ethernet, offset: 0 })
    }
}
