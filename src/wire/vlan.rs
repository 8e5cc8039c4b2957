//! 802.1Q tag (IEEE 802.1Q clause 9; 802.1ad for the S-tag).
//!
//! ```text
//! | TPID (16) | PCP (3) | DEI (1) | VID (12) |     after the source MAC address
//! ```
//!
//! VID 0 is a priority tag and names no VLAN; 4095 is reserved (table 9-2).

use std::fmt;

use super::ethernet::ethertype;
use super::{Malformed, be16, fixed, put};

/// Bytes of one tag.
pub const LEN: usize = 4;
/// Reserved VID, never on the wire.
pub const VID_RESERVED: u16 = 0xFFF;
/// Where the first tag starts in a frame.
pub const OFFSET: usize = 12;

/// Whether an `EtherType` announces a tag.
#[must_use]
pub const fn is_tpid(ethertype: u16) -> bool {
    matches!(ethertype, ethertype::C_TAG | ethertype::S_TAG | ethertype::OLD_TAG)
}

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Tag protocol id.
    pub tpid: u16,
    /// Priority, 0 to 7.
    pub pcp: u8,
    /// Drop eligible.
    pub dei: bool,
    /// VLAN id, 12 bits.
    pub vid: u16,
}

impl Tag {
    /// A customer tag with priority 0.
    #[must_use]
    pub const fn customer(vid: u16) -> Tag {
        Tag { tpid: ethertype::C_TAG, pcp: 0, dei: false, vid }
    }

    /// A service tag with priority 0.
    #[must_use]
    pub const fn service(vid: u16) -> Tag {
        Tag { tpid: ethertype::S_TAG, pcp: 0, dei: false, vid }
    }

    /// Takes the tag control information apart.
    #[must_use]
    pub const fn from_tci(tpid: u16, tci: u16) -> Tag {
        Tag { tpid, pcp: (tci >> 13) as u8, dei: tci & 0x1000 != 0, vid: tci & 0xFFF }
    }

    /// Tag control information: PCP, DEI and VID.
    #[must_use]
    pub const fn tci(self) -> u16 {
        ((self.pcp as u16 & 7) << 13) | ((self.dei as u16) << 12) | (self.vid & 0xFFF)
    }

    /// Reads the tag at the start of `bytes` (offset 12 of a frame), which hold the `EtherType`
    /// behind it as well.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below 6 bytes, [`Malformed::Value`] where the TPID is no tag's.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let tag: &[u8; LEN + 2] = fixed(bytes)?;
        let tpid = be16(tag, 0);
        if !is_tpid(tpid) {
            return Err(Malformed::Value);
        }
        Ok(Tag::from_tci(tpid, be16(tag, 2)))
    }

    /// Writes the tag; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let [p0, p1] = self.tpid.to_be_bytes();
        let [t0, t1] = self.tci().to_be_bytes();
        put([p0, p1, t0, t1], out)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.tpid == ethertype::S_TAG { "802.1ad" } else { "802.1Q" };
        write!(f, "{kind} vid {} pcp {} dei {}", self.vid, self.pcp, u8::from(self.dei))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_captured_tag_both_ways() {
        let bytes = hex("8100 b014 0800");
        let tag = Tag::parse(&bytes).unwrap();
        assert_eq!(tag, Tag { tpid: 0x8100, pcp: 5, dei: true, vid: 20 });
        assert_eq!(tag.to_string(), "802.1Q vid 20 pcp 5 dei 1");
        assert_eq!(emitted(LEN, |out| tag.emit(out)), bytes[..4]);
        for short in 0..6 {
            assert_eq!(Tag::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn a_frame_without_tag_is_refused() {
        assert_eq!(Tag::parse(&hex("0800 4500 0000")), Err(Malformed::Value));
    }

    #[test]
    fn fields_too_wide_do_not_spill_over() {
        let tag = Tag { tpid: 0x88A8, pcp: 0xFF, dei: false, vid: 0xFFFF };
        assert_eq!(tag.tci(), 0xEFFF);
    }
}
