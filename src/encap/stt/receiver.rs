//! Putting segments together.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::segments::pseudo;
use crate::encap::{DropReason, Limits, Piece, Reassembler};
use crate::wire::stt::{LEN, Segment};
use crate::wire::{checksum, ipv4, tcp};

/// What names a frame beside its source: destination, source port, frame id and length.
type Key = (IpAddr, u16, u32, u16);

/// A whole STT frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// STT header and Ethernet frame; borrowed where it came in one segment.
    pub bytes: Cow<'a, [u8]>,
    /// The first segment's TOS byte, marked CE where any segment was.
    pub tos: u8,
    /// Source port, the same in all segments.
    pub src_port: u16,
}

/// Takes segments and gives frames.
#[derive(Debug)]
pub struct Receiver {
    waiting: Reassembler<Key>,
    /// Destination port.
    pub port: u16,
    /// Drops segments with SYN, FIN or RST, or with TCP options: the draft ignores the flags and
    /// its figure allows options, but nobody sends either.
    pub strict: bool,
}

impl Receiver {
    /// A receiver for a port with these limits.
    #[must_use]
    pub fn new(port: u16, limits: Limits) -> Self {
        Receiver { waiting: Reassembler::new(limits), port, strict: false }
    }

    /// Frames given up because segments were missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.waiting.lost()
    }

    /// Gives up what has waited too long; returns how many frames that were.
    pub fn expire(&mut self, now: Duration) -> usize {
        self.waiting.expire(now)
    }

    /// Takes the payload of an IP packet of protocol 6; returns the frame once it is whole.
    ///
    /// # Errors
    /// Why this segment was dropped. Frames that never become whole are counted in [`Receiver::lost`].
    pub fn push<'a>(
        &mut self,
        now: Duration,
        (src, dst): (IpAddr, IpAddr),
        tos: u8,
        packet: &'a [u8],
    ) -> Result<Option<Frame<'a>>, DropReason> {
        let segment = Segment::parse(packet)?;
        if segment.dst_port != self.port {
            return Err(DropReason::UnknownProtocol);
        }
        let sum = pseudo(src, dst, ipv4::protocol::TCP, packet.len())?;
        if !checksum::is_right(checksum::sum(packet, sum)) {
            return Err(DropReason::BadChecksum);
        }
        let odd = tcp::flag::SYN | tcp::flag::FIN | tcp::flag::RST;
        if self.strict && (segment.flags & odd != 0 || segment.header_len != tcp::LEN) {
            return Err(DropReason::BadFlags);
        }
        let part = packet.get(segment.header_len..).ok_or(DropReason::Truncated)?;
        let total = usize::from(segment.frame_len);
        if total < LEN {
            return Err(DropReason::BadLength);
        }
        let src_port = segment.src_port;
        if segment.offset == 0 && part.len() == total {
            return Ok(Some(Frame { bytes: Cow::Borrowed(part), tos, src_port }));
        }
        let offset = usize::from(segment.offset);
        let key = (dst, src_port, segment.frame_id, segment.frame_len);
        let piece = Piece { offset, bytes: part, total: Some(total), tos };
        let whole = self.waiting.push(now, src, key, &piece)?;
        Ok(whole.map(|w| Frame { bytes: Cow::Owned(w.bytes), tos: w.tos, src_port }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cut, segments};
    use super::*;

    const SRC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const DST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn cut(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
        let cut = Cut { src: SRC, dst: DST, src_port: 50_000, dst_port: 7471, frame_id: 9, size };
        let mut all = Vec::new();
        segments(frame, &cut, |header, part| all.push([&header[..], part].concat())).unwrap();
        all
    }

    #[test]
    fn a_frame_comes_back_from_its_segments_in_reverse() {
        let frame: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let mut state = Receiver::new(7471, Limits::default());
        let mut done = Vec::new();
        for packet in cut(&frame, 700).iter().rev() {
            done.extend(
                state
                    .push(Duration::ZERO, (SRC, DST), 0, packet)
                    .unwrap()
                    .map(|f| f.bytes.into_owned()),
            );
        }
        assert_eq!(done, [frame]);
    }

    #[test]
    fn a_frame_in_one_segment_is_not_copied() {
        let packets = cut(&[7; 500], 1460);
        let mut state = Receiver::new(7471, Limits::default());
        let frame = state.push(Duration::ZERO, (SRC, DST), 2, &packets[0]).unwrap().unwrap();
        assert!(matches!(frame.bytes, Cow::Borrowed(_)));
        assert_eq!((frame.tos, frame.src_port), (2, 50_000));
    }

    #[test]
    fn what_is_dropped_by_name() {
        let packets = cut(&[7; 500], 300);
        let mut state = Receiver::new(7471, Limits::default());
        let mut push =
            |packet: &[u8]| state.push(Duration::ZERO, (SRC, DST), 0, packet).unwrap_err();
        let mut damaged = packets[0].clone();
        damaged[30] ^= 1;
        assert_eq!(push(&damaged), DropReason::BadChecksum);
        let mut other = packets[0].clone();
        other[3] ^= 1;
        assert_eq!(push(&other), DropReason::UnknownProtocol);
        assert_eq!(push(&cut(&[7; 10], 300)[0]), DropReason::BadLength);
        for short in 0..packets[0].len() {
            push(&packets[0][..short]);
        }
        let mut strict = Receiver { strict: true, ..Receiver::new(7471, Limits::default()) };
        let mut syn = packets[0].clone();
        syn[13] |= 2;
        let sum = u16::from_be_bytes([syn[16], syn[17]]) - 2;
        syn[16..18].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(strict.push(Duration::ZERO, (SRC, DST), 0, &syn), Err(DropReason::BadFlags));
        assert_eq!(state.push(Duration::ZERO, (SRC, DST), 0, &syn), Ok(None));
    }
}
