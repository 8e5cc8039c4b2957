//! ICMP errors about packets that are too big: fragmentation needed (RFC 792, RFC 1191 section 4)
//! and packet too big (RFC 4443 section 3.2), built and read.
//!
//! ```text
//! v4: | type 3 | code 4 | checksum (2) | 0 (2) | next-hop MTU (2) | quoted packet |
//! v6: | type 2 | code 0 | checksum (2) |        MTU (4)           | quoted packet |
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ipv4::protocol;
use super::{Malformed, be16, be32, checksum, fixed, ipv4, ipv6};

/// Bytes of the ICMP header before the quoted packet.
pub const LEN: usize = 8;
/// Largest IPv4 error packet that quotes another (RFC 1812 section 4.3.2.3).
pub const MAX_V4: usize = 576;
/// Largest IPv6 error packet (RFC 4443 section 2.4 c).
pub const MAX_V6: usize = 1280;

/// "Too big" as read from an ICMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooBig<'a> {
    /// Largest packet that would have passed, in bytes; 0 where an old router said nothing.
    pub mtu: u32,
    /// The start of the packet that was too big.
    pub quoted: &'a [u8],
}

/// Reads a fragmentation-needed message from the payload of an IPv4 packet.
///
/// # Errors
/// [`Malformed::Truncated`], [`Malformed::Value`] for any other ICMP message, [`Malformed::Checksum`].
pub fn parse_v4(message: &[u8]) -> Result<TooBig<'_>, Malformed> {
    let header: &[u8; LEN] = fixed(message)?;
    if header[..2] != [3, 4] {
        return Err(Malformed::Value);
    }
    if !checksum::is_right(checksum::sum(message, 0)) {
        return Err(Malformed::Checksum);
    }
    let quoted = message.get(LEN..).ok_or(Malformed::Truncated)?;
    Ok(TooBig { mtu: u32::from(be16(header, 6)), quoted })
}

/// Reads a packet-too-big message from the payload of an IPv6 packet between these addresses.
///
/// # Errors
/// [`Malformed::Truncated`], [`Malformed::Value`] for any other message, [`Malformed::Checksum`].
pub fn parse_v6(message: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<TooBig<'_>, Malformed> {
    let header: &[u8; LEN] = fixed(message)?;
    if header[..2] != [2, 0] {
        return Err(Malformed::Value);
    }
    let length = u32::try_from(message.len()).map_err(|_| Malformed::Length)?;
    let pseudo = checksum::pseudo_v6(src, dst, protocol::ICMPV6, length);
    if !checksum::is_right(checksum::sum(message, pseudo)) {
        return Err(Malformed::Checksum);
    }
    let quoted = message.get(LEN..).ok_or(Malformed::Truncated)?;
    Ok(TooBig { mtu: be32(header, 4), quoted })
}

/// Writes a whole IPv4 packet from `source` that tells the sender of `packet` that only `mtu`
/// bytes pass; returns its length, at most [`MAX_V4`].
///
/// # Errors
/// [`Malformed::Value`] where the packet may not be answered (RFC 1122 section 3.2.2: an ICMP
/// error, a later fragment, from or to a group or the unspecified address) or may be fragmented;
/// as [`ipv4::Header::parse`]; [`Malformed::NoRoom`].
pub fn fragmentation_needed(
    packet: &[u8],
    mtu: u16,
    source: Ipv4Addr,
    out: &mut [u8],
) -> Result<usize, Malformed> {
    let about = ipv4::Header::parse(packet)?;
    let whole = usize::from(about.total_len).min(packet.len());
    let quoted = packet.get(..whole.min(MAX_V4 - ipv4::LEN - LEN)).ok_or(Malformed::Truncated)?;
    let upper = packet.get(about.header_len).copied();
    if !about.df
        || about.fragment_offset != 0
        || is_no_host_v4(about.src)
        || about.dst.is_multicast()
        || about.dst.is_broadcast()
        || about.protocol == protocol::ICMP && !matches!(upper, Some(0 | 8 | 13..=18))
    {
        return Err(Malformed::Value);
    }
    let len = ipv4::LEN + LEN + quoted.len();
    let out = out.get_mut(..len).ok_or(Malformed::NoRoom)?;
    ipv4::Header {
        header_len: ipv4::LEN,
        tos: 0xC0,
        total_len: u16::try_from(len).map_err(|_| Malformed::Length)?,
        id: 0,
        df: true,
        mf: false,
        fragment_offset: 0,
        ttl: 64,
        protocol: protocol::ICMP,
        src: source,
        dst: about.src,
    }
    .emit(out)?;
    let (_, message) = out.split_at_mut(ipv4::LEN);
    let [m0, m1] = mtu.to_be_bytes();
    write_message(message, [3, 4, 0, 0, 0, 0, m0, m1], quoted, 0)?;
    Ok(len)
}

