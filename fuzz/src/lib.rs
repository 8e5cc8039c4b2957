//! What the fuzz targets have in common: the promises that are checked, beside "no panic".

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use overlab::encap::{Engine, Inner, Outer, Transport, trim};
use overlab::wire::Malformed;

/// Underlay addresses, one pair per family.
pub const ENDS: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))),
    (IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST)),
];

/// A header that was read is written in as many bytes as `emit` says, and reads as the same.
pub fn round_trip<T: Debug + Display + PartialEq>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, Malformed>,
    emit: impl Fn(&T, &mut [u8]) -> Result<usize, Malformed>,
) {
    let Ok(header) = parse(bytes) else { return };
    assert!(!header.to_string().is_empty());
    let mut room = vec![0xA5; bytes.len() + 64];
    let len = emit(&header, &mut room).expect("what was read can be written");
    let written = &room[..len];
    assert!(room[len..].iter().all(|byte| *byte == 0xA5), "bytes written behind the header");
    assert_eq!(parse(written).as_ref(), Ok(&header));
    for short in 0..len {
        assert!(emit(&header, &mut room[..short]).is_err(), "written into {short} of {len} bytes");
    }
}

/// What an engine accepts lies within the bytes, and what it writes for it is accepted again.
pub fn engine(engine: &dyn Engine, payload: &[u8]) {
    for (source, _) in ENDS {
        let outer = Outer { source, tos: 0 };
        let _ = engine.offload(payload);
        let Ok(decap) = engine.decap(payload, &outer) else { continue };
        let inner = payload.get(decap.offset..).expect("the inner packet starts in the payload");
        let tag = engine.transport() == Transport::Frame;
        if !tag {
            let trimmed = trim(decap.kind, inner).expect("an accepted packet is whole");
            assert!(inner.starts_with(trimmed));
        }
        // Tags go into the frame behind its two addresses.
        let from = if tag { 12 } else { 0 };
        let packet = [&vec![2; from], inner].concat();
        let told = Inner { kind: decap.kind, parts: [&packet, &[]], flow: 7 };
        let mut header = vec![0xA5; engine.header_len()];
        if engine.header(decap.network, &told, &mut header).is_err() {
            continue;
        }
        let again = [&header, &packet[from..]].concat();
        let read = engine.decap(&again, &outer).expect("our own packet");
        assert_eq!((read.network, read.kind), (decap.network, decap.kind));
        assert_eq!(&again[read.offset..], inner);
    }
}


/// Takes a number off the front of the input, so that the rest stays as it is.
pub fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = data.split_first_chunk::<N>()?;
    *data = rest;
    Some(*front)
}
