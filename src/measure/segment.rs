//! Super-frames as the packets they are on a cable.
//!
//! The kernel moves up to 64 KB of a flow as one frame and leaves cutting it up, and finishing
//! checksums, to the last interface; on a veth that never happens. Here it is done in software,
//! to count what a cable would carry and to write captures whose checksums are right. Tunnels
//! around the segmented packet (VXLAN, Geneve, GRE, IP in IP) get their lengths and checksums per packet.

use super::tap::Frame;
use crate::wire::layers::{Layer, behind, layers};
use crate::wire::segment::{self, Cut};
use crate::wire::{Malformed, vlan};

/// Bytes the kernel took out of the frame for a tag.
const TAG: usize = vlan::LEN;
/// Where the tag belongs: after the two MAC addresses.
const MACS: usize = vlan::OFFSET;

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

/// How a super-frame's packets come about: the segmented L4 header, the bytes of all headers before
/// the payload, and payload bytes of each packet.
#[derive(Debug, Clone, Copy)]
struct Super {
    header: usize,
    size: usize,
    l4: usize,
    tcp: bool,
}

fn cut(frame: &Frame<'_>) -> Option<Super> {
    let size = usize::from(frame.vnet.gso_size);
    if size == 0 || !frame.vnet.needs_csum() {
        return None;
    }
    let tcp = match frame.vnet.gso_type & 0x7F {
        1 | 4 => true,
        5 => false,
        _ => return None,
    };
    let l4 = usize::from(frame.vnet.csum_start);
    Some(Super { header: behind(frame.bytes, l4, tcp)?, size, l4, tcp })
}

/// Turns frames into packets, reusing one buffer.
#[derive(Debug, Default)]
pub struct Segmenter {
    /// Room for a tag, then a packet without it.
    packet: Vec<u8>,
}

impl Segmenter {
    /// Gives every packet of `frame` (held whole) to `emit`: tags in place, lengths set, checksums finished.
    pub fn each(&mut self, frame: &Frame<'_>, mut emit: impl FnMut(&[u8])) {
        let cut = cut(frame).filter(|cut| frame.bytes.len() > cut.header);
        let done = cut.map(|cut| self.segments(frame, &cut, &mut emit));
        if matches!(done, Some(Ok(()))) {
            return;
        }
        // One packet, or headers that nobody here can tell apart.
        let packet = self.place(&[frame.bytes]);
        if frame.vnet.needs_csum() {
            let (start, offset) = (frame.vnet.csum_start.into(), frame.vnet.csum_offset.into());
            // A place outside the frame is left as it is.
            let _ = segment::finish_checksum(packet, start, offset);
        }
        emit(self.tagged(frame.vlan));
    }

    /// Nothing is emitted where it fails.
    fn segments(
        &mut self,
        frame: &Frame<'_>,
        cut: &Super,
        emit: &mut impl FnMut(&[u8]),
    ) -> Result<(), Malformed> {
        let walk = layers(frame.bytes, Some(cut.l4), None);
        let inner = walk.iter().rev().find_map(|layer| match *layer {
            Layer::Ipv4(at) | Layer::Ipv6(at) => Some(at),
            _ => None,
        });
        let l3 = inner.ok_or(Malformed::Length)?;
        let cut = Cut { l3, l4: cut.l4, payload: cut.header, tcp: cut.tcp, size: cut.size };
        let mut number = 0;
        segment::segment(frame.bytes, &cut, |headers, start, len| {
            let payload = frame.bytes.get(start..start + len).ok_or(Malformed::Length)?;
            let packet = self.place(&[headers, payload]);
            segment::around(packet, &walk, l3, number);
            number += 1;
            emit(self.tagged(frame.vlan));
            Ok(())
        })
        .map(drop)
    }

    /// Puts the parts of a packet together, behind room for a tag.
    fn place(&mut self, parts: &[&[u8]]) -> &mut [u8] {
        self.packet.clear();
        self.packet.resize(TAG, 0);
        for part in parts {
            self.packet.extend_from_slice(part);
        }
        self.packet.get_mut(TAG..).unwrap_or_default()
    }

    /// The packet with its tag put back.
    fn tagged(&mut self, tag: Option<(u16, u16)>) -> &[u8] {
        if let Some((tpid, tci)) = tag
            && self.packet.len() >= TAG + MACS
        {
            self.packet.copy_within(TAG..TAG + MACS, 0);
            let [a, b] = tpid.to_be_bytes();
            let [c, d] = tci.to_be_bytes();
            if let Some(room) = self.packet.get_mut(MACS..MACS + TAG) {
                room.copy_from_slice(&[a, b, c, d]);
            }
            return &self.packet;
        }
        self.packet.get(TAG..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tap::Vnet;
    use super::*;
    use crate::wire::checksum;

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
        let pseudo = checksum::sum(&packet[ip + 12..ip + 20], 6 + l4.len() as u32);
        checksum::is_right(checksum::sum(&packet[ip..ip + 20], 0))
            && checksum::is_right(checksum::sum(l4, pseudo))
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
            assert!(checksum::is_right(checksum::sum(&packet[14..34], 0)));
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
