//! A variant's tenants over SSH: a tunnel for each tenant between each two of its hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{End, Error, Mode, Tunnel, Tunnels};
use crate::lab::Learning;
use crate::netns::link::{self, parse_mac};
use crate::netns::{Namespaces, Netlink, fdb_static};
use crate::plan::{Edge, EdgeNetwork, Variant};

/// MAC ageing of edge bridges in seconds, 802.1D's default.
const AGEING: u32 = 300;

/// The interfaces of one tenant at one host, by the peer they lead to.
type Ways = BTreeMap<IpAddr, u16>;

/// Joins the VMs' ports of every edge of a variant by tunnels. The namespaces must have been built
/// by [`crate::netns::build`]; whoever comes first of two hosts in [`Variant::edges`] is the client.
///
/// At each host a bridge for each tenant joins its ports and its tunnels. Frames that came out of a
/// tunnel go into no other one: each host reaches each other one directly.
///
/// # Errors
/// As [`Tunnels::start`]; [`Error::Plan`] where an edge has no VTEP or a peer is none of the edges.
pub fn attach(namespaces: &Namespaces, variant: &Variant) -> Result<Tunnels, Error> {
    let (tunnels, ways) = draft(variant)?;
    let tunnels = Tunnels::start(namespaces, tunnels, variant.inner_mtu)?;
    for ((edge, network), ways) in networks(variant).zip(&ways) {
        let number = edge.networks.iter().position(|other| std::ptr::eq(other, network));
        bridge(namespaces, variant, edge, network, ways, number.unwrap_or_default())?;
    }
    Ok(tunnels)
}

/// All tenant networks of all edges.
fn networks(variant: &Variant) -> impl Iterator<Item = (&Edge, &EdgeNetwork)> {
    variant.edges.iter().flat_map(|edge| edge.networks.iter().map(move |network| (edge, network)))
}

/// The tunnels, and the interfaces of each network of [`networks`].
fn draft(variant: &Variant) -> Result<(Vec<Tunnel>, Vec<Ways>), Error> {
    let all: Vec<(&Edge, &EdgeNetwork)> = networks(variant).collect();
    let mut ways = vec![Ways::new(); all.len()];
    let mut next_unit: BTreeMap<&str, u16> = BTreeMap::new();
    let mut tunnels = Vec::new();
    for (at, (edge, network)) in all.iter().enumerate() {
        let here = vtep(edge)?;
        for peer in &network.peers {
            let there = all
                .iter()
                .position(|(other, its)| other.vtep == Some(*peer) && its.tenant == network.tenant);
            let there = there.ok_or_else(|| {
                Error::Plan(format!("{} has the peer {peer}, which is no edge", edge.host))
            })?;
            if there < at {
                continue;
            }
            let mut end = |edge: &'_ Edge, host, address| {
                let unit = next_unit.entry(host).or_default();
                *unit += 1;
                End { namespace: variant.namespace(&edge.host), address, unit: *unit - 1 }
            };
            let client = end(edge, &edge.host, here);
            let server = end(all[there].0, &all[there].0.host, *peer);
            ways[at].insert(*peer, client.unit);
            ways[there].insert(here, server.unit);
            tunnels.push(Tunnel { mode: Mode::Ethernet, client, server });
        }
    }
    Ok((tunnels, ways))
}

fn vtep(edge: &Edge) -> Result<IpAddr, Error> {
    edge.vtep.ok_or_else(|| Error::Plan(format!("{} has no address for tunnels", edge.host)))
}

fn bridge(
    namespaces: &Namespaces,
    variant: &Variant,
    edge: &Edge,
    network: &EdgeNetwork,
    ways: &Ways,
    number: usize,
) -> Result<(), Error> {
    let mut netlink = namespaces.netlink(&variant.namespace(&edge.host))?;
    let name = format!("br{number}");
    netlink.one(link::bridge(&name, 0, None, AGEING))?;
    let bridge = link::find(&mut netlink, &name)?.index;
    let mut requests = Vec::new();
    for port in &network.ports {
        requests.push(link::enslave(index(&mut netlink, port)?, port, bridge));
    }
    for (peer, unit) in ways {
        let way = Mode::Ethernet.interface(*unit);
        let index = index(&mut netlink, &way)?;
        requests.push(link::enslave(index, &way, bridge));
        let learning = variant.learning == Learning::Flood;
        requests.push(link::port_of_tunnel(index, &way, learning));
        for (mac, _) in network.fdb.iter().filter(|(_, vtep)| vtep == peer) {
            requests.push(fdb_static(index, &way, parse_mac(mac)?));
        }
    }
    requests.push(link::up(bridge, &name));
    netlink.all(requests)?;
    Ok(())
}

fn index(netlink: &mut Netlink, interface: &str) -> Result<u32, Error> {
    Ok(link::find(netlink, interface)?.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Encap;
    use crate::lab::{Datapath, Ecmp, EngineSettings, Fabric, IpVersion, MtuMode};

    /// Three hosts; `red` on all of them, `blue` on the first and the last.
    fn variant() -> Variant {
        let address = |host: usize| IpAddr::from([10, 0, 0, u8::try_from(host).unwrap() + 1]);
        let network = |tenant: &str, host: usize, hosts: &[usize]| EdgeNetwork {
            tenant: tenant.to_owned(),
            id: 0,
            ports: vec![format!("{tenant}-vm")],
            spare: Vec::new(),
            peers: hosts.iter().filter(|h| **h != host).map(|h| address(*h)).collect(),
            group: None,
            fdb: vec![],
        };
        let edge = |host: usize| {
            let mut networks = vec![network("red", host, &[0, 1, 2])];
            if host != 1 {
                networks.push(network("blue", host, &[0, 2]));
            }
            Edge {
                host: format!("h{host}"),
                datapath: Datapath::User,
                nic: "eth0".to_owned(),
                more_addresses: Vec::new(),
                vtep: Some(address(host)),
                untagged: None,
                networks,
            }
        };
        Variant {
            name: "ssh".to_owned(),
            encap: Encap::Ssh,
            datapath: Datapath::User,
            fabric: Fabric::L3,
            learning: Learning::Flood,
            port: 22,
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
            inner_mtu: 1500,
            overhead: 0,
            nodes: vec![],
            links: vec![],
            tenants: vec![],
            edges: (0..3).map(edge).collect(),
            routers: vec![],
            segments: vec![],
        }
    }

    #[test]
    fn one_tunnel_for_each_tenant_between_each_two_hosts() {
        let (tunnels, ways) = draft(&variant()).unwrap();
        let text: Vec<String> = tunnels
            .iter()
            .map(|t| {
                let (a, b) = (&t.client, &t.server);
                format!("{} {} - {} {}", a.namespace, a.unit, b.namespace, b.unit)
            })
            .collect();
        assert_eq!(
            text,
            [
                "ssh.h0 0 - ssh.h1 0",
                "ssh.h0 1 - ssh.h2 0",
                "ssh.h0 2 - ssh.h2 1",
                "ssh.h1 1 - ssh.h2 2",
            ]
        );
        // Networks in the order of the edges: h0 red, h0 blue, h1 red, h2 red, h2 blue.
        let units: Vec<Vec<u16>> = ways.iter().map(|w| w.values().copied().collect()).collect();
        assert_eq!(units, [vec![0, 1], vec![2], vec![0, 1], vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_peer_that_is_no_edge_is_refused() {
        let mut variant = variant();
        variant.edges.pop();
        let error = draft(&variant).unwrap_err().to_string();
        assert!(error.contains("h0 has the peer 10.0.0.3"), "{error}");
    }
}
