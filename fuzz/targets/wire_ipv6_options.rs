//! The tunnel encapsulation limit among destination options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::ipv6_options::{emit_encap_limit, encap_limit};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(limit)) = encap_limit(data) {
        let mut room = [0; 8];
        assert_eq!(emit_encap_limit(41, limit, &mut room), Ok(8));
        assert_eq!(encap_limit(&room), Ok(Some(limit)));
    }
});
