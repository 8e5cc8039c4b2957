//! GRE header (RFC 2784 section 2, RFC 2890 section 2; over IPv6 RFC 7676).
//!
//! ```text
//! |C|R|K|S|s|Recur| Reserved  | Ver |         Protocol Type         |
//! |      Checksum (optional)        |     Reserved1 (optional)      |
//! |                         Key (optional)                          |
//! |                    Sequence Number (optional)                   |
//! ```
//!
//! Bits 1, 4 and 5 (RFC 1701 routing and recursion) must be 0; bits 6 to 12 are ignored. The
//! checksum covers header and payload, with its own field 0.

use std::fmt;

use super::{Malformed, be16, be32, checksum, fixed};

/// Bytes of a header without optional fields.
pub const LEN: usize = 4;
/// Bytes of a header with all of them.
pub const MAX_LEN: usize = 16;
/// Protocol type of a keepalive: there is nothing inside.
pub const KEEPALIVE: u16 = 0;

const CHECKSUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const MUST_BE_ZERO: u16 = 0x4C00;
const IGNORED: u16 = 0x03F8;
const VERSION: u16 = 0x0007;

/// A GRE header of version 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// `EtherType` of the payload.
    pub protocol: u16,
    /// Checksum and reserved field, where present.
    pub checksum: Option<(u16, u16)>,
    /// Key, where present; 0 is a key.
    pub key: Option<u32>,
    /// Sequence number, where present.
    pub sequence: Option<u32>,
    /// Bits 6 to 12 as they stand in the first word (mask 0x03F8).
    pub reserved: u16,
}

impl Header {
    /// Bytes of this header.
    #[must_use]
    pub const fn len(&self) -> usize {
        LEN + 4
            * (self.checksum.is_some() as usize
                + self.key.is_some() as usize
                + self.sequence.is_some() as usize)
    }

    /// Never: there is always a first word.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The first 16 bits.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        (self.reserved & IGNORED)
            | if self.checksum.is_some() { CHECKSUM } else { 0 }
            | if self.key.is_some() { KEY } else { 0 }
            | if self.sequence.is_some() { SEQUENCE } else { 0 }
    }

    /// Reads the header at the start of `bytes` without verifying its checksum.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Version`] other than 0, or [`Malformed::Flags`] where
    /// a bit of RFC 1701 is set.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let first: &[u8; LEN] = fixed(bytes)?;
        let flags = be16(first, 0);
        if flags & VERSION != 0 {
            return Err(Malformed::Version);
        }
        if flags & MUST_BE_ZERO != 0 {
            return Err(Malformed::Flags);
        }
        let mut rest = bytes.get(LEN..).unwrap_or_default();
        let mut word = |present: u16| -> Result<Option<u32>, Malformed> {
            if flags & present == 0 {
                return Ok(None);
            }
            let (word, behind) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
            rest = behind;
            Ok(Some(be32(word, 0)))
        };
        let [checksum, key, sequence] = [word(CHECKSUM)?, word(KEY)?, word(SEQUENCE)?];
        Ok(Header {
            protocol: be16(first, 2),
            checksum: checksum.map(halves),
            key,
            sequence,
            reserved: flags & IGNORED,
        })
    }

    /// Writes the header as it stands; returns its length. Where there is a checksum, call
    /// [`fill_checksum`] once everything else is in place.
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let len = self.len();
        let out = out.get_mut(..len).ok_or(Malformed::NoRoom)?;
        let first = u32::from(self.flags()) << 16 | u32::from(self.protocol);
        let checksum = self.checksum.map(|(sum, rest)| u32::from(sum) << 16 | u32::from(rest));
        let words = [Some(first), checksum, self.key, self.sequence];
        let (room, _) = out.as_chunks_mut::<4>();
        for (to, word) in room.iter_mut().zip(words.into_iter().flatten()) {
            *to = word.to_be_bytes();
        }
        Ok(len)
    }
}

const fn halves(word: u32) -> (u16, u16) {
    ((word >> 16) as u16, word as u16)
}

