//! Packets that were fragmented on the underlay, put together again (RFC 791 section 3.2, RFC 8200
//! section 4.5), with what their repeated headers weigh.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use super::Header;
use crate::wire::ethernet::{self, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::{checksum, ipv6, vlan};

/// Bytes of IPv6's fragment header.
const FRAGMENT: usize = 8;
/// Packets that may wait for their other pieces; with more the oldest are as good as lost.
const WAITING: usize = 4096;

/// What the pieces of one packet have in common.
type Id = (IpAddr, IpAddr, u8, u32);

/// One fragment.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// Where its IP header starts.
    ip: usize,
    /// The part of the packet it holds.
    payload: Range<usize>,
    offset: usize,
    more: bool,
}

/// A packet that is whole again.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// The packet as it would have been without fragmentation.
    pub packet: Vec<u8>,
    /// How many pieces it came in.
    pub pieces: u64,
    /// Bytes of all pieces together.
    pub bytes: u64,
    /// The headers that only its pieces added.
    pub headers: Vec<Header>,
    /// Where the first piece ends and the frame inside starts, where that is no packet that could be
    /// taken apart as one: a frame of 64 KB behind an IP header fits no length field.
    pub inside: Option<(usize, usize)>,
}

/// The outermost IP header of a frame.
pub struct IpHeader {
    /// Where it starts.
    pub at: usize,
    /// Where what it carries starts.
    pub upper: usize,
    /// `IPv4` or `IPv6`.
    pub name: &'static str,
    kind: u16,
}

/// The IP header behind a frame's Ethernet header and tags; `None` where there is none.
pub fn ip_header(frame: &[u8]) -> Option<IpHeader> {
    let mut at = ethernet::LEN;
    let type_at = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk::<2>()?));
    let mut kind = type_at(at - 2)?;
    while vlan::is_tpid(kind) {
        at += vlan::LEN;
        kind = type_at(at - 2)?;
    }
    let packet = frame.get(at..)?;
    let (length, name) = match kind {
        ethertype::IPV4 => (ipv4::Header::parse(packet).ok()?.header_len, "IPv4"),
        ethertype::IPV6 => (packet.get(..ipv6::LEN)?.len(), "IPv6"),
        _ => return None,
    };
    Some(IpHeader { at, upper: at + length, name, kind })
}

/// Pieces that wait for the others.
#[derive(Debug, Default)]
pub struct Pieces(HashMap<Id, Vec<Piece>>);

impl Pieces {
    /// Whether the outermost IP header of a frame says that this is a fragment.
    pub fn is_piece(frame: &[u8]) -> bool {
        read(frame).is_some()
    }

    /// Takes a frame's fragment; gives the packet once all of it is there.
    pub fn take(&mut self, frame: &[u8]) -> Option<Whole> {
        let (id, piece) = read(frame)?;
        if self.0.len() >= WAITING && !self.0.contains_key(&id) {
            self.0.clear();
        }
        let all = self.0.entry(id).or_default();
        all.push(piece);
        all.sort_by_key(|piece| piece.offset);
        let mut end = 0;
        for piece in all.iter() {
            if piece.offset != end {
                return None;
            }
            end += piece.payload.len();
        }
        if all.last().is_none_or(|last| last.more) {
            return None;
        }
        let all = self.0.remove(&id)?;
        join(&all)
    }
}

/// The fragment in a frame, and what it is a fragment of.
fn read(frame: &[u8]) -> Option<(Id, Piece)> {
    let IpHeader { at: ip, kind, .. } = ip_header(frame)?;
    let packet = frame.get(ip..)?;
    let (id, offset, more, payload) = match kind {
        ethertype::IPV4 => {
            let header = ipv4::Header::parse(packet).ok()?;
            let id = (header.src.into(), header.dst.into(), header.protocol, header.id.into());
            let offset = usize::from(header.fragment_offset);
            let payload = header.header_len..usize::from(header.total_len);
            (header.mf || offset > 0).then_some((id, offset, header.mf, payload))?
        }
        ethertype::IPV6 => {
            let header = ipv6::Header::parse(packet).ok()?;
            let [next, _, high, low, a, b, c, d] = *packet.get(ipv6::LEN..)?.first_chunk()?;
            let word = u16::from_be_bytes([high, low]);
            let id = (header.src.into(), header.dst.into(), next, u32::from_be_bytes([a, b, c, d]));
            let end = ipv6::LEN + usize::from(header.payload_len);
            let at = (header.next_header == protocol::FRAGMENT).then_some(word)?;
            (id, usize::from(at & !7), at & 1 == 1, ipv6::LEN + FRAGMENT..end)
        }
        _ => return None,
    };
    let payload = ip + payload.start..ip + payload.end;
    frame.get(payload.clone())?;
    Some((id, Piece { bytes: frame.to_vec(), ip, payload, offset, more }))
}

