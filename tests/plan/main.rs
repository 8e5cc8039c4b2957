//! Plans hold together: whatever the lab, what would be built is unique, disjoint and connected.

mod random;
mod support;

use overlab::ids::Encap;
use overlab::lab::{Datapath, Fabric};
use overlab::plan::{Plan, Variant, json, plan, print};
use support::{check, lab, named_topology, shipped, topology};

fn variant<'a>(plan: &'a Plan, name: &str) -> &'a Variant {
    plan.variants.iter().find(|v| v.name == name).unwrap_or_else(|| panic!("no variant {name}"))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.variants.iter().map(|v| v.name.as_str()).collect()
}

const TWO_TENANTS: &str = "
title: two tenants
topology: two-racks
tenants:
  - { name: red, vni: 864, subnet: 192.168.0.0/24, vms: { vm1: h1, vm2: h2, vm3: h3 } }
  - { name: blue, subnet: 192.168.0.0/24, vms: { vm1: h1, vm2: h4 } }
traffic:
  - tcp: { from: red/vm1, to: red/vm3, for: 1s }
  - tcp: { from: red/vm1, to: red/vm3, for: 1s, streams: 4 }
  - tcp: { from: red/vm1, to: red/vm3, for: 1s }
  - udp: { from: blue/vm1, to: blue/vm2, for: 1s, size: 64 }
";

fn two_tenants(more: &str) -> Plan {
    let plan = plan(&lab(&format!("{TWO_TENANTS}{more}")), &named_topology("two-racks")).unwrap();
    check(&plan);
    plan
}

