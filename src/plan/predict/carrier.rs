//! What one way to carry tenants needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::edge::Presence;
use super::super::graph::Graph;
use super::super::route;
use super::super::{PlanError, SpanningTree, Variant, bare, id, plan};
use super::broadcast::{self, Broadcast};
use super::many::Many;
use crate::ids::Encap;
use crate::lab::{Fabric, Topology, point_to_point};

/// One carrier.
pub(super) struct Asked {
    pub name: String,
    pub encap: Encap,
    /// Resolved; never `Auto`.
    pub fabric: Fabric,
    /// Whether BUM frames go to a multicast group.
    pub multicast: bool,
}

/// What one carrier needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CarrierPrediction {
    /// Name of the variant, or of the encapsulation.
    pub name: String,
    /// The encapsulation.
    pub encap: Encap,
    /// `l2` or `l3`.
    pub fabric: String,
    /// Ids of tenant networks.
    pub ids: Ids,
    /// Tunnels that have to be configured: one for each pair of hosts of each tenant; 0 where an
    /// endpoint per host is enough.
    pub tunnels: u64,
    /// Tunnel endpoints (VTEPs), one at each host with VMs; 0 without tunnels.
    pub endpoints: u64,
    /// Peers that a host knows, over all its tenants: entries of its replication lists.
    pub peers: Many,
    /// Entries of the forwarding tables of a host with VMs: its own VMs and those they reach.
    pub fdb: Many,
    /// Entries of the MAC table of a top-of-rack switch; 0 for routers.
    pub tor_macs: Many,
    /// Likewise of the switches above.
    pub spine_macs: Many,
    /// Routes of a top-of-rack router; 0 for bridges.
    pub tor_routes: Many,
    /// Likewise of the routers above.
    pub spine_routes: Many,
    /// Links that spanning tree blocks.
    pub blocked: u64,
    /// What one broadcast costs.
    pub broadcast: Broadcast,
}

/// Ids of tenant networks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ids {
    /// How many are needed.
    pub needed: u64,
    /// How many there are; absent where packets name no tenant.
    pub available: Option<u128>,
    /// Whether that is enough. Without ids one tenant fits, and any number over SSH, whose
    /// connections are the networks.
    pub fits: bool,
}

impl Ids {
    fn new(encap: Encap, needed: u64) -> Ids {
        let available = id::available(encap);
        let fits = match available {
            Some(available) => u128::from(needed) <= available,
            None => needed <= 1 || encap == Encap::Ssh,
        };
        Ids { needed, available, fits }
    }
}

/// Whether a node is a switch that a host is joined to.
pub(super) fn is_tor(graph: &Graph, node: usize) -> bool {
    let spot = &graph.nodes[node];
    !spot.host && spot.adjacent.iter().any(|&(_, peer)| graph.nodes[peer].host)
}

/// Tenants on a topology, and what several carriers have in common there.
pub(super) struct Scene<'a> {
    pub graph: &'a Graph,
    pub topology: &'a Topology,
    pub present: Vec<&'a Presence>,
    /// Found when it is first asked for.
    pub shared: Shared,
}

#[derive(Default)]
pub(super) struct Shared {
    tree: Option<SpanningTree>,
    /// Routes of each node where hosts are all that is routed to.
    routes: Option<Vec<u64>>,
    /// By whether it is bridged, tunnelled, and sent to a group.
    broadcasts: BTreeMap<[bool; 3], Broadcast>,
}

