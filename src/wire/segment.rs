//! Cutting a super-frame into the packets it stands for, and finishing a checksum.
//!
//! A stack hands over TCP and UDP super-frames of up to 64 KiB (TSO, USO). Each segment gets
//! headers of its own: lengths, IPv4 id and checksum, TCP sequence number and flags, L4 checksum;
//! as a NIC does it. The payload is summed once and not copied. [`around`] does the same for the
//! tunnel headers around a segment.

use super::layers::Layer;
use super::{Malformed, checksum, gre, ipv4, ipv6, tcp, udp};

/// Longest headers of a super-frame that can be cut: a tunnel's with its options, and what is inside.
pub const MAX_HEADERS: usize = 512;

/// How a super-frame is cut. Offsets are bytes from the frame's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where the innermost IP header starts.
    pub l3: usize,
    /// Where the TCP or UDP header behind it starts.
    pub l4: usize,
    /// Where its payload starts.
    pub payload: usize,
    /// TCP, else UDP.
    pub tcp: bool,
    /// Payload bytes of every packet but the last.
    pub size: usize,
}

/// Cuts a super-frame and calls `each` with the headers of every packet, and where its payload lies
/// in the frame: offset and length. Returns the number of packets, at least one.
///
/// # Errors
/// [`Malformed::Length`] or [`Malformed::Truncated`] where the frame cannot be cut so (`each` was
/// not called then), or what `each` says.
#[inline]
pub fn segment<E: From<Malformed>>(
    frame: &[u8],
    cut: &Cut,
    mut each: impl FnMut(&[u8], usize, usize) -> Result<(), E>,
) -> Result<usize, E> {
    let (original, payload) = frame.split_at_checked(cut.payload).ok_or(Malformed::Truncated)?;
    let mut room = [0; MAX_HEADERS];
    let headers = room.get_mut(..cut.payload).ok_or(Malformed::Length)?;
    headers.copy_from_slice(original);
    let cutter = Cutter::new(headers, cut, payload.len())?;
    let (mut offset, mut number) = (0, 0);
    while offset < payload.len() || number == 0 {
        let len = cut.size.min(payload.len() - offset);
        let part = payload.get(offset..offset + len).ok_or(Malformed::Length)?;
        let last = offset + len == payload.len();
        cutter.rewrite(headers, number, offset, part, last);
        each(headers, cut.payload + offset, len)?;
        offset += len;
        number += 1;
    }
    Ok(number)
}

