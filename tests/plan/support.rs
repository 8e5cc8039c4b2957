//! Reading labs without the reader, and the invariants of every plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::net::IpAddr;

use ipnet::IpNet;
use overlab::ids::Encap;
use overlab::lab::{Fabric, Lab, MtuMode, Topology};
use overlab::plan::{Node, Plan, Variant};
use serde_yaml::{Mapping, Value};

pub fn topology(yaml: &str) -> Topology {
    serde_yaml::from_str(yaml).unwrap()
}

pub fn named_topology(name: &str) -> Topology {
    topology(&fs::read_to_string(format!("topologies/{name}.yaml")).unwrap())
}

/// A lab from YAML, with `vms` as the map that files have.
pub fn lab(yaml: &str) -> Lab {
    let mut value: Value = serde_yaml::from_str(yaml).unwrap();
    for tenant in value["tenants"].as_sequence_mut().unwrap() {
        let vms = tenant["vms"].as_mapping().unwrap().clone();
        let list = vms.into_iter().map(|(name, rest)| {
            let mut vm = match rest {
                Value::Mapping(more) => more,
                host => Mapping::from_iter([("host".into(), host)]),
            };
            vm.insert("name".into(), name);
            Value::Mapping(vm)
        });
        tenant["vms"] = Value::Sequence(list.collect());
    }
    for flow in value.get_mut("traffic").and_then(Value::as_sequence_mut).into_iter().flatten() {
        for flow in flow.as_mapping_mut().unwrap().values_mut() {
            if let Some(size) = flow.get("size").and_then(Value::as_u64) {
                flow["size"] = size.to_string().into();
            }
        }
    }
    // By way of JSON, since serde_yaml wants enums as YAML tags.
    serde_json::from_value(serde_json::to_value(value).unwrap())
        .unwrap_or_else(|error| panic!("{error} in\n{yaml}"))
}

/// The labs in `labs/` with their topologies.
pub fn shipped() -> Vec<(String, Lab, Topology)> {
    let mut labs: Vec<_> = fs::read_dir("labs")
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let read = overlab::lab::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), read.lab, read.topology)
        })
        .collect();
    labs.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(labs.len() >= 4);
    labs
}

/// All that must hold in any plan.
pub fn check(plan: &Plan) {
    let mut names = BTreeSet::new();
    for variant in &plan.variants {
        assert!(names.insert(&variant.name), "variant {} twice", variant.name);
        if let Some(baseline) = &variant.baseline {
            let baseline = plan.variants.iter().find(|v| v.name == *baseline).unwrap();
            assert_eq!((baseline.encap, baseline.fabric), (Encap::None, variant.fabric));
            assert_eq!(baseline.underlay_mtu, variant.underlay_mtu);
        }
        check_names(variant);
        check_addresses(variant);
        check_peers(variant);
        check_paths(variant);
        for vm in variant.vms() {
            assert!(vm.mtu <= variant.inner_mtu || variant.mtu_mode != MtuMode::Lower);
        }
    }
    let labels: BTreeSet<_> = plan.flows.iter().map(|f| &f.label).collect();
    assert_eq!(labels.len(), plan.flows.len());
}

fn check_names(variant: &Variant) {
    let mut interfaces = BTreeSet::new();
    let ends = variant.links.iter().flat_map(|l| &l.ends).map(|e| (&e.node, &e.interface));
    // Machines of one segment are behind one port.
    let vms = variant.vms().filter(|vm| variant.segment_of(vm).is_none());
    let routers = variant.routers.iter().flat_map(|r| r.ports.iter().map(|p| (&r.host, &p.port)));
    let segments = variant.segments.iter();
    let patches = segments.flat_map(|s| s.patch.iter().map(|port| (&s.gateway, port)));
    let ports = vms.map(|vm| (&vm.host, &vm.port)).chain(routers).chain(patches);
    for (node, interface) in ends.chain(ports) {
        assert!(!interface.is_empty() && interface.len() <= 15, "{interface}");
        assert!(interfaces.insert((node, interface)), "{interface} twice in {node}");
    }
    let links: BTreeSet<_> = variant.links.iter().map(|l| &l.name).collect();
    assert_eq!(links.len(), variant.links.len());
    let nodes = variant.nodes.iter().map(|n| &n.name).chain(variant.vms().map(|vm| &vm.node));
    let mut unique = BTreeSet::new();
    for node in nodes {
        assert!(unique.insert(node), "namespace {node} twice");
    }
    for edge in &variant.edges {
        let nic = |e: &overlab::plan::LinkEnd| e.node == edge.host && e.interface == edge.nic;
        assert!(variant.links.iter().flat_map(|l| &l.ends).any(nic), "{} has no NIC", edge.host);
    }
}

fn check_addresses(variant: &Variant) {
    let mut macs = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    let ends = || variant.links.iter().flat_map(|l| &l.ends);
    for end in ends() {
        assert!(macs.insert(&end.mac), "MAC {} twice", end.mac);
    }
    assert!(variant.vms().all(|vm| !macs.contains(&vm.mac)), "a VM has an underlay MAC");
    let loopbacks = variant.nodes.iter().flat_map(|n| &n.loopback);
    for address in ends().flat_map(|e| &e.addresses).chain(loopbacks) {
        assert!(addresses.insert(address.addr()), "address {address} twice");
        for vm in variant.vms() {
            let subnet = vm.address.trunc();
            let underlay = address.trunc();
            assert!(!subnet.contains(&underlay) && !underlay.contains(&subnet), "{address}");
        }
    }
    for tenant in &variant.tenants {
        let inner: BTreeSet<_> = tenant.vms.iter().map(|vm| vm.address.addr()).collect();
        assert_eq!(inner.len(), tenant.vms.len());
    }
    let ids: BTreeSet<_> = variant.tenants.iter().map(|t| t.id).collect();
    // The plain path and SSH, whose connections are the networks, write no id.
    let no_ids = matches!(variant.encap, Encap::None | Encap::Ssh);
    assert!(ids.len() == variant.tenants.len() || no_ids);
}

