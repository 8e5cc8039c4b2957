//! Joining consecutive segments of a flow into one super-frame for the VM.
//!
//! The reverse of segmentation, done over the frames of one received batch, so there is no timer
//! and no added latency. Segments are joined only where cutting the result again would give back
//! what came: equal headers but for length, id, sequence number, PSH and checksum, payloads in
//! order and of equal size but for the last, and a checksum that is right (it was verified here;
//! the super-frame then tells the VM's stack to finish it, which it takes as verified).

use std::os::fd::RawFd;

use super::rx::{RxBatch, Span};
use super::tx::TxBatch;
use super::vnet::{self, VnetHeader};
use crate::encap::DropReason;
use crate::wire::checksum;
use crate::wire::ethernet::ethertype;
use crate::wire::flow::FrameMeta;
use crate::wire::ipv4::protocol;

/// Super-frames under way at once; more flows in one batch flush the oldest.
const OPEN: usize = 16;
/// Segments in one super-frame.
const MAX_SEGMENTS: usize = 64;
/// Largest IP packet.
const MAX_PACKET: usize = 65_535;

const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Super-frames under way, for the frames of one received batch.
pub struct Coalescer {
    open: Vec<Super>,
    /// Emptied ones, for reuse of their memory.
    spare: Vec<Super>,
    /// Whether the kernel takes UDP super-frames (Linux 6.2).
    udp: bool,
}

/// One super-frame under way.
struct Super {
    port: RawFd,
    /// The first segment's frame.
    head: Span,
    meta: FrameMeta,
    payload: Vec<Span>,
    payload_len: usize,
    /// Payload bytes of every segment but the last.
    size: usize,
    next_sequence: u32,
    push: bool,
    closed: bool,
}

impl Coalescer {
    /// Nothing under way. `udp` says whether the kernel takes UDP super-frames.
    #[must_use]
    pub fn new(udp: bool) -> Self {
        Coalescer { open: Vec::with_capacity(OPEN), spare: Vec::with_capacity(OPEN + 1), udp }
    }

    /// Takes a frame for a port's socket: joins it to a super-frame, begins one, or passes it on.
    /// Returns how many packets it stands for. `limit` is that of [`unfinished`].
    ///
    /// # Errors
    /// As [`unfinished`].
    pub fn push(
        &mut self,
        port: RawFd,
        frame: Span,
        meta: &FrameMeta,
        limit: Option<usize>,
        rx: &RxBatch,
        tx: &mut TxBatch,
    ) -> Result<u64, DropReason> {
        let bytes = rx.bytes(frame).ok_or(DropReason::Truncated)?;
        let same_flow = |s: &Super| s.port == port && s.meta.flow == meta.flow;
        let at = self.open.iter().position(same_flow);
        let Some(segment) = Segment::of(bytes, meta, self.udp) else {
            // Order within a flow: what is under way goes first.
            if let Some(at) = at {
                self.finish(at, rx, tx);
            }
            let vnet = unfinished(bytes, meta, limit)?;
            pass(port, frame, vnet, tx);
            return Ok(vnet.packets(frame.len.saturating_sub(meta.payload)));
        };
        if let Some(at) = at {
            if self.open[at].joins(bytes, meta, &segment, rx) {
                self.open[at].join(frame.skip(meta.payload).take(segment.len), &segment);
                return Ok(1);
            }
            self.finish(at, rx, tx);
        }
        if self.open.len() == OPEN {
            self.finish(0, rx, tx);
        }
        let mut begun = self.spare.pop().unwrap_or_else(Super::empty);
        begun.begin(port, frame, meta, &segment);
        self.open.push(begun);
        Ok(1)
    }

    /// Passes on everything under way. Must be called before the buffers are received into again.
    pub fn flush(&mut self, rx: &RxBatch, tx: &mut TxBatch) {
        while !self.open.is_empty() {
            self.finish(0, rx, tx);
        }
    }

    fn finish(&mut self, at: usize, rx: &RxBatch, tx: &mut TxBatch) {
        let mut done = self.open.remove(at);
        done.emit(rx, tx);
        done.payload.clear();
        self.spare.push(done);
    }
}

