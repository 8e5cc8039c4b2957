//! STT frames put together again from their segments (draft-davie-stt-08 section 3): a frame of up to
//! 64 KB has its header once, and a TCP-like header for each segment.

use std::collections::HashMap;

use super::Header;
use super::pieces::{Whole, ip_header};
use crate::wire::{ethernet, stt, vlan};

/// Frames that may wait for their other segments; with more the oldest are as good as lost.
const WAITING: usize = 4096;

/// Ports and frame id.
type Id = (u16, u16, u32);

/// One segment.
#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    /// Where its IP header starts.
    ip: usize,
    /// Where its part of the frame starts.
    payload: usize,
    header: stt::Segment,
}

/// Segments that wait for the others.
#[derive(Debug, Default)]
pub struct Segments(HashMap<Id, Vec<Segment>>);

impl Segments {
    /// Whether a packet is one of several segments of an STT frame to this port.
    pub fn is_segment(packet: &[u8], port: u16) -> bool {
        read(packet, port).is_some()
    }

    /// Takes a segment; gives the frame once all of it is there.
    pub fn take(&mut self, packet: &[u8], port: u16) -> Option<Whole> {
        let segment = read(packet, port)?;
        let header = &segment.header;
        let id = (header.src_port, header.dst_port, header.frame_id);
        let length = usize::from(header.frame_len);
        if self.0.len() >= WAITING && !self.0.contains_key(&id) {
            self.0.clear();
        }
        let all = self.0.entry(id).or_default();
        all.push(segment);
        all.sort_by_key(|segment| segment.header.offset);
        let mut end = 0;
        for segment in all.iter() {
            if usize::from(segment.header.offset) != end {
                return None;
            }
            end += segment.bytes.len() - segment.payload;
        }
        (end == length).then(|| self.0.remove(&id)).flatten().and_then(|all| join(&all))
    }
}

fn read(packet: &[u8], port: u16) -> Option<Segment> {
    let ip = ip_header(packet)?;
    let header = stt::Segment::parse(packet.get(ip.upper..)?).ok()?;
    let payload = ip.upper + header.header_len;
    let part = packet.len().checked_sub(payload)?;
    let several = part > 0 && part < usize::from(header.frame_len);
    let ours = header.dst_port == port && several;
    ours.then(|| Segment { bytes: packet.to_vec(), ip: ip.at, payload, header })
}

/// The frame of all its segments, in order, behind the headers of the first.
fn join(segments: &[Segment]) -> Option<Whole> {
    let first = segments.first()?;
    let mut packet = first.bytes.clone();
    let mut headers = Vec::new();
    for segment in segments.get(1..)? {
        packet.extend_from_slice(segment.bytes.get(segment.payload..)?);
        headers.push(Header::of("Ethernet", ethernet::LEN));
        for tag in (ethernet::LEN..segment.ip).step_by(vlan::LEN) {
            headers.push(Header::of(super::tag(&segment.bytes, tag - 2), vlan::LEN));
        }
        let ip = ip_header(&segment.bytes)?;
        headers.push(Header::of(ip.name, ip.upper - ip.at));
        headers.push(Header::of("TCP-like", segment.payload - ip.upper));
    }
    let bytes = segments.iter().map(|segment| segment.bytes.len() as u64).sum();
    let inside = Some((first.bytes.len(), first.payload + stt::LEN));
    Some(Whole { packet, pieces: segments.len() as u64, bytes, headers, inside })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ipv4;

    fn segment(id: u32, frame: &[u8], offset: usize, length: usize) -> Vec<u8> {
        let mut packet = vec![2; 12];
        packet.extend([0x08, 0x00, 0x45, 0]);
        packet.extend((40 + length as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let header = stt::Segment {
            src_port: 50_000,
            dst_port: stt::PORT,
            frame_len: frame.len() as u16,
            offset: offset as u16,
            frame_id: id,
            header_len: 20,
            flags: 0x10,
        };
        let mut room = [0; 20];
        header.emit(0, &mut room).unwrap();
        packet.extend(room);
        packet.extend(&frame[offset..offset + length]);
        packet
    }

    #[test]
    fn segments_make_the_frame_and_each_has_headers_of_its_own() {
        let frame: Vec<u8> = (0..250).collect();
        let mut segments = Segments::default();
        assert_eq!(segments.take(&segment(7, &frame, 100, 100), stt::PORT), None);
        assert_eq!(segments.take(&segment(8, &frame, 200, 50), stt::PORT), None, "another's");
        assert_eq!(segments.take(&segment(7, &frame, 0, 100), stt::PORT), None);
        let whole = segments.take(&segment(7, &frame, 200, 50), stt::PORT).unwrap();
        let front = ethernet::LEN + ipv4::LEN + 20;
        assert_eq!(whole.packet[front..], frame);
        assert_eq!((whole.pieces, whole.bytes), (3, 250 + 3 * 54));
        assert_eq!(whole.inside, Some((front + 100, front + 18)));
        let repeated: usize = whole.headers.iter().map(|h| h.length).sum();
        assert_eq!(whole.bytes, (whole.packet.len() + repeated) as u64);
    }

    #[test]
    fn what_is_whole_or_for_another_port_is_no_segment() {
        let frame = [1; 100];
        assert!(!Segments::is_segment(&segment(7, &frame, 0, 100), stt::PORT));
        let part = segment(7, &frame, 0, 60);
        assert!(Segments::is_segment(&part, stt::PORT) && !Segments::is_segment(&part, 80));
        for length in 0..54 {
            assert!(!Segments::is_segment(&part[..length], stt::PORT));
        }
    }
}
