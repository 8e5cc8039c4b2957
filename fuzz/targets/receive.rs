//! The whole way in, from an outer Ethernet frame, as every protocol and with memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;

use overlab::encap::receive::{Config, Contested, Protocol, Receiver, Verdict};
use overlab_fuzz::take;

const PROTOCOLS: [Protocol; 12] = [
    Protocol::Vlan,
    Protocol::Qinq,
    Protocol::Stp,
    Protocol::Ipip,
    Protocol::SixInFour,
    Protocol::Gre,
    Protocol::Gretap,
    Protocol::Nvgre,
    Protocol::Vxlan,
    Protocol::VxlanGpe,
    Protocol::Geneve,
    Protocol::Stt,
];

fuzz_target!(|data: &[u8]| {
    let mut frame = data;
    let Some([protocol, bits]) = take(&mut frame) else { return };
    let mut config = Config::new(PROTOCOLS[usize::from(protocol) % PROTOCOLS.len()]);
    config.keyed = bits & 1 != 0;
    config.strict = bits & 2 != 0;
    config.verify_udp = bits & 4 != 0;
    config.udp6_zero = bits & 8 != 0;
    config.reassemble = bits & 16 != 0;
    config.contested = if bits & 32 != 0 { Contested::Accept } else { Contested::Report };
    let mut receiver = Receiver::new(config);
    // Twice, so that what waits or is remembered from the first is met by the second.
    for second in 0..2 {
        if let Verdict::Decap(got) | Verdict::Policy(_, got) =
            receiver.receive(Duration::from_secs(second), frame)
        {
            assert!(got.carried.len() <= frame.len() + got.delivered.len());
            assert!(!got.delivered.is_empty());
        }
    }
});
