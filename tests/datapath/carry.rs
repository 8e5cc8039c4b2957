//! Everything tenants send arrives whole, with its own tenant only.

use std::time::Duration;

use overlab::ids::Encap;
use overlab::lab::Datapath::{Kernel, User};
use overlab::lab::{Datapath, Switchable};
use overlab::plan::Variant;

use super::talk::{Vm, build, over_ipv6, plan};

pub const TESTS: &[(&str, fn())] = &[
    ("carry::vlan", || carries(Encap::Vlan, [User, User])),
    ("carry::qinq", || carries(Encap::Qinq, [User, User])),
    ("carry::vxlan", || carries(Encap::Vxlan, [User, User])),
    ("carry::vxlan_to_the_kernels", || carries(Encap::Vxlan, [User, Kernel])),
    ("carry::vxlan_from_the_kernels", || carries(Encap::Vxlan, [Kernel, User])),
    ("carry::geneve", || carries(Encap::Geneve, [User, User])),
    ("carry::gretap", || carries(Encap::Gretap, [User, User])),
    ("carry::nvgre", || carries(Encap::Nvgre, [User, User])),
    ("carry::stt", || carries(Encap::Stt, [User, User])),
    ("carry::gre", || carries(Encap::Gre, [User, User])),
    ("carry::ipip", || carries(Encap::Ipip, [User, User])),
    ("carry::six_in_four", || carries(Encap::SixInFour, [User, User])),
    ("carry::vxlan_over_ipv6", || carries_over_ipv6(Encap::Vxlan)),
    ("carry::geneve_over_ipv6", || carries_over_ipv6(Encap::Geneve)),
    ("carry::gretap_over_ipv6", || carries_over_ipv6(Encap::Gretap)),
    ("carry::nvgre_over_ipv6", || carries_over_ipv6(Encap::Nvgre)),
    ("carry::stt_over_ipv6", || carries_over_ipv6(Encap::Stt)),
    ("carry::gre_over_ipv6", || carries_over_ipv6(Encap::Gre)),
    ("carry::four_in_six", || carries_over_ipv6(Encap::Ipip)),
    ("carry::six_in_six", || carries_over_ipv6(Encap::SixInFour)),
    ("carry::without_checksums", || {
        let mut plan = plan(Encap::Vxlan, [User, User]);
        plan.engine.udp_csum = Some(Switchable::Off);
        carried(plan);
    }),
];

fn carries_over_ipv6(encap: Encap) {
    carried(over_ipv6(plan(encap, [User, User])));
}

fn carries(encap: Encap, datapaths: [Datapath; 2]) {
    carried(plan(encap, datapaths));
}

fn carried(plan: Variant) {
    let encap = plan.encap;
    let testbed = build(&plan);
    for tenant in &plan.tenants {
        let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&testbed, &plan, &tenant.name, vm));
        let headers = if one.address.is_ipv4() { 28 } else { 48 };
        for size in [1, 64, 1000, plan.inner_mtu as usize - headers] {
            one.echo(&two, size);
        }
        // Fragmented by the VM's own stack.
        one.echo(&two, 4000);
        if encap.carries_ethernet() {
            one.broadcast(&two);
        }
        one.stream(&two);
        two.stream(&one);
    }
    if plan.tenants.len() == 2 {
        let receivers = ["red", "blue"].map(|tenant| Vm::of(&testbed, &plan, tenant, "vm2").udp(7));
        let senders = ["red", "blue"].map(|tenant| Vm::of(&testbed, &plan, tenant, "vm1").udp(0));
        let to = (Vm::of(&testbed, &plan, "red", "vm2").address, 7);
        let mut bytes = [0; 16];
        for (at, sender) in senders.iter().enumerate() {
            sender.send_to(&[at as u8], to).unwrap();
            assert_eq!((receivers[at].recv(&mut bytes).unwrap(), bytes[0]), (1, at as u8));
            receivers[1 - at].set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            assert!(receivers[1 - at].recv(&mut bytes).is_err(), "a leak to the other tenant");
            receivers[1 - at].set_read_timeout(Some(super::talk::LIMIT)).unwrap();
        }
    }
    let mut drops = testbed.drops(&plan);
    // IPv6's own multicast from VMs and switches' spanning tree have nothing to find here.
    for usual in ["reserved", "unknown_protocol", "unknown_destination", "unknown_network"] {
        drops.remove(usual);
    }
    assert!(drops.is_empty(), "{drops:?}");
}
