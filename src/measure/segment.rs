//! Super-frames as the packets they are on a cable.
//!
//! The kernel moves up to 64 KB of a flow as one frame and leaves cutting it up, and finishing
//! checksums, to the last interface; on a veth that never happens. Here it is done in software,
//! to count what a cable would carry and to write captures whose checksums are right. Tunnels
//! around the segmented packet (VXLAN, Geneve, GRE, IP in IP) get their lengths and checksums per packet.

use super::headers::{Layer, layers};
use super::tap::Frame;

/// Bytes the kernel took out of the frame for a tag.
const TAG: usize = 4;
/// Where the tag belongs: after the two MAC addresses.
const MACS: usize = 12;

/// The packets and bytes (Ethernet headers and tags included, FCS not) of one frame on a cable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnWire {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What `frame` is on a cable. Needs only the frame's headers to be in `frame.bytes`.
#[must_use]
pub fn on_wire(frame: &Frame<'_>) -> OnWire {
    let tag = if frame.vlan.is_some() { TAG } else { 0 };
    let whole = (frame.length + tag) as u64;
    match cut(frame) {
        Some(cut) if frame.length > cut.header => {
            let packets = (frame.length - cut.header).div_ceil(cut.size) as u64;
            let header = (cut.header + tag) as u64;
            OnWire { packets, bytes: whole + (packets - 1) * header }
        }
        _ => OnWire { packets: 1, bytes: whole },
    }
}

/// How a super-frame is cut: bytes of header repeated in each packet, payload bytes of each, and where L4 starts.
#[derive(Debug, Clone, Copy)]
struct Cut {
    header: usize,
    size: usize,
    l4: usize,
    udp: bool,
}

fn cut(frame: &Frame<'_>) -> Option<Cut> {
    let size = usize::from(frame.vnet.gso_size);
    if size == 0 || !frame.vnet.needs_csum() {
        return None;
    }
    let l4 = usize::from(frame.vnet.csum_start);
    let (udp, header) = match frame.vnet.gso_type & 0x7F {
        1 | 4 => (false, l4 + usize::from(frame.bytes.get(l4 + 12)? >> 4) * 4),
        5 => (true, l4 + 8),
        _ => return None,
    };
    Some(Cut { header, size, l4, udp })
}

/// Turns frames into packets, reusing one buffer.
#[derive(Debug, Default)]
pub struct Segmenter {
    packet: Vec<u8>,
}

impl Segmenter {
    /// Gives every packet of `frame` (held whole) to `emit`: tags in place, lengths set, checksums finished.
    pub fn each(&mut self, frame: &Frame<'_>, mut emit: impl FnMut(&[u8])) {
        let tag = if frame.vlan.is_some() { TAG } else { 0 };
        let Some(cut) = cut(frame).filter(|cut| frame.bytes.len() > cut.header) else {
            self.assemble(frame, frame.bytes.len(), &[]);
            if frame.vnet.needs_csum() {
                let start = usize::from(frame.vnet.csum_start) + tag;
                finish(&mut self.packet, start, usize::from(frame.vnet.csum_offset));
            }
            emit(&self.packet);
            return;
        };
        let payload = frame.bytes.get(cut.header..).unwrap_or_default();
        let l4 = cut.l4 + tag;
        let count = payload.len().div_ceil(cut.size);
        for (number, chunk) in payload.chunks(cut.size).enumerate() {
            self.assemble(frame, cut.header, chunk);
            let walk = layers(&self.packet, Some(l4), None);
            if cut.udp {
                udp_length(&mut self.packet, l4);
            } else {
                tcp_part(&mut self.packet, l4, number * cut.size, number == 0, number + 1 == count);
            }
            lengths(&mut self.packet, &walk, number);
            checksum(&mut self.packet, &walk, l4, if cut.udp { 17 } else { 6 });
            tunnel_checksums(&mut self.packet, &walk, l4);
            emit(&self.packet);
        }
    }

    /// Puts the first `header` bytes of the frame, its tag, and `payload` together.
    fn assemble(&mut self, frame: &Frame<'_>, header: usize, payload: &[u8]) {
        self.packet.clear();
        let bytes = frame.bytes.get(..header).unwrap_or(frame.bytes);
        match (frame.vlan, bytes.split_at_checked(MACS)) {
            (Some((tpid, tci)), Some((macs, rest))) => {
                self.packet.extend_from_slice(macs);
                self.packet.extend_from_slice(&tpid.to_be_bytes());
                self.packet.extend_from_slice(&tci.to_be_bytes());
                self.packet.extend_from_slice(rest);
            }
            _ => self.packet.extend_from_slice(bytes),
        }
        self.packet.extend_from_slice(payload);
    }
}