#[test]
fn every_shipped_lab_can_be_planned() {
    for (name, lab, topology) in shipped() {
        let plan = plan(&lab, &topology).unwrap_or_else(|e| panic!("{name}: {e}"));
        check(&plan);
        let again = overlab::plan::plan(&lab, &topology).unwrap();
        assert_eq!(plan, again, "{name}: the same lab gives the same plan");
        assert_eq!(json(&plan).unwrap(), json(&again).unwrap(), "{name}: to the byte");
        assert_eq!(print(&plan), print(&again), "{name}: to the byte");
        let read: Plan = serde_json::from_str(&json(&plan).unwrap()).unwrap();
        assert_eq!(plan, read, "{name}: a plan survives JSON");
        for line in print(&plan).lines().filter(|line| line.contains('|')) {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}

#[test]
fn the_main_lab_compares_what_it_says_in_less_than_a_minute() {
    let (_, lab, topology) = shipped().into_iter().find(|(n, ..)| n == "vlan-vs-vxlan").unwrap();
    let plan = plan(&lab, &topology).unwrap();
    assert_eq!(names(&plan), ["plain-l2", "vlan", "plain-l3", "vxlan"]);
    assert!(plan.estimate().as_secs() < 50, "{:?}", plan.estimate());
    for edge in &variant(&plan, "vxlan").edges {
        assert_eq!(edge.networks.iter().map(|n| n.id).collect::<Vec<_>>(), [864, 865]);
    }
    let vlan = variant(&plan, "vlan");
    assert_eq!(vlan.vm("red", "vm1").unwrap().mac, vlan.vm("blue", "vm1").unwrap().mac);
    let hello = shipped().into_iter().find(|(n, ..)| n == "hello").unwrap();
    assert!(overlab::plan::plan(&hello.1, &hello.2).unwrap().estimate().as_secs() < 10);
}

#[test]
fn a_tunnel_runs_over_routers_with_a_vtep_on_every_host() {
    let plan = two_tenants("");
    assert_eq!(names(&plan), ["plain-l3", "vxlan"]);
    let vxlan = variant(&plan, "vxlan");
    assert_eq!((vxlan.underlay_mtu, vxlan.inner_mtu, vxlan.overhead), (1500, 1450, 50));
    assert_eq!((vxlan.port, vxlan.datapath, vxlan.fabric), (4789, Datapath::User, Fabric::L3));
    assert_eq!(vxlan.baseline.as_deref(), Some("plain-l3"));
    assert_eq!(vxlan.edges.len(), 4);
    let h1 = &vxlan.edges[0];
    assert_eq!(h1.vtep.unwrap().to_string(), "10.254.0.1");
    let peers: Vec<_> = h1.networks[0].peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["10.254.0.2", "10.254.0.3"], "hosts with VMs of red");
    assert_eq!((h1.networks[0].id, h1.networks[1].id), (864, 5001));
    assert_eq!(h1.networks[1].peers.len(), 1, "h4 only has VMs of blue");
    assert!(h1.networks.iter().all(|n| n.fdb.is_empty()), "flooding learns by itself");
    assert_eq!(vxlan.vm("blue", "vm2").unwrap().port, "v2-vm2");
}

#[test]
fn a_plain_path_carries_one_tenant_and_routes_its_vms() {
    let plan = two_tenants("");
    let plain_path = variant(&plan, "plain-l3");
    assert_eq!((plain_path.encap, plain_path.datapath), (Encap::None, Datapath::Kernel));
    assert_eq!(plain_path.tenants.len(), 1);
    assert_eq!(plain_path.tenants[0].name, "red");
    assert_eq!(plain_path.inner_mtu, 1500);
    let h1 = plain_path.nodes.iter().find(|n| n.name == "h1").unwrap();
    let port = h1.routes.iter().find(|r| r.device.is_some()).unwrap();
    assert_eq!(port.to.to_string(), "192.168.0.1/32");
    assert_eq!(port.device.as_deref(), Some("v1-vm1"));
    let leaf2 = plain_path.nodes.iter().find(|n| n.name == "leaf2").unwrap();
    let to_vm1 = leaf2.routes.iter().find(|r| r.to.to_string() == "192.168.0.1/32").unwrap();
    assert_eq!(to_vm1.via.len(), 2, "over both spines");
}

#[test]
fn an_l2_fabric_has_one_root_and_one_backup() {
    let plan = two_tenants("carrier: { encap: vlan }");
    let vlan = variant(&plan, "vlan");
    let priority = |name: &str| vlan.nodes.iter().find(|n| n.name == name).unwrap().stp_priority;
    assert_eq!(priority("spine1"), Some(4096));
    assert_eq!(priority("spine2"), Some(8192));
    assert_eq!(priority("leaf1"), Some(32768));
    assert_eq!(priority("h1"), None);
    assert!(vlan.nodes.iter().all(|n| n.routes.is_empty()));
    assert!(vlan.edges.iter().all(|e| e.vtep.is_none() && e.networks[0].peers.is_empty()));
    assert_eq!((vlan.inner_mtu, vlan.overhead, vlan.port), (1500, 4, 0));
    assert_eq!(vlan.edges[0].networks[0].id, 101);
}

#[test]
fn axes_are_crossed_and_named() {
    let plan = two_tenants("compare: { encap: [vlan, vxlan], mtu: [1500, 9000] }");
    assert_eq!(
        names(&plan),
        [
            "plain-l2-mtu1500",
            "vlan-mtu1500",
            "plain-l3-mtu1500",
            "vxlan-mtu1500",
            "plain-l2-mtu9000",
            "vlan-mtu9000",
            "plain-l3-mtu9000",
            "vxlan-mtu9000"
        ]
    );
    assert_eq!(variant(&plan, "vxlan-mtu9000").inner_mtu, 8950);
    assert_eq!(variant(&plan, "vxlan-mtu9000").baseline.as_deref(), Some("plain-l3-mtu9000"));

    let plan = two_tenants("compare: { encap: [vxlan], datapath: [auto, user, kernel] }");
    assert_eq!(names(&plan), ["plain-l3", "vxlan", "vxlan-kernel"], "auto is user");

    let plan = two_tenants("measure: { baseline: false }");
    assert_eq!(names(&plan), ["vxlan"]);
    assert_eq!(plan.variants[0].baseline, None);

    let plan = two_tenants("carrier: { encap: vxlan, datapath_on: { h3: kernel } }");
    assert_eq!(names(&plan), ["plain-l3", "vxlan-mixed"]);
    let datapaths: Vec<_> =
        variant(&plan, "vxlan-mixed").edges.iter().map(|e| e.datapath).collect();
    assert_eq!(datapaths[1..3], [Datapath::User, Datapath::Kernel]);
    assert!(variant(&plan, "plain-l3").edges.iter().all(|e| e.datapath == Datapath::Kernel));
}

#[test]
fn what_makes_no_difference_is_not_crossed() {
    let plan = two_tenants(
        "compare: { encap: [vlan, nvgre, vxlan], learning: [flood, multicast], nve_addresses: [1, 2],
                    source_ports: [1, 16] }
measure: { baseline: false }",
    );
    assert_eq!(
        names(&plan),
        [
            "vlan",
            "nvgre-flood-nve1",
            "nvgre-flood-nve2",
            "nvgre-multicast-nve1",
            "nvgre-multicast-nve2",
            "vxlan-flood-sport1",
            "vxlan-flood-sport16",
            "vxlan-multicast-sport1",
            "vxlan-multicast-sport16"
        ]
    );
}

