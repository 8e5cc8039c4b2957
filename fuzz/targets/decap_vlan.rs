//! 802.1Q, with and without a VLAN of the port.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overlab::encap::Vlan;

fuzz_target!(|data: &[u8]| {
    overlab_fuzz::engine(&Vlan::default(), data);
    overlab_fuzz::engine(&Vlan { pcp: 0, pvid: Some(1), no_hopping: true }, data);
});