/// Sends a frame as it is, with these metadata.
pub fn pass(port: RawFd, frame: Span, vnet: VnetHeader, tx: &mut TxBatch) {
    if let Some(space) = tx.header_space(vnet::LEN) {
        space.copy_from_slice(&vnet.to_bytes());
        tx.push_frame(port, vnet::LEN, [frame]);
    }
}

/// The metadata that a frame out of a tunnel needs on its way to a VM.
///
/// A kernel's tunnel device hands packets to a virtual link with the inner checksum unfinished (its
/// field holds the pseudo header's sum) and TCP super-frames whole, trusting the other end's
/// device to know that from metadata which a socket does not get. Such packets are known here by
/// that sum, are taken where `limit` says up to which size an inner packet is a single one, and
/// reach the VM as the same unfinished packet or super-frame; the segment size that was lost is
/// replaced by the largest that fits. Without a limit they pass as any packet with a wrong checksum.
///
/// # Errors
/// [`DropReason::BadOffload`] for a UDP super-frame: where its datagrams end is lost.
pub fn unfinished(
    bytes: &[u8],
    meta: &FrameMeta,
    limit: Option<usize>,
) -> Result<VnetHeader, DropReason> {
    Ok(find_unfinished(bytes, meta, limit).transpose()?.unwrap_or_default())
}

fn find_unfinished(
    bytes: &[u8],
    meta: &FrameMeta,
    limit: Option<usize>,
) -> Option<Result<VnetHeader, DropReason>> {
    let limit = limit?;
    let tcp = meta.protocol == protocol::TCP;
    if meta.l4 == 0 || !(tcp || meta.protocol == protocol::UDP) {
        return None;
    }
    let v4 = meta.ethertype == ethertype::IPV4;
    let at16 = |o: usize| Some(u16::from_be_bytes([*bytes.get(o)?, *bytes.get(o + 1)?]));
    let (addresses, packet) = if v4 {
        (meta.l3 + 12..meta.l3 + 20, usize::from(at16(meta.l3 + 2)?))
    } else {
        (meta.l3 + 8..meta.l3 + 40, usize::from(at16(meta.l3 + 4)?) + 40)
    };
    let upper = bytes.get(meta.l4..meta.l3 + packet)?;
    let length = u32::try_from(upper.len()).ok()?;
    let pseudo = checksum::sum(bytes.get(addresses)?, u32::from(meta.protocol) + length);
    let offset = if tcp { 16 } else { 6 };
    let field = at16(meta.l4 + offset)?;
    if field != checksum::fold(pseudo) || checksum::is_right(checksum::sum(upper, pseudo)) {
        return None;
    }
    let mut vnet = VnetHeader {
        flags: vnet::NEEDS_CSUM,
        csum_start: u16::try_from(meta.l4).ok()?,
        csum_offset: u16::try_from(offset).ok()?,
        ..VnetHeader::default()
    };
    if packet > limit {
        if !tcp {
            return Some(Err(DropReason::BadOffload));
        }
        vnet.gso_type = if v4 { vnet::GSO_TCPV4 } else { vnet::GSO_TCPV6 };
        vnet.hdr_len = u16::try_from(meta.payload).ok()?;
        vnet.gso_size = u16::try_from(limit.checked_sub(meta.payload - meta.l3)?).ok()?;
    }
    Some(Ok(vnet))
}

/// What decides whether a frame can be joined to others.
struct Segment {
    tcp: bool,
    /// Payload bytes.
    len: usize,
    sequence: u32,
    push: bool,
}

