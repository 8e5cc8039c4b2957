//! Fabrics built from plans.

use std::time::Duration;

use overlab::ids::Encap;
use overlab::lab::{Datapath, Fabric, VlanLearning};
use overlab::measure::Place;
use overlab::netns::{DropMethod, Error, Switching, build, ping};
use overlab::plan::{NodeKind, Variant};

use super::fixture::{
    interfaces, ip, leaf_spine, link, node, two_hosts_on_a_switch, variant, with_tenants, world,
};

pub const TESTS: &[(&str, fn())] = &[
    ("underlay::a_ring_of_switches_blocks_one_link", a_ring_of_switches_blocks_one_link),
    ("underlay::leaf_spine_spreads_flows", leaf_spine_spreads_flows),
    ("underlay::several_variants_share_a_process", several_variants_share_a_process),
    ("underlay::unready_networks_are_described", unready_networks_are_described),
    ("underlay::contradictory_plans_are_refused", contradictory_plans_are_refused),
    ("underlay::equal_macs_in_vlans_need_a_table_each", equal_macs_in_vlans_need_a_table_each),
    ("underlay::engines_ports_are_hidden_from_the_host", engines_ports_are_hidden_from_the_host),
];

const LIMIT: Duration = Duration::from_secs(30);

fn ring() -> Variant {
    let mut plan = Variant {
        nodes: vec![
            node("s1", NodeKind::Switch, &[]),
            node("s2", NodeKind::Switch, &[]),
            node("s3", NodeKind::Switch, &[]),
            node("h1", NodeKind::Host, &[]),
            node("h2", NodeKind::Host, &[]),
        ],
        links: vec![
            link(1, "s1 to2", "s2 to1"),
            link(2, "s2 to3", "s3 to2"),
            link(3, "s3 to1", "s1 to3"),
            link(4, "h1 nic 10.0.0.1/24", "s2 h1"),
            link(5, "h2 nic 10.0.0.2/24", "s3 h2"),
        ],
        ..variant("ring", Encap::None, Fabric::L2)
    };
    plan.nodes[0].stp_priority = Some(4096);
    plan
}

fn a_ring_of_switches_blocks_one_link() {
    let world = world();
    let plan = ring();
    let underlay = build(&world, &[&plan]).unwrap();
    let ready = underlay.ready(&plan, LIMIT).unwrap();
    // The root is s1, so the link opposite to it is the one that is blocked.
    assert_eq!(underlay.blocked(&plan).unwrap(), [false, true, false, false, false]);
    let spaces = underlay.namespaces();
    let deadline = std::time::Instant::now() + Duration::from_secs(3);
    assert!(ping(spaces, "ring.h1", ip("10.0.0.1"), ip("10.0.0.2"), deadline).unwrap());
    let counters = underlay.link_counters(&plan).unwrap();
    assert!(counters[0].iter().all(|end| end.rx_packets > 0 && end.tx_bytes > 0));
    let tables = underlay.tables(&plan).unwrap();
    assert!(tables["s1"] == 2 && !tables.contains_key("h1"), "{tables:?}");
    // Twice the forward delay of 4 s, less what the kernel rounds.
    assert!(ready > Duration::from_secs(7), "{ready:?}");
    println!("ready in {ready:.1?}");
}

