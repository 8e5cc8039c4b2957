//! Plans small enough to read.

use std::net::IpAddr;

use overlab::ids::Encap;
use overlab::lab::{
    Datapath, Ecmp, EngineSettings, Fabric, Impaired, IpVersion, Learning, MtuMode,
};
use overlab::measure::Place;
use overlab::netns::{World, enter};
use overlab::plan::{
    Edge, EdgeNetwork, Link, LinkEnd, Node, NodeKind, Route, TenantPlan, Variant, VmPlan,
};

pub fn world() -> World {
    let world = enter().unwrap_or_else(|error| panic!("{error}"));
    let role = std::env::var("OVERLAB_TEST_ROLE").unwrap();
    assert!(role == "self" || world.rootless() == (role == "user"));
    world
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn node(name: &str, kind: NodeKind, routes: &[(&str, &[&str], Option<&str>)]) -> Node {
    let routes = routes
        .iter()
        .map(|(to, via, device)| Route {
            to: to.parse().unwrap(),
            via: via.iter().map(|gateway| ip(gateway)).collect(),
            device: device.map(str::to_owned),
        })
        .collect();
    Node {
        name: name.into(),
        kind,
        mac_table: None,
        vlan_learning: None,
        stp_priority: None,
        routes,
        loopback: vec![],
        multicast: vec![],
    }
}

/// `node interface address`; the address may be left out.
pub fn link(number: u8, a: &str, b: &str) -> Link {
    let end = |text: &str, side: u8| {
        let words: Vec<&str> = text.split(' ').collect();
        LinkEnd {
            node: words[0].into(),
            interface: words[1].into(),
            mac: format!("02:00:00:00:{number:02x}:{side:02x}"),
            addresses: words.get(2).map(|net| net.parse().unwrap()).into_iter().collect(),
            vlans: None,
            mac_limit: None,
        }
    };
    let ends = [end(a, 1), end(b, 2)];
    let name = format!("{}-{}", ends[0].node, ends[1].node);
    Link { name, ends, mtu: 1500, rate: None, impaired: Impaired::default(), seed: 0 }
}

pub fn vm(name: &str, tenant: &str, host: &str, address: &str, mtu: u32) -> VmPlan {
    let last = address.split(['.', '/']).nth(3).unwrap();
    VmPlan {
        name: name.into(),
        tenant: tenant.into(),
        host: host.into(),
        node: format!("{tenant}.{name}"),
        port: format!("{tenant}-{name}"),
        address: address.parse().unwrap(),
        address6: None,
        mac: format!("02:aa:00:00:00:{:02x}", last.parse::<u8>().unwrap()),
        mtu,
    }
}

pub fn variant(name: &str, encap: Encap, fabric: Fabric) -> Variant {
    Variant {
        name: name.into(),
        encap,
        datapath: Datapath::Kernel,
        fabric,
        learning: Learning::Flood,
        port: 4789,
        offloads: true,
        stp: true,
        underlay: IpVersion::default(),
        mtu_mode: MtuMode::default(),
        engine: EngineSettings::default(),
        ecmp: Ecmp::default(),
        tunnels: 0,
        refused: None,
        baseline: None,
        underlay_mtu: 1500,
        inner_mtu: 1450,
        overhead: 50,
        nodes: vec![],
        links: vec![],
        tenants: vec![],
        edges: vec![],
        routers: vec![],
        segments: vec![],
    }
}

/// Two hosts under one switch, with underlay addresses .1 and .2 in 10.0.0.0/24.
pub fn two_hosts_on_a_switch(name: &str, encap: Encap) -> Variant {
    Variant {
        nodes: vec![
            node("h1", NodeKind::Host, &[]),
            node("h2", NodeKind::Host, &[]),
            node("tor", NodeKind::Switch, &[]),
        ],
        links: vec![
            link(1, "h1 nic 10.0.0.1/24", "tor p1"),
            link(2, "h2 nic 10.0.0.2/24", "tor p2"),
        ],
        ..variant(name, encap, Fabric::L2)
    }
}

/// Two hosts, each under its leaf, two spines between the leaves.
pub fn leaf_spine(name: &str, encap: Encap) -> Variant {
    let leaf = |own: &str, other: &str, spines: [&str; 2]| {
        node(own, NodeKind::Router, &[(other, &spines, None)])
    };
    let spine = |name: &str, to: [&str; 2]| {
        let routes: [(&str, &[&str], _); 2] =
            [("10.1.0.0/24", &[to[0]], None), ("10.2.0.0/24", &[to[1]], None)];
        node(name, NodeKind::Router, &routes)
    };
    Variant {
        nodes: vec![
            node("h1", NodeKind::Host, &[("10.0.0.0/8", &["10.1.0.254"], None)]),
            node("h2", NodeKind::Host, &[("10.0.0.0/8", &["10.2.0.254"], None)]),
            leaf("leaf1", "10.2.0.0/24", ["10.9.11.2", "10.9.12.2"]),
            leaf("leaf2", "10.1.0.0/24", ["10.9.21.2", "10.9.22.2"]),
            spine("spine1", ["10.9.11.1", "10.9.21.1"]),
            spine("spine2", ["10.9.12.1", "10.9.22.1"]),
        ],
        links: vec![
            link(1, "h1 nic 10.1.0.1/24", "leaf1 h1 10.1.0.254/24"),
            link(2, "h2 nic 10.2.0.1/24", "leaf2 h2 10.2.0.254/24"),
            link(3, "leaf1 s1 10.9.11.1/30", "spine1 l1 10.9.11.2/30"),
            link(4, "leaf1 s2 10.9.12.1/30", "spine2 l1 10.9.12.2/30"),
            link(5, "leaf2 s1 10.9.21.1/30", "spine1 l2 10.9.21.2/30"),
            link(6, "leaf2 s2 10.9.22.1/30", "spine2 l2 10.9.22.2/30"),
        ],
        ..variant(name, encap, Fabric::L3)
    }
}

/// Two tenants with equal subnets, addresses and MACs, a VM on either host.
pub fn with_tenants(mut variant: Variant, vteps: [Option<&str>; 2], mtu: u32) -> Variant {
    let tenants = ["red", "blue"];
    for (at, tenant) in tenants.iter().enumerate() {
        variant.tenants.push(TenantPlan {
            name: (*tenant).into(),
            id: 101 + at as u64,
            vms: vec![
                vm("vm1", tenant, "h1", "192.168.0.1/24", mtu),
                vm("vm2", tenant, "h2", "192.168.0.2/24", mtu),
            ],
        });
    }
    for (at, host) in ["h1", "h2"].iter().enumerate() {
        let networks = variant
            .tenants
            .iter()
            .map(|tenant| EdgeNetwork {
                tenant: tenant.name.clone(),
                id: tenant.id,
                ports: vec![tenant.vms[at].port.clone()],
                spare: Vec::new(),
                peers: vteps[1 - at].iter().map(|vtep| ip(vtep)).collect(),
                group: None,
                fdb: vec![],
            })
            .collect();
        variant.edges.push(Edge {
            more_addresses: vec![],
            host: (*host).into(),
            datapath: Datapath::Kernel,
            nic: "nic".into(),
            vtep: vteps[at].map(ip),
            untagged: None,
            networks,
        });
    }
    variant
}

/// The interface names in a namespace, read the plainest way there is.
pub fn interfaces(place: &impl Place, namespace: &str) -> Vec<String> {
    place
        .within(namespace, || {
            nix::net::if_::if_nameindex()
                .unwrap()
                .iter()
                .map(|interface| interface.name().to_str().unwrap().to_owned())
                .collect()
        })
        .unwrap()
}
