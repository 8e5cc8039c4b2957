//! The kernel's own edges: tenants reach themselves and nobody else.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use overlab::datapath::kernel::attach;
use overlab::ids::Encap;
use overlab::lab::{Fabric, Learning};
use overlab::measure::Place;
use overlab::netns::{Netlink, Underlay, build, link, neighbour, ping};
use overlab::plan::{Node, Route, Variant};

use super::fixture::{ip, leaf_spine, two_hosts_on_a_switch, with_tenants, world};

pub const TESTS: &[(&str, fn())] = &[
    ("edges::vxlan_keeps_tenants_apart", vxlan_keeps_tenants_apart),
    ("edges::vxlan_with_static_tables", vxlan_with_static_tables),
    ("edges::plain_on_a_bridge", plain_on_a_bridge),
    ("edges::plain_on_routers", plain_on_routers),
    ("edges::vlan_works_or_says_what_is_missing", vlan_works_or_says_what_is_missing),
    ("edges::others_are_refused_as_unsupported", others_are_refused_as_unsupported),
];

const LIMIT: Duration = Duration::from_secs(30);
/// How long something that must come may take, and how long something that must not is waited for.
const ARRIVES: Duration = Duration::from_secs(10);
const STAYS_AWAY: Duration = Duration::from_millis(300);
const VTEPS: [Option<&str>; 2] = [Some("10.1.0.1"), Some("10.2.0.1")];

fn up(world: &overlab::netns::World, plan: &Variant) -> Underlay {
    let underlay = build(world, &[plan]).unwrap();
    underlay.ready(plan, LIMIT).unwrap();
    for edge in &plan.edges {
        attach(underlay.namespaces(), plan, edge).unwrap();
    }
    underlay
}

fn reaches(underlay: &Underlay, namespace: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    let (from, to) = (ip("192.168.0.1"), ip("192.168.0.2"));
    ping(underlay.namespaces(), namespace, from, to, deadline).unwrap()
}

/// Both tenants use the same addresses, so each VM's datagram must reach its own namesake.
fn own_tenant_only(underlay: &Underlay, variant: &str) {
    let socket = |vm: &str, address: &str| {
        underlay.within(&format!("{variant}.{vm}"), || UdpSocket::bind(address).unwrap()).unwrap()
    };
    let receivers = ["red.vm2", "blue.vm2"].map(|vm| socket(vm, "192.168.0.2:7"));
    let senders = ["red.vm1", "blue.vm1"].map(|vm| socket(vm, "192.168.0.1:0"));
    let mut bytes = [0; 64];
    for (at, sender) in senders.iter().enumerate() {
        sender.send_to(format!("tenant {at}").as_bytes(), "192.168.0.2:7").unwrap();
        receivers[at].set_read_timeout(Some(ARRIVES)).unwrap();
        let length = receivers[at].recv(&mut bytes).unwrap();
        assert_eq!(bytes[..length], *format!("tenant {at}").as_bytes());
        receivers[1 - at].set_read_timeout(Some(STAYS_AWAY)).unwrap();
        assert!(receivers[1 - at].recv(&mut bytes).is_err(), "a leak to the other tenant");
    }
}

fn vxlan_keeps_tenants_apart() {
    let world = world();
    let plan = with_tenants(leaf_spine("vx", Encap::Vxlan), VTEPS, 1450);
    let underlay = up(&world, &plan);
    assert!(reaches(&underlay, "vx.red.vm1") && reaches(&underlay, "vx.blue.vm1"));
    own_tenant_only(&underlay, "vx");
    let learned = underlay.tables(&plan).unwrap();
    assert!(learned["h1"] > 0, "{learned:?}");
    largest_packet_is_the_planned_one(&underlay);
}

/// A VM that believes in jumbo frames still gets no more through than what the arithmetic says,
/// because the VTEP does not fragment.
fn largest_packet_is_the_planned_one(underlay: &Underlay) {
    for vm in ["vx.red.vm1", "vx.red.vm2"] {
        let jumbo = || {
            let mut netlink = Netlink::open(vm)?;
            let eth0 = link::find(&mut netlink, "eth0")?.index;
            netlink.one(link::mtu(eth0, "eth0", 9000))
        };
        underlay.namespaces().inside(vm, jumbo).unwrap();
    }
    let socket = |vm: &str, address: &str| {
        underlay.within(vm, || UdpSocket::bind(address).unwrap()).unwrap()
    };
    let receiver = socket("vx.red.vm2", "192.168.0.2:8");
    let headers = 28;
    for (size, passes) in [(1451, false), (1454, false), (1450, true)] {
        let sender = socket("vx.red.vm1", "192.168.0.1:0");
        whole_without_df(&sender);
        sender.send_to(&vec![0; size - headers], "192.168.0.2:8").unwrap();
        receiver.set_read_timeout(Some(if passes { ARRIVES } else { STAYS_AWAY })).unwrap();
        let arrived = receiver.recv(&mut [0; 9000]).is_ok();
        assert_eq!(arrived, passes, "an IP packet of {size} bytes");
    }
}

