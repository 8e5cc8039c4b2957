//! NVGRE.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Nvgre;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Nvgre::default(), data);
    overlab_fuzz::engine(&Nvgre { small_keys: true }, data);
});