#[test]
fn every_key_of_the_carrier_and_the_rate_can_be_compared() {
    let plan =
        two_tenants("compare: { encap: [vlan, vxlan], rate: [100M, 2.5G], offloads: [on, off] }");
    let of = |link: &str| ["plain-l2", "vlan", "plain-l3", "vxlan"].map(|s| format!("{s}-{link}"));
    let links = [
        "rate100M-offloads",
        "rate100M-no-offloads",
        "rate2500M-offloads",
        "rate2500M-no-offloads",
    ];
    assert_eq!(names(&plan), links.into_iter().flat_map(of).collect::<Vec<_>>());
    let slow = variant(&plan, "vxlan-rate100M-no-offloads");
    assert_eq!(slow.baseline.as_deref(), Some("plain-l3-rate100M-no-offloads"));
    for (name, rate, offloads) in [
        ("vxlan-rate100M-no-offloads", 100_000_000, false),
        ("plain-l3-rate2500M-offloads", 2_500_000_000, true),
        ("plain-l2-rate100M-no-offloads", 100_000_000, false),
    ] {
        let found = variant(&plan, name);
        assert!(found.links.iter().all(|l| l.rate == Some(rate)), "{name}");
        assert_eq!(found.offloads, offloads, "{name}");
    }

    let plan = two_tenants(
        "compare: { encap: [vlan, vxlan], underlay: [ipv4, ipv6], port: [4789, 8472] }",
    );
    let vxlan = [
        "plain-l3",
        "vxlan-ipv4-port4789",
        "vxlan-ipv4-port8472",
        "vxlan-ipv6-port4789",
        "vxlan-ipv6-port8472",
    ];
    assert_eq!(names(&plan)[..2], ["plain-l2", "vlan"]);
    assert_eq!(names(&plan)[2..], vxlan);
    let other = variant(&plan, "vxlan-ipv6-port8472");
    assert_eq!((other.port, other.inner_mtu, other.overhead), (8472, 1430, 70));

    let plan = two_tenants("compare: { encap: [vxlan, geneve], fabric: [auto, l2, l3] }");
    assert_eq!(
        names(&plan),
        ["plain-l3", "vxlan-l3", "plain-l2", "vxlan-l2", "geneve-l3", "geneve-l2"],
        "auto is l3 for tunnels"
    );
    assert_eq!(variant(&plan, "geneve-l2").baseline.as_deref(), Some("plain-l2"));
}

#[test]
fn compared_rates_keep_what_oversubscribes() {
    let text =
        format!("{TWO_TENANTS}compare: {{ rate: [1G, 10G] }}\nmeasure: {{ baseline: false }}");
    let wiring =
        "{ leaf-spine: { leaves: 2, spines: 2, hosts: 2, oversubscription: 2 }, rate: 4G }";
    let plan = plan(&lab(&text), &serde_yaml::from_str(wiring).unwrap()).unwrap();
    let rates = |name: &str| {
        let links = &variant(&plan, name).links;
        let rate = |link: &str| links.iter().find(|l| l.name == link).unwrap().rate.unwrap();
        (rate("h1-leaf1"), rate("leaf1-spine1"))
    };
    assert_eq!(rates("vxlan-rate1G"), (1_000_000_000, 500_000_000));
    assert_eq!(rates("vxlan-rate10G"), (10_000_000_000, 5_000_000_000));
}

