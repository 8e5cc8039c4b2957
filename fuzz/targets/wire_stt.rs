//! STT segment and frame headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::{stt, tcp};

fuzz_target!(|data: &[u8]| {
    let plain = |bytes: &[u8]| {
        stt::Segment::parse(bytes).map(|header| stt::Segment { header_len: tcp::LEN, ..header })
    };
    overlab_fuzz::round_trip(data, plain, |segment, out| segment.emit(0, out));
    // Reserved flags are read as they stand and sent as 0.
    let clean = |bytes: &[u8]| {
        stt::Header::parse(bytes).map(|header| stt::Header { flags: header.flags & 0xF, ..header })
    };
    overlab_fuzz::round_trip(data, clean, stt::Header::emit);
    if let Ok(header) = stt::Header::parse(data) {
        let _ = header.tag();
    }
});
