//! Geneve, knowing one critical option and not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Geneve;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Geneve::default(), data);
    overlab_fuzz::engine(&Geneve { known: vec![(0x0102, 0x80)], strict: true, ..Geneve::default() }, data);
});