#[test]
fn endpoints_have_the_addresses_that_the_lab_says() {
    let plan = two_tenants(
        "carrier: { encap: nvgre, vtep: { h3: 192.0.2.3 }, engine: { nve_addresses: 3 } }",
    );
    let nvgre = variant(&plan, "nvgre");
    let all: Vec<String> = nvgre.edges[2]
        .vtep
        .iter()
        .chain(&nvgre.edges[2].more_addresses)
        .map(ToString::to_string)
        .collect();
    assert_eq!(all, ["192.0.2.3", "10.254.0.7", "10.254.0.11"]);
    let leaf = nvgre.nodes.iter().find(|n| n.name == "leaf1").unwrap();
    let to_h3: Vec<_> =
        leaf.routes.iter().filter(|r| all.contains(&r.to.addr().to_string())).collect();
    assert_eq!(to_h3.len(), 3, "each address has a route of its own");
    assert!(to_h3.iter().all(|route| route.via.len() == 2));
    let peers: Vec<_> = nvgre.edges[0].networks[0].peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["10.254.0.2", "192.0.2.3"], "peers are known by their first address");
    assert!(variant(&plan, "plain-l3").edges.iter().all(|e| e.more_addresses.is_empty()));
}

#[test]
fn groups_are_the_tenants_own_or_follow_the_id() {
    let more = "carrier: { encap: geneve, learning: multicast }";
    let mut lab = lab(&format!("{TWO_TENANTS}{more}"));
    lab.tenants[1].group = Some("239.1.2.3".parse().unwrap());
    let plan = plan(&lab, &named_topology("two-racks")).unwrap();
    check(&plan);
    let groups: Vec<_> = variant(&plan, "geneve").edges[0]
        .networks
        .iter()
        .map(|n| n.group.unwrap().to_string())
        .collect();
    assert_eq!(groups, ["239.0.3.96", "239.1.2.3"]);
    let leaf = variant(&plan, "geneve").nodes.iter().find(|n| n.name == "leaf1").unwrap();
    assert_eq!(leaf.multicast.len(), 5, "a tree for each of 3 and 2 sources");
    assert!(variant(&plan, "plain-l3").nodes.iter().all(|n| n.multicast.is_empty()));
}

#[test]
fn expectations_of_what_is_not_there_are_refused() {
    let fault = |expect: &str| {
        let text = format!("{TWO_TENANTS}expect: [{expect}]");
        plan(&lab(&text), &named_topology("two-racks")).unwrap_err().to_string()
    };
    let said = fault("{ overhead: 50, variant: vxlna }");
    assert!(said.contains("`vxlna`") && said.contains("plain-l3, vxlan"), "{said}");
    let said = fault("{ spread: { links: [leaf1-spine1, leaf1-spine9], at-least: 0.1 } }");
    assert!(said.contains("`leaf1-spine9`"), "{said}");
}

#[test]
fn static_learning_fills_the_tables() {
    let plan = two_tenants("carrier: { encap: vxlan, learning: static }");
    let h2 = &variant(&plan, "vxlan").edges[1];
    let fdb: Vec<_> =
        h2.networks[0].fdb.iter().map(|(mac, vtep)| format!("{mac} {vtep}")).collect();
    assert_eq!(fdb, ["06:00:c0:a8:00:01 10.254.0.1", "06:00:c0:a8:00:03 10.254.0.3"]);
}

#[test]
fn flows_have_labels_of_their_own() {
    let plan = two_tenants("");
    let labels: Vec<_> = plan.flows.iter().map(|f| f.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "tcp red/vm1→red/vm3",
            "tcp x4 red/vm1→red/vm3",
            "tcp red/vm1→red/vm3 #2",
            "udp 64 B blue/vm1→blue/vm2"
        ]
    );
}

