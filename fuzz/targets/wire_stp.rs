//! BPDUs of bridges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::stp::Bpdu;

fuzz_target!(|data: &[u8]| {
    if let Ok(bpdu) = Bpdu::parse(data) {
        assert!(!bpdu.to_string().is_empty());
    }
});
