//! IPv4 headers, their checksum and its update.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::ipv4;

fuzz_target!(|data: &[u8]| {
    let plain = |bytes: &[u8]| {
        ipv4::Header::parse(bytes).map(|header| ipv4::Header { header_len: ipv4::LEN, ..header })
    };
    overlab_fuzz::round_trip(data, plain, ipv4::Header::emit);
    let Ok(header) = ipv4::Header::parse_verified(data) else { return };
    let _ = header.payload(data);
    let mut copy = data.to_vec();
    ipv4::set_tos(&mut copy, !header.tos);
    let changed = ipv4::Header::parse_verified(&copy).map(|header| header.tos);
    assert_eq!(changed, Ok(!header.tos));
});
