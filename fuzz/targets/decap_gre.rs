//! IP in GRE, with every combination of optional fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::{Gre, Sequence};

fuzz_target!(|data: &[u8]| {
    for bits in 0..16 {
        let sequence = (bits & 4 != 0).then(Sequence::default);
        let engine = Gre {
            ethernet: false,
            keyed: bits & 1 != 0,
            checksum: bits & 2 != 0,
            sequence,
            strict: bits & 8 != 0,
        };
        let _ = overlab::encap::Engine::decap(
            &engine,
            data,
            &overlab::encap::Outer { source: overlab_fuzz::ENDS[0].0, tos: 0 },
        );
    }
    for bits in 0..4 {
        let (keyed, checksum) = (bits & 1 != 0, bits & 2 != 0);
        let engine = Gre { ethernet: false, keyed, checksum, ..Gre::default() };
        overlab_fuzz::engine(&engine, data);
    }
});
