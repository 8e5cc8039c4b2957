//! What one more tenant was counted to take, beside what switches and hosts really have of one.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use overlab::lab;
use overlab::netns::ping;
use overlab::plan::{Plan, PortVlans, Variant, plan};
use overlab::testbed::Testbed;

use super::fixture::world;

pub const TESTS: &[(&str, fn())] = &[
    ("new_tenant::takes_what_was_counted", takes_what_was_counted),
    ("new_tenant::every_counted_port_is_needed", every_counted_port_is_needed),
];

/// Equal addresses, so that switches must tell VLANs apart.
const WIDE: &str = "\
title: One more like wide
topology: { leaf-spine: { leaves: 3, spines: 2, hosts: 2 } }
compare: { encap: [vlan, gretap, vxlan], learning: [flood, multicast] }
tenants:
  - { name: small, subnet: 10.1.0.0/24, vms: { a: h2, b: h1 } }
  - { name: wide, subnet: 10.1.0.0/24, vms: { count: 7, on: all } }
measure: { baseline: false }
";

fn planned(text: &str) -> Plan {
    let loaded = lab::read_str("new-tenant.yaml", text).unwrap();
    plan(&loaded.lab, &loaded.topology).unwrap()
}

fn takes_what_was_counted() {
    let world = world();
    let plan = planned(WIDE);
    let testbed = Testbed::build(&world, &plan).unwrap();
    for variant in &plan.variants {
        let counted = variant.new_tenant().unwrap();
        assert_eq!(counted.like, "wide");
        let id = variant.tenants.iter().find(|t| t.name == "wide").unwrap().id;
        let vid = u16::try_from(id).unwrap_or_default();
        if let Some(ports) = testbed.vlan_ports(variant, vid) {
            let switches = if variant.name == "vlan" { 5 } else { 0 };
            assert_eq!((counted.switches, ports.len()), (switches, switches as usize));
            assert_eq!(counted.ports, ports.values().sum::<u64>(), "{}", variant.name);
        }
        let mut entries = 0;
        for edge in variant.edges.iter().filter(|edge| edge.vtep.is_some()) {
            let (_, places) = testbed.remotes(variant, &edge.host, id).expect("an engine of ours");
            entries += places as u64;
        }
        assert_eq!(counted.peers + counted.groups, entries, "{}", variant.name);
        let present = |e: &&overlab::plan::Edge| e.networks.iter().any(|n| n.tenant == "wide");
        assert_eq!(counted.hosts, variant.edges.iter().filter(present).count() as u64);
    }
}

/// A row of switches, so that there is one way only.
const ROW: &str = "\
title: Every port of the way
topology: { linear: { switches: 4, hosts: 1 }, stp: off }
carrier: { encap: vlan }
tenants:
  - { name: red, vid: 101, subnet: 10.1.0.0/24, vms: { a: h2, b: h4 } }
measure: { baseline: false }
";

/// Allows the tenant's VLAN at the counted ports but one, and nowhere else.
fn only_there(whole: &Variant, but: Option<usize>) -> Variant {
    let mut variant = whole.clone();
    let all = whole.vlan_ports("red");
    let kept: Vec<_> = (0..all.len()).filter(|n| Some(*n) != but).map(|n| all[n]).collect();
    for end in variant.links.iter_mut().flat_map(|link| &mut link.ends) {
        let here = kept.contains(&(end.node.as_str(), end.interface.as_str()));
        let tagged = if here { vec![(101, 101)] } else { Vec::new() };
        end.vlans = Some(PortVlans { tagged, ..PortVlans::default() });
    }
    variant.name = but.map_or("all".into(), |n| format!("without{n}"));
    variant
}

fn every_counted_port_is_needed() {
    let world = world();
    let mut plan = planned(ROW);
    let whole = plan.variants[0].clone();
    let counted = whole.vlan_ports("red").len();
    assert_eq!(counted, 2 + 4);
    let without = (0..counted).map(|n| only_there(&whole, Some(n)));
    plan.variants = std::iter::once(only_there(&whole, None)).chain(without).collect();
    let testbed = Testbed::build(&world, &plan).unwrap();
    for variant in &plan.variants {
        testbed.ready(variant, &AtomicBool::new(false)).unwrap();
        let [from, to] = ["a", "b"].map(|vm| variant.vm("red", vm).unwrap());
        // What must come is waited for, and what must not for less long.
        let patience = if variant.name == "all" { 10_000 } else { 500 };
        let deadline = Instant::now() + Duration::from_millis(patience);
        let namespaces = testbed.underlay().namespaces();
        let namespace = variant.namespace(&from.node);
        let reached =
            ping(namespaces, &namespace, from.address.addr(), to.address.addr(), deadline).unwrap();
        assert_eq!(reached, variant.name == "all", "{}", variant.name);
    }
}
