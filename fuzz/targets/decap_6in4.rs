//! IPv6 in IP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::IpInIp;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&IpInIp::V6, data);
});
