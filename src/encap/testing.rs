//! What the engines' tests share.

use std::net::{IpAddr, Ipv4Addr};

use super::{Inner, InnerKind, Outer};

/// An Ethernet frame with an IPv4 header inside.
pub const FRAME: [u8; 34] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 253, 0x25, 0xEB,
    10, 0, 0, 1, 10, 0, 0, 2,
];

/// What the transport told.
pub const OUTER: Outer = Outer { source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), tos: 0 };

/// A frame as an engine takes it.
pub fn ethernet(frame: &[u8]) -> Inner<'_> {
    Inner { kind: InnerKind::Ethernet, parts: [frame, &[]], flow: 0x1234_5678 }
}

/// The frame with a customer tag.
pub fn tagged(vid: u8) -> Vec<u8> {
    let mut frame = FRAME.to_vec();
    frame.splice(12..12, [0x81, 0, 0, vid]);
    frame
}

/// An IPv6 packet with 4 bytes of payload.
pub fn ipv6_packet(source: std::net::Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 4, 253, 64];
    packet.extend(source.octets());
    packet.extend([0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    packet.extend([1, 2, 3, 4]);
    packet
}

/// A TCP frame with `len` payload bytes, all flags, and a checksum yet to be made.
pub fn super_frame(len: usize) -> Vec<u8> {
    let total = u16::try_from(40 + len).unwrap().to_be_bytes();
    let mut frame = FRAME[..14].to_vec();
    frame.extend([0x45, 0, total[0], total[1], 0xFF, 0xFF, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    let ip = crate::wire::checksum::finish(crate::wire::checksum::sum(&frame[14..34], 0));
    frame[24..26].copy_from_slice(&ip.to_be_bytes());
    frame.extend([
        0xD4, 0x31, 0x14, 0x51, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 1, 0x50, 0x98, 1, 0, 0, 0, 0, 0,
    ]);
    frame.extend((0..len).map(|i| u8::try_from(i % 251).unwrap()));
    frame
}
