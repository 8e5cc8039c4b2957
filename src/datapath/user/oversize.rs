//! What becomes of a tenant's packet that is too large for the underlay.

use std::net::IpAddr;

use crate::encap::DropReason;
use crate::wire::{ethernet, icmp};

/// What becomes of an inner packet above the inner MTU. Either way VMs may be given that MTU, so
/// that they never send one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Oversize {
    /// Dropped and counted as too big; the sender is not told: a black hole.
    #[default]
    Drop,
    /// Dropped, and the sender told by ICMP "fragmentation needed" (RFC 1191) or ICMPv6 "packet
    /// too big" (RFC 8201), in the name of the packet's destination, since the edge of an L2
    /// overlay has no address in the tenant's network. A packet without DF is just dropped.
    Notify,
    /// Encapsulated whole; the underlay's IP layer fragments and reassembles (RFC 7348 section 4.3
    /// forbids it to VTEPs, RFC 2003 section 3.1 allows it).
    Fragment,
}

/// Longest message: Ethernet and the longest ICMP error.
pub const MAX_MESSAGE: usize = ethernet::LEN + icmp::MAX_V6;

/// Writes the frame that tells the sender of `frame` which size passes; returns its length.
///
/// # Errors
/// Why there is none: the frame is not IP, or its packet may not be answered.
pub fn notification(frame: &[u8], mtu: usize, out: &mut [u8]) -> Result<usize, DropReason> {
    let header = ethernet::Header::parse(frame)?;
    let packet = frame.get(ethernet::LEN..).ok_or(DropReason::Truncated)?;
    let (_, destination) = super::routes::addresses(header.ethertype, packet)?;
    let back = ethernet::Header { dst: header.src, src: header.dst, ..header };
    let len = back.emit(out)?;
    let message = out.get_mut(len..).ok_or(DropReason::Truncated)?;
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let written = match destination {
        IpAddr::V4(source) => icmp::fragmentation_needed(packet, mtu, source, message)?,
        IpAddr::V6(source) => icmp::packet_too_big(packet, mtu.into(), source, message)?,
    };
    Ok(len + written)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::wire::ipv4;

    #[test]
    fn the_sender_is_told_in_the_destinations_name() {
        let frame = samples::tcp(1, samples::ACK, &samples::bytes(1460));
        let mut out = [0; MAX_MESSAGE];
        let len = notification(&frame, 1450, &mut out).unwrap();
        let header = ethernet::Header::parse(&out).unwrap();
        assert_eq!(
            (header.dst.0, header.src.0),
            (frame[6..12].try_into().unwrap(), frame[..6].try_into().unwrap())
        );
        let ip = ipv4::Header::parse_verified(&out[14..len]).unwrap();
        assert_eq!((ip.src.octets(), ip.dst.octets()), ([192, 168, 0, 2], [192, 168, 0, 1]));
        let told = icmp::parse_v4(ip.payload(&out[14..len]).unwrap()).unwrap();
        assert_eq!((told.mtu, &told.quoted[..28]), (1450, &frame[14..42]));
    }

    #[test]
    fn what_may_not_be_answered_is_not() {
        let mut frame = samples::tcp(1, samples::ACK, b"x");
        frame[20] = 0;
        let mut out = [0; MAX_MESSAGE];
        assert!(notification(&frame, 1450, &mut out).is_err(), "no DF");
        assert!(notification(&[0; 60], 1450, &mut out).is_err(), "not IP");
    }
}
