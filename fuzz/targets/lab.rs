//! Lab files: any text gives a lab or faults that can be printed, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::lab::read_str;

fuzz_target!(|text: &str| {
    if let Err(faults) = read_str("fuzz.yaml", text) {
        assert!(!faults.to_string().is_empty());
    }
});