fn check_peers(variant: &Variant) {
    let tunnel = variant.encap != Encap::None && !variant.encap.is_tag();
    let mut peers: HashMap<(&str, IpAddr), BTreeSet<IpAddr>> = HashMap::new();
    for edge in &variant.edges {
        assert_eq!(edge.vtep.is_some(), tunnel);
        for network in &edge.networks {
            if let Some(vtep) = edge.vtep {
                let all = network.peers.iter().copied().collect();
                peers.insert((&network.tenant, vtep), all);
            }
        }
    }
    for ((tenant, vtep), theirs) in &peers {
        assert!(!theirs.contains(vtep), "a VTEP is its own peer");
        for peer in theirs {
            assert!(peers[&(*tenant, *peer)].contains(vtep), "{peer} does not know {vtep}");
        }
        let others = peers.keys().filter(|(t, v)| t == tenant && v != vtep).count();
        assert_eq!(others, theirs.len(), "every host of the tenant is a peer");
    }
    for tenant in &variant.tenants {
        let ports = variant
            .edges
            .iter()
            .flat_map(|e| e.networks.iter().filter(|n| n.tenant == tenant.name))
            .flat_map(|n| &n.ports);
        // Machines of a segment share their gateway's port, and routers have ports too.
        let vms: BTreeSet<_> = tenant.vms.iter().map(|vm| (&vm.host, &vm.port)).collect();
        let routers = variant.routers.iter().flat_map(|router| &router.ports);
        let routers = routers.filter(|port| port.tenant == tenant.name).count();
        assert_eq!(ports.count(), vms.len() + routers, "every VM has a port at one edge");
    }
}

/// Every pair of VMs of a tenant: the hosts reach each other over every way that routes offer.
fn check_paths(variant: &Variant) {
    if variant.fabric == Fabric::L2 {
        return check_broadcast_domain(variant);
    }
    let walker = Walker::new(variant);
    let mut done = BTreeSet::new();
    for tenant in &variant.tenants {
        for from in &tenant.vms {
            for to in tenant.vms.iter().filter(|to| to.host != from.host) {
                let target = if variant.encap == Encap::None {
                    to.address.addr()
                } else {
                    variant.edges.iter().find(|e| e.host == to.host).unwrap().vtep.unwrap()
                };
                if done.insert((&from.host, target)) {
                    walker.walk(&from.host, target, &to.host, 0);
                }
            }
        }
    }
}

fn check_broadcast_domain(variant: &Variant) {
    let mut domain: BTreeSet<&str> =
        variant.edges.iter().take(1).map(|e| e.host.as_str()).collect();
    loop {
        let size = domain.len();
        for link in &variant.links {
            let [a, b] = link.ends.each_ref();
            let bridged = |e: &overlab::plan::LinkEnd| {
                !variant
                    .nodes
                    .iter()
                    .any(|n| n.name == e.node && n.kind == overlab::plan::NodeKind::Host)
                    || e.interface == "eth0"
            };
            let reached = [a, b].iter().any(|e| domain.contains(e.node.as_str()));
            if bridged(a) && bridged(b) && reached {
                domain.extend([a.node.as_str(), b.node.as_str()]);
            }
        }
        if domain.len() == size {
            break;
        }
    }
    assert!(variant.edges.iter().all(|e| domain.contains(e.host.as_str())));
}

/// Forwards as routers do: longest prefix first, then every next hop in turn.
struct Walker<'a> {
    nodes: BTreeMap<&'a str, &'a Node>,
    neighbours: BTreeMap<(&'a str, IpAddr), &'a str>,
}

impl<'a> Walker<'a> {
    fn new(variant: &'a Variant) -> Self {
        let mut neighbours = BTreeMap::new();
        for link in &variant.links {
            for (here, there) in [(0, 1), (1, 0)] {
                let [here, there] = [&link.ends[here], &link.ends[there]];
                for address in &there.addresses {
                    assert!(here.addresses.iter().any(|own| own.contains(&address.addr())));
                    neighbours.insert((here.node.as_str(), address.addr()), there.node.as_str());
                }
            }
        }
        let nodes = variant.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        Walker { nodes, neighbours }
    }

    fn walk(&self, at: &str, target: IpAddr, goal: &str, hops: usize) {
        assert!(hops <= self.nodes.len(), "a loop on the way to {target}, at {at}");
        let node = self.nodes[at];
        let covers = |net: &&IpNet| net.contains(&target);
        if node.loopback.iter().find(covers).is_some() {
            assert_eq!(at, goal);
            return;
        }
        let route = node
            .routes
            .iter()
            .filter(|r| r.to.contains(&target))
            .max_by_key(|r| r.to.prefix_len())
            .unwrap_or_else(|| panic!("{at} has no route to {target}"));
        if route.device.is_some() {
            assert_eq!(at, goal);
            return;
        }
        assert!(!route.via.is_empty());
        for gateway in &route.via {
            let next = self.neighbours[&(at, *gateway)];
            self.walk(next, target, goal, hops + 1);
        }
    }
}
