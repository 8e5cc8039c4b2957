//! The overlay: a lane for each tenant, with the hosts it is present at and the tunnels between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::text::id_name;
use crate::ids::Encap;
use crate::lab::counted as count;
use crate::lab::point_to_point;
use crate::plan::Variant;

/// Most tenants with a lane of their own.
const LANES: usize = 12;
/// Most boxes of a tenant between which every tunnel is drawn.
const DRAWN: usize = 6;

/// What joins the hosts of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// A tunnel that is configured for each pair of hosts.
    Tunnels,
    /// One endpoint at each host that sends to all others.
    Endpoints,
    /// One broadcast domain or multicast group: what is sent once reaches all.
    Domain,
    /// Nothing but the fabric's own forwarding.
    Fabric,
}

/// One tenant.
#[derive(Debug)]
pub(super) struct Lane {
    /// Number of the tenant, which is its colour.
    pub tenant: usize,
    /// Its name and id.
    pub label: String,
    /// What there is of it.
    pub detail: String,
    /// How its hosts are joined.
    pub joined: Joined,
    /// Boxes it is at, and at how many hosts in each.
    pub stops: BTreeMap<usize, usize>,
    /// Tunnels between two boxes, where few enough: the smaller number first.
    pub tunnels: BTreeMap<(usize, usize), usize>,
}

/// The lanes, and how many tenants have none.
pub(super) fn of(variant: &Variant, of_host: impl Fn(&str) -> Option<usize>) -> (Vec<Lane>, usize) {
    let shapes: BTreeMap<IpAddr, usize> =
        variant.edges.iter().filter_map(|edge| Some((edge.vtep?, of_host(&edge.host)?))).collect();
    let lanes = variant.tenants.iter().enumerate().take(LANES);
    let lanes = lanes.map(|(tenant, plan)| {
        let here = variant.edges.iter().filter_map(|edge| {
            let network = edge.networks.iter().find(|n| n.tenant == plan.name)?;
            Some((of_host(&edge.host)?, edge, network))
        });
        let mut stops: BTreeMap<usize, usize> = BTreeMap::new();
        let mut others = BTreeSet::new();
        let (mut peers, mut group) = (0, None);
        for (shape, edge, network) in here.clone() {
            *stops.entry(shape).or_default() += 1;
            peers += network.peers.len();
            group = group.or(network.group);
            if network.id != plan.id {
                others.insert(format!("{} at {}", network.id, edge.host));
            }
        }
        let joined = match variant.encap {
            Encap::None => Joined::Fabric,
            encap if encap.is_tag() || group.is_some() => Joined::Domain,
            encap if point_to_point(encap) => Joined::Tunnels,
            _ => Joined::Endpoints,
        };
        let mut tunnels: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        if stops.len() <= DRAWN && matches!(joined, Joined::Tunnels | Joined::Endpoints) {
            for (shape, _, network) in here {
                let peers = network.peers.iter().filter_map(|peer| shapes.get(peer));
                for &peer in peers.filter(|&&peer| peer > shape) {
                    *tunnels.entry((shape, peer)).or_default() += 1;
                }
            }
        }
        let hosts: usize = stops.values().sum();
        let vms = count(plan.vms.len(), "VM");
        let detail = match (joined, group) {
            (Joined::Tunnels, _) => format!("{}, {vms}", count(peers / 2, "tunnel")),
            (Joined::Endpoints, _) => format!("{}, {vms}", count(hosts, "VTEP")),
            (Joined::Domain, Some(group)) => format!("group {group}, {vms}"),
            _ => format!("{}, {vms}", count(hosts, "host")),
        };
        let id = match id_name(variant.encap) {
            "" => String::new(),
            name => format!(", {name} {}", plan.id),
        };
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        let detail = if others.is_empty() { detail } else { format!("{others}; {detail}") };
        let label = format!("{}{id}", plan.name);
        Lane { tenant, label, detail, joined, stops, tunnels }
    });
    (lanes.collect(), variant.tenants.len().saturating_sub(LANES))
}
