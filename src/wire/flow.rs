//! One pass over a packet: where its headers are, and a hash of its flow.
//!
//! The hash feeds the outer UDP source port (RFC 7348 section 5, RFC 8926 section 3.3), NVGRE's
//! `FlowID` and the flow label (RFC 6438): equal for all packets of a flow, spread over flows, and
//! seeded so that a tenant cannot predict it. Fragments hash without their ports, the first one
//! too, so that all fragments of a datagram take one path.

use super::ethernet::{self, Mac, ethertype};
use super::ipv4::{self, protocol};
use super::vlan::{self, Tag};
use super::{Malformed, be16, fixed, ipv6, udp};

/// Tags looked through; what follows more of them is taken for the payload.
const MAX_TAGS: u8 = 4;

/// What one pass over an Ethernet frame or an IP packet found. All offsets are bytes from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Destination; zero for a bare IP packet.
    pub dst: Mac,
    /// Source; zero for a bare IP packet.
    pub src: Mac,
    /// The `EtherType` behind all tags.
    pub ethertype: u16,
    /// The first tag.
    pub tag: Option<Tag>,
    /// How many tags there are.
    pub tags: u8,
    /// Where the network header starts.
    pub l3: usize,
    /// Where the TCP, UDP or other upper-layer header starts; 0 where there is none: not IP, a
    /// fragment, or too short for what its headers announce.
    pub l4: usize,
    /// Protocol of the upper layer; 0 where `l4` is 0.
    pub protocol: u8,
    /// Where the headers end: behind TCP or UDP, else at `l4`, else at `l3`.
    pub payload: usize,
    /// TOS or traffic class byte; 0 where not IP.
    pub tos: u8,
    /// Hash of the flow.
    pub flow: u32,
}

/// Looks through an Ethernet frame. Damage behind the Ethernet header makes it a frame without
/// upper layer, no error.
///
/// # Errors
/// [`Malformed::Truncated`] where the frame ends inside its Ethernet header or tags.
#[inline]
pub fn frame(frame: &[u8], seed: u64) -> Result<FrameMeta, Malformed> {
    let header = ethernet::Header::parse(frame)?;
    let mut meta = FrameMeta {
        dst: header.dst,
        src: header.src,
        ethertype: header.ethertype,
        tag: None,
        tags: 0,
        l3: ethernet::LEN,
        l4: 0,
        protocol: 0,
        payload: ethernet::LEN,
        tos: 0,
        flow: 0,
    };
    while vlan::is_tpid(meta.ethertype) && meta.tags < MAX_TAGS {
        let rest: &[u8; 4] = fixed(frame.get(meta.l3..).ok_or(Malformed::Truncated)?)?;
        if meta.tag.is_none() {
            meta.tag = Some(Tag::from_tci(meta.ethertype, be16(rest, 0)));
        }
        meta.tags += 1;
        meta.ethertype = be16(rest, 2);
        meta.l3 += vlan::LEN;
    }
    meta.payload = meta.l3;
    if !upper(frame, seed, &mut meta) {
        let [d0, d1, d2, d3, d4, d5] = header.dst.0;
        let [s0, s1, s2, s3, s4, s5] = header.src.0;
        let [t0, t1] = meta.ethertype.to_be_bytes();
        let first = u64::from_ne_bytes([d0, d1, d2, d3, d4, d5, t0, t1]);
        let second = u64::from_ne_bytes([s0, s1, s2, s3, s4, s5, 0, 0]);
        meta.flow = hash(seed, [first, second]);
    }
    Ok(meta)
}

/// Looks through a bare IP packet.
///
/// # Errors
/// [`Malformed::Truncated`] or [`Malformed::Version`] where it is no IPv4 or IPv6 packet, or
/// [`Malformed::Length`] where its header contradicts itself.
#[inline]
pub fn packet(packet: &[u8], seed: u64) -> Result<FrameMeta, Malformed> {
    let ethertype = match packet.first().ok_or(Malformed::Truncated)? >> 4 {
        4 => ethertype::IPV4,
        6 => ethertype::IPV6,
        _ => return Err(Malformed::Version),
    };
    let mut meta = FrameMeta {
        dst: Mac::ZERO,
        src: Mac::ZERO,
        ethertype,
        tag: None,
        tags: 0,
        l3: 0,
        l4: 0,
        protocol: 0,
        payload: 0,
        tos: 0,
        flow: 0,
    };
    if upper(packet, seed, &mut meta) { Ok(meta) } else { Err(Malformed::Length) }
}

