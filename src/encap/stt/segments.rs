//! Cutting a frame into segments.

use std::net::IpAddr;

use crate::encap::DropReason;
use crate::wire::stt::{MAX_FRAME, Segment};
use crate::wire::{checksum, ipv4, tcp};

/// Partial sum of the pseudo header of one STT segment, or of any TCP segment or UDP datagram.
///
/// # Errors
/// [`DropReason::BadLength`] for addresses of two families.
pub fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Result<u32, DropReason> {
    let length = u32::try_from(length).map_err(|_| DropReason::BadLength)?;
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(checksum::pseudo_v4(src, dst, protocol, length)),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(checksum::pseudo_v6(src, dst, protocol, length)),
        _ => Err(DropReason::BadLength),
    }
}

/// How a frame is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Outer source address.
    pub src: IpAddr,
    /// Outer destination address.
    pub dst: IpAddr,
    /// Source port, from the inner flow's hash.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Names the frame; not used for another one soon, and hard to guess.
    pub frame_id: u32,
    /// Most bytes of the frame per segment: the path MTU less 40 (IPv6: 60).
    pub size: usize,
}

/// Cuts a frame (STT header and Ethernet frame) into segments; `each` is given a segment's TCP-like
/// header, checksum done, and its part of the frame. Returns the number of segments.
///
/// # Errors
/// [`DropReason::TooBig`] above 65,535 bytes, [`DropReason::BadLength`] where `size` is 0, the frame
/// is empty or the addresses are of two families.
pub fn segments(
    frame: &[u8],
    cut: &Cut,
    mut each: impl FnMut(&[u8; tcp::LEN], &[u8]),
) -> Result<usize, DropReason> {
    if frame.len() > MAX_FRAME {
        return Err(DropReason::TooBig);
    }
    let frame_len = u16::try_from(frame.len()).map_err(|_| DropReason::TooBig)?;
    if cut.size == 0 || frame.is_empty() {
        return Err(DropReason::BadLength);
    }
    let count = frame.len().div_ceil(cut.size);
    for (number, part) in frame.chunks(cut.size).enumerate() {
        let push = if number + 1 == count { tcp::flag::PSH } else { 0 };
        let segment = Segment {
            src_port: cut.src_port,
            dst_port: cut.dst_port,
            frame_len,
            offset: u16::try_from(number * cut.size).map_err(|_| DropReason::TooBig)?,
            frame_id: cut.frame_id,
            header_len: tcp::LEN,
            flags: tcp::flag::ACK | push,
        };
        let mut header = [0; tcp::LEN];
        segment.emit(0, &mut header)?;
        let pseudo = pseudo(cut.src, cut.dst, ipv4::protocol::TCP, tcp::LEN + part.len())?;
        let sum = checksum::finish(checksum::sum_parts(&[&header, part], pseudo));
        segment.emit(sum, &mut header)?;
        each(&header, part);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut {
        src: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        dst: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
        src_port: 50_000,
        dst_port: 7471,
        frame_id: 0xDEAD_BEEF,
        size: 1460,
    };

    #[test]
    fn a_full_frame_makes_45_segments() {
        let frame = vec![7; 65_495];
        let mut offset = 0;
        let count = segments(&frame, &CUT, |header, part| {
            let segment = Segment::parse(header).unwrap();
            assert_eq!((segment.frame_len, usize::from(segment.offset)), (65_495, offset));
            assert_eq!((segment.frame_id, segment.src_port), (0xDEAD_BEEF, 50_000));
            let last = offset + part.len() == frame.len();
            assert_eq!(segment.flags, if last { 0x18 } else { 0x10 });
            let sum = checksum::sum_parts(
                &[header, part],
                pseudo(CUT.src, CUT.dst, 6, 20 + part.len()).unwrap(),
            );
            assert!(checksum::is_right(sum));
            offset += part.len();
        });
        assert_eq!((count, offset), (Ok(45), frame.len()));
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        assert_eq!(segments(&vec![0; 65_536], &CUT, |_, _| ()), Err(DropReason::TooBig));
        assert_eq!(segments(&[], &CUT, |_, _| ()), Err(DropReason::BadLength));
        let never = Cut { size: 0, ..CUT };
        assert_eq!(segments(&[0; 50], &never, |_, _| ()), Err(DropReason::BadLength));
        let mixed = Cut { dst: std::net::Ipv6Addr::LOCALHOST.into(), ..CUT };
        assert_eq!(segments(&[0; 50], &mixed, |_, _| ()), Err(DropReason::BadLength));
    }
}
