//! Cutting a super-frame into the frames it stands for, and finishing a checksum.
//!
//! The VM's stack hands over TCP and UDP super-frames of up to 64 KiB (TSO, USO). In an
//! encapsulation that cannot carry them whole each segment gets headers of its own: lengths,
//! IPv4 id and checksum, TCP sequence number and flags, L4 checksum. The payload is summed once
//! and not copied.

use super::vnet::{self, VnetHeader};
use crate::encap::DropReason;
use crate::wire::checksum;
use crate::wire::flow::FrameMeta;
use crate::wire::ipv4::protocol;

/// Longest headers of a frame that is segmented: Ethernet, two tags, IP and TCP with options.
pub const MAX_HEADERS: usize = 192;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Finishes a partial checksum in place. A UDP sum of 0 is sent as 0xFFFF (RFC 768).
///
/// # Errors
/// [`DropReason::Truncated`] where the metadata point outside the frame.
pub fn finish_checksum(frame: &mut [u8], vnet: VnetHeader) -> Result<(), DropReason> {
    if !vnet.needs_csum() {
        return Ok(());
    }
    let start = usize::from(vnet.csum_start);
    let field = start + usize::from(vnet.csum_offset);
    let covered = frame.get(start..).ok_or(DropReason::Truncated)?;
    let mut sum = checksum::finish(checksum::sum(covered, 0));
    // UDP is the only protocol whose checksum lies at offset 6 and whose 0 means "none".
    if sum == 0 && vnet.csum_offset == 6 {
        sum = 0xFFFF;
    }
    let place = frame.get_mut(field..field + 2).ok_or(DropReason::Truncated)?;
    place.copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

/// Cuts the super-frame and calls `each` with the headers of every segment, and where its payload
/// lies in the frame: offset and length.
///
/// # Errors
/// The reason why the frame cannot be cut (then `each` was not called), or what `each` says.
pub fn segment(
    frame: &[u8],
    vnet: VnetHeader,
    meta: &FrameMeta,
    mut each: impl FnMut(&[u8], usize, usize) -> Result<(), DropReason>,
) -> Result<(), DropReason> {
    let size = usize::from(vnet.gso_size);
    let udp = vnet.gso_type == vnet::GSO_UDP_L4;
    if meta.l4 == 0 || meta.protocol != if udp { protocol::UDP } else { protocol::TCP } {
        return Err(DropReason::UnknownProtocol);
    }
    if size == 0 || meta.payload > MAX_HEADERS || meta.payload > frame.len() {
        return Err(DropReason::Truncated);
    }
    let mut template = [0; MAX_HEADERS];
    let headers = &mut template[..meta.payload];
    headers.copy_from_slice(&frame[..meta.payload]);
    let mut cutter = Cutter::new(headers, meta)?;
    let total = frame.len() - meta.payload;
    let mut offset = 0;
    let mut index = 0;
    while offset < total || index == 0 {
        let len = size.min(total - offset);
        let last = offset + len == total;
        let start = meta.payload + offset;
        let payload = &frame[start..start + len];
        cutter.patch(headers, index, offset, payload, last);
        each(headers, start, len)?;
        offset += len;
        index += 1;
    }
    Ok(())
}

/// What stays the same over all segments of one super-frame.
struct Cutter {
    l3: usize,
    l4: usize,
    v4: bool,
    tcp: bool,
    id: u16,
    sequence: u32,
    flags: u8,
    /// Sum of the pseudo header without its length field.
    pseudo: u32,
}

impl Cutter {
    fn new(headers: &[u8], meta: &FrameMeta) -> Result<Self, DropReason> {
        let (l3, l4) = (meta.l3, meta.l4);
        let v4 = headers.get(l3).is_some_and(|b| b >> 4 == 4);
        let tcp = meta.protocol == protocol::TCP;
        let (ip, upper) = if v4 { (20, l4 - l3) } else { (40, l4 - l3) };
        let l4_len = if tcp { 20 } else { 8 };
        if upper < ip || headers.len() < l4 + l4_len {
            return Err(DropReason::Truncated);
        }
        let addresses = if v4 { &headers[l3 + 12..l3 + 20] } else { &headers[l3 + 8..l3 + 40] };
        let at16 = |o: usize| u16::from_be_bytes([headers[o], headers[o + 1]]);
        Ok(Cutter {
            l3,
            l4,
            v4,
            tcp,
            id: at16(l3 + 4),
            sequence: u32::from(at16(l4 + 4)) << 16 | u32::from(at16(l4 + 6)),
            flags: if tcp { headers[l4 + 13] } else { 0 },
            pseudo: checksum::sum(addresses, u32::from(meta.protocol)),
        })
    }

    /// Rewrites the headers for one segment.
    #[allow(clippy::cast_possible_truncation)] // lengths are below 64 KiB, offsets below 2^32
    fn patch(
        &mut self,
        headers: &mut [u8],
        index: usize,
        offset: usize,
        payload: &[u8],
        last: bool,
    ) {
        let (l3, l4) = (self.l3, self.l4);
        let upper = headers.len() - l4 + payload.len();
        if self.v4 {
            let total = (l4 - l3 + upper) as u16;
            put(headers, l3 + 2, total);
            put(headers, l3 + 4, self.id.wrapping_add(index as u16));
            put(headers, l3 + 10, 0);
            let sum = checksum::finish(checksum::sum(&headers[l3..l4], 0));
            put(headers, l3 + 10, sum);
        } else {
            put(headers, l3 + 4, (l4 - l3 - 40 + upper) as u16);
        }
        let field = if self.tcp {
            let sequence = self.sequence.wrapping_add(offset as u32);
            headers[l4 + 4..l4 + 8].copy_from_slice(&sequence.to_be_bytes());
            let mut flags = self.flags;
            if !last {
                flags &= !(FIN | PSH);
            }
            if index > 0 {
                flags &= !CWR;
            }
            headers[l4 + 13] = flags;
            l4 + 16
        } else {
            put(headers, l4 + 4, upper as u16);
            l4 + 6
        };
        put(headers, field, 0);
        let pseudo = self.pseudo + upper as u32;
        let sum = checksum::sum_parts(&[&headers[l4..], payload], pseudo);
        let sum = if self.tcp { checksum::finish(sum) } else { checksum::finish_udp(sum) };
        put(headers, field, sum);
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::user::samples;
    use crate::datapath::user::vnet::VnetHeader;
    use crate::wire::{flow, ipv4};

    fn cut(frame: &[u8], vnet: VnetHeader) -> Vec<Vec<u8>> {
        let meta = flow::frame(frame, 0).unwrap();
        let mut segments = vec![];
        segment(frame, vnet, &meta, |headers, start, len| {
            segments.push([headers, &frame[start..start + len]].concat());
            Ok(())
        })
        .unwrap();
        segments
    }

    #[test]
    fn tcp_segments_follow_each_other_and_sum_up() {
        let frame = samples::tcp(1000, samples::PSH_ACK | 0x80, &samples::bytes(3500));
        let vnet = VnetHeader { gso_type: vnet::GSO_TCPV4, gso_size: 1400, ..Default::default() };
        let segments = cut(&frame, vnet);
        assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [1454, 1454, 754]);
        for (i, segment) in segments.iter().enumerate() {
            assert!(samples::is_valid(segment), "segment {i}");
            let sequence = u32::from_be_bytes(segment[38..42].try_into().unwrap());
            assert_eq!(sequence, 1000 + 1400 * u32::try_from(i).unwrap());
            let ip = ipv4::Header::parse(&segment[14..]).unwrap();
            assert_eq!(usize::from(ip.total_len), segment.len() - 14);
            assert_eq!(ip.id, 7 + u16::try_from(i).unwrap());
        }
        let flags: Vec<u8> = segments.iter().map(|s| s[47]).collect();
        assert_eq!(flags, [0x90, 0x10, 0x18], "CWR on the first only, PSH on the last only");
        let payload: Vec<u8> = segments.iter().flat_map(|s| s[54..].to_vec()).collect();
        assert_eq!(payload, samples::bytes(3500));
    }

    #[test]
    fn udp_is_cut_into_datagrams() {
        let frame = samples::udp(&samples::bytes(250));
        let vnet = VnetHeader { gso_type: vnet::GSO_UDP_L4, gso_size: 100, ..Default::default() };
        let segments = cut(&frame, vnet);
        assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [142, 142, 92]);
        for segment in &segments {
            assert!(samples::is_valid(segment));
            assert_eq!(usize::from(u16::from_be_bytes([segment[38], segment[39]])), segment.len() - 34);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let frame = samples::udp(&samples::bytes(250));
        let meta = flow::frame(&frame, 0).unwrap();
        let never = |_: &[u8], _, _| -> Result<(), DropReason> { panic!("cut") };
        let tcp = VnetHeader { gso_type: vnet::GSO_TCPV4, gso_size: 100, ..Default::default() };
        assert_eq!(segment(&frame, tcp, &meta, never), Err(DropReason::UnknownProtocol));
        let none = VnetHeader { gso_type: vnet::GSO_UDP_L4, ..Default::default() };
        assert_eq!(segment(&frame, none, &meta, never), Err(DropReason::Truncated));
    }

    #[test]
    fn a_partial_checksum_is_finished() {
        let whole = samples::tcp(1, samples::PSH_ACK, &samples::bytes(99));
        let mut frame = whole.clone();
        let vnet = samples::make_partial(&mut frame);
        assert!(!samples::is_valid(&frame));
        finish_checksum(&mut frame, vnet).unwrap();
        assert_eq!(frame, whole);
        let outside = VnetHeader { csum_start: 60_000, ..vnet };
        assert_eq!(finish_checksum(&mut frame, outside), Err(DropReason::Truncated));
    }
}
