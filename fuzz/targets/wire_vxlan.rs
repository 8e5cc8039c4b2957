//! vxlan: whatever is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::vxlan;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::round_trip(data, vxlan::Header::parse, vxlan::Header::emit);
});
