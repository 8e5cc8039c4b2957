//! The STT frame, and the work it leaves to the far end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Stt;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Stt::default(), data);
    overlab_fuzz::engine(&Stt { strict: false, ..Stt::default() }, data);
});
