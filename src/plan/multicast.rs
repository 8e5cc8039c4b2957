//! Distribution trees: where routers send what is for a group.
//!
//! One tree for each source and group, along shortest paths between the first links of the hosts,
//! which are the ones that join groups. Where several paths are equally short the sources take
//! turns, so that all of the fabric carries some. The trees are what PIM (RFC 7761) would come to
//! with source trees; the plan knows all members, so nothing has to be asked on the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use super::graph::Graph;
use super::{Edge, MulticastRoute, PlanError};

/// Interfaces that a Linux router forwards multicast between (`MAXVIFS`, `linux/mroute.h`).
const MAX_PORTS: usize = 32;

/// The part of each node in all trees, in the order of the graph's nodes.
///
/// # Errors
/// [`PlanError::MulticastPorts`] where a router has more links in trees than Linux can use;
/// [`PlanError::NoTree`] where no routers join the first links of two members.
pub(super) fn routes(graph: &Graph, edges: &[Edge]) -> Result<Vec<Vec<MulticastRoute>>, PlanError> {
    let mut members: BTreeMap<IpAddr, BTreeSet<usize>> = BTreeMap::new();
    let mut sources: BTreeMap<usize, IpAddr> = BTreeMap::new();
    for edge in edges {
        let Some(node) = graph.nodes.iter().position(|spot| spot.name == edge.host) else {
            continue;
        };
        sources.extend(edge.vtep.map(|vtep| (node, vtep)));
        for group in edge.networks.iter().filter_map(|network| network.group) {
            members.entry(group).or_default().insert(node);
        }
    }
    let mut routes = vec![Vec::new(); graph.nodes.len()];
    for (turn, (group, hosts)) in members.iter().enumerate() {
        for (n, host) in hosts.iter().enumerate() {
            let Some(&source) = sources.get(host) else { continue };
            for (node, (from, to)) in tree(graph, *host, hosts, turn + n)? {
                let name = |cable: usize| {
                    let cable = &graph.cables[cable];
                    cable.interfaces[cable.end_at(node)].clone()
                };
                let to = to.into_iter().map(name).collect();
                routes[node].push(MulticastRoute { source, group: *group, from: name(from), to });
            }
        }
    }
    for (node, routes) in routes.iter().enumerate() {
        let from = routes.iter().map(|route: &MulticastRoute| &route.from);
        let ports: BTreeSet<_> = from.chain(routes.iter().flat_map(|route| &route.to)).collect();
        if ports.len() > MAX_PORTS {
            let router = graph.nodes[node].name.clone();
            return Err(PlanError::MulticastPorts { router, ports: ports.len(), max: MAX_PORTS });
        }
    }
    Ok(routes)
}

/// For each router of one tree the cable that leads towards the source, and those that lead away.
type Tree = BTreeMap<usize, (usize, BTreeSet<usize>)>;

fn tree(
    graph: &Graph,
    source: usize,
    members: &BTreeSet<usize>,
    turn: usize,
) -> Result<Tree, PlanError> {
    let mut tree = Tree::new();
    let root = uplink(graph, source);
    let distance = root.map(|(_, first)| distances(graph, first)).unwrap_or_default();
    for &member in members.iter().filter(|member| **member != source) {
        // Hosts on one cable need no router.
        if graph.nodes[member].adjacent.first().map(|(cable, _)| cable)
            == graph.nodes[source].adjacent.first().map(|(cable, _)| cable)
        {
            continue;
        }
        let leaf =
            uplink(graph, member).filter(|&(_, at)| distance.get(at).is_some_and(Option::is_some));
        let (Some((root, _)), Some((mut cable, mut at))) = (root, leaf) else {
            let name = |node: usize| graph.nodes[node].name.clone();
            return Err(PlanError::NoTree { from: name(source), to: name(member) });
        };
        // Up the tree to its root.
        while let Some(steps) = distance[at] {
            let nearer: Vec<(usize, usize)> = routers(graph, at)
                .filter(|(_, peer)| steps > 0 && distance[*peer] == Some(steps - 1))
                .collect();
            let towards = match tree.get(&at) {
                Some((from, _)) => nearer.iter().copied().find(|(cable, _)| cable == from),
                None => nearer.get(turn % nearer.len().max(1)).copied(),
            };
            let from = towards.map_or(root, |(cable, _)| cable);
            let part = tree.entry(at).or_insert_with(|| (from, BTreeSet::new()));
            part.1.insert(cable);
            let Some((next, peer)) = towards else { break };
            (cable, at) = (next, peer);
        }
    }
    Ok(tree)
}