impl Scene<'_> {
    /// Counts what a carrier needs.
    ///
    /// # Errors
    /// Hosts that do not reach each other on its fabric.
    pub(super) fn predict(&mut self, asked: Asked) -> Result<CarrierPrediction, PlanError> {
        let graph = self.graph;
        let tunnel = !asked.encap.is_tag() && asked.encap != Encap::None;
        let mut peers: BTreeMap<usize, u64> = BTreeMap::new();
        let mut fdb: BTreeMap<usize, u64> = BTreeMap::new();
        for tenant in &self.present {
            for (host, _) in tenant.hosts() {
                *peers.entry(host).or_default() += tenant.peer_count(host);
                *fdb.entry(host).or_default() += tenant.vms();
            }
        }
        let peers: Many = peers.into_values().map(|n| if tunnel { n } else { 0 }).collect();
        let vms: u64 = self.present.iter().map(|tenant| tenant.vms()).sum();
        let hosts = fdb.len() as u64;
        let bridged = asked.fabric == Fabric::L2;
        let routes = self.routes(&asked)?;
        // A bridged fabric learns who sends on it: VMs themselves, or the hosts that carry them.
        let macs = match (bridged, tunnel) {
            (false, _) => 0,
            (true, false) => vms,
            (true, true) => hosts,
        };
        let of = |tor: bool, figure: &dyn Fn(usize) -> u64| -> Many {
            let switches = (0..graph.nodes.len()).filter(|&node| !graph.nodes[node].host);
            switches.filter(|&node| is_tor(graph, node) == tor).map(figure).collect()
        };
        // Tunnels of IP packets end at a host that routes, and routers forward no broadcast.
        let broadcast = if tunnel && !asked.encap.carries_ethernet() {
            Broadcast::nowhere(&self.present)
        } else {
            self.broadcast(bridged, tunnel, asked.multicast)?
        };
        let blocked = if bridged {
            let tree = self.tree()?;
            (0..graph.cables.len()).filter(|&cable| tree.blocks(cable)).count()
        } else {
            0
        };
        let tunnels = point_to_point(asked.encap) && !asked.multicast;
        Ok(CarrierPrediction {
            tunnels: if tunnels { peers.total / 2 } else { 0 },
            endpoints: if tunnel { hosts } else { 0 },
            peers,
            fdb: fdb.into_values().collect(),
            tor_macs: of(true, &|node| macs.min(self.mac_table(node))),
            spine_macs: of(false, &|node| macs.min(self.mac_table(node))),
            tor_routes: of(true, &|node| routes[node]),
            spine_routes: of(false, &|node| routes[node]),
            blocked: blocked as u64,
            broadcast,
            ids: Ids::new(asked.encap, self.present.len() as u64),
            fabric: asked.fabric.name().to_owned(),
            name: asked.name,
            encap: asked.encap,
        })
    }

    /// Most MAC addresses that a switch learns.
    fn mac_table(&self, node: usize) -> u64 {
        let own = self.topology.switch.get(&self.graph.nodes[node].name);
        let most = own.and_then(|own| own.mac_table).or(self.topology.mac_table);
        most.map_or(u64::MAX, u64::from)
    }

    /// The spanning tree of the fabric, as a plan of its wiring has it.
    fn tree(&mut self) -> Result<&SpanningTree, PlanError> {
        let tree = match self.shared.tree.take() {
            Some(tree) => tree,
            None => {
                let plan = plan(&bare(self.topology, "wiring", Fabric::L2), self.topology)?;
                plan.variants.first().map(Variant::spanning_tree).unwrap_or_default()
            }
        };
        Ok(self.shared.tree.insert(tree))
    }

    fn routes(&mut self, asked: &Asked) -> Result<Vec<u64>, PlanError> {
        match (asked.fabric, asked.encap) {
            (Fabric::L2, _) => Ok(vec![0; self.graph.nodes.len()]),
            (_, Encap::None) => routes(self.graph, &self.present),
            _ => {
                let routes = match self.shared.routes.take() {
                    Some(routes) => routes,
                    None => routes(self.graph, &[])?,
                };
                Ok(self.shared.routes.insert(routes).clone())
            }
        }
    }

    fn broadcast(
        &mut self,
        bridged: bool,
        tunnel: bool,
        multicast: bool,
    ) -> Result<Broadcast, PlanError> {
        let key = [bridged, tunnel, multicast];
        if let Some(found) = self.shared.broadcasts.get(&key) {
            return Ok(*found);
        }
        let tree = if bridged { Some(self.tree()?.clone()) } else { None };
        let found = broadcast::of(self.graph, tree.as_ref(), &self.present, tunnel, multicast);
        self.shared.broadcasts.insert(key, found);
        Ok(found)
    }
}

/// Routes of every node: to each host's endpoint, and to every VM of the tenants that no tunnel
/// carries.
fn routes(graph: &Graph, plain: &[&Presence]) -> Result<Vec<u64>, PlanError> {
    let mut destinations = vec![1; graph.nodes.len()];
    let mut routes = vec![0; graph.nodes.len()];
    let hosts: Vec<usize> = graph.hosts().collect();
    for (host, vms) in plain.iter().flat_map(|tenant| tenant.hosts()) {
        destinations[hosts[host]] += vms;
        // At the host itself each leads to a port.
        routes[hosts[host]] += vms;
    }
    route::each(graph, |node, to, _| routes[node] += to.map_or(1, |host| destinations[host]))?;
    Ok(routes)
}
