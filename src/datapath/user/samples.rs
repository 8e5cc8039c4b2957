//! Frames for tests of this module.

use super::vnet::{NEEDS_CSUM, VnetHeader};
use crate::wire::checksum;
use crate::wire::flow;

pub const ACK: u8 = 0x10;
pub const PSH_ACK: u8 = 0x18;

/// `len` bytes that are not all alike.
pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A TCP segment with a valid checksum: 54 bytes of headers, IPv4 id 7.
pub fn tcp(sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x9C, 0x40, 0x14, 0x51];
    header.extend(sequence.to_be_bytes());
    header.extend([0, 0, 0, 9, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    ipv4(6, &[&header, payload].concat(), 16)
}

/// A UDP datagram with a valid checksum: 42 bytes of headers, IPv4 id 7.
pub fn udp(payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16 + 8).to_be_bytes();
    let header = [0x9C, 0x40, 0x14, 0x51, len[0], len[1], 0, 0];
    ipv4(17, &[&header, payload].concat(), 6)
}

fn ipv4(protocol: u8, upper: &[u8], field: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let total = (upper.len() as u16 + 20).to_be_bytes();
    frame.extend([0x45, 0, total[0], total[1], 0, 7, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([192, 168, 0, 1, 192, 168, 0, 2]);
    let sum = checksum::finish(checksum::sum(&frame[14..34], 0));
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(upper);
    let sum = checksum::finish(l4_sum(&frame));
    frame[34 + field..36 + field].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn pseudo(frame: &[u8]) -> u32 {
    let upper = u32::try_from(frame.len() - 34).unwrap();
    checksum::sum(&frame[26..34], u32::from(frame[23]) + upper)
}

fn l4_sum(frame: &[u8]) -> u32 {
    checksum::sum(&frame[34..], pseudo(frame))
}

/// Whether both checksums and the lengths of an untagged IPv4 TCP or UDP frame are right.
pub fn is_valid(frame: &[u8]) -> bool {
    let meta = flow::frame(frame, 0).unwrap();
    meta.l4 == 34
        && checksum::is_right(checksum::sum(&frame[14..34], 0))
        && checksum::is_right(l4_sum(frame))
}

/// Sets the IPv4 id.
pub fn set_id(frame: &mut [u8], id: u16) {
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    fix(frame);
}

/// Makes both checksums right again.
pub fn fix(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let sum = checksum::finish(checksum::sum(&frame[14..34], 0));
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let field = if frame[23] == 6 { 50 } else { 40 };
    frame[field..field + 2].fill(0);
    let sum = checksum::finish(l4_sum(frame));
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Leaves the checksum to be finished, as a VM's stack does, and returns the metadata.
pub fn make_partial(frame: &mut [u8]) -> VnetHeader {
    let field = if frame[23] == 6 { 16 } else { 6 };
    let sum = checksum::fold(pseudo(frame)).to_be_bytes();
    frame[34 + field..36 + field].copy_from_slice(&sum);
    VnetHeader {
        flags: NEEDS_CSUM,
        csum_start: 34,
        csum_offset: u16::try_from(field).unwrap(),
        ..VnetHeader::default()
    }
}