/// Writes a whole IPv6 packet from `source` that tells the sender of `packet` that only `mtu`
/// bytes pass (at least 1280 are said); returns its length, at most [`MAX_V6`].
///
/// # Errors
/// [`Malformed::Value`] where the packet may not be answered (RFC 4443 section 2.4 e: an ICMP
/// error, from a group or the unspecified address); as [`ipv6::Header::parse`]; [`Malformed::NoRoom`].
pub fn packet_too_big(
    packet: &[u8],
    mtu: u32,
    source: Ipv6Addr,
    out: &mut [u8],
) -> Result<usize, Malformed> {
    let about = ipv6::Header::parse(packet)?;
    let whole = (ipv6::LEN + usize::from(about.payload_len)).min(packet.len());
    let quoted = packet.get(..whole.min(MAX_V6 - ipv6::LEN - LEN)).ok_or(Malformed::Truncated)?;
    let upper = ipv6::upper_layer(packet, about.next_header)?;
    let kind = packet.get(upper.offset).copied().unwrap_or(0);
    // Informational messages have types from 128 up; anything below is an error.
    let is_error = upper.protocol == protocol::ICMPV6 && (kind < 128 || kind == 137);
    if is_error || about.src.is_multicast() || about.src.is_unspecified() {
        return Err(Malformed::Value);
    }
    let length = LEN + quoted.len();
    let out = out.get_mut(..ipv6::LEN + length).ok_or(Malformed::NoRoom)?;
    ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(length).map_err(|_| Malformed::Length)?,
        next_header: protocol::ICMPV6,
        hop_limit: 64,
        src: source,
        dst: about.src,
    }
    .emit(out)?;
    let (_, message) = out.split_at_mut(ipv6::LEN);
    let [m0, m1, m2, m3] = mtu.max(u32::from(ipv6::MIN_MTU)).to_be_bytes();
    let upper_len = u32::try_from(length).map_err(|_| Malformed::Length)?;
    let pseudo = checksum::pseudo_v6(source, about.src, protocol::ICMPV6, upper_len);
    write_message(message, [2, 0, 0, 0, m0, m1, m2, m3], quoted, pseudo)?;
    Ok(ipv6::LEN + length)
}

/// An address that no answer may go to.
fn is_no_host_v4(address: Ipv4Addr) -> bool {
    address.is_multicast() || address.is_broadcast() || address.is_unspecified()
}