/// Sets IP and tunnel-UDP lengths, IPv4 ids and header checksums of packet `number`.
fn lengths(packet: &mut [u8], walk: &[Layer], number: usize) {
    let total = packet.len();
    for layer in walk {
        match *layer {
            Layer::Ipv4(at) => {
                let id = super::headers::be16(packet, at + 4).unwrap_or(0);
                put16(packet, at + 2, low16(total - at));
                put16(packet, at + 4, id.wrapping_add(low16(number)));
                put16(packet, at + 10, 0);
                let length = usize::from(packet.get(at).copied().unwrap_or(0) & 0xF) * 4;
                let sum = packet.get(at..at + length).map_or(0, |header| fold(sum(header, 0)));
                put16(packet, at + 10, !sum);
            }
            Layer::Ipv6(at) => put16(packet, at + 4, low16(total.saturating_sub(at + 40))),
            Layer::Udp(at, _) => put16(packet, at + 4, low16(total - at)),
            _ => {}
        }
    }
}

fn udp_length(packet: &mut [u8], l4: usize) {
    let length = low16(packet.len().saturating_sub(l4));
    put16(packet, l4 + 4, length);
}

/// Sequence number and flags of one TCP segment: FIN and PSH on the last only, CWR on the first only.
fn tcp_part(packet: &mut [u8], l4: usize, offset: usize, first: bool, last: bool) {
    if let Some(raw) = packet.get_mut(l4 + 4..).and_then(<[u8]>::first_chunk_mut::<4>) {
        let advance = u32::try_from(offset).unwrap_or(0);
        *raw = u32::from_be_bytes(*raw).wrapping_add(advance).to_be_bytes();
    }
    if let Some(flags) = packet.get_mut(l4 + 13) {
        if !last {
            *flags &= !0x09;
        }
        if !first {
            *flags &= !0x80;
        }
    }
}

/// The whole L4 checksum at `l4`, from the addresses of the last IP header before it.
fn checksum(packet: &mut [u8], walk: &[Layer], l4: usize, protocol: u8) {
    let field = l4 + if protocol == 6 { 16 } else { 6 };
    put16(packet, field, 0);
    let Some(body) = packet.get(l4..) else { return };
    let addresses = walk.iter().rev().find_map(|layer| match *layer {
        Layer::Ipv4(at) if at < l4 => packet.get(at + 12..at + 20),
        Layer::Ipv6(at) if at < l4 => packet.get(at + 8..at + 40),
        _ => None,
    });
    let pseudo = sum(addresses.unwrap_or_default(), u64::from(protocol) + body.len() as u64);
    let value = !fold(sum(body, pseudo));
    // RFC 768: a computed zero is sent as all ones; TCP may carry either.
    put16(packet, field, if value == 0 && protocol == 17 { 0xFFFF } else { value });
}

/// Checksums of UDP tunnels around the segment, innermost first; zero stays zero (none used).
fn tunnel_checksums(packet: &mut [u8], walk: &[Layer], l4: usize) {
    for layer in walk.iter().rev() {
        if let Layer::Udp(at, _) = *layer
            && at < l4
            && super::headers::be16(packet, at + 6) != Some(0)
        {
            checksum(packet, walk, at, 17);
        }
    }
}

/// Finishes a begun checksum: the field holds the pseudo-header's sum.
fn finish(packet: &mut [u8], start: usize, offset: usize) {
    let Some(body) = packet.get(start..) else { return };
    let value = !fold(sum(body, 0));
    // Only UDP, whose field lies at 6, has a 0 that means "none" (RFC 768).
    put16(packet, start + offset, if value == 0 && offset == 6 { 0xFFFF } else { value });
}

