//! Pieces of any place and length: no hole, no overwriting, no growth past the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;

use overlab::encap::{Limits, Piece, Reassembler};
use overlab_fuzz::{ENDS, take};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 4096, bytes_per_source: 3000, frames: 3, ..Limits::default() };
    let mut state = Reassembler::new(limits);
    let mut rest = data;
    let mut now = Duration::ZERO;
    while let Some([key, o1, o0, len, total, seconds]) = take(&mut rest) {
        let offset = usize::from(u16::from_be_bytes([o1, o0]) & 0x83FF);
        // The byte at each place is told by the place, so that a mix-up shows.
        let bytes: Vec<u8> = (offset..offset + usize::from(len)).map(|at| at as u8).collect();
        let total = (total & 1 != 0).then(|| usize::from(total) * 8);
        now += Duration::from_secs(u64::from(seconds & 7));
        let piece = Piece { offset, bytes: &bytes, total, tos: 0 };
        let source = ENDS[usize::from(key & 1)].0;
        if let Ok(Some(whole)) = state.push(now, source, key >> 6, &piece) {
            assert!(whole.bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        }
        assert!(state.waiting() <= 3);
    }
});
