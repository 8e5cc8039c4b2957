//! ICMP "too big" of both families: read, and written for any packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, Ipv6Addr};

use overlab::wire::{icmp, ipv4, ipv6};

fuzz_target!(|data: &[u8]| {
    let (four, six) = (Ipv4Addr::new(10, 0, 0, 254), Ipv6Addr::LOCALHOST);
    let _ = icmp::parse_v4(data);
    let _ = icmp::parse_v6(data, six, six);
    let mut room = [0; 2000];
    if let Ok(len) = icmp::fragmentation_needed(data, 1400, four, &mut room) {
        let ip = ipv4::Header::parse_verified(&room[..len]).expect("our own header");
        let told = icmp::parse_v4(ip.payload(&room[..len]).expect("whole")).expect("our own message");
        assert_eq!(told.mtu, 1400);
        assert!(data.starts_with(told.quoted));
    }
    if let Ok(len) = icmp::packet_too_big(data, 1400, six, &mut room) {
        let ip = ipv6::Header::parse(&room[..len]).expect("our own header");
        let message = ip.payload(&room[..len]).expect("whole");
        let told = icmp::parse_v6(message, six, ip.dst).expect("our own message");
        assert_eq!(told.mtu, 1400);
        assert!(data.starts_with(told.quoted));
    }
});
