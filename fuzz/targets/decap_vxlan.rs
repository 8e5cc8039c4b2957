//! VXLAN, liberal and strict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Vxlan;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Vxlan { inner_tags: true, ..Vxlan::default() }, data);
    overlab_fuzz::engine(&Vxlan { strict: true, ..Vxlan::default() }, data);
});
