//! TCP headers without their options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::tcp;

fuzz_target!(|data: &[u8]| {
    let plain = |bytes: &[u8]| {
        tcp::Header::parse(bytes).map(|header| tcp::Header { header_len: tcp::LEN, ..header })
    };
    overlab_fuzz::round_trip(data, plain, tcp::Header::emit);
});