impl Segment {
    /// `None` where the frame is not of a kind that is joined, or its checksum is wrong.
    fn of(bytes: &[u8], meta: &FrameMeta, udp: bool) -> Option<Segment> {
        let tcp = meta.protocol == protocol::TCP;
        if meta.l4 == 0 || meta.tags > 0 || !(tcp || udp && meta.protocol == protocol::UDP) {
            return None;
        }
        let (l3, l4) = (meta.l3, meta.l4);
        let v4 = meta.ethertype == ethertype::IPV4;
        // No IP options or extension headers: they may mean something per packet.
        if l4 - l3 != if v4 { 20 } else { 40 } {
            return None;
        }
        let at16 = |o: usize| Some(u16::from_be_bytes([*bytes.get(o)?, *bytes.get(o + 1)?]));
        let packet = if v4 { usize::from(at16(l3 + 2)?) } else { usize::from(at16(l3 + 4)?) + 40 };
        let end = l3 + packet;
        if end > bytes.len() || end <= meta.payload {
            return None;
        }
        let upper = bytes.get(l4..end)?;
        let segment = if tcp {
            let flags = *bytes.get(l4 + 13)?;
            if flags & !PSH != ACK || *bytes.get(l4 + 12)? & 0x0F != 0 {
                return None;
            }
            let sequence = u32::from(at16(l4 + 4)?) << 16 | u32::from(at16(l4 + 6)?);
            Segment { tcp, len: end - meta.payload, sequence, push: flags & PSH != 0 }
        } else {
            // A datagram without checksum, or with bytes beyond its length, goes by itself.
            if at16(l4 + 6)? == 0 || usize::from(at16(l4 + 4)?) != upper.len() {
                return None;
            }
            Segment { tcp, len: end - meta.payload, sequence: 0, push: false }
        };
        let addresses = if v4 { l3 + 12..l3 + 20 } else { l3 + 8..l3 + 40 };
        let length = u32::try_from(upper.len()).ok()?;
        let pseudo = checksum::sum(bytes.get(addresses)?, u32::from(meta.protocol) + length);
        checksum::is_right(checksum::sum(upper, pseudo)).then_some(segment)
    }
}

impl Super {
    fn empty() -> Self {
        Super {
            port: -1,
            head: Span::default(),
            meta: FrameMeta::default(),
            payload: Vec::with_capacity(MAX_SEGMENTS),
            payload_len: 0,
            size: 0,
            next_sequence: 0,
            push: false,
            closed: false,
        }
    }

    fn begin(&mut self, port: RawFd, frame: Span, meta: &FrameMeta, segment: &Segment) {
        self.port = port;
        self.head = frame;
        self.meta = *meta;
        self.payload.push(frame.skip(meta.payload).take(segment.len));
        self.payload_len = segment.len;
        self.size = segment.len;
        self.next_sequence = segment.sequence.wrapping_add(segment.len as u32);
        self.push = segment.push;
        self.closed = segment.push;
    }

    /// Whether this segment continues the super-frame.
    fn joins(&self, bytes: &[u8], meta: &FrameMeta, segment: &Segment, rx: &RxBatch) -> bool {
        let packet = self.meta.payload - self.meta.l3 + self.payload_len + segment.len;
        if self.closed
            || segment.len > self.size
            || self.payload.len() >= MAX_SEGMENTS
            || packet > MAX_PACKET
            || segment.tcp && segment.sequence != self.next_sequence
        {
            return false;
        }
        let Some(head) = rx.bytes(self.head.take(self.meta.payload)) else { return false };
        let Some(this) = bytes.get(..meta.payload) else { return false };
        meta.payload == self.meta.payload && headers_match(head, this, meta)
    }

    fn join(&mut self, payload: Span, segment: &Segment) {
        self.payload.push(payload);
        self.payload_len += segment.len;
        self.next_sequence = self.next_sequence.wrapping_add(segment.len as u32);
        self.push |= segment.push;
        self.closed = segment.push || segment.len < self.size;
    }

