//! Plans of random topologies and tenants: connected ones always come out whole, and nonsense is
//! refused without a panic.

use std::collections::BTreeMap;

use crate::support::{check, lab};
use overlab::ids::Encap;
use overlab::lab::{Datapath, Fabric, Lab, Learning, LinkSpec, Tenant, Topology, TopologyRef, Vm};
use overlab::plan::plan;
use proptest::prelude::*;

/// Switch names short and long, so that interface names must be shortened.
fn switch(index: usize) -> String {
    if index.is_multiple_of(2) {
        format!("s{index}")
    } else {
        format!("top-of-rack-switch-{index}")
    }
}

fn host(index: usize) -> String {
    if index.is_multiple_of(3) { format!("machine-of-rack-{index}") } else { format!("h{index}") }
}

fn wired(hosts: Vec<String>, switches: Vec<String>, links: Vec<[String; 2]>) -> Topology {
    Topology {
        hosts,
        switches,
        links: links.into_iter().map(LinkSpec::Ends).collect(),
        ..Topology::default()
    }
}

prop_compose! {
    /// A tree of switches with links added between any two (parallel ones too), and hosts with one
    /// or several uplinks, some joined to each other besides.
    fn connected()(
        parents in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        more in prop::collection::vec(any::<[prop::sample::Index; 2]>(), 0..9),
        hosts in prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 1..4), 1..12),
        cross in prop::collection::vec(any::<[prop::sample::Index; 2]>(), 0..3),
    ) -> Topology {
        let switches = parents.len() + 1;
        let mut links = Vec::new();
        for (child, parent) in parents.iter().enumerate() {
            links.push([switch(child + 1), switch(parent.index(child + 1))]);
        }
        for [a, b] in more.iter().map(|pair| pair.map(|end| end.index(switches))) {
            if a != b {
                links.push([switch(a), switch(b)]);
            }
        }
        for (number, uplinks) in hosts.iter().enumerate() {
            links.extend(uplinks.iter().map(|u| [host(number), switch(u.index(switches))]));
        }
        for [a, b] in cross.iter().map(|pair| pair.map(|end| end.index(hosts.len()))) {
            if a != b {
                links.push([host(a), host(b)]);
            }
        }
        wired((0..hosts.len()).map(host).collect(), (0..switches).map(switch).collect(), links)
    }
}

prop_compose! {
    /// Names from a small pool, so that many are missing, doubled or not connected.
    fn nonsense()(
        hosts in prop::collection::vec("[ab]{0,2}", 0..5),
        switches in prop::collection::vec("[bc]{0,2}", 0..5),
        links in prop::collection::vec(["[abc]{0,2}", "[abc]{0,2}"], 0..8),
        mtu in any::<u32>(),
    ) -> Topology {
        Topology { mtu, ..wired(hosts, switches, links) }
    }
}

fn tenants(hosts: Vec<String>) -> impl Strategy<Value = Vec<Tenant>> {
    let subnet = prop_oneof![
        Just("192.168.0.0/24"),
        Just("10.255.0.0/16"),
        Just("10.0.0.0/8"),
        Just("172.16.0.0/12")
    ];
    let vms = prop::collection::vec(prop::sample::select(hosts), 0..8);
    prop::collection::vec((subnet, vms), 1..4).prop_map(|tenants| {
        let tenant = |(index, (subnet, hosts)): (usize, (&str, Vec<String>))| Tenant {
            name: format!("tenant{index}"),
            count: None,
            spread: None,
            vid: None,
            vni: None,
            vsid: None,
            key: None,
            context: None,
            group: None,
            subnet: subnet.parse().unwrap(),
            subnet6: None,
            id_on: BTreeMap::new(),
            vms: hosts
                .into_iter()
                .enumerate()
                .map(|(vm, host)| Vm {
                    name: if vm % 2 == 0 { format!("vm{vm}") } else { format!("database-{vm}") },
                    host,
                    ip: None,
                    mac: None,
                    mtu: None,
                })
                .collect(),
        };
        tenants.into_iter().enumerate().map(tenant).collect()
    })
}

fn any_lab(topology: Topology) -> impl Strategy<Value = (Lab, Topology)> {
    let hosts =
        if topology.hosts.is_empty() { vec!["a".to_owned()] } else { topology.hosts.clone() };
    let encaps = prop::sample::subsequence(vec![Encap::Vlan, Encap::Vxlan], 1..=2);
    let datapaths = prop::sample::subsequence(vec![Datapath::User, Datapath::Kernel], 0..=2);
    let fabric = prop::sample::select(vec![Fabric::Auto, Fabric::L2]);
    let learning =
        prop::sample::select(vec![Learning::Flood, Learning::Static, Learning::Multicast]);
    (tenants(hosts), encaps, datapaths, fabric, learning, Just(topology)).prop_map(
        |(tenants, encaps, datapaths, fabric, learning, topology)| {
            let mut lab = lab("{ title: random, topology: t, tenants: [] }");
            lab.topology = TopologyRef::Inline(topology.clone());
            lab.tenants = tenants;
            lab.compare.encap = encaps;
            lab.compare.datapath = datapaths;
            lab.carrier.fabric = fabric;
            lab.carrier.learning = learning;
            (lab, topology)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn connected_topologies_come_out_whole((lab, topology) in connected().prop_flat_map(any_lab)) {
        let first = plan(&lab, &topology).unwrap();
        check(&first);
        prop_assert_eq!(first, plan(&lab, &topology).unwrap());
    }

    #[test]
    fn nonsense_is_refused_or_planned_whole((lab, topology) in nonsense().prop_flat_map(any_lab)) {
        match plan(&lab, &topology) {
            Ok(plan) => check(&plan),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
