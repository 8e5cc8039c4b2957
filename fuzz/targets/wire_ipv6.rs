//! IPv6 headers, and the walk over extension headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::wire::ipv6;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::round_trip(data, ipv6::Header::parse, ipv6::Header::emit);
    let Ok(header) = ipv6::Header::parse(data) else { return };
    let _ = header.payload(data);
    if let Ok(upper) = ipv6::upper_layer(data, header.next_header) {
        assert!(upper.offset <= data.len());
    }
    let mut copy = data.to_vec();
    ipv6::set_traffic_class(&mut copy, !header.traffic_class);
    let changed = ipv6::Header::parse(&copy).map(|header| header.traffic_class);
    assert_eq!(changed, Ok(!header.traffic_class));
});
