//! udp: whatever is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::udp;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::round_trip(data, udp::Header::parse, udp::Header::emit);
});
