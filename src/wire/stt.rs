//! STT segment header and frame header (draft-davie-stt-08 sections 3.1 and 3.2).
//!
//! ```text
//! segment: IP | TCP-like header (20) | part of the STT frame
//!
//! |          Source port          |    Destination port 7471      |
//! |     Length of the frame       |   Offset of this segment      |   (TCP: sequence number)
//! |                            Frame id                           |   (TCP: acknowledgment)
//! |  5  | flags: ACK, last PSH    |   Window, sent 0, ignored     |
//! |       TCP checksum            |   Urgent pointer, ignored     |
//!
//! frame: header (18) | untagged Ethernet frame
//!
//! |  Version 0   | Flags         |  L4 offset    |  Reserved     |
//! |    Max. segment size          | PCP |V|     VLAN id           |
//! |                     Context id (64)                           |
//! |     Padding (16)              |
//! ```
//!
//! The draft's figure numbers the flags from the left, but every implementation (Open vSwitch on
//! Linux and Windows, Wireshark) counts from the least significant bit, and so does this one.

use std::fmt;

use super::ethernet::ethertype;
use super::vlan::Tag;
use super::{Malformed, be16, be64, fixed, put, tcp};

/// TCP destination port (IANA).
pub const PORT: u16 = 7471;
/// Bytes of the frame header.
pub const LEN: usize = 18;
/// Most bytes of a frame, its header included: the length field has 16 bits.
pub const MAX_FRAME: usize = 65_535;

/// Flag bits of the frame header.
pub mod flag {
    /// The inner checksum was verified by the sender.
    pub const VERIFIED: u8 = 0x01;
    /// The inner checksum field holds the pseudo header's sum only.
    pub const PARTIAL: u8 = 0x02;
    /// The inner packet is IPv4.
    pub const IPV4: u8 = 0x04;
    /// The inner packet is TCP.
    pub const TCP: u8 = 0x08;
}

/// The TCP-like header of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Hash of the inner flow; the same in all segments of a frame.
    pub src_port: u16,
    /// [`PORT`], unless configured otherwise.
    pub dst_port: u16,
    /// Bytes of the whole frame, its header included.
    pub frame_len: u16,
    /// Where this segment's bytes belong in the frame.
    pub offset: u16,
    /// Names the frame: the same in all its segments.
    pub frame_id: u32,
    /// Bytes of the segment header, 20 without TCP options.
    pub header_len: usize,
    /// TCP flags; ACK, and PSH on the last segment.
    pub flags: u8,
}

impl Segment {
    /// Reads the segment header at the start of `bytes`. The checksum needs the addresses and is
    /// verified by the receiver.
    ///
    /// # Errors
    /// As [`tcp::Header::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = tcp::Header::parse(bytes)?;
        let [l0, l1, o0, o1] = header.seq.to_be_bytes();
        Ok(Segment {
            src_port: header.src_port,
            dst_port: header.dst_port,
            frame_len: u16::from_be_bytes([l0, l1]),
            offset: u16::from_be_bytes([o0, o1]),
            frame_id: header.ack,
            header_len: header.header_len,
            flags: header.flags,
        })
    }

    /// Writes the 20-byte header with `checksum` as it stands, window and urgent pointer 0;
    /// returns its length. `header_len` is not looked at.
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, checksum: u16, out: &mut [u8]) -> Result<usize, Malformed> {
        tcp::Header {
            src_port: self.src_port,
            dst_port: self.dst_port,
            seq: u32::from(self.frame_len) << 16 | u32::from(self.offset),
            ack: self.frame_id,
            header_len: tcp::LEN,
            flags: self.flags,
            window: 0,
            checksum,
            urgent: 0,
        }
        .emit(out)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "STT segment {} > {} frame 0x{:08x} offset {} of {}",
            self.src_port, self.dst_port, self.frame_id, self.offset, self.frame_len
        )
    }
}

/// The header at the start of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// See [`flag`]; the high four bits are reserved.
    pub flags: u8,
    /// Where the inner TCP or UDP header starts, counted from the end of this header; 0 where
    /// nothing is offloaded.
    pub l4_offset: u8,
    /// Segment size for the far end; 0 where the packet needs no segmentation.
    pub mss: u16,
    /// Priority, V bit and VLAN id as they stand.
    pub tci: u16,
    /// The network's id.
    pub context: u64,
}

impl Header {
    /// The tag to be put on the inner frame: there is one where the V bit is set.
    #[must_use]
    pub const fn tag(&self) -> Option<Tag> {
        if self.tci & 0x1000 == 0 {
            return None;
        }
        let tag = Tag::from_tci(ethertype::C_TAG, self.tci);
        Some(Tag { dei: false, ..tag })
    }

    /// The field for a tag; its drop-eligible bit is lost.
    #[must_use]
    pub const fn tci_of(tag: Option<Tag>) -> u16 {
        match tag {
            Some(tag) => tag.tci() | 0x1000,
            None => 0,
        }
    }

    /// Reads the header at the start of `bytes`; the Ethernet frame starts at [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::Truncated`] or [`Malformed::Version`] other than 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: &[u8; LEN] = fixed(bytes)?;
        if fields[0] != 0 {
            return Err(Malformed::Version);
        }
        Ok(Header {
            flags: fields[1],
            l4_offset: fields[2],
            mss: be16(fields, 4),
            tci: be16(fields, 6),
            context: be64(fields, 8),
        })
    }

    /// Writes the header with reserved bits and padding 0; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let mut header = [0; LEN];
        header[1] = self.flags & 0x0F;
        header[2] = self.l4_offset;
        header[4..6].copy_from_slice(&self.mss.to_be_bytes());
        header[6..8].copy_from_slice(&self.tci.to_be_bytes());
        header[8..16].copy_from_slice(&self.context.to_be_bytes());
        put(header, out)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "STT context 0x{:016x} flags 0x{:02x} mss {}",
            self.context, self.flags, self.mss
        )?;
        if let Some(tag) = self.tag() {
            write!(f, " vid {} pcp {}", tag.vid, tag.pcp)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn a_known_segment_both_ways() {
        let bytes = hex("c351 1d2f 004c 0000 00001000 5018 0000 a6cd 0000");
        let segment = Segment::parse(&bytes).unwrap();
        assert_eq!(segment.to_string(), "STT segment 50001 > 7471 frame 0x00001000 offset 0 of 76");
        assert_eq!(emitted(20, |out| segment.emit(0xA6CD, out)), bytes);
        for short in 0..20 {
            assert_eq!(Segment::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn a_known_frame_header_both_ways() {
        let bytes = hex("00 0e 22 00 012c b064 0011223344556677 0000");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(
            header.to_string(),
            "STT context 0x0011223344556677 flags 0x0e mss 300 vid 100 pcp 5"
        );
        assert_eq!(header.flags, flag::PARTIAL | flag::IPV4 | flag::TCP);
        assert_eq!(Header::tci_of(header.tag()), header.tci);
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn the_version_counts_and_reserved_bits_do_not() {
        assert_eq!(
            Header::parse(&hex("01 00 00 00 0000 0000 0000000000000000 0000")),
            Err(Malformed::Version)
        );
        let header = Header::parse(&hex("00 f0 00 ee 0000 a064 0000000000000007 beef")).unwrap();
        assert_eq!(header.tag(), None);
        assert_eq!(emitted(LEN, |out| header.emit(out))[1], 0);
    }
}
