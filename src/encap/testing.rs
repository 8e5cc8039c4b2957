//! What the engines' tests share.

use std::net::{IpAddr, Ipv4Addr};

use super::{Inner, InnerKind, Outer};

/// An Ethernet frame with an IPv4 header inside.
pub const FRAME: [u8; 34] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 253, 0x26, 0xEA,
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
