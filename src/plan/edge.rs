//! What each host knows of the tenants: its ports, its peers, its table.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::axes::{Choice, resolve};
use super::graph::Graph;
use super::place::Placed;
use super::{Edge, EdgeNetwork};
use crate::ids::Encap;
use crate::lab::{IpVersion, Lab, Learning, in_groups};

/// The edges of all hosts with VMs of the carried tenants, in host order.
///
/// `vteps[host]` is where tunnels to a host end, the first address first, by host number; `ids`
/// are the tenants'.
pub(super) fn edges(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    placed: &[Vec<Placed>],
    ids: &[u64],
    vteps: &[Vec<IpAddr>],
) -> Vec<Edge> {
    let tunnel = !choice.encap.is_tag() && choice.encap != Encap::None;
    let fill = tunnel && choice.carrier.learning == Learning::Static;
    let multicast = in_groups(choice.encap) && choice.carrier.learning == Learning::Multicast;
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
        let peers = hosts.iter().filter(away).map(|&number| vteps[number][0]);
        let remote = vms.iter().filter(|vm| vm.host != host);
        let fdb = remote.map(|vm| (vm.mac.clone(), vteps[numbers[vm.host]][0]));
        EdgeNetwork {
            tenant: lab.tenants[tenant].name.clone(),
            id: *lab.tenants[tenant].id_on.get(&graph.nodes[host].name).unwrap_or(&ids[tenant]),
            ports: vms.iter().filter(|vm| vm.host == host).map(|vm| vm.port.clone()).collect(),
            group: multicast.then(|| {
                let written = lab.tenants[tenant].group;
                written.unwrap_or_else(|| group(choice.underlay, ids[tenant]))
            }),
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
                vtep: tunnel.then(|| vteps[numbers[host]][0]),
                more_addresses: if tunnel {
                    vteps[numbers[host]][1..].to_vec()
                } else {
                    Vec::new()
                },
                networks,
            })
        })
        .collect()
}

/// The group of a tenant's BUM frames: organisation-local scope (RFC 2365 section 6.2, RFC 4291
/// section 2.7), the lower 24 bits of the id behind it.
fn group(version: IpVersion, id: u64) -> IpAddr {
    let [.., a, b, c] = id.to_be_bytes();
    match version {
        IpVersion::Ipv4 => Ipv4Addr::new(239, a, b, c).into(),
        IpVersion::Ipv6 => {
            let low = u16::from_be_bytes([b, c]);
            Ipv6Addr::new(0xFF18, 0, 0, 0, 0, 0, a.into(), low).into()
        }
    }
}

/// Point-to-point tunnels between the hosts of each carried tenant: n hosts need n (n - 1) / 2.
pub(super) fn tunnels(edges: &[Edge]) -> u64 {
    let ends: usize = edges.iter().flat_map(|edge| &edge.networks).map(|n| n.peers.len()).sum();
    ends as u64 / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_the_id() {
        assert_eq!(group(IpVersion::Ipv4, 864).to_string(), "239.0.3.96");
        assert_eq!(group(IpVersion::Ipv4, 0xFF_FFFF).to_string(), "239.255.255.255");
        assert_eq!(group(IpVersion::Ipv6, 0x01_0203).to_string(), "ff18::1:203");
    }
}
