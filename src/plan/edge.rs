//! What each host knows of the tenants: its ports, its peers, its table.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::axes::{Choice, resolve};
use super::graph::Graph;
use super::place::Placed;
use super::{Edge, EdgeNetwork};
use crate::ids::Encap;
use crate::lab::{Lab, Learning};

/// The edges of all hosts with VMs of the carried tenants, in host order.
///
/// `vteps[host]` is where tunnels to a host end, by host number; `ids` are the tenants'.
pub(super) fn edges(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    placed: &[Vec<Placed>],
    ids: &[u64],
    vteps: &[IpAddr],
) -> Vec<Edge> {
    let tunnel = !choice.encap.is_tag() && choice.encap != Encap::None;
    let fill = tunnel && lab.carrier.learning == Learning::Static;
    let numbers = graph.host_numbers();
    // Hosts of each carried tenant, as host numbers.
    let present: Vec<(usize, BTreeSet<usize>)> = choice
        .tenants
        .iter()
        .map(|&tenant| (tenant, placed[tenant].iter().map(|vm| numbers[vm.host]).collect()))
        .collect();

    let network = |host: usize, tenant: usize, hosts: &BTreeSet<usize>| {
        let vms = &placed[tenant];
        let away = |number: &&usize| **number != numbers[host];
        let peers = hosts.iter().filter(away).map(|&number| vteps[number]);
        let remote = vms.iter().filter(|vm| vm.host != host);
        let fdb = remote.map(|vm| (vm.mac.clone(), vteps[numbers[vm.host]]));
        EdgeNetwork {
            tenant: lab.tenants[tenant].name.clone(),
            id: ids[tenant],
            ports: vms.iter().filter(|vm| vm.host == host).map(|vm| vm.port.clone()).collect(),
            peers: if tunnel { peers.collect() } else { Vec::new() },
            fdb: if fill { fdb.collect() } else { Vec::new() },
        }
    };
    graph
        .hosts()
        .filter_map(|host| {
            let networks: Vec<EdgeNetwork> = present
                .iter()
                .filter(|(_, hosts)| hosts.contains(&numbers[host]))
                .map(|(tenant, hosts)| network(host, *tenant, hosts))
                .collect();
            let name = &graph.nodes[host].name;
            let datapath = match lab.carrier.datapath_on.get(name) {
                Some(&other) => resolve(other, choice.encap),
                None => choice.datapath,
            };
            (!networks.is_empty()).then(|| Edge {
                host: name.clone(),
                datapath,
                nic: "eth0".to_owned(),
                vtep: tunnel.then(|| vteps[numbers[host]]),
                networks,
            })
        })
        .collect()
}