#[test]
fn the_underlay_shifts_out_of_the_tenants_way() {
    let plan = plan(
        &lab("{ title: t, topology: t, tenants: [
               { name: a, subnet: 10.255.0.0/16, vms: { vm1: h1, vm2: h2 } },
               { name: b, subnet: 10.254.1.0/24, vms: { vm1: h1, vm2: h2 } } ] }"),
        &named_topology("single-switch"),
    )
    .unwrap();
    check(&plan);
    assert_eq!(variant(&plan, "vxlan").edges[0].vtep.unwrap().to_string(), "10.252.0.1");
}

#[test]
fn a_plain_path_chosen_with_overlapping_tenants_is_refused_with_the_reason() {
    let overlapping = lab(&format!("{TWO_TENANTS}carrier: {{ encap: none }}"));
    let error = plan(&overlapping, &named_topology("two-racks")).unwrap_err().to_string();
    assert_eq!(
        error,
        "`encap: none` cannot carry red/vm1 and blue/vm1 together: both use 192.168.0.1, and nothing would keep them apart; use `vlan` or `vxlan`, or give the tenants different subnets"
    );
    let apart = format!("{TWO_TENANTS}carrier: {{ encap: none }}").replacen(
        "192.168.0.0/24",
        "192.168.1.0/24",
        1,
    );
    let plan = plan(&lab(&apart), &named_topology("two-racks")).unwrap();
    check(&plan);
    assert_eq!(names(&plan), ["plain-l3"]);
    assert_eq!(plan.variants[0].tenants.len(), 2, "all are carried");
}

#[test]
fn what_cannot_be_built_is_refused() {
    let fault = |more: &str| {
        let lab = lab(&format!("{TWO_TENANTS}{more}"));
        plan(&lab, &named_topology("two-racks")).unwrap_err().to_string()
    };
    assert!(fault("carrier: { encap: vlan, fabric: l3 }").contains("cannot cross routers"));
    let shared = fault("carrier: { encap: qinq }");
    assert!(shared.contains("red/vm2 on h2 and blue/vm2 on h4"), "{shared}");
    assert!(fault("compare: { mtu: [100] }").contains("leaves 50 bytes to an inner packet"));
    let mut big = lab(TWO_TENANTS);
    big.tenants[0].vms[0].mtu = Some(1500);
    let error = plan(&big, &named_topology("two-racks")).unwrap_err().to_string();
    assert!(error.contains("1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450"), "{error}");
}

#[test]
fn a_link_with_a_small_mtu_sets_what_fits() {
    let topology = topology(
        "{ hosts: [h1, h2], switches: [s1], links: [[h1, s1], { ends: [h2, s1], mtu: 1400, rate: 1G }] }",
    );
    let lab = lab("{ title: t, topology: t, tenants: [
        { name: a, subnet: 10.0.0.0/24, vms: { vm1: h1, vm2: h2 } } ] }");
    let plan = plan(&lab, &topology).unwrap();
    let vxlan = variant(&plan, "vxlan");
    assert_eq!((vxlan.underlay_mtu, vxlan.inner_mtu), (1400, 1350));
    assert_eq!(vxlan.links[1].rate, Some(1_000_000_000));
}

#[test]
fn a_thousand_hosts_are_planned_in_full() {
    let vms: Vec<_> = (1..=1000).map(|n| format!("vm{n}: h{n}")).collect();
    let lab = lab(&format!(
        "{{ title: t, topology: t, tenants: [
            {{ name: a, subnet: 10.0.0.0/16, vms: {{ {} }} }} ] }}",
        vms.join(", ")
    ));
    let topology = topology("leaf-spine: { leaves: 25, spines: 4, hosts: 40 }");
    let plan = plan(&lab, &topology).unwrap();
    let routes = |name: &str| -> usize {
        variant(&plan, name).nodes.iter().map(|node| node.routes.len()).sum()
    };
    // Each router knows each VTEP, each host one way out; the plain path also knows every VM.
    assert_eq!(routes("vxlan"), 29 * 1000 + 1000);
    assert_eq!(routes("plain-l3"), 29 * 2000 + 2000);
    assert!(variant(&plan, "vxlan").edges.iter().all(|e| e.networks[0].peers.len() == 999));
    assert!(print(&plan).contains("and 952 more"));
}

