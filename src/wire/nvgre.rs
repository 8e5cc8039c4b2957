//! NVGRE header (RFC 7637 section 3.2): GRE with a key and nothing else.
//!
//! ```text
//! |0| |1|0|   Reserved0         | Ver |   Protocol Type 0x6558        |
//! |               Virtual Subnet ID (VSID)        |    FlowID     |
//! ```

use std::fmt;

use super::ethernet::ethertype;
use super::{Malformed, gre};

/// Bytes of the header.
pub const LEN: usize = 8;
/// Largest VSID of the reserved block that starts at 0.
pub const RESERVED_VSID: u32 = 0xFFF;
/// VSID of vendors' own messages between endpoints.
pub const VENDOR_VSID: u32 = 0xFF_FFFF;

/// An NVGRE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Virtual subnet id, 24 bits.
    pub vsid: u32,
    /// Entropy of the flow; 0 where the sender makes none.
    pub flow_id: u8,
}

impl Header {
    /// Whether the VSID is none that a tenant may have.
    #[must_use]
    pub const fn is_reserved(&self) -> bool {
        self.vsid <= RESERVED_VSID || self.vsid == VENDOR_VSID
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// As [`gre::Header::parse`]; [`Malformed::Flags`] where C or S is set or K is clear,
    /// [`Malformed::Value`] where the protocol type is not 0x6558.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match gre::Header::parse(bytes)? {
            gre::Header { key: Some(key), checksum: None, sequence: None, protocol, .. } => {
                if protocol != ethertype::TEB {
                    return Err(Malformed::Value);
                }
                let [.., flow_id] = key.to_be_bytes();
                Ok(Header { vsid: key >> 8, flow_id })
            }
            _ => Err(Malformed::Flags),
        }
    }

    /// Writes the header; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter, [`Malformed::Value`] where the VSID does not fit 24 bits.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        if self.vsid > VENDOR_VSID {
            return Err(Malformed::Value);
        }
        let key = Some(self.vsid << 8 | u32::from(self.flow_id));
        gre::Header { protocol: ethertype::TEB, key, ..gre::Header::default() }.emit(out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVGRE vsid {} flow {}", self.vsid, self.flow_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_header_both_ways() {
        let bytes = hex("2000 6558 123456 5a");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.to_string(), "NVGRE vsid 1193046 flow 90");
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn any_other_gre_is_refused() {
        assert_eq!(Header::parse(&hex("0000 6558")), Err(Malformed::Flags));
        assert_eq!(Header::parse(&hex("a000 6558 0000 0000 00500001")), Err(Malformed::Flags));
        assert_eq!(Header::parse(&hex("3000 6558 00500001 00000000")), Err(Malformed::Flags));
        assert_eq!(Header::parse(&hex("2000 0800 00500001")), Err(Malformed::Value));
        assert_eq!(Header { vsid: 1 << 24, flow_id: 0 }.emit(&mut [0; 8]), Err(Malformed::Value));
    }

    #[test]
    fn the_reserved_ends() {
        let reserved = |vsid| Header { vsid, flow_id: 0 }.is_reserved();
        assert!(reserved(0) && reserved(0xFFF) && reserved(0xFF_FFFF));
        assert!(!reserved(0x1000) && !reserved(0xFF_FFFE));
    }
}
