//! UDP header (RFC 768; zero checksums over IPv6 RFC 6935 and 6936).
//!
//! ```text
//! | source port (16) | destination port (16) | length (16) | checksum (16) |
//! ```

use std::fmt;

use super::{Malformed, be16, fixed, put};

/// Bytes of the header.
pub const LEN: usize = 8;

/// Registered destination ports of tunnels.
pub mod port {
    /// VXLAN (RFC 7348 section 8).
    pub const VXLAN: u16 = 4789;
    /// VXLAN-GPE.
    pub const VXLAN_GPE: u16 = 4790;
    /// Geneve (RFC 8926 section 3.3).
    pub const GENEVE: u16 = 6081;
}

/// A UDP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Bytes of header and payload.
    pub length: u16,
    /// Checksum; 0 means none.
    pub checksum: u16,
}

impl Header {
    /// Reads the header at the start of `bytes`. `length` is at least [`LEN`]; it may be larger
    /// than `bytes` (see [`Header::payload`]).
    ///
    /// # Errors
    /// [`Malformed::Truncated`], or [`Malformed::Length`] where the length field is below 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        let header = Header {
            src_port: be16(fields, 0),
            dst_port: be16(fields, 2),
            length: be16(fields, 4),
            checksum: be16(fields, 6),
        };
        if usize::from(header.length) < LEN {
            return Err(Malformed::Length);
        }
        Ok(header)
    }

    /// The payload by the length field.
    ///
    /// # Errors
    /// [`Malformed::Length`] where `datagram` (header included) is shorter.
    pub fn payload<'a>(&self, datagram: &'a [u8]) -> Result<&'a [u8], Malformed> {
        datagram.get(LEN..usize::from(self.length)).ok_or(Malformed::Length)
    }

    /// Writes the header as it stands; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [s0, s1] = self.src_port.to_be_bytes();
        let [d0, d1] = self.dst_port.to_be_bytes();
        let [l0, l1] = self.length.to_be_bytes();
        let [c0, c1] = self.checksum.to_be_bytes();
        put([s0, s1, d0, d1, l0, l1, c0, c1], out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UDP {} > {} len {}", self.src_port, self.dst_port, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_known_header_both_ways() {
        let bytes = hex("c001 12b5 000a 1234 4869");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.to_string(), "UDP 49153 > 4789 len 10");
        assert_eq!(header.payload(&bytes), Ok(&b"Hi"[..]));
        assert_eq!(header.payload(&bytes[..9]), Err(Malformed::Length));
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes[..8]);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn a_length_below_the_header_is_refused() {
        assert_eq!(Header::parse(&hex("c001 12b5 0007 0000")), Err(Malformed::Length));
    }
}