#[test]
fn the_printed_plan_shows_the_arithmetic() {
    let text = print(&two_tenants("compare: { encap: [vlan, vxlan] }"));
    assert!(
        text.contains("vxlan     1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450"),
        "{text}"
    );
    assert!(text.contains("10.254.0.1/32"), "{text}");
    assert!(text.contains("Expected time: about"), "{text}");
}

#[test]
fn an_ipv6_fabric_is_routed_as_an_ipv4_one_is() {
    let both = |more: &str| {
        variant(&two_tenants(&format!("carrier: {{ encap: vxlan{more} }}")), "vxlan").clone()
    };
    let (old, new) = (both(""), both(", underlay: ipv6"));
    assert_eq!((old.inner_mtu, new.inner_mtu), (1450, 1430));
    assert!(new.edges.iter().all(|edge| edge.vtep.unwrap().is_ipv6()));
    for (old, new) in old.nodes.iter().zip(&new.nodes) {
        assert_eq!(old.routes.len(), new.routes.len(), "{}", old.name);
        assert!(new.routes.iter().all(|route| route.to.addr().is_ipv6()));
    }
}

#[test]
fn point_to_point_tunnels_are_counted() {
    let tunnels = |encap: &str| {
        let plan = two_tenants(&format!("carrier: {{ encap: {encap} }}"));
        variant(&plan, encap).tunnels
    };
    // red is on three hosts, blue on two.
    assert_eq!((tunnels("gretap"), tunnels("gre"), tunnels("vxlan")), (3 + 1, 3 + 1, 0));
}

#[test]
fn vms_keep_the_underlays_mtu_where_the_edge_acts_on_what_is_too_large() {
    for mode in ["icmp", "fragment", "blackhole"] {
        let plan = two_tenants(&format!("carrier: {{ encap: nvgre, mtu_mode: {mode} }}"));
        assert!(plan.variants.iter().flat_map(Variant::vms).all(|vm| vm.mtu == 1500), "{mode}");
        assert_eq!(variant(&plan, "nvgre").inner_mtu, 1458);
    }
}

#[test]
fn a_host_can_disagree_about_an_id() {
    let yaml = TWO_TENANTS.replace("vni: 864,", "vni: 864, id_on: { h2: 99 },");
    let plan = plan(&lab(&yaml), &named_topology("two-racks")).unwrap();
    let edges = &variant(&plan, "vxlan").edges;
    assert_eq!(edges.iter().map(|e| e.networks[0].id).collect::<Vec<_>>()[..3], [864, 99, 864]);
}

#[test]
fn what_names_no_tenant_carries_one_and_6in4_its_ipv6() {
    let with = |tenants: &str, encap: &str| {
        let yaml = format!(
            "{{ title: t, topology: t, carrier: {{ encap: {encap} }}, tenants: [{tenants}] }}"
        );
        plan(&lab(&yaml), &named_topology("two-racks")).map_err(|e| e.to_string())
    };
    let red = "{ name: red, subnet: 10.0.0.0/24, subnet6: 'fd00::/64', vms: { a: h1, b: h3 } }";
    let blue = "{ name: blue, subnet: 10.0.1.0/24, vms: { a: h1, b: h3 } }";
    let of = |plan: &Plan, name: &str| {
        let vm = variant(plan, name).vms().next().unwrap().clone();
        (vm.address.to_string(), vm.address6.map(|net| net.to_string()))
    };
    let plan = with(red, "6in4").unwrap();
    check(&plan);
    assert_eq!(of(&plan, "6in4"), ("fd00::1/64".into(), None));
    assert_eq!(of(&plan, "plain-l3"), ("10.0.0.1/24".into(), None));
    let plan = with(red, "gre").unwrap();
    assert_eq!(of(&plan, "gre"), ("10.0.0.1/24".into(), Some("fd00::1/64".into())));
    assert_eq!(of(&with(red, "ipip").unwrap(), "ipip"), ("10.0.0.1/24".into(), None));
    assert!(with(blue, "6in4").unwrap_err().contains("has no `subnet6`"));
    assert!(
        with(&format!("{red}, {blue}"), "ipip").unwrap_err().contains("do not say which tenant")
    );
}