fn vxlan_with_static_tables() {
    let world = world();
    let mut plan = with_tenants(leaf_spine("st", Encap::Vxlan), VTEPS, 1450);
    plan.learning = Learning::Static;
    for (at, edge) in plan.edges.iter_mut().enumerate() {
        for network in &mut edge.networks {
            let mac = plan.tenants[0].vms[1 - at].mac.clone();
            network.fdb = vec![(mac, ip(VTEPS[1 - at].unwrap()))];
        }
    }
    let underlay = up(&world, &plan);
    assert!(reaches(&underlay, "st.red.vm1") && reaches(&underlay, "st.blue.vm1"));
    own_tenant_only(&underlay, "st");
    // A MAC that nobody planned goes nowhere.
    let before = underlay.link_counters(&plan).unwrap()[0][0].tx_packets;
    let unknown = plan.tenants[0].vms[1].mac.replace("aa", "ab");
    underlay
        .namespaces()
        .inside("st.red.vm1", || {
            let mut netlink = Netlink::open("st.red.vm1")?;
            let eth0 = link::find(&mut netlink, "eth0")?.index;
            let mac = link::parse_mac(&unknown)?;
            netlink.one(neighbour(eth0, "eth0", ip("192.168.0.9"), mac))
        })
        .unwrap();
    let sender = underlay.within("st.red.vm1", || UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
    for _ in 0..50 {
        sender.send_to(b"to nobody", "192.168.0.9:9").unwrap();
    }
    let sent = underlay.link_counters(&plan).unwrap()[0][0].tx_packets - before;
    assert!(sent < 25, "{sent} packets of 50 were flooded");
}

/// Sends packets whole and without DF, whatever ICMP says of the path: what is too big could
/// still pass if the VTEP split its own packets.
fn whole_without_df(socket: &UdpSocket) {
    let mode: libc::c_int = libc::IP_PMTUDISC_INTERFACE;
    // SAFETY: the option is an int that lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const mode).cast(),
            4,
        )
    };
    assert_eq!(done, 0);
}

/// The plain path has one tenant: nothing would keep two apart.
fn one_tenant(mut plan: Variant) -> Variant {
    plan.tenants.truncate(1);
    for edge in &mut plan.edges {
        edge.networks.truncate(1);
    }
    plan
}

fn plain_on_a_bridge() {
    let world = world();
    let plan = one_tenant(with_tenants(two_hosts_on_a_switch("p2", Encap::None), [None; 2], 1500));
    let underlay = up(&world, &plan);
    assert!(reaches(&underlay, "p2.red.vm1"));
    let both = with_tenants(two_hosts_on_a_switch("p2", Encap::None), [None; 2], 1500);
    let error = attach(underlay.namespaces(), &both, &both.edges[0]).unwrap_err();
    assert!(error.to_string().contains("keeps none apart"), "{error}");
}

fn plain_on_routers() {
    let world = world();
    let mut plan = one_tenant(with_tenants(leaf_spine("p3", Encap::None), [None; 2], 1500));
    let vms = ["192.168.0.1/32", "192.168.0.2/32"];
    let route = |to: &str, via: &[&str], device: Option<&str>| Route {
        to: to.parse().unwrap(),
        via: via.iter().map(|gateway| ip(gateway)).collect(),
        device: device.map(str::to_owned),
    };
    let mut add = |name: &str, first: Route, second: Route| {
        let node: &mut Node = plan.nodes.iter_mut().find(|node| node.name == name).unwrap();
        node.routes.extend([first, second]);
    };
    add("h1", route(vms[0], &[], Some("red-vm1")), route(vms[1], &["10.1.0.254"], None));
    add("h2", route(vms[0], &["10.2.0.254"], None), route(vms[1], &[], Some("red-vm2")));
    add(
        "leaf1",
        route(vms[0], &["10.1.0.1"], None),
        route(vms[1], &["10.9.11.2", "10.9.12.2"], None),
    );
    add(
        "leaf2",
        route(vms[0], &["10.9.21.2", "10.9.22.2"], None),
        route(vms[1], &["10.2.0.1"], None),
    );
    add("spine1", route(vms[0], &["10.9.11.1"], None), route(vms[1], &["10.9.21.1"], None));
    add("spine2", route(vms[0], &["10.9.12.1"], None), route(vms[1], &["10.9.22.1"], None));
    assert_eq!(plan.fabric, Fabric::L3);
    let begun = Instant::now();
    let underlay = up(&world, &plan);
    assert!(reaches(&underlay, "p3.red.vm1"));
    println!("reached after {:.2?}", begun.elapsed());
}

fn vlan_works_or_says_what_is_missing() {
    let world = world();
    let plan = with_tenants(two_hosts_on_a_switch("vl", Encap::Vlan), [None; 2], 1500);
    let underlay = build(&world, &[&plan]).unwrap();
    underlay.ready(&plan, LIMIT).unwrap();
    match attach(underlay.namespaces(), &plan, &plan.edges[0]) {
        Ok(()) => {
            attach(underlay.namespaces(), &plan, &plan.edges[1]).unwrap();
            assert!(reaches(&underlay, "vl.red.vm1") && reaches(&underlay, "vl.blue.vm1"));
            own_tenant_only(&underlay, "vl");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(error.is_unsupported() && text.contains("modprobe 8021q"), "{text}");
            println!("this kernel has no 8021q");
        }
    }
}

fn others_are_refused_as_unsupported() {
    let world = world();
    let plan = with_tenants(leaf_spine("g", Encap::Stt), VTEPS, 1400);
    let underlay = build(&world, &[&plan]).unwrap();
    let error = attach(underlay.namespaces(), &plan, &plan.edges[0]).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("stt"), "{error}");
}