fn leaf_spine_spreads_flows() {
    let world = world();
    let plan =
        with_tenants(leaf_spine("ls", Encap::Vxlan), [Some("10.1.0.1"), Some("10.2.0.1")], 1450);
    let underlay = build(&world, &[&plan]).unwrap();
    let ready = underlay.ready(&plan, LIMIT).unwrap();
    let before = underlay.link_counters(&plan).unwrap();
    let receiver =
        underlay.within("ls.h2", || std::net::UdpSocket::bind("10.2.0.1:4789").unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..200 {
        // Each socket has its own source port, so its own flow.
        let sender =
            underlay.within("ls.h1", || std::net::UdpSocket::bind("10.1.0.1:0").unwrap()).unwrap();
        sender.send_to(b"flow", "10.2.0.1:4789").unwrap();
        receiver.recv(&mut [0; 16]).unwrap();
    }
    let after = underlay.link_counters(&plan).unwrap();
    for (name, at) in [("spine1", 2), ("spine2", 3)] {
        let crossed = after[at][1].rx_packets - before[at][1].rx_packets;
        assert!((40..=160).contains(&crossed), "{crossed} of 200 over {name}");
    }
    println!("ready in {ready:.1?}");
}

fn several_variants_share_a_process() {
    let world = world();
    let a = with_tenants(leaf_spine("a", Encap::Vxlan), [Some("10.1.0.1"), Some("10.2.0.1")], 1450);
    let b = with_tenants(leaf_spine("b", Encap::Vxlan), [Some("10.1.0.1"), Some("10.2.0.1")], 1450);
    let underlay = build(&world, &[&a, &b]).unwrap();
    assert_eq!(underlay.namespaces().len(), 20);
    underlay.ready(&a, LIMIT).unwrap();
    underlay.ready(&b, LIMIT).unwrap();
    assert_eq!(interfaces(&underlay, "b.red.vm1").iter().filter(|n| *n == "eth0").count(), 1);
    let listed = || std::fs::read_dir("/run/netns").unwrap().count();
    assert_eq!(listed(), 20);
    drop(underlay);
    assert_eq!(listed(), 0);
    // All that the kernel still had in our own namespace is the loopback.
    let home = nix::net::if_::if_nameindex().unwrap();
    assert!(home.iter().all(|i| !i.name().to_str().unwrap().starts_with("canary")));
    // The names are free again.
    build(&world, &[&a]).unwrap();
}

fn unready_networks_are_described() {
    let world = world();
    let mut plan =
        with_tenants(leaf_spine("x", Encap::Vxlan), [Some("10.1.0.1"), Some("10.2.0.1")], 1450);
    plan.nodes[3].routes.clear();
    let underlay = build(&world, &[&plan]).unwrap();
    let error = underlay.ready(&plan, Duration::from_millis(500)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("network x not ready after 500.0ms"), "{text}");
    assert!(text.contains("h1 does not reach the VTEP 10.2.0.1 of h2"), "{text}");
    let plan = ring();
    let underlay = build(&world, &[&plan]).unwrap();
    let text = underlay.ready(&plan, Duration::from_millis(100)).unwrap_err().to_string();
    assert!(text.contains("s1 to2: ") && text.contains("listening"), "{text}");
}

fn contradictory_plans_are_refused() {
    let world = world();
    let mut missing = leaf_spine("m", Encap::Vxlan);
    missing.nodes.pop();
    let mut mac = leaf_spine("m", Encap::Vxlan);
    mac.links[0].ends[0].mac = "02:00".into();
    let mut twice = leaf_spine("m", Encap::Vxlan);
    twice.nodes.push(node("h1", NodeKind::Host, &[]));
    let mut nowhere = leaf_spine("m", Encap::Vxlan);
    nowhere.nodes[0].routes[0].via.clear();
    for (plan, word) in [(missing, "m.spine2"), (mac, "02:00"), (twice, "m.h1"), (nowhere, "route")]
    {
        match build(&world, &[&plan]) {
            Err(Error::Plan(text)) => assert!(text.contains(word), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Where the kernel's bridges tell VLANs apart they carry this; where not, a switch of this program does.
fn equal_macs_in_vlans_need_a_table_each() {
    let world = world();
    let mut plan = with_tenants(two_hosts_on_a_switch("v", Encap::Vlan), [None, None], 1500);
    let [red, blue] = [0, 1].map(|at| plan.tenants[at].vms[0].mac.clone());
    assert_eq!(red, blue, "one MAC in two tenants");
    let findings = overlab::netns::probe::all(&world).unwrap();
    let works = |name: &str| findings.iter().any(|f| f.name == name && f.works);
    let kernels = if works("vlan-filtering") { Switching::VlanBridge } else { Switching::Bridge };
    assert_eq!(build(&world, &[&plan]).unwrap().switching(), kernels, "behind the same ports");
    // A lab may say which it wants, on any kernel; both side by side only a switch of this program has.
    let [mut shared, mut each] = [plan.clone(), plan.clone()];
    shared.nodes[2].vlan_learning = Some(VlanLearning::Shared);
    assert_eq!(build(&world, &[&shared]).unwrap().switching(), Switching::Bridge);
    each.nodes[2].vlan_learning = Some(VlanLearning::Independent);
    let able = if works("vlan-filtering") { kernels } else { Switching::Switch };
    assert_eq!(build(&world, &[&each]).unwrap().switching(), able);
    each.name = "each".into();
    assert_eq!(build(&world, &[&shared, &each]).unwrap().switching(), Switching::Switch);
    plan.tenants[1].vms[0].host = "h2".into();
    let edge = &mut plan.edges;
    let port = edge[0].networks[1].ports.pop().unwrap();
    edge[1].networks[1].ports.push(port);
    let able = if works("vlan-filtering") { kernels } else { Switching::Switch };
    let underlay = build(&world, &[&plan]).unwrap();
    assert_eq!(underlay.switching(), able);
    underlay.ready(&plan, LIMIT).unwrap();
    drop(underlay);
    // A bound counts each of two equal MACs where there is a table for each VLAN only.
    plan.nodes[2].mac_table = Some(5);
    let bounds = works("mac-table-bound") && works("vlan-filtering");
    let able = if bounds { kernels } else { Switching::Switch };
    assert_eq!(build(&world, &[&plan]).unwrap().switching(), able);
}

fn engines_ports_are_hidden_from_the_host() {
    let world = world();
    let mut plan = with_tenants(two_hosts_on_a_switch("v", Encap::Vlan), [None, None], 1500);
    for edge in &mut plan.edges {
        edge.datapath = Datapath::User;
    }
    let underlay = build(&world, &[&plan]).unwrap();
    assert_eq!(underlay.drop_method(), Some(DropMethod::Bpf));
    underlay.ready(&plan, LIMIT).unwrap();
    // The hosts' own stacks are deaf on their NICs: a tenant cannot talk to a host.
    let deadline = std::time::Instant::now() + Duration::from_millis(300);
    let spaces = underlay.namespaces();
    assert!(!ping(spaces, "v.h1", ip("10.0.0.1"), ip("10.0.0.2"), deadline).unwrap());
}
