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

/// A VXLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Network identifier, 24 bits.
    pub vni: u32,
    /// Whether any reserved bit is set (a strict receiver refuses it, the RFC ignores it).
    pub reserved: bool,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], or [`Malformed::Flags`] where the I flag is clear.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        if fields[0] & FLAG_VNI == 0 {
            return Err(Malformed::Flags);
        }
        let reserved = (fields[0] & !FLAG_VNI) | fields[1] | fields[2] | fields[3] | fields[7];
        Ok(Header { vni: be24(fields, 4), reserved: reserved != 0 })
    }

    /// Writes the header with all reserved bits 0; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter, [`Malformed::Value`] where the VNI does not fit 24 bits.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [0, v0, v1, v2] = self.vni.to_be_bytes() else { return Err(Malformed::Value) };
        put([FLAG_VNI, 0, 0, 0, v0, v1, v2, 0], out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VXLAN vni {}{}",
            self.vni,
            if self.reserved { " (reserved bits set)" } else { "" }
        )
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
        assert_eq!(header, Header { vni: 0x12_3456, reserved: false });
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
                32..56 => assert!(!Header::parse(&bytes).unwrap().reserved),
                _ => assert_eq!(Header::parse(&bytes), Ok(Header { vni: 42, reserved: true })),
            }
        }
    }

    #[test]
    fn a_vni_of_25_bits_is_refused() {
        let header = Header { vni: 1 << 24, reserved: false };
        assert_eq!(header.emit(&mut [0; 8]), Err(Malformed::Value));
    }
}