/// The first link of a host and the router at its other end.
fn uplink(graph: &Graph, host: usize) -> Option<(usize, usize)> {
    graph.nodes[host].adjacent.first().copied().filter(|&(_, peer)| !graph.nodes[peer].host)
}

fn routers(graph: &Graph, node: usize) -> impl Iterator<Item = (usize, usize)> {
    graph.nodes[node].adjacent.iter().copied().filter(|&(_, peer)| !graph.nodes[peer].host)
}

/// Hops from one router to each other one.
fn distances(graph: &Graph, from: usize) -> Vec<Option<u32>> {
    let mut distance = vec![None; graph.nodes.len()];
    distance[from] = Some(0);
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((node, steps)) = queue.pop_front() {
        for (_, peer) in routers(graph, node) {
            if distance[peer].is_none() {
                distance[peer] = Some(steps + 1);
                queue.push_back((peer, steps + 1));
            }
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let text = "leaf-spine: { leaves: 2, spines: 2, hosts: 2 }";
        Graph::new(&serde_yaml::from_str(text).unwrap()).unwrap()
    }

    /// Node names with the interface towards the source and those away from it.
    fn named(graph: &Graph, tree: Tree) -> Vec<String> {
        let name = |node: usize, cable: usize| {
            let cable = &graph.cables[cable];
            cable.interfaces[cable.end_at(node)].clone()
        };
        tree.into_iter()
            .map(|(node, (from, to))| {
                let to: Vec<_> = to.into_iter().map(|cable| name(node, cable)).collect();
                format!("{} {} > {}", graph.nodes[node].name, name(node, from), to.join(" "))
            })
            .collect()
    }

    #[test]
    fn one_tree_reaches_every_member_once() {
        let graph = graph();
        let hosts: Vec<usize> = graph.hosts().collect();
        let all: BTreeSet<usize> = hosts.iter().copied().collect();
        let of = |turn| named(&graph, tree(&graph, hosts[0], &all, turn).unwrap());
        let through = |spine: &str| {
            vec![
                format!("{spine} to-leaf1 > to-leaf2"),
                format!("leaf1 to-h1 > to-h2 to-{spine}"),
                format!("leaf2 to-{spine} > to-h3 to-h4"),
            ]
        };
        assert_eq!(of(0), through("spine1"));
        assert_eq!(of(1), through("spine2"), "sources take turns");
    }

    #[test]
    fn hosts_behind_hosts_are_refused() {
        let text = "{ hosts: [a, b, c], switches: [s], links: [[a, b], [a, s], [b, s], [c, s]] }";
        let graph = Graph::new(&serde_yaml::from_str(text).unwrap()).unwrap();
        let hosts: Vec<usize> = graph.hosts().collect();
        let of = |members: &[usize]| tree(&graph, hosts[0], &members.iter().copied().collect(), 0);
        assert_eq!(of(&hosts[..2]), Ok(Tree::new()), "one cable");
        let said = of(&hosts).unwrap_err().to_string();
        assert!(said.contains("`a`") && said.contains("`c`"), "{said}");
    }

    #[test]
    fn a_group_within_one_rack_stays_there() {
        let graph = graph();
        let hosts: Vec<usize> = graph.hosts().collect();
        let rack: BTreeSet<usize> = hosts[..2].iter().copied().collect();
        assert_eq!(
            named(&graph, tree(&graph, hosts[1], &rack, 0).unwrap()),
            ["leaf1 to-h2 > to-h1"]
        );
    }
}