    /// Writes the super-frame: the first segment's headers with the length of the whole, and a
    /// checksum that is left to be finished.
    fn emit(&mut self, rx: &RxBatch, tx: &mut TxBatch) {
        if self.payload.len() == 1 {
            pass(self.port, self.head, VnetHeader::default(), tx);
            return;
        }
        let (l3, l4, end) = (self.meta.l3, self.meta.l4, self.meta.payload);
        let tcp = self.meta.protocol == protocol::TCP;
        let v4 = self.meta.ethertype == ethertype::IPV4;
        let Some(head) = rx.bytes(self.head.take(end)) else { return };
        let Some(space) = tx.header_space(vnet::LEN + end) else { return };
        let (vnet_space, headers) = space.split_at_mut(vnet::LEN);
        headers.copy_from_slice(head);
        let upper = end - l4 + self.payload_len;
        let addresses = if v4 {
            headers[l3 + 2..l3 + 4].copy_from_slice(&((l4 - l3 + upper) as u16).to_be_bytes());
            headers[l3 + 10..l3 + 12].fill(0);
            let sum = checksum::finish(checksum::sum(&headers[l3..l4], 0));
            headers[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
            l3 + 12..l3 + 20
        } else {
            headers[l3 + 4..l3 + 6].copy_from_slice(&(upper as u16).to_be_bytes());
            l3 + 8..l3 + 40
        };
        let offset = if tcp {
            if self.push {
                headers[l4 + 13] |= PSH;
            }
            16
        } else {
            headers[l4 + 4..l4 + 6].copy_from_slice(&(upper as u16).to_be_bytes());
            6
        };
        let protocol = u32::from(self.meta.protocol);
        let pseudo = checksum::fold(checksum::sum(&headers[addresses], protocol + upper as u32));
        headers[l4 + offset..l4 + offset + 2].copy_from_slice(&pseudo.to_be_bytes());
        let gso_type = match (tcp, v4) {
            (true, true) => vnet::GSO_TCPV4,
            (true, false) => vnet::GSO_TCPV6,
            (false, _) => vnet::GSO_UDP_L4,
        };
        let header = VnetHeader {
            flags: vnet::NEEDS_CSUM,
            gso_type,
            hdr_len: end as u16,
            gso_size: self.size as u16,
            csum_start: l4 as u16,
            csum_offset: offset as u16,
        };
        vnet_space.copy_from_slice(&header.to_bytes());
        tx.push_frame(self.port, vnet::LEN + end, self.payload.iter().copied());
    }
}

/// Whether two headers are alike in all that a super-frame has only once.
fn headers_match(a: &[u8], b: &[u8], meta: &FrameMeta) -> bool {
    let (l3, l4) = (meta.l3, meta.l4);
    let equal = |from: usize, to: usize| a.get(from..to) == b.get(from..to);
    let network = if meta.ethertype == ethertype::IPV4 {
        // All but total length, id and checksum; flags and fragment offset included.
        equal(l3, l3 + 2) && equal(l3 + 6, l3 + 10) && equal(l3 + 12, l4)
    } else {
        equal(l3, l3 + 4) && equal(l3 + 6, l4)
    };
    let transport = if meta.protocol == protocol::TCP {
        // All but sequence number, PSH and checksum: ports, ack, window, options.
        let flags = |h: &[u8]| h.get(l4 + 13).map(|f| f & !PSH);
        equal(l4, l4 + 4)
            && equal(l4 + 8, l4 + 13)
            && flags(a) == flags(b)
            && equal(l4 + 14, l4 + 16)
            && equal(l4 + 18, meta.payload)
    } else {
        equal(l4, l4 + 4)
    };
    equal(0, l3) && network && transport
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rx::RxKind;
    use super::super::samples::{self, ACK, PSH_ACK};
    use super::*;
    use crate::wire::flow;
    use crate::wire::segment::segment;

    const PORT: RawFd = 5;

    /// Pushes frames through a coalescer; returns what leaves it.
    fn joined(frames: &[Vec<u8>], limit: Option<usize>) -> Vec<(VnetHeader, Vec<u8>)> {
        let mut rx = RxBatch::new(RxKind::Inet, 1);
        let mut tx = TxBatch::new();
        let mut coalescer = Coalescer::new(true);
        for frame in frames {
            let meta = flow::frame(frame, 0).unwrap();
            let span = rx.stash(frame).unwrap();
            coalescer.push(PORT, span, &meta, limit, &rx, &mut tx).unwrap();
        }
        coalescer.flush(&rx, &mut tx);
        let split = |(socket, bytes): (RawFd, Vec<u8>)| {
            assert_eq!(socket, PORT);
            let (vnet, frame) = bytes.split_first_chunk().unwrap();
            (VnetHeader::from_bytes(*vnet), frame.to_vec())
        };
        tx.messages(&rx).into_iter().map(split).collect()
    }

    /// What the VM's stack makes of what leaves.
    fn cut(all: &[(VnetHeader, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut frames = vec![];
        for (vnet, frame) in all {
            if !vnet.is_gso() {
                frames.push(frame.clone());
                continue;
            }
            let meta = flow::frame(frame, 0).unwrap();
            assert_eq!(usize::from(vnet.csum_start), meta.l4);
            assert_eq!(usize::from(vnet.hdr_len), meta.payload);
            segment::<DropReason>(frame, &vnet.cut(&meta).unwrap(), |headers, start, len| {
                frames.push([headers, &frame[start..start + len]].concat());
                Ok(())
            })
            .unwrap();
        }
        frames
    }

    /// A TCP train of IPv4 ids that follow each other, as a stack cuts it.
    fn train(sequence: u32, sizes: &[usize], flags: u8) -> Vec<Vec<u8>> {
        let total: usize = sizes.iter().sum();
        let data = samples::bytes(total);
        let (mut at, mut frames) = (0, vec![]);
        for (number, size) in sizes.iter().enumerate() {
            let sequence = sequence.wrapping_add(u32::try_from(at).unwrap());
            let flags = if number + 1 == sizes.len() { flags } else { ACK };
            let mut frame = samples::tcp(sequence, flags, &data[at..at + size]);
            samples::set_id(&mut frame, 7 + u16::try_from(number).unwrap());
            frames.push(frame);
            at += size;
        }
        frames
    }

    fn sizes(all: &[(VnetHeader, Vec<u8>)]) -> Vec<usize> {
        all.iter().map(|(_, frame)| frame.len() - 54).collect()
    }

    #[test]
    fn segments_in_order_become_one_and_the_last_may_be_shorter() {
        let all = joined(&train(u32::MAX - 2000, &[1000, 1000, 1000, 400], PSH_ACK), None);
        assert_eq!(sizes(&all), [3400]);
        let (vnet, frame) = &all[0];
        assert_eq!(
            (vnet.gso_type, vnet.gso_size, vnet.flags),
            (vnet::GSO_TCPV4, 1000, vnet::NEEDS_CSUM)
        );
        assert_eq!(frame[47], PSH_ACK, "the push flag of the last");
        assert!(!samples::is_valid(frame), "the checksum is left to be finished");
        assert_eq!(frame[54..], samples::bytes(3400));
    }

    #[test]
    fn what_may_not_be_joined_is_not() {
        let sent = |frames: &[Vec<u8>]| sizes(&joined(frames, None));
        let [a, b] = [0, 1].map(|n| train(1, &[100, 100], ACK)[n].clone());
        assert_eq!(sent(&[a.clone(), b.clone()]), [200], "the measure of what follows");
        assert_eq!(sent(&[b.clone(), a.clone()]), [100, 100], "out of order");
        assert_eq!(sent(&[a.clone(), a.clone()]), [100, 100], "a copy");
        assert_eq!(sent(&train(1, &[100, 200], ACK)), [100, 200], "a longer one");
        assert_eq!(sent(&train(1, &[100, 50, 50], ACK)), [150, 50], "behind a shorter one");
        let pushed = [samples::tcp(1, PSH_ACK, &[1; 100]), samples::tcp(101, ACK, &[2; 100])];
        assert_eq!(sent(&pushed), [100, 100], "behind a push");
        for flag in [0x01, 0x02, 0x04, 0x20, 0x40, 0x80] {
            let odd = samples::tcp(101, ACK | flag, &[2; 100]);
            assert_eq!(sent(&[a.clone(), odd]), [100, 100], "flag {flag:#x}");
        }
        // TOS, DF, TTL, source, ports, ack, window.
        for at in [15, 20, 22, 29, 35, 37, 45, 48] {
            let mut other = b.clone();
            other[at] ^= 1;
            samples::fix(&mut other);
            assert_eq!(sent(&[a.clone(), other]), [100, 100], "byte {at}");
        }
        let mut damaged = b.clone();
        damaged[100] ^= 1;
        assert_eq!(cut(&joined(&[a.clone(), damaged.clone()], None)), [a, damaged], "damage stays");
    }

    #[test]
    fn super_frames_end_at_64_segments_and_64_kilobytes() {
        assert_eq!(sizes(&joined(&train(1, &[10; 100], ACK), None)), [640, 360]);
        assert_eq!(sizes(&joined(&train(1, &[1448; 50], ACK), None)), [45 * 1448, 5 * 1448]);
    }

    #[test]
    fn flows_and_kinds_do_not_mix_and_keep_their_order() {
        let tcp = train(1, &[100, 100], ACK);
        let udp = samples::udp(&samples::bytes(100));
        let arp = [&[0xFF; 12][..], &[8, 6], &[0; 46]].concat();
        let all = joined(&[tcp[0].clone(), udp.clone(), arp, tcp[1].clone(), udp], None);
        let lens: Vec<usize> = all.iter().map(|(_, frame)| frame.len()).collect();
        assert_eq!(lens, [60, 254, 242], "ARP by itself, both flows joined");
    }

    #[test]
    fn an_unfinished_packet_stays_one_and_a_super_frame_is_cut_to_what_fits() {
        let mut frame = samples::tcp(1, ACK, &samples::bytes(5000));
        let vnet = samples::make_partial(&mut frame);
        let all = joined(std::slice::from_ref(&frame), Some(1450));
        let expected =
            VnetHeader { gso_type: vnet::GSO_TCPV4, gso_size: 1410, hdr_len: 54, ..vnet };
        assert_eq!(all, [(expected, frame.clone())]);
        assert_eq!(joined(&[frame.clone()], Some(9000)), [(vnet, frame.clone())]);
        assert_eq!(joined(&[frame.clone()], None), [(VnetHeader::default(), frame)]);
        let mut datagram = samples::udp(&samples::bytes(5000));
        samples::make_partial(&mut datagram);
        let meta = flow::frame(&datagram, 0).unwrap();
        assert_eq!(unfinished(&datagram, &meta, Some(1450)), Err(DropReason::BadOffload));
        assert!(unfinished(&datagram, &meta, Some(9000)).unwrap().needs_csum());
        let whole = samples::udp(&samples::bytes(50));
        let meta = flow::frame(&whole, 0).unwrap();
        assert_eq!(unfinished(&whole, &meta, Some(1450)), Ok(VnetHeader::default()));
    }

    proptest! {
        /// Cutting what was joined gives back what came, whatever came: trains with segments
        /// lost, doubled, swapped and damaged.
        #[test]
        fn cutting_gives_back_what_was_joined(
            size in 1_usize..1460,
            count in 1_usize..90,
            rest in 0_usize..1460,
            sequence in any::<u32>(),
            push in any::<bool>(),
            tcp in any::<bool>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 0..4),
        ) {
            let mut frames = if tcp {
                let mut sizes = vec![size; count];
                if rest % size > 0 {
                    sizes.push(rest % size);
                }
                train(sequence, &sizes, if push { PSH_ACK } else { ACK })
            } else {
                let data = samples::bytes(size);
                let datagram = |number| {
                    let mut frame = samples::udp(&data);
                    samples::set_id(&mut frame, 7 + number);
                    frame
                };
                (0..u16::try_from(count).unwrap()).map(datagram).collect()
            };
            for (at, change) in changes {
                let at = at.index(frames.len());
                match change {
                    0 if frames.len() > 1 => { frames.remove(at); }
                    1 => { let last = frames.len() - 1; frames.swap(at, last); }
                    2 => { let last = frames[at].len() - 1; frames[at][last] ^= 0x10; }
                    _ => {}
                }
            }
            // A datagram's place shows in its id only, which joining does not keep across a gap.
            let without_ids = |frames: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
                frames
                    .into_iter()
                    .map(|mut f| { if !tcp { samples::set_id(&mut f, 0); } f })
                    .collect()
            };
            prop_assert_eq!(without_ids(cut(&joined(&frames, None))), without_ids(frames));
        }
    }
}