/// What is the same for all segments of one super-frame. Its offsets were checked against the
/// headers, whose length never changes.
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
    fn new(headers: &[u8], cut: &Cut, payload: usize) -> Result<Self, Malformed> {
        let (l3, l4) = (cut.l3, cut.l4);
        let v4 = headers.get(l3).is_some_and(|first| first >> 4 == 4);
        let ip = if v4 { ipv4::LEN } else { ipv6::LEN };
        let upper = if cut.tcp { tcp::LEN } else { udp::LEN };
        if cut.size == 0 || l4 < l3 + ip || headers.len() < l4 + upper {
            return Err(Malformed::Length);
        }
        // What the largest packet's IP length field has to hold.
        let fixed = if v4 { 0 } else { ipv6::LEN };
        if headers.len() - l3 - fixed + cut.size.min(payload) > usize::from(u16::MAX) {
            return Err(Malformed::Length);
        }
        let addresses = if v4 { &headers[l3 + 12..l3 + 20] } else { &headers[l3 + 8..l3 + 40] };
        let at16 = |at: usize| u16::from_be_bytes([headers[at], headers[at + 1]]);
        let protocol = if cut.tcp { ipv4::protocol::TCP } else { ipv4::protocol::UDP };
        Ok(Cutter {
            l3,
            l4,
            v4,
            tcp: cut.tcp,
            id: at16(l3 + 4),
            sequence: u32::from(at16(l4 + 4)) << 16 | u32::from(at16(l4 + 6)),
            flags: if cut.tcp { headers[l4 + 13] } else { 0 },
            pseudo: checksum::sum(addresses, u32::from(protocol)),
        })
    }

    /// Makes the headers those of one packet.
    #[inline]
    fn rewrite(
        &self,
        headers: &mut [u8],
        number: usize,
        offset: usize,
        payload: &[u8],
        last: bool,
    ) {
        let (l3, l4) = (self.l3, self.l4);
        let upper = headers.len() - l4 + payload.len();
        if self.v4 {
            put(headers, l3 + 2, (l4 - l3 + upper) as u16);
            put(headers, l3 + 4, self.id.wrapping_add(number as u16));
            put(headers, l3 + 10, 0);
            let sum = checksum::finish(checksum::sum(&headers[l3..l4], 0));
            put(headers, l3 + 10, sum);
        } else {
            put(headers, l3 + 4, (l4 - l3 - ipv6::LEN + upper) as u16);
        }
        let field = if self.tcp {
            let sequence = self.sequence.wrapping_add(offset as u32);
            headers[l4 + 4..l4 + 8].copy_from_slice(&sequence.to_be_bytes());
            let mut flags = self.flags;
            if !last {
                flags &= !(tcp::flag::FIN | tcp::flag::PSH);
            }
            if number > 0 {
                flags &= !tcp::flag::CWR;
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
        put(
            headers,
            field,
            if self.tcp { checksum::finish(sum) } else { checksum::finish_udp(sum) },
        );
    }
}

/// Gives the tunnel headers around a segment, found by [`super::layers::layers`] in the super-frame,
/// what is the packet's own: lengths, IPv4 ids, and the checksums that are in use.
pub fn around(packet: &mut [u8], walk: &[Layer], inner: usize, number: usize) {
    let total = packet.len();
    for layer in walk {
        match *layer {
            Layer::Ipv4(at) if at < inner && at + ipv4::LEN <= total => {
                let id = u16::from_be_bytes([packet[at + 4], packet[at + 5]]);
                put(packet, at + 2, (total - at) as u16);
                put(packet, at + 4, id.wrapping_add(number as u16));
                put(packet, at + 10, 0);
                let end = at + usize::from(packet[at] & 0xF) * 4;
                let sum = packet.get(at..end).map_or(0, |ip| checksum::sum(ip, 0));
                put(packet, at + 10, checksum::finish(sum));
            }
            Layer::Ipv6(at) if at < inner => {
                put(packet, at + 4, total.saturating_sub(at + ipv6::LEN) as u16);
            }
            Layer::Udp(at, _) if at < inner => {
                put(packet, at + 4, total.saturating_sub(at) as u16);
            }
            _ => {}
        }
    }
    // The innermost first: each sum covers what is inside.
    for (index, layer) in walk.iter().enumerate().rev() {
        match *layer {
            Layer::Udp(at, _) if at < inner => udp_checksum(packet, walk.get(..index), at),
            Layer::Gre { at, .. } if at < inner => {
                let Some(whole) = packet.get_mut(at..) else { continue };
                if gre::Header::parse(whole).is_ok_and(|header| header.checksum.is_some()) {
                    let _ = gre::fill_checksum(whole, &[]);
                }
            }
            _ => {}
        }
    }
}

/// The checksum of a tunnel's UDP header; one of zero stays zero (none used).
fn udp_checksum(packet: &mut [u8], before: Option<&[Layer]>, at: usize) {
    let Some(datagram) = packet.get(at..) else { return };
    if datagram.get(6..8).is_none_or(|field| field == [0, 0]) {
        return;
    }
    let addresses = before.unwrap_or_default().iter().rev().find_map(|layer| match *layer {
        Layer::Ipv4(ip) => packet.get(ip + 12..ip + 20),
        Layer::Ipv6(ip) => packet.get(ip + 8..ip + 40),
        _ => None,
    });
    let length = u32::try_from(datagram.len()).unwrap_or(0);
    let pseudo = checksum::sum(
        addresses.unwrap_or_default(),
        u32::from(ipv4::protocol::UDP) + (length >> 16) + (length & 0xFFFF),
    );
    let [start, end] = [datagram.get(..6), datagram.get(8..)].map(Option::unwrap_or_default);
    let sum = checksum::finish_udp(checksum::sum_parts(&[start, end], pseudo));
    put(packet, at + 6, sum);
}

/// Finishes a checksum from `start` to the end of `frame`, whose field at `offset` from there holds
/// the pseudo header's folded sum. A UDP sum of 0 is sent as 0xFFFF (RFC 768).
///
/// # Errors
/// [`Malformed::Truncated`] where these lie outside the frame.
pub fn finish_checksum(frame: &mut [u8], start: usize, offset: usize) -> Result<(), Malformed> {
    let covered = frame.get(start..).ok_or(Malformed::Truncated)?;
    let sum = checksum::sum(covered, 0);
    // UDP is the only protocol whose checksum lies at offset 6 and whose 0 means "none".
    let sum = if offset == 6 { checksum::finish_udp(sum) } else { checksum::finish(sum) };
    let field = start + offset;
    let place = frame.get_mut(field..field + 2).ok_or(Malformed::Truncated)?;
    place.copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *place = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow;
    use super::super::layers::layers;
    use super::super::testing::hex;
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    /// A TCP or UDP super-frame over either IP, lengths and sums not filled in: IPv4 id 0xFFFF,
    /// TCP sequence number 0xFFFFFF00 and all flags but SYN.
    fn super_frame(v4: bool, tcp: bool, payload: usize) -> (Vec<u8>, Cut) {
        let mut frame = hex("020000000002 020000000001");
        let protocol = if tcp { 6 } else { 17 };
        if v4 {
            frame.extend(hex("0800 4500 0000 ffff 4000 40"));
            frame.extend([protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        } else {
            frame.extend(hex("86dd 60000000 0000"));
            frame.extend([protocol, 64]);
            frame.extend(hex("20010db8000000000000000000000001 20010db8000000000000000000000002"));
        }
        let l4 = frame.len();
        frame.extend(hex("d431 1451"));
        frame.extend(hex(if tcp { "ffffff00 00000001 5099 0100 0000 0000" } else { "0000 0000" }));
        let cut = Cut { l3: 14, l4, payload: frame.len(), tcp, size: 1000 };
        frame.extend(bytes(payload));
        (frame, cut)
    }

    fn cut(frame: &[u8], cut: &Cut) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let count = segment::<Malformed>(frame, cut, |headers, start, len| {
            packets.push([headers, &frame[start..start + len]].concat());
            Ok(())
        });
        assert_eq!(count, Ok(packets.len()));
        packets
    }

    /// Whether lengths and checksums of a packet whose IP header is at `l3` are right.
    fn is_valid(packet: &[u8], l3: usize) -> bool {
        let (upper, pseudo) = if packet[l3] >> 4 == 4 {
            let ip = ipv4::Header::parse_verified(&packet[l3..]).unwrap();
            assert_eq!(usize::from(ip.total_len), packet.len() - l3);
            let upper = ip.payload(&packet[l3..]).unwrap();
            (upper, checksum::pseudo_v4(ip.src, ip.dst, ip.protocol, upper.len() as u32))
        } else {
            let ip = ipv6::Header::parse(&packet[l3..]).unwrap();
            assert_eq!(usize::from(ip.payload_len), packet.len() - l3 - 40);
            let upper = ip.payload(&packet[l3..]).unwrap();
            (upper, checksum::pseudo_v6(ip.src, ip.dst, ip.next_header, upper.len() as u32))
        };
        checksum::is_right(checksum::sum(upper, pseudo))
    }

    #[test]
    fn tcp_segments_follow_each_other_and_sum_up() {
        for v4 in [true, false] {
            let (frame, how) = super_frame(v4, true, 2500);
            let all = cut(&frame, &how);
            let head = how.payload;
            assert_eq!(
                all.iter().map(Vec::len).collect::<Vec<_>>(),
                [head + 1000, head + 1000, head + 500]
            );
            for (number, packet) in all.iter().enumerate() {
                assert!(is_valid(packet, 14), "{number}");
                let header = tcp::Header::parse(&packet[how.l4..]).unwrap();
                assert_eq!(header.seq, 0xFFFF_FF00_u32.wrapping_add(number as u32 * 1000));
                if v4 {
                    let id = u16::from_be_bytes([packet[18], packet[19]]);
                    assert_eq!(id, 0xFFFF_u16.wrapping_add(number as u16));
                }
            }
            let flags: Vec<u8> = all.iter().map(|packet| packet[how.l4 + 13]).collect();
            assert_eq!(flags, [0x90, 0x10, 0x19], "CWR on the first only, PSH and FIN on the last");
            let payload: Vec<u8> = all.iter().flat_map(|packet| packet[head..].to_vec()).collect();
            assert_eq!(payload, bytes(2500));
        }
    }

    #[test]
    fn udp_is_cut_into_datagrams() {
        for v4 in [true, false] {
            let (frame, how) = super_frame(v4, false, 1800);
            let all = cut(&frame, &how);
            assert_eq!(all.len(), 2);
            for packet in &all {
                assert!(is_valid(packet, 14));
                let length = u16::from_be_bytes([packet[how.l4 + 4], packet[how.l4 + 5]]);
                assert_eq!(usize::from(length), packet.len() - how.l4);
            }
        }
    }

    #[test]
    fn what_is_not_larger_than_a_segment_is_one_packet() {
        for len in [0, 1, 1000] {
            let (frame, how) = super_frame(true, true, len);
            let all = cut(&frame, &how);
            assert_eq!(all.len(), 1);
            assert!(is_valid(&all[0], 14));
            assert_eq!(all[0][47], 0x99, "all flags");
            // The same as finishing the checksum of the packet.
            let mut whole = all[0].clone();
            let meta = flow::frame(&whole, 0).unwrap();
            let pseudo = checksum::sum(&whole[26..34], 6 + (whole.len() - meta.l4) as u32);
            put(&mut whole, 50, checksum::fold(pseudo));
            finish_checksum(&mut whole, meta.l4, 16).unwrap();
            assert_eq!(whole, all[0]);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused_before_anything_is() {
        let (frame, how) = super_frame(true, true, 100);
        for wrong in [
            Cut { size: 0, ..how },
            Cut { l4: 33, ..how },
            Cut { payload: 53, ..how },
            Cut { payload: 155, ..how },
            Cut { l3: 40, ..how },
        ] {
            let done = segment::<Malformed>(&frame, &wrong, |_, _, _| panic!("cut"));
            assert!(done.is_err(), "{wrong:?}");
        }
        let (frame, how) = super_frame(true, true, 70_000);
        let whole = Cut { size: 65_496, ..how };
        assert_eq!(
            segment::<Malformed>(&frame, &whole, |_, _, _| panic!("cut")),
            Err(Malformed::Length)
        );
        assert_eq!(cut(&frame, &Cut { size: 65_495, ..how }).len(), 2);
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_ones() {
        let mut datagram = hex("d431 1451 000a 0000 0000");
        let rest = checksum::fold(checksum::sum(&datagram, 0));
        put(&mut datagram, 8, !rest);
        finish_checksum(&mut datagram, 0, 6).unwrap();
        assert_eq!(datagram[6..8], [0xFF, 0xFF]);
        assert_eq!(finish_checksum(&mut datagram, 9, 6), Err(Malformed::Truncated));
        assert_eq!(finish_checksum(&mut datagram, 60_000, 6), Err(Malformed::Truncated));
    }

    /// An outer IPv4 header of this protocol with id 5, then these bytes, then a super-frame.
    fn tunnelled(protocol: u8, tunnel: &str, skip: usize) -> (Vec<u8>, Cut, Vec<Layer>) {
        let (inner, how) = super_frame(true, true, 1500);
        let mut frame = hex("040000000004 040000000004 0800 4500 0000 0005 4000 40");
        frame.extend([protocol, 0, 0]);
        frame.extend(hex("01010101 02020202"));
        frame.extend(hex(tunnel));
        let by = frame.len() - skip;
        frame.extend(&inner[skip..]);
        let cut = Cut { l3: how.l3 + by, l4: how.l4 + by, payload: how.payload + by, ..how };
        let walk = layers(&frame, Some(cut.l4), None);
        (frame, cut, walk)
    }

    fn with_tunnel(protocol: u8, tunnel: &str, skip: usize) -> (Cut, Vec<Vec<u8>>) {
        let (frame, how, walk) = tunnelled(protocol, tunnel, skip);
        let mut all = cut(&frame, &how);
        for (number, packet) in all.iter_mut().enumerate() {
            around(packet, &walk, how.l3, number);
            let outer = ipv4::Header::parse_verified(&packet[14..]).unwrap();
            assert_eq!(usize::from(outer.total_len), packet.len() - 14);
            assert_eq!(usize::from(outer.id), 5 + number);
            assert!(is_valid(packet, how.l3), "{number}");
        }
        assert_eq!(all.len(), 2);
        (how, all)
    }

    #[test]
    fn a_udp_tunnel_around_gets_its_length_and_the_checksum_it_uses() {
        for (sum, used) in [("0000", false), ("1234", true)] {
            let tunnel = format!("c000 12b5 0000 {sum} 08000000 00000900");
            let (_, all) = with_tunnel(17, &tunnel, 0);
            for packet in &all {
                assert_eq!(packet[38..40], ((packet.len() - 34) as u16).to_be_bytes());
                assert_eq!(packet[40..42] != [0, 0], used);
                assert!(!used || is_valid(packet, 14));
            }
        }
    }

    #[test]
    fn gre_around_gets_the_checksum_it_uses() {
        for tunnel in ["a000 0800 1234 0000 00000064", "2000 0800 00000064"] {
            let (_, all) = with_tunnel(47, tunnel, 14);
            for packet in &all {
                let sums = packet[34] & 0x80 != 0;
                assert!(!sums || gre::checksum_is_right(&packet[34..]));
                assert_eq!(gre::Header::parse(&packet[34..]).unwrap().key, Some(100));
            }
        }
        with_tunnel(47, "2000 6558 00000064", 0);
    }

    #[test]
    fn ip_in_ip_around_gets_its_length() {
        with_tunnel(4, "", 14);
    }

    #[test]
    fn a_walk_of_another_packet_harms_nothing() {
        let (frame, how, walk) = tunnelled(17, "c000 12b5 0000 1234 08000000 00000900", 0);
        for len in 0..100 {
            around(&mut frame[..len].to_vec(), &walk, how.l3, 1);
        }
    }
}
