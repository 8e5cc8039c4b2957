//! SSH messages, in both modes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::receive::receive_ssh;

fuzz_target!(|data: &[u8]| {
    for mode in 0..3 {
        let _ = receive_ssh(data, mode);
    }
});
