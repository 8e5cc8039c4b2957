//! The look through a frame or a packet that every frame of a VM gets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::flow;

fuzz_target!(|data: &[u8]| {
    for meta in [flow::frame(data, 1), flow::packet(data, 1)].into_iter().flatten() {
        assert!(meta.l3 <= data.len() && meta.payload <= data.len());
        assert!(meta.l4 == 0 || meta.l3 <= meta.l4 && meta.l4 <= meta.payload);
    }
    // The hash is the flow's: it does not depend on when it is asked.
    assert_eq!(flow::frame(data, 1).map(|m| m.flow), flow::frame(data, 1).map(|m| m.flow));
});
