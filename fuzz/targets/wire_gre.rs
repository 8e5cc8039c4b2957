//! GRE headers, and the checksum over header and payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::gre;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::round_trip(data, gre::Header::parse, gre::Header::emit);
    let Ok(header) = gre::Header::parse(data) else { return };
    if header.checksum.is_some() {
        let mut copy = data.to_vec();
        let (front, payload) = copy.split_at_mut(header.len());
        gre::fill_checksum(front, &[payload]).expect("a header with a checksum");
        assert!(gre::checksum_is_right(&copy));
    }
});
