//! vxlan_gpe: whatever is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::vxlan_gpe;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::round_trip(data, vxlan_gpe::Header::parse, vxlan_gpe::Header::emit);
});
