//! The Internet checksum (RFC 1071), its incremental update (RFC 1624) and pseudo headers.
//!
//! A *partial sum* is an `u32` that adds up 16-bit big-endian words without folding, so that a
//! caller may add header fields to it as plain numbers. [`sum`] adds folded sums of whole slices
//! to it; 65,536 of them fit before an `u32` overflows.
//!
//! The sum runs over native 64-bit words whatever their alignment and byte order: one's
//! complement addition gives the same result in swapped bytes (RFC 1071 section 2, B and C).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of one round of the main loop: 8 lanes of 8 bytes.
const STRIDE: usize = 64;

/// Adds `bytes` to a partial sum. An odd last byte counts as the high byte of a word.
#[must_use]
pub fn sum(bytes: &[u8], initial: u32) -> u32 {
    initial.wrapping_add(u32::from(u16::from_be(native(bytes))))
}

/// Adds pieces that follow each other on the wire, whatever their lengths: a piece that starts
/// at an odd offset is added with its bytes swapped (RFC 1071 section 2, B).
#[must_use]
pub fn sum_parts(parts: &[&[u8]], initial: u32) -> u32 {
    let mut total = initial;
    let mut odd = false;
    for part in parts {
        let piece = u16::from_be(native(part));
        let piece = if odd { piece.swap_bytes() } else { piece };
        total = total.wrapping_add(u32::from(piece));
        odd ^= part.len() % 2 == 1;
    }
    total
}

/// One's complement sum of `bytes` in memory order, folded.
fn native(bytes: &[u8]) -> u16 {
    // Each 64-bit word x is hi * 2^32 + lo. `high` adds up hi exactly (for less than 2^32 words) and
    // `whole` adds up x modulo 2^64; the sum of lo is then whole - high * 2^32 (modulo 2^64, and it
    // is less than that). Two additions and a shift per word, all of which vectorise; no carries.
    let mut high = [0u64; STRIDE / 8];
    let mut whole = [0u64; STRIDE / 8];
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    for stride in strides {
        let (words, _) = stride.as_chunks::<8>();
        for ((word, high), whole) in words.iter().zip(&mut high).zip(&mut whole) {
            let word = u64::from_ne_bytes(*word);
            *high = high.wrapping_add(word >> 32);
            *whole = whole.wrapping_add(word);
        }
    }
    let mut total = 0u64;
    if !strides.is_empty() {
        let high = high.iter().fold(0u64, |all, lane| all.wrapping_add(*lane));
        let whole = whole.iter().fold(0u64, |all, lane| all.wrapping_add(*lane));
        let low = whole.wrapping_sub(high << 32);
        total = u64::from(fold_wide(high)) + u64::from(fold_wide(low));
    }
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        let word = u64::from_ne_bytes(*word);
        total += (word >> 32) + (word & 0xFFFF_FFFF);
    }
    let (words, rest) = rest.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    total += match *rest {
        [a] => u64::from(u16::from_ne_bytes([a, 0])),
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c] => u64::from(u16::from_ne_bytes([a, b])) + u64::from(u16::from_ne_bytes([c, 0])),
        _ => 0,
    };
    fold_wide(total)
}

/// Folds 64 bits to 16 with end-around carries.
const fn fold_wide(sum: u64) -> u16 {
    let sum = (sum & 0xFFFF_FFFF) + (sum >> 32);
    let sum = (sum & 0xFFFF_FFFF) + (sum >> 32);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    sum as u16
}

/// Folds a partial sum to 16 bits, not complemented (as in a partial checksum field).
#[must_use]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    sum as u16
}

/// The checksum of a partial sum: folded and complemented.
#[must_use]
pub const fn finish(sum: u32) -> u16 {
    !fold(sum)
}

/// The checksum for a UDP header, where a computed 0 is sent as 0xFFFF (RFC 768).
#[must_use]
pub const fn finish_udp(sum: u32) -> u16 {
    match finish(sum) {
        0 => 0xFFFF,
        other => other,
    }
}

/// Whether a sum over data with its checksum field included says that the data are right.
#[must_use]
pub const fn is_right(sum: u32) -> bool {
    fold(sum) == 0xFFFF
}

/// The new checksum after one 16-bit word of the data changed (RFC 1624 equation 3).
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(!checksum as u32 + !old as u32 + new as u32)
}