/// The packet of all its pieces, in order.
fn join(pieces: &[Piece]) -> Option<Whole> {
    let first = pieces.first()?;
    let four = first.bytes.get(first.ip)? >> 4 == 4;
    let header = if four { first.payload.start } else { first.ip + ipv6::LEN };
    let mut packet = first.bytes.get(..header)?.to_vec();
    for piece in pieces {
        packet.extend_from_slice(piece.bytes.get(piece.payload.clone())?);
    }
    let ip = packet.get_mut(first.ip..)?;
    if four {
        let length = u16::try_from(ip.len()).ok()?.to_be_bytes();
        ip.get_mut(2..4)?.copy_from_slice(&length);
        ip.get_mut(6..8)?.fill(0);
        ip.get_mut(10..12)?.fill(0);
        let sum = checksum::finish(checksum::sum(ip.get(..first.payload.start - first.ip)?, 0));
        ip.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    } else {
        let length = u16::try_from(ip.len() - ipv6::LEN).ok()?.to_be_bytes();
        ip.get_mut(4..6)?.copy_from_slice(&length);
        *ip.get_mut(6)? = *first.bytes.get(header)?;
    }
    let mut headers = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            headers.push(Header::of("Ethernet", ethernet::LEN));
            for tag in (ethernet::LEN..piece.ip).step_by(vlan::LEN) {
                headers.push(Header::of(super::tag(&piece.bytes, tag - 2), vlan::LEN));
            }
            let length = if four { piece.payload.start - piece.ip } else { ipv6::LEN };
            headers.push(Header::of(if four { "IPv4" } else { "IPv6" }, length));
        }
        if !four {
            headers.push(Header::of("IPv6 fragment", FRAGMENT));
        }
    }
    let bytes = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
    Some(Whole { packet, pieces: pieces.len() as u64, bytes, headers, inside: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(id: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x00]);
        let total = (20 + payload.len() as u16).to_be_bytes();
        let word = ((u16::from(more) << 13) | (offset as u16 / 8)).to_be_bytes();
        let id = id.to_be_bytes();
        frame.extend([0x45, 0, total[0], total[1], id[0], id[1], word[0], word[1], 64, 17, 0, 0]);
        frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn pieces_make_the_packet_in_whatever_order_they_come() {
        let payload: Vec<u8> = (0..100).collect();
        let parts = [
            four(7, 0, true, &payload[..48]),
            four(7, 48, true, &payload[48..80]),
            four(7, 80, false, &payload[80..]),
        ];
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let mut pieces = Pieces::default();
            assert_eq!(pieces.take(&parts[order[0]]), None);
            assert_eq!(pieces.take(&four(8, 48, true, &payload[48..80])), None, "another's");
            assert_eq!(pieces.take(&parts[order[1]]), None);
            let whole = pieces.take(&parts[order[2]]).unwrap();
            assert_eq!(whole.packet[34..], payload);
            let ip = ipv4::Header::parse_verified(&whole.packet[14..]).unwrap();
            assert_eq!((ip.total_len, ip.mf, ip.fragment_offset), (120, false, 0));
            assert_eq!((whole.pieces, whole.bytes), (3, 100 + 3 * 34));
            let repeated: usize = whole.headers.iter().map(|h| h.length).sum();
            assert_eq!(whole.bytes, (whole.packet.len() + repeated) as u64);
        }
    }

    #[test]
    fn fragments_of_ipv6_have_a_header_of_their_own_even_the_first() {
        let part = |offset: u16, more: bool, payload: &[u8]| {
            let mut frame = vec![2; 12];
            frame.extend([0x86, 0xDD, 0x60, 0, 0, 0]);
            frame.extend((8 + payload.len() as u16).to_be_bytes());
            frame.extend([44, 64]);
            frame.extend([1; 16]);
            frame.extend([2; 16]);
            frame.extend([17, 0]);
            frame.extend((offset | u16::from(more)).to_be_bytes());
            frame.extend([0, 0, 0, 9]);
            frame.extend(payload);
            frame
        };
        let payload: Vec<u8> = (0..50).collect();
        let mut pieces = Pieces::default();
        assert_eq!(pieces.take(&part(0, true, &payload[..24])), None);
        let whole = pieces.take(&part(24, false, &payload[24..])).unwrap();
        assert_eq!(whole.packet[54..], payload);
        let ip = ipv6::Header::parse(&whole.packet[14..]).unwrap();
        assert_eq!((ip.payload_len, ip.next_header), (50, 17));
        let repeated: usize = whole.headers.iter().map(|h| h.length).sum();
        assert_eq!(repeated, 8 + 14 + 40 + 8);
        assert_eq!(whole.bytes, (whole.packet.len() + repeated) as u64);
    }

    #[test]
    fn whole_packets_and_scraps_are_no_pieces() {
        let whole = four(7, 0, false, &[1; 40]);
        assert!(!Pieces::is_piece(&whole));
        let piece = four(7, 0, true, &[1; 40]);
        assert!(Pieces::is_piece(&piece));
        for length in 0..piece.len() {
            assert!(!Pieces::is_piece(&piece[..length]), "{length}");
        }
    }
}