/// Adds 16-bit words in network order (RFC 1071).
fn sum(bytes: &[u8], start: u64) -> u64 {
    let (pairs, last) = bytes.as_chunks::<2>();
    let total =
        pairs.iter().fold(start, |total, pair| total + u64::from(u16::from_be_bytes(*pair)));
    total + last.first().map_or(0, |byte| u64::from(*byte) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    low16(usize::try_from(sum).unwrap_or(0))
}

#[allow(clippy::cast_possible_truncation)] // the low 16 bits are what is wanted
const fn low16(value: usize) -> u16 {
    value as u16
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(raw) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *raw = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tap::Vnet;
    use super::*;

    /// A TCP super-frame of `payload` bytes, headers of 14 + 20 + 20, begun checksum.
    fn tcp(payload: usize) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 80, 0, 81, 0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x99, 0, 9, 0, 0, 0, 0]);
        frame.extend((0..payload).map(|n| n as u8));
        frame
    }

    fn frame(bytes: &[u8], gso_size: u16, vlan: Option<(u16, u16)>) -> Frame<'_> {
        let vnet = Vnet { flags: 1, gso_type: 1, gso_size, csum_start: 34, csum_offset: 16 };
        Frame { bytes, length: bytes.len(), vnet, vlan, outgoing: true, time: Duration::ZERO }
    }

    /// The sum over pseudo-header and segment is all ones when the checksum is right.
    fn valid(packet: &[u8], ip: usize) -> bool {
        let l4 = &packet[ip + 20..];
        let pseudo = sum(&packet[ip + 12..ip + 20], 6 + l4.len() as u64);
        fold(sum(&packet[ip..ip + 20], 0)) == 0xFFFF && fold(sum(l4, pseudo)) == 0xFFFF
    }

    #[test]
    fn a_super_frame_becomes_valid_segments() {
        let bytes = tcp(2500);
        let frame = frame(&bytes, 1000, Some((0x8100, 101)));
        let mut packets = Vec::new();
        Segmenter::default().each(&frame, |packet| packets.push(packet.to_vec()));
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1058, 1058, 558]);
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(packet[12..16], [0x81, 0, 0, 101]);
            assert!(valid(packet, 18), "segment {number}");
            assert_eq!(packet[23], 7 + number as u8, "IP id");
            let sequence = u32::from_be_bytes(packet[42..46].try_into().unwrap());
            assert_eq!(sequence, 256 + 1000 * number as u32);
        }
        let flags: Vec<u8> = packets.iter().map(|p| p[51]).collect();
        assert_eq!(flags, [0x90, 0x10, 0x19], "CWR first, PSH and FIN last");
        let bytes: usize = packets.iter().map(Vec::len).sum();
        assert_eq!(on_wire(&frame), OnWire { packets: 3, bytes: bytes as u64 });
    }

    #[test]
    fn a_tunnel_around_the_segments_gets_its_lengths() {
        let mut bytes = vec![4; 12];
        bytes.extend([0x08, 0x00]);
        bytes.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        bytes.extend([0xC0, 0, 0x12, 0xB5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 9, 0]);
        bytes.extend(tcp(1500));
        let mut frame = frame(&bytes, 1000, None);
        frame.vnet.csum_start = 84;
        let mut packets = Vec::new();
        Segmenter::default().each(&frame, |packet| packets.push(packet.to_vec()));
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1104, 604]);
        for packet in &packets {
            assert!(valid(packet, 64));
            let outer = packet.len() - 14;
            assert_eq!(packet[16..18], (outer as u16).to_be_bytes());
            assert_eq!(packet[38..40], (outer as u16 - 20).to_be_bytes());
            assert_eq!(packet[40..42], [0, 0], "no outer checksum was used, none is made up");
            assert_eq!(fold(sum(&packet[14..34], 0)), 0xFFFF);
        }
        assert_eq!(on_wire(&frame), OnWire { packets: 2, bytes: 1708 });
    }

    #[test]
    fn nonsense_offsets_never_panic() {
        let bytes = tcp(100);
        for start in [0, 33, 34, 120, 154, 5000, u16::MAX] {
            for gso_type in [0, 1, 4, 5, 0x81, 0xFF] {
                for length in [0, 11, 13, 40, 54, bytes.len()] {
                    let mut frame = frame(&bytes[..length], 7, Some((0x8100, 1)));
                    frame.vnet.csum_start = start;
                    frame.vnet.gso_type = gso_type;
                    Segmenter::default().each(&frame, |packet| assert!(packet.len() <= 200));
                    assert!(on_wire(&frame).packets >= 1);
                }
            }
        }
    }
}
