//! IPv6 header (RFC 8200 section 3) and the walk over its extension headers (section 4).
//!
//! ```text
//! |Version| Traffic Class |           Flow Label                  |
//! |         Payload Length        |  Next Header  |   Hop Limit   |
//! |                     Source Address (128)                      |
//! |                  Destination Address (128)                    |
//! ```

use std::fmt;
use std::net::Ipv6Addr;

use super::ipv4::protocol;
use super::{Malformed, be16, be32, fixed, put};

/// Bytes of the fixed header.
pub const LEN: usize = 40;
/// Every link must carry packets of this size (RFC 8200 section 5).
pub const MIN_MTU: u16 = 1280;
/// Extension headers walked before a packet is taken for nonsense.
const MAX_EXTENSIONS: usize = 8;

/// The fixed IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Traffic class byte: DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes after this header, extension headers included.
    pub payload_len: u16,
    /// What follows.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

impl Header {
    /// Reads the fixed header at the start of `bytes`. `payload_len` may be larger than what
    /// follows (see [`Header::payload`]).
    ///
    /// # Errors
    /// [`Malformed::Truncated`] or [`Malformed::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        // The version first, so that a short packet of another version is told as such.
        if bytes.first().is_some_and(|first| first >> 4 != 6) {
            return Err(Malformed::Version);
        }
        let fields: &[u8; LEN] = fixed(bytes)?;
        let first = be32(fields, 0);
        Ok(Header {
            traffic_class: first.to_be_bytes()[0] << 4 | first.to_be_bytes()[1] >> 4,
            flow_label: first & 0xF_FFFF,
            payload_len: be16(fields, 4),
            next_header: fields[6],
            hop_limit: fields[7],
            src: address(fields, 8),
            dst: address(fields, 24),
        })
    }

    /// The payload by the payload length: bytes beyond it are padding.
    ///
    /// # Errors
    /// [`Malformed::Length`] where `packet` (header included) is shorter.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], Malformed> {
        packet.get(LEN..LEN + usize::from(self.payload_len)).ok_or(Malformed::Length)
    }

    /// Writes the header; returns [`LEN`].
    ///
    /// # Errors
    /// [`Malformed::NoRoom`] where `out` is shorter.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Malformed> {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | (self.flow_label & 0xF_FFFF);
        let mut header = [0; LEN];
        header[..4].copy_from_slice(&first.to_be_bytes());
        header[4..6].copy_from_slice(&self.payload_len.to_be_bytes());
        header[6] = self.next_header;
        header[7] = self.hop_limit;
        header[8..24].copy_from_slice(&self.src.octets());
        header[24..].copy_from_slice(&self.dst.octets());
        put(header, out)
    }
}

fn address(fields: &[u8; LEN], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&fields[at..at + 16]);
    Ipv6Addr::from(octets)
}

/// Replaces the traffic class of the IPv6 header at the start of `packet`. Does nothing to
/// shorter bytes.
pub fn set_traffic_class(packet: &mut [u8], class: u8) {
    if let Some([first, second]) = packet.first_chunk_mut::<2>() {
        *first = *first & 0xF0 | class >> 4;
        *second = *second & 0x0F | class << 4;
    }
}

/// Where the extension headers end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper {
    /// Protocol of the upper layer.
    pub protocol: u8,
    /// Its offset from the start of the IPv6 header.
    pub offset: usize,
    /// Whether a fragment header said that this is a piece of a larger packet.
    pub fragment: bool,
}

/// Walks the extension headers (hop-by-hop, routing, destination options, fragment) of the packet
/// whose fixed header names `next_header`. At a fragment the walk ends: what follows is no
/// reliable header.
///
/// # Errors
/// [`Malformed::Truncated`] where they run past `packet`, [`Malformed::Length`] beyond 8 of them.
pub fn upper_layer(packet: &[u8], next_header: u8) -> Result<Upper, Malformed> {
    let mut upper = Upper { protocol: next_header, offset: LEN, fragment: false };
    for _ in 0..=MAX_EXTENSIONS {
        match upper.protocol {
            0 | protocol::ROUTING | protocol::DESTINATION_OPTIONS => {
                let rest = packet.get(upper.offset..).ok_or(Malformed::Truncated)?;
                let [next, length] = *fixed::<2>(rest)?;
                let length = 8 + usize::from(length) * 8;
                if rest.len() < length {
                    return Err(Malformed::Truncated);
                }
                upper.protocol = next;
                upper.offset += length;
            }
            protocol::FRAGMENT => {
                let rest = packet.get(upper.offset..).ok_or(Malformed::Truncated)?;
                let header: &[u8; 8] = fixed(rest)?;
                upper.protocol = header[0];
                upper.offset += 8;
                // An atomic fragment (offset 0, last) is a whole packet (RFC 6946).
                if be16(header, 2) & 0xFFF9 != 0 {
                    upper.fragment = true;
                    return Ok(upper);
                }
            }
            _ => return Ok(upper),
        }
    }
    Err(Malformed::Length)
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IPv6 {} > {} next header {} hop limit {} class 0x{:02x} label 0x{:05x} payload {}",
            self.src,
            self.dst,
            self.next_header,
            self.hop_limit,
            self.traffic_class,
            self.flow_label,
            self.payload_len
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    fn golden() -> Vec<u8> {
        hex(
            "6 b9 12345 0008 3a ff fe800000000000000000000000000001 ff0200000000000000000000000000fb",
        )
    }

    #[test]
    fn a_known_header_both_ways() {
        let bytes = golden();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(
            header.to_string(),
            "IPv6 fe80::1 > ff02::fb next header 58 hop limit 255 class 0xb9 label 0x12345 payload 8"
        );
        assert_eq!(emitted(LEN, |out| header.emit(out)), bytes);
        for short in 0..LEN {
            assert_eq!(Header::parse(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn the_traffic_class_changes_alone() {
        let mut bytes = golden();
        set_traffic_class(&mut bytes, 0x03);
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.traffic_class, header.flow_label), (3, 0x12345));
    }

    #[test]
    fn the_payload_ends_at_its_length() {
        let mut packet = golden();
        packet.extend([7; 12]);
        assert_eq!(Header::parse(&packet).unwrap().payload(&packet), Ok(&[7; 8][..]));
        assert_eq!(Header::parse(&packet).unwrap().payload(&packet[..47]), Err(Malformed::Length));
    }

    #[test]
    fn extension_headers_are_walked_to_the_upper_layer() {
        let mut packet = golden();
        packet.extend(hex("3c00 0104 00000000 1100 04010401 0100 00010002 0008 0000"));
        let upper = upper_layer(&packet, 0).unwrap();
        assert_eq!(upper, Upper { protocol: 17, offset: 56, fragment: false });
        for short in LEN..56 {
            assert_eq!(upper_layer(&packet[..short], 0), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn fragments_end_the_walk_and_atomic_ones_do_not() {
        let mut packet = golden();
        packet.extend(hex("1100 0001 00000001 00000000"));
        assert!(upper_layer(&packet, 44).unwrap().fragment);
        packet[43] = 0;
        assert_eq!(
            upper_layer(&packet, 44),
            Ok(Upper { protocol: 17, offset: 48, fragment: false })
        );
    }

    #[test]
    fn a_chain_without_end_is_refused() {
        let mut packet = golden();
        packet.extend(hex("0000 0104 00000000").repeat(20));
        assert_eq!(upper_layer(&packet, 0), Err(Malformed::Length));
    }
}
