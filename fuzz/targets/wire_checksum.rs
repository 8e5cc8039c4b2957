//! Checksums in pieces, at any offset, against the sum as RFC 1071 says it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::checksum;
use overlab_fuzz::take;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let Some([cut, skew]) = take(&mut rest) else { return };
    let bytes = rest.get(usize::from(skew & 7)..).unwrap_or_default();
    let plain = bytes.chunks(2).fold(0u64, |sum, pair| {
        sum + (u64::from(pair[0]) << 8) + pair.get(1).map_or(0, |low| u64::from(*low))
    });
    let mut folded = plain;
    while folded > 0xFFFF {
        folded = (folded >> 16) + (folded & 0xFFFF);
    }
    let (front, back) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(u64::from(checksum::fold(checksum::sum(bytes, 0))), folded);
    assert_eq!(u64::from(checksum::fold(checksum::sum_parts(&[front, back], 0))), folded);
});
