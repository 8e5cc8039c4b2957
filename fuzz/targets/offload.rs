//! Work left by the far end: checksums finished, super-frames cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::{Offload, finish_checksum, segment};
use overlab_fuzz::take;

fuzz_target!(|data: &[u8]| {
    let mut frame = data;
    let Some([flags, l4, high, low]) = take(&mut frame) else { return };
    let offload = Offload {
        ipv4: flags & 1 != 0,
        tcp: flags & 2 != 0,
        l4: usize::from(l4),
        mss: u16::from_be_bytes([high, low]),
    };
    let checked = offload.check(frame);
    let mut payload = Vec::new();
    let cut = segment(frame, &offload, |_, part| payload.extend_from_slice(part));
    if let (Ok(end), Ok(_)) = (checked, cut) {
        assert_eq!(payload, frame[end..]);
    }
    let mut copy = frame.to_vec();
    assert_eq!(finish_checksum(&mut copy, &offload).is_ok(), checked.is_ok());
});