/// The new checksum after one 32-bit field changed.
#[must_use]
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    let high = update(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update(high, old as u16, new as u16)
}

/// Partial sum of the IPv4 pseudo header (RFC 9293 section 3.1); `length` is that of the
/// transport header and its data.
#[must_use]
pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u32) -> u32 {
    let addresses = sum(&destination.octets(), sum(&source.octets(), 0));
    addresses + u32::from(protocol) + (length >> 16) + (length & 0xFFFF)
}

/// Partial sum of the IPv6 pseudo header (RFC 8200 section 8.1); `length` is that of the
/// upper-layer header and its data.
#[must_use]
pub fn pseudo_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, length: u32) -> u32 {
    let addresses = sum(&destination.octets(), sum(&source.octets(), 0));
    addresses + u32::from(protocol) + (length >> 16) + (length & 0xFFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook loop, to hold the fast one against.
    fn slow(bytes: &[u8]) -> u16 {
        let mut total = 0u64;
        for (index, byte) in bytes.iter().enumerate() {
            total += u64::from(*byte) << if index % 2 == 0 { 8 } else { 0 };
        }
        while total > 0xFFFF {
            total = (total & 0xFFFF) + (total >> 16);
        }
        u16::try_from(total).unwrap()
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                u8::try_from(state >> 56).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes, 0)), 0xddf2);
        assert_eq!(finish(sum(&bytes, 0)), 0x220d);
    }

    #[test]
    fn equal_to_the_textbook_at_every_length_and_alignment() {
        let data = noise(1200);
        for start in 0..9 {
            for end in start..data.len() {
                let bytes = &data[start..end];
                assert_eq!(fold(sum(bytes, 0)), slow(bytes), "{start}..{end}");
            }
        }
        let ones = vec![0xFF; 65_535];
        assert_eq!(fold(sum(&ones, 0)), slow(&ones));
        assert_eq!(fold(sum(&[0; 300], 0)), 0);
    }

    #[test]
    fn pieces_of_any_length_sum_as_the_whole() {
        let data = noise(700);
        for first in [0, 1, 2, 3, 127, 128, 129, 255, 700] {
            for second in [0, 1, 2, 63, 200] {
                let (a, rest) = data.split_at(first);
                let (b, c) = rest.split_at(second.min(rest.len()));
                assert_eq!(fold(sum_parts(&[a, b, c], 0)), slow(&data), "{first} {second}");
            }
        }
    }

    #[test]
    fn the_corner_case_of_rfc_1624_section_4() {
        // HC = 0xDD2F, m = 0x5555, m' = 0x3285: equation 2 gives 0xFFFF, equation 3 the right 0x0000.
        assert_eq!(update(0xDD2F, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn an_update_equals_a_fresh_sum() {
        let mut data = noise(40);
        let before = finish(sum(&data, 0));
        let old = u32::from_be_bytes([data[8], data[9], data[10], data[11]]);
        data[8..12].copy_from_slice(&0xDEAD_BEEFu32.to_be_bytes());
        assert_eq!(update32(before, old, 0xDEAD_BEEF), finish(sum(&data, 0)));
    }

    #[test]
    fn a_real_udp_datagram_over_ipv4_and_its_pseudo_header() {
        // 192.168.0.31:30 -> 192.168.0.30:20, payload "Hi", checksum 0x7BD5 worked by hand.
        let datagram = [0x00, 0x14, 0x00, 0x0A, 0x00, 0x0A, 0x35, 0xC5, 0x48, 0x69];
        let from = Ipv4Addr::new(192, 168, 0, 31);
        let to = Ipv4Addr::new(192, 168, 0, 30);
        assert!(is_right(sum(&datagram, pseudo_v4(from, to, 17, 10))));
        assert!(!is_right(sum(&datagram, pseudo_v4(from, to, 6, 10))));
    }

    #[test]
    fn a_computed_udp_zero_is_sent_as_ones() {
        assert_eq!(finish_udp(0xFFFF), 0xFFFF);
        assert_eq!(finish_udp(0x1234), 0xEDCB);
    }

    #[test]
    fn lengths_above_sixteen_bits_enter_the_pseudo_header_whole() {
        let any = Ipv6Addr::UNSPECIFIED;
        assert_eq!(fold(pseudo_v6(any, any, 6, 0x0001_0000)), 7);
    }
}
