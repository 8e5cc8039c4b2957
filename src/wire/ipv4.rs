//! IPv4 header (RFC 791 section 3.1; ID and DF by RFC 6864).
//!
//! ```text
//! |Version|  IHL  |     TOS       |         Total Length          |
//! |         Identification        |Flags|     Fragment Offset     |
//! |      TTL      |   Protocol    |        Header Checksum        |
//! |                       Source Address                          |
//! |                    Destination Address                        |
//! ```
//!
//! Options are skipped by IHL on receipt and never written.

use std::fmt;
use std::net::Ipv4Addr;

use super::{Malformed, be16, be32, checksum, fixed, put};

/// Bytes of a header without options.
pub const LEN: usize = 20;

/// IP protocol numbers (IANA registry "Protocol Numbers").
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// TCP, and STT.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// `ICMPv6`.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// An IPv4 header without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header, options included: 20 to 60.
    pub header_len: usize,
    /// TOS byte: DSCP and ECN.
    pub tos: u8,
    /// Bytes of header and payload.
    pub total_len: u16,
    /// Identification; means something in fragments only.
    pub id: u16,
    /// Don't fragment.
    pub df: bool,
    /// More fragments.
    pub mf: bool,
    /// Fragment offset in bytes.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

impl Header {
    /// Reads the header at the start of `bytes` without verifying its checksum. `total_len` is at
    /// least `header_len`; it may be larger than `bytes` (see [`Header::payload`]).
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Version`], or [`Malformed::Length`] where IHL or total
    /// length are too small.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        // The version first, so that a short packet of another version is told as such.
        if bytes.first().is_some_and(|first| first >> 4 != 4) {
            return Err(Malformed::Version);
        }
        let fields: &[u8; LEN] = fixed(bytes)?;
        let [first, tos, _, _, _, _, _, _, ttl, protocol, ..] = *fields;
        let header_len = usize::from(first & 0xF) * 4;
        let total_len = be16(fields, 2);
        if header_len < LEN || usize::from(total_len) < header_len {
            return Err(Malformed::Length);
        }
        if bytes.len() < header_len {
            return Err(Malformed::Truncated);
        }
        let fragment = be16(fields, 6);
        Ok(Header {
            header_len,
            tos,
            total_len,
            id: be16(fields, 4),
            df: fragment & 0x4000 != 0,
            mf: fragment & 0x2000 != 0,
            fragment_offset: (fragment & 0x1FFF) << 3,
            ttl,
            protocol,
            src: Ipv4Addr::from_bits(be32(fields, 12)),
            dst: Ipv4Addr::from_bits(be32(fields, 16)),
        })
    }

    /// As [`Header::parse`], and the header checksum must be right.
    ///
    /// # Errors
    /// As [`Header::parse`], and [`Malformed::Checksum`].
    pub fn parse_verified(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = Header::parse(bytes)?;
        let covered = bytes.get(..header.header_len).ok_or(Malformed::Truncated)?;
        if !checksum::is_right(checksum::sum(covered, 0)) {
            return Err(Malformed::Checksum);
        }
        Ok(header)
    }

    /// The payload by the total length: bytes beyond it are padding of the link.
    ///
    /// # Errors
    /// [`Malformed::Length`] where `packet` (header included) is shorter than the total length.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], Malformed> {
        packet.get(self.header_len..usize::from(self.total_len)).ok_or(Malformed::Length)
    }

    /// Whether the packet is a piece of a larger one.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.mf || self.fragment_offset != 0
    }

    /// Writes the header without options and with its checksum; returns [`LEN`].
    /// `header_len` is not looked at.
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let fragment =
            (u16::from(self.df) << 14) | (u16::from(self.mf) << 13) | (self.fragment_offset >> 3);
        let [l0, l1] = self.total_len.to_be_bytes();
        let [i0, i1] = self.id.to_be_bytes();
        let [f0, f1] = fragment.to_be_bytes();
        let [s0, s1, s2, s3] = self.src.octets();
        let [d0, d1, d2, d3] = self.dst.octets();
        let mut header = [
            0x45,
            self.tos,
            l0,
            l1,
            i0,
            i1,
            f0,
            f1,
            self.ttl,
            self.protocol,
            0,
            0,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ];
        let [c0, c1] = checksum::finish(checksum::sum(&header, 0)).to_be_bytes();
        header[10] = c0;
        header[11] = c1;
        put(header, out)
    }
}

/// Replaces the TOS byte of the IPv4 header at the start of `packet` and updates the header
/// checksum (RFC 1624). Does nothing to shorter bytes.
pub fn set_tos(packet: &mut [u8], tos: u8) {
    if let Some([first, field, _, _, _, _, _, _, _, _, c0, c1, ..]) =
        packet.first_chunk_mut::<LEN>()
    {
        let old = u16::from_be_bytes([*first, *field]);
        let new = u16::from_be_bytes([*first, tos]);
        *field = tos;
        let sum = checksum::update(u16::from_be_bytes([*c0, *c1]), old, new);
        [*c0, *c1] = sum.to_be_bytes();
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IPv4 {} > {} protocol {} ttl {} tos 0x{:02x} len {}",
            self.src, self.dst, self.protocol, self.ttl, self.tos, self.total_len
        )?;
        if self.df {
            f.write_str(" DF")?;
        }
        if self.is_fragment() {
            write!(f, " fragment {}{}", self.fragment_offset, if self.mf { "+" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    /// The header every textbook sums: 192.168.0.1 to 192.168.0.199, UDP, checksum 0xb861.
    fn golden() -> Vec<u8> {
        hex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7")
    }

    #[test]
    fn a_known_header_both_ways() {
        let bytes = golden();
        let header = Header::parse_verified(&bytes).unwrap();
        assert_eq!(
            header.to_string(),
            "IPv4 192.168.0.1 > 192.168.0.199 protocol 17 ttl 64 tos 0x00 len 115 DF"
        );
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn what_is_refused() {
        let wrong = |at: usize, value: u8| {
            let mut bytes = golden();
            bytes[at] = value;
            Header::parse_verified(&bytes).unwrap_err()
        };
        assert_eq!(wrong(0, 0x65), Malformed::Version);
        assert_eq!(wrong(0, 0x44), Malformed::Length);
        assert_eq!(wrong(0, 0x46), Malformed::Truncated);
        assert_eq!(wrong(3, 19), Malformed::Length);
        assert_eq!(wrong(8, 63), Malformed::Checksum);
    }

    #[test]
    fn the_payload_ends_at_the_total_length() {
        let mut packet = golden();
        packet[3] = 22;
        packet.extend([1, 2, 3, 4]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.payload(&packet), Ok(&[1, 2][..]));
        assert_eq!(header.payload(&packet[..21]), Err(Malformed::Length));
    }

    #[test]
    fn options_are_skipped() {
        let mut packet = golden();
        packet[0] = 0x46;
        packet[3] = 26;
        packet.extend([0x94, 4, 0, 0, 7, 8]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.header_len, 24);
        assert_eq!(header.payload(&packet), Ok(&[7, 8][..]));
    }

    #[test]
    fn fragments_are_told() {
        let mut bytes = golden();
        bytes[6..8].copy_from_slice(&[0x20, 0x03]);
        let header = Header::parse(&bytes).unwrap();
        assert!(header.is_fragment() && header.mf && !header.df);
        assert_eq!(header.fragment_offset, 24);
        let again = Header::parse(&emitted(LEN, |out| header.emit(out))).unwrap();
        assert_eq!(again, header);
    }

    #[test]
    fn a_changed_tos_keeps_the_checksum_right() {
        let mut bytes = golden();
        set_tos(&mut bytes, 0xB9);
        assert_eq!(Header::parse_verified(&bytes).unwrap().tos, 0xB9);
        set_tos(&mut bytes[..19], 0);
        assert_eq!(bytes[1], 0xB9);
    }
}
