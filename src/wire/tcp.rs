//! TCP header (RFC 9293 section 3.1).
//!
//! ```text
//! |          Source Port          |       Destination Port        |
//! |                        Sequence Number                        |
//! |                    Acknowledgment Number                      |
//! |Offset |Rsrvd |C E U A P R S F |            Window             |
//! |           Checksum            |         Urgent Pointer        |
//! ```

use std::fmt;

use super::{Malformed, be16, be32, fixed, put};

/// Bytes of a header without options.
pub const LEN: usize = 20;

/// Flag bits of byte 13.
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 0x01;
    /// Synchronise.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// Acknowledgment is valid.
    pub const ACK: u8 = 0x10;
    /// Urgent pointer is valid.
    pub const URG: u8 = 0x20;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}

/// A TCP header without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Bytes of the header, options included: 20 to 60.
    pub header_len: usize,
    /// Flags, see [`flag`].
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

impl Header {
    /// Reads the header at the start of `bytes`, which hold its options too.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], or [`Malformed::Length`] where the data offset is below 5.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        let header_len = usize::from(fields[12] >> 4) * 4;
        if header_len < LEN {
            return Err(Malformed::Length);
        }
        if bytes.len() < header_len {
            return Err(Malformed::Truncated);
        }
        Ok(Header {
            src_port: be16(fields, 0),
            dst_port: be16(fields, 2),
            seq: be32(fields, 4),
            ack: be32(fields, 8),
            header_len,
            flags: fields[13],
            window: be16(fields, 14),
            checksum: be16(fields, 16),
            urgent: be16(fields, 18),
        })
    }

    /// Writes the header without options and with the checksum as it stands; returns [`LEN`].
    /// `header_len` is not looked at.
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let mut header = [0; LEN];
        header[0..2].copy_from_slice(&self.src_port.to_be_bytes());
        header[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
        header[4..8].copy_from_slice(&self.seq.to_be_bytes());
        header[8..12].copy_from_slice(&self.ack.to_be_bytes());
        header[12] = 5 << 4;
        header[13] = self.flags;
        header[14..16].copy_from_slice(&self.window.to_be_bytes());
        header[16..18].copy_from_slice(&self.checksum.to_be_bytes());
        header[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        put(header, out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TCP {} > {} [", self.src_port, self.dst_port)?;
        for (bit, letter) in [
            (flag::SYN, 'S'),
            (flag::FIN, 'F'),
            (flag::RST, 'R'),
            (flag::PSH, 'P'),
            (flag::ACK, '.'),
        ] {
            if self.flags & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        write!(f, "] seq {} ack {} win {}", self.seq, self.ack, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_known_header_both_ways() {
        let bytes = hex("d431 1451 12345678 9abcdef0 5018 01f6 beef 0000");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(
            header.to_string(),
            "TCP 54321 > 5201 [P.] seq 305419896 ack 2596069104 win 502"
        );
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn the_data_offset_is_checked() {
        let mut bytes =
            hex("d431 1451 12345678 9abcdef0 8018 01f6 beef 0000 0101080a 00000001 00000002");
        assert_eq!(Header::parse(&bytes).unwrap().header_len, 32);
        assert_eq!(Header::parse(&bytes[..31]), Err(Malformed::Truncated));
        bytes[12] = 0x40;
        assert_eq!(Header::parse(&bytes), Err(Malformed::Length));
    }
}
