//! A sequence of STT segments in any order, with copies, overlaps and time between.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;

use overlab::encap::Limits;
use overlab::encap::stt::{Cut, Receiver, segments};
use overlab_fuzz::{ENDS, take};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 4096, bytes_per_source: 2048, frames: 4, ..Limits::default() };
    let mut receiver = Receiver::new(7471, limits);
    let mut now = Duration::ZERO;
    let mut rest = data;
    // Each step: a frame is cut, one of its segments damaged or not and received.
    while let Some([id, len, size, which, damage, seconds]) = take(&mut rest) {
        let (src, dst) = ENDS[usize::from(id & 1)];
        let frame = vec![id; usize::from(len) * 4 + 1];
        let size = usize::from(size) + 1;
        let (src_port, dst_port, frame_id) = (50_000, 7471, u32::from(id >> 1));
        let cut = Cut { src, dst, src_port, dst_port, frame_id, size };
        let mut packets = Vec::new();
        segments(&frame, &cut, |header, part| packets.push([header, part].concat())).expect("cut");
        let mut packet = packets[usize::from(which) % packets.len()].clone();
        if damage & 0x80 != 0 {
            let at = usize::from(damage & 0x7F) % packet.len();
            packet[at] ^= 1;
            packet.truncate(usize::from(which) + at);
        }
        now += Duration::from_secs(u64::from(seconds & 15));
        if let Ok(Some(whole)) = receiver.push(now, (src, dst), 0, &packet) {
            assert!(whole.bytes.iter().all(|byte| *byte == id), "a frame with holes or a stranger's");
            assert_eq!(whole.bytes.len(), frame.len());
        }
        let _ = receiver.push(now, (src, dst), 0, rest);
    }
});