/// Fills in the network and upper layers; says whether there was a valid network header.
#[inline]
fn upper(bytes: &[u8], seed: u64, meta: &mut FrameMeta) -> bool {
    let Some(network) = bytes.get(meta.l3..) else { return false };
    match meta.ethertype {
        ethertype::IPV4 => {
            let Ok(header) = ipv4::Header::parse(network) else { return false };
            meta.tos = header.tos;
            let addresses = u64::from(header.src.to_bits()) << 32 | u64::from(header.dst.to_bits());
            let mut ports = 0;
            if !header.is_fragment() {
                let offset = meta.l3 + header.header_len;
                ports = transport(bytes, offset, header.protocol, meta);
            }
            meta.flow = hash(seed, [addresses, ports << 8 | u64::from(header.protocol)]);
            true
        }
        ethertype::IPV6 => {
            let Ok(header) = ipv6::Header::parse(network) else { return false };
            meta.tos = header.traffic_class;
            let mut ports = 0;
            let mut protocol = header.next_header;
            if let Ok(found) = ipv6::upper_layer(network, header.next_header) {
                protocol = found.protocol;
                if !found.fragment {
                    ports = transport(bytes, meta.l3 + found.offset, protocol, meta);
                }
            }
            let (source, destination) = (header.src.to_bits(), header.dst.to_bits());
            let words = [
                high(source),
                low(source),
                high(destination),
                low(destination),
                ports << 8 | u64::from(protocol),
            ];
            meta.flow = hash(seed, words);
            true
        }
        _ => false,
    }
}

/// Fills in the upper layer; returns both ports in the low 32 bits, 0 where it has none.
#[inline]
fn transport(bytes: &[u8], offset: usize, protocol: u8, meta: &mut FrameMeta) -> u64 {
    let Some(rest) = bytes.get(offset..) else { return 0 };
    let length = match protocol {
        protocol::TCP => match rest.get(12) {
            Some(byte) if *byte >= 5 << 4 => usize::from(byte >> 4) * 4,
            _ => return 0,
        },
        protocol::UDP => udp::LEN,
        _ => {
            meta.l4 = offset;
            meta.protocol = protocol;
            meta.payload = offset;
            return 0;
        }
    };
    if rest.len() < length {
        return 0;
    }
    meta.l4 = offset;
    meta.protocol = protocol;
    meta.payload = offset + length;
    rest.first_chunk::<4>().map_or(0, |ports| u64::from(u32::from_be_bytes(*ports)))
}

const fn high(value: u128) -> u64 {
    (value >> 64) as u64
}

const fn low(value: u128) -> u64 {
    value as u64
}

/// Multiplies and folds (as wyhash does): every output bit depends on every input bit.
#[inline]
const fn mix(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    low(product) ^ high(product)
}

