//! VXLAN header (RFC 7348 section 5), and what its group-policy extension puts into the
//! reserved bits (draft-smith-vxlan-group-policy).
//!
//! ```text
//! |R|R|R|R|I|R|R|R|            Reserved                           |
//! |                VXLAN Network Identifier (VNI) |   Reserved    |
//! ```
//!
//! I must be 1; all other bits are sent as 0 and ignored on receipt.

use std::fmt;

use super::{Malformed, be24, fixed, put};

/// Bytes of the header.
pub const LEN: usize = 8;
/// The I flag: the VNI is valid.
pub const FLAG_VNI: u8 = 0x08;
/// Largest VNI.
pub const MAX_VNI: u32 = 0xFF_FFFF;

/// A VXLAN header, the reserved bits as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The first byte; [`FLAG_VNI`] is set.
    pub flags: u8,
    /// Reserved bytes 1 to 3 (GBP: policy flags and id).
    pub reserved1: u32,
    /// Network identifier, 24 bits.
    pub vni: u32,
    /// Reserved byte 7.
    pub reserved2: u8,
}

impl Header {
    /// The header as the RFC sends it.
    #[must_use]
    pub const fn new(vni: u32) -> Self {
        Header { flags: FLAG_VNI, reserved1: 0, vni, reserved2: 0 }
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], or [`Malformed::Flags`] where the I flag is clear.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        if fields[0] & FLAG_VNI == 0 {
            return Err(Malformed::Flags);
        }
        Ok(Header {
            flags: fields[0],
            reserved1: be24(fields, 1),
            vni: be24(fields, 4),
            reserved2: fields[7],
        })
    }

    /// Whether any reserved bit is set (the RFC ignores them, a strict receiver refuses them).
    #[must_use]
    pub const fn has_reserved(&self) -> bool {
        self.flags != FLAG_VNI || self.reserved1 != 0 || self.reserved2 != 0
    }

    /// Writes the header as it stands; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter, [`Malformed::Value`] where the VNI or the
    /// reserved bytes do not fit 24 bits.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [0, r0, r1, r2] = self.reserved1.to_be_bytes() else { return Err(Malformed::Value) };
        let [0, v0, v1, v2] = self.vni.to_be_bytes() else { return Err(Malformed::Value) };
        put([self.flags, r0, r1, r2, v0, v1, v2, self.reserved2], out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VXLAN vni {}", self.vni)?;
        if self.has_reserved() {
            f.write_str(" (reserved bits set)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_header_both_ways() {
        let bytes = hex("08 000000 123456 00");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header, Header::new(0x12_3456));
        assert_eq!(header.to_string(), "VXLAN vni 1193046");
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn every_reserved_bit_is_told_and_the_i_flag_is_needed() {
        let plain = hex("08 000000 00002a 00");
        for bit in 0..64 {
            let mut bytes = plain.clone();
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            match bit {
                4 => assert_eq!(Header::parse(&bytes), Err(Malformed::Flags)),
                32..56 => assert!(!Header::parse(&bytes).unwrap().has_reserved()),
                _ => {
                    let header = Header::parse(&bytes).unwrap();
                    assert!(header.has_reserved() && header.vni == 42);
                    assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
                }
            }
        }
    }

    #[test]
    fn a_vni_of_25_bits_is_refused() {
        assert_eq!(Header::new(1 << 24).emit(&mut [0; 8]), Err(Malformed::Value));
    }
}
