//! 802.1ad.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Qinq;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Qinq::default(), data);
});