/// Sums a written header (whose sequence number is in place) and its payload, and writes the
/// result into the checksum field. The header must have been emitted with a checksum.
///
/// # Errors
/// [`Malformed::NoRoom`] where `header` is shorter than 8 bytes.
pub fn fill_checksum(header: &mut [u8], payload: &[&[u8]]) -> Result<(), Malformed> {
    let room: &mut [u8; 8] = header.first_chunk_mut().ok_or(Malformed::NoRoom)?;
    [room[4], room[5]] = [0, 0];
    // A GRE header has an even length, so the payload starts at an even offset.
    let sum = checksum::sum_parts(payload, checksum::sum(header, 0));
    if let Some([.., high, low]) = header.first_chunk_mut::<6>() {
        [*high, *low] = checksum::finish(sum).to_be_bytes();
    }
    Ok(())
}

/// Whether the checksum over header and payload (whole GRE packet) is right.
#[must_use]
pub fn checksum_is_right(packet: &[u8]) -> bool {
    checksum::is_right(checksum::sum(packet, 0))
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GRE type 0x{:04x}", self.protocol)?;
        if let Some(key) = self.key {
            write!(f, " key {key}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " seq {sequence}")?;
        }
        if let Some((checksum, _)) = self.checksum {
            write!(f, " checksum 0x{checksum:04x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn every_combination_of_optional_fields_both_ways() {
        for (text, header) in [
            ("0000 0800", Header { protocol: 0x0800, ..Header::default() }),
            ("2000 6558 00000000", Header { protocol: 0x6558, key: Some(0), ..Header::default() }),
            (
                "1000 86dd 00000007",
                Header { protocol: 0x86DD, sequence: Some(7), ..Header::default() },
            ),
            (
                "8000 0800 1234 abcd",
                Header { protocol: 0x0800, checksum: Some((0x1234, 0xABCD)), ..Header::default() },
            ),
            (
                "b3f8 0800 be86 0000 deadbeef 00000007",
                Header {
                    protocol: 0x0800,
                    checksum: Some((0xBE86, 0)),
                    key: Some(0xDEAD_BEEF),
                    sequence: Some(7),
                    reserved: 0x03F8,
                },
            ),
        ] {
            let bytes = hex(text);
            assert_eq!(Header::parse(&bytes), Ok(header), "{text}");
            assert_eq!(header.len(), bytes.len());
            assert_eq!(emitted(bytes.len(), |out| header.emit(out)), bytes);
            for short in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
            }
        }
    }

    #[test]
    fn versions_and_bits_of_rfc_1701_are_refused() {
        for bit in [0x4000u16, 0x0800, 0x0400] {
            let mut bytes = hex("0000 0800");
            bytes[..2].copy_from_slice(&bit.to_be_bytes());
            assert_eq!(Header::parse(&bytes), Err(Malformed::Flags), "{bit:04x}");
        }
        assert_eq!(Header::parse(&hex("3081 880b 0008 0006 00000022")), Err(Malformed::Version));
    }

    #[test]
    fn the_checksum_covers_header_and_payload_of_odd_length() {
        let header = Header {
            protocol: 0x0800,
            checksum: Some((0xFFFF, 0)),
            sequence: Some(9),
            ..Header::default()
        };
        let mut packet = vec![0; header.len()];
        header.emit(&mut packet).unwrap();
        fill_checksum(&mut packet, &[&[1, 2, 3], &[4, 5]]).unwrap();
        packet.extend([1, 2, 3, 4, 5]);
        assert!(checksum_is_right(&packet));
        // 9000 + 0800 + 0009 + 0102 + 0304 + 0500 = a10f
        assert_eq!(packet[4..6], (!0xA10Fu16).to_be_bytes());
        packet[12] ^= 1;
        assert!(!checksum_is_right(&packet));
    }

    #[test]
    fn one_line() {
        let header =
            Header { protocol: 0x0800, key: Some(77), sequence: Some(3), ..Header::default() };
        assert_eq!(header.to_string(), "GRE type 0x0800 key 77 seq 3");
    }
}
