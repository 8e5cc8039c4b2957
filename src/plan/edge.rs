//! What each host knows of the tenants: its ports, its peers, its table.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::axes::{Choice, resolve};
use super::graph::Graph;
use super::place::{Kind, Placed};
use super::{Edge, EdgeNetwork, SparePort};
use crate::ids::Encap;
use crate::lab::{IpVersion, Lab, Learning, in_groups};

/// Where a tenant is: its VMs at each host, by host number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presence {
    hosts: BTreeMap<usize, u64>,
    vms: u64,
}

impl Presence {
    /// VMs by the numbers of their hosts.
    pub(super) fn of(vms: impl IntoIterator<Item = usize>) -> Presence {
        let mut presence = Presence::default();
        for host in vms {
            *presence.hosts.entry(host).or_default() += 1;
            presence.vms += 1;
        }
        presence
    }

    /// Its hosts, each with the number of its VMs there.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (usize, u64)> + Clone {
        self.hosts.iter().map(|(&host, &vms)| (host, vms))
    }

    /// All its VMs.
    pub(super) fn vms(&self) -> u64 {
        self.vms
    }

    /// The other hosts it has VMs at: where a host's BUM frames are replicated to.
    pub(super) fn peers(&self, host: usize) -> impl Iterator<Item = usize> {
        self.hosts.keys().copied().filter(move |&other| other != host)
    }

    /// How many those are.
    pub(super) fn peer_count(&self, host: usize) -> u64 {
        self.hosts.len() as u64 - u64::from(self.hosts.contains_key(&host))
    }
}

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
    // Where each carried tenant is.
    let present: Vec<(usize, Presence)> = choice
        .tenants
        .iter()
        .map(|&t| {
            let vms = placed[t].iter();
            // Where a VM moves to, its network is there from the beginning.
            let hosts = vms.flat_map(|vm| vm.spare.iter().map(|(host, _)| *host).chain([vm.host]));
            (t, Presence::of(hosts.map(|host| numbers[host])))
        })
        .collect();

    let network = |host: usize, tenant: usize, present: &Presence| {
        let vms = &placed[tenant];
        let peers = present.peers(numbers[host]).map(|number| vteps[number][0]);
        let remote = vms.iter().filter(|vm| vm.host != host);
        let fdb = remote.map(|vm| (vm.mac.clone(), vteps[numbers[vm.host]][0]));
        EdgeNetwork {
            tenant: lab.tenants[tenant].name.clone(),
            id: *lab.tenants[tenant].id_on.get(&graph.nodes[host].name).unwrap_or(&ids[tenant]),
            ports: ports(vms, host),
            spare: vms.iter().filter_map(|vm| spare(vm, host)).collect(),
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
                .filter(|(_, present)| present.hosts.contains_key(&numbers[host]))
                .map(|(tenant, present)| network(host, *tenant, present))
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
                untagged: None,
                networks,
            })
        })
        .collect()
}

/// The port of a VM at a host that it moves to.
fn spare(vm: &Placed, host: usize) -> Option<SparePort> {
    let (_, port) = vm.spare.iter().find(|(at, _)| *at == host)?;
    Some(SparePort { vm: vm.name.clone(), port: port.clone() })
}

/// The ports of one tenant at a host; all machines of a segment are behind one.
fn ports(vms: &[Placed], host: usize) -> Vec<String> {
    let mut ports: Vec<String> = Vec::new();
    for vm in vms.iter().filter(|vm| vm.host == host) {
        if vm.kind == Kind::Vm || !ports.contains(&vm.port) {
            ports.push(vm.port.clone());
        }
    }
    ports
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
    fn every_other_host_of_a_tenant_is_a_peer() {
        let presence = Presence::of([3, 5, 3, 9]);
        assert_eq!(presence.hosts().collect::<Vec<_>>(), [(3, 2), (5, 1), (9, 1)]);
        for host in [3, 4, 9] {
            assert_eq!(presence.peers(host).count() as u64, presence.peer_count(host));
        }
        assert_eq!((presence.peer_count(3), presence.peer_count(4), presence.vms()), (2, 3, 4));
    }

    #[test]
    fn groups_follow_the_id() {
        assert_eq!(group(IpVersion::Ipv4, 864).to_string(), "239.0.3.96");
        assert_eq!(group(IpVersion::Ipv4, 0xFF_FFFF).to_string(), "239.255.255.255");
        assert_eq!(group(IpVersion::Ipv6, 0x01_0203).to_string(), "ff18::1:203");
    }
}