/// Writes an ICMP header and what it quotes, and its checksum.
fn write_message(
    message: &mut [u8],
    header: [u8; LEN],
    quoted: &[u8],
    pseudo: u32,
) -> Result<(), Malformed> {
    let (front, back) = message.split_first_chunk_mut::<LEN>().ok_or(Malformed::NoRoom)?;
    *front = header;
    back.copy_from_slice(quoted);
    let [c0, c1] = checksum::finish(checksum::sum(message, pseudo)).to_be_bytes();
    if let Some([_, _, high, low]) = message.first_chunk_mut::<4>() {
        [*high, *low] = [c0, c1];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

    /// A UDP packet of 1,500 bytes with DF set.
    fn big4() -> Vec<u8> {
        let mut packet = hex("4500 05dc 0001 4000 4011 210d 0a000001 0a000002 0001 0002 05c8 0000");
        packet.resize(1500, 7);
        packet
    }

    fn big6() -> Vec<u8> {
        let mut packet = hex(
            "60000000 05b4 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002 0001 0002 05b4 0000",
        );
        packet.resize(1500, 7);
        packet
    }

    #[test]
    fn fragmentation_needed_is_a_right_packet() {
        let mut out = [0xA5; 2000];
        let len = fragmentation_needed(&big4(), 1450, ROUTER4, &mut out).unwrap();
        assert_eq!(len, MAX_V4);
        let header = ipv4::Header::parse_verified(&out[..len]).unwrap();
        assert_eq!((header.src, header.dst, header.protocol), (ROUTER4, [10, 0, 0, 1].into(), 1));
        let read = parse_v4(&out[20..len]).unwrap();
        assert_eq!((read.mtu, read.quoted), (1450, &big4()[..548]));
        out[30] ^= 1;
        assert_eq!(parse_v4(&out[20..len]), Err(Malformed::Checksum));
    }

    #[test]
    fn packet_too_big_is_a_right_packet() {
        let router: Ipv6Addr = "2001:db8::fe".parse().unwrap();
        let sender: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let mut out = [0xA5; 2000];
        let len = packet_too_big(&big6(), 1430, router, &mut out).unwrap();
        assert_eq!(len, MAX_V6);
        let header = ipv6::Header::parse(&out).unwrap();
        assert_eq!((header.dst, header.next_header), (sender, 58));
        let read = parse_v6(&out[40..len], router, sender).unwrap();
        assert_eq!((read.mtu, read.quoted), (1430, &big6()[..1232]));
        let other = parse_v6(&out[40..len], router, router);
        assert_eq!(other, Err(Malformed::Checksum));
        let len = packet_too_big(&big6(), 500, router, &mut out).unwrap();
        assert_eq!(parse_v6(&out[40..len], router, sender).unwrap().mtu, 1280);
    }

    #[test]
    fn what_may_not_be_answered() {
        let refused = |at: usize, bytes: &[u8]| {
            let mut packet = big4();
            packet[at..at + bytes.len()].copy_from_slice(bytes);
            fragmentation_needed(&packet, 1450, ROUTER4, &mut [0; 2000])
        };
        assert_eq!(refused(6, &[0, 0]), Err(Malformed::Value), "may be fragmented");
        assert_eq!(refused(6, &[0x40, 1]), Err(Malformed::Value), "a later fragment");
        assert_eq!(refused(12, &[0, 0, 0, 0]), Err(Malformed::Value), "nobody sent it");
        assert_eq!(refused(16, &[239, 1, 1, 1]), Err(Malformed::Value), "to a group");
        let mut error = big4();
        error[9] = 1;
        error[20] = 3;
        let answer = fragmentation_needed(&error, 1450, ROUTER4, &mut [0; 2000]);
        assert_eq!(answer, Err(Malformed::Value), "an ICMP error");
        let mut error = big6();
        error[6] = 58;
        error[40] = 1;
        let answer = packet_too_big(&error, 1450, Ipv6Addr::LOCALHOST, &mut [0; 2000]);
        assert_eq!(answer, Err(Malformed::Value));
    }

    #[test]
    fn every_truncation_is_survived() {
        let mut out = [0; 2000];
        for short in 0..100 {
            let _ = fragmentation_needed(&big4()[..short], 1450, ROUTER4, &mut out);
            let _ = packet_too_big(&big6()[..short], 1450, Ipv6Addr::LOCALHOST, &mut out);
            let _ = parse_v4(&big4()[..short]);
        }
        let no_room = fragmentation_needed(&big4(), 1450, ROUTER4, &mut [0; 575]);
        assert_eq!(no_room, Err(Malformed::NoRoom));
    }
}