/// A seeded 32-bit hash of a few words.
#[inline]
fn hash<const N: usize>(seed: u64, words: [u64; N]) -> u32 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = seed ^ 0xA076_1D64_78BD_642F;
    for word in words {
        state = mix(state ^ word, ODD) ^ state.rotate_left(23);
    }
    let state = mix(state, state ^ 0xE703_7ED1_A0B4_28DB);
    (state ^ state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    const SEED: u64 = 7;

    fn tcp4() -> Vec<u8> {
        hex("020000000002 020000000001 0800
             45b8 002c 0001 4000 4006 0000 0a000001 0a000002
             d431 1451 00000001 00000002 6010 ffff 0000 0000 020405b4")
    }

    fn udp6() -> Vec<u8> {
        hex("020000000002 020000000001 86dd
             6b9 00000 000a 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002
             d431 1451 000a 0000 4869")
    }

    #[test]
    fn a_tcp_segment_with_options() {
        let meta = frame(&tcp4(), SEED).unwrap();
        assert_eq!((meta.l3, meta.l4, meta.payload), (14, 34, 58));
        assert_eq!((meta.ethertype, meta.protocol, meta.tos), (0x0800, 6, 0xB8));
        assert_eq!((meta.dst, meta.src), (Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 1])));
        assert_eq!((meta.tag, meta.tags), (None, 0));
    }

    #[test]
    fn a_udp_datagram_over_ipv6() {
        let meta = frame(&udp6(), SEED).unwrap();
        assert_eq!((meta.l3, meta.l4, meta.payload, meta.tos), (14, 54, 62, 0xB9));
    }

    #[test]
    fn a_bare_packet_gives_the_same_flow() {
        for bytes in [tcp4(), udp6()] {
            let whole = frame(&bytes, SEED).unwrap();
            let bare = packet(&bytes[14..], SEED).unwrap();
            assert_eq!(bare.flow, whole.flow);
            assert_eq!(bare.l4 + 14, whole.l4);
        }
        assert_eq!(packet(&[], SEED), Err(Malformed::Truncated));
        assert_eq!(packet(&[0x50; 40], SEED), Err(Malformed::Version));
        assert_eq!(packet(&[0x45; 10], SEED), Err(Malformed::Length));
    }

    #[test]
    fn tags_are_looked_through() {
        let mut bytes = tcp4();
        bytes.splice(12..12, hex("88a8 0005 8100 6064"));
        let meta = frame(&bytes, SEED).unwrap();
        assert_eq!(meta.tag, Some(Tag::service(5)));
        assert_eq!((meta.tags, meta.l3, meta.l4), (2, 22, 42));
        assert_eq!(meta.flow, frame(&tcp4(), SEED).unwrap().flow);
        for short in 14..22 {
            assert_eq!(frame(&bytes[..short], SEED), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn the_flow_depends_on_every_part_of_the_five_tuple_and_on_the_seed() {
        let base = frame(&tcp4(), SEED).unwrap().flow;
        for at in [26, 29, 30, 33, 34, 35, 36, 37] {
            let mut bytes = tcp4();
            bytes[at] ^= 1;
            assert_ne!(frame(&bytes, SEED).unwrap().flow, base, "byte {at}");
        }
        let mut bytes = tcp4();
        bytes[38] ^= 1;
        bytes[19] ^= 1;
        assert_eq!(
            frame(&bytes, SEED).unwrap().flow,
            base,
            "sequence number and IP id are no part"
        );
        assert_ne!(frame(&tcp4(), SEED + 1).unwrap().flow, base);
        let base = frame(&udp6(), SEED).unwrap().flow;
        for at in [22, 30, 37, 38, 46, 53, 54, 57] {
            let mut bytes = udp6();
            bytes[at] ^= 1;
            assert_ne!(frame(&bytes, SEED).unwrap().flow, base, "byte {at}");
        }
    }

    #[test]
    fn all_fragments_of_a_datagram_are_one_flow() {
        let mut first = tcp4();
        first[20] = 0x20;
        let mut second = tcp4();
        second[21] = 0x05;
        second[34..38].copy_from_slice(&[9, 9, 9, 9]);
        let (first, second) = (frame(&first, SEED).unwrap(), frame(&second, SEED).unwrap());
        assert_eq!(first.flow, second.flow);
        assert_eq!((first.l4, second.l4, first.payload), (0, 0, 14));
    }

    #[test]
    fn flows_spread_over_the_low_and_the_high_bits() {
        let mut low = [0u32; 64];
        let mut high = [0u32; 64];
        for port in 0..6400u16 {
            let mut bytes = tcp4();
            bytes[34..36].copy_from_slice(&port.to_be_bytes());
            let flow = frame(&bytes, SEED).unwrap().flow;
            low[(flow % 64) as usize] += 1;
            high[(flow >> 26) as usize] += 1;
        }
        assert!(low.iter().chain(&high).all(|&n| (60..150).contains(&n)), "{low:?} {high:?}");
    }

    #[test]
    fn frames_without_ip_hash_their_addresses_and_type() {
        let arp = hex("ffffffffffff 020000000001 0806 0001");
        let meta = frame(&arp, SEED).unwrap();
        assert_eq!((meta.l3, meta.l4, meta.payload), (14, 0, 14));
        for at in [0, 11, 13] {
            let mut other = arp.clone();
            other[at] ^= 1;
            assert_ne!(frame(&other, SEED).unwrap().flow, meta.flow);
        }
    }

    #[test]
    fn every_truncation_is_survived() {
        for bytes in [tcp4(), udp6()] {
            for short in 0..bytes.len() {
                match frame(&bytes[..short], SEED) {
                    Ok(meta) => assert!(short >= 14 && meta.payload <= short),
                    Err(error) => assert!(short < 14 && error == Malformed::Truncated),
                }
            }
        }
    }
}
