//! VXLAN-GPE.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::VxlanGpe;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&VxlanGpe::default(), data);
});
