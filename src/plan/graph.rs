//! The topology expanded: every node and cable, with the names of their interfaces.

use std::collections::HashMap;

use super::PlanError;
use super::name::Names;
use crate::lab::{Impaired, Switchable, Topology};

/// Most nodes of a topology.
const MAX_NODES: u64 = 1 << 15;
/// Most cables of a topology.
const MAX_LINKS: u64 = 1 << 16;

/// The physical network without addresses.
#[derive(Debug)]
pub(super) struct Graph {
    /// Switches, then hosts.
    pub nodes: Vec<Spot>,
    /// Cables.
    pub cables: Vec<Cable>,
    /// Whether bridges run the spanning tree protocol.
    pub stp: bool,
}

/// One machine.
#[derive(Debug)]
pub(super) struct Spot {
    /// Name in the topology.
    pub name: String,
    /// A host, or else a switch or router.
    pub host: bool,
    /// `(cable, node at its other end)`, in the order of the cables.
    pub adjacent: Vec<(usize, usize)>,
}

/// One cable.
#[derive(Debug, Default)]
pub(super) struct Cable {
    /// `a-b`, unique.
    pub name: String,
    /// Its nodes.
    pub ends: [usize; 2],
    /// Interface names at its ends, unique in their nodes.
    pub interfaces: [String; 2],
    /// MTU where the cable has its own.
    pub mtu: Option<u32>,
    /// Bits per second each way.
    pub rate: Option<u64>,
    /// What it does to packets, as far as the cable says so itself.
    pub impaired: Impaired,
}

impl Cable {
    /// Which end is at `node`: 0 or 1.
    pub(super) fn end_at(&self, node: usize) -> usize {
        usize::from(self.ends[0] != node)
    }
}

impl Graph {
    /// Expands a topology.
    ///
    /// # Errors
    /// Duplicate or unknown names, a host without a link, no host at all, or too many of anything.
    pub(super) fn new(topology: &Topology) -> Result<Graph, PlanError> {
        let counts = topology.counts();
        check_count("nodes", counts.nodes(), MAX_NODES)?;
        check_count("links", counts.links, MAX_LINKS)?;
        let wiring = topology.wiring();
        let mut graph =
            Graph { nodes: Vec::new(), cables: Vec::new(), stp: topology.stp == Switchable::On };
        let mut by_name = HashMap::new();
        let switches = wiring.switches.iter().map(|name| (name, false));
        let hosts = wiring.hosts.iter().map(|name| (name, true));
        for (name, host) in switches.chain(hosts) {
            if by_name.insert(name.as_str(), graph.nodes.len()).is_some() {
                return Err(PlanError::DuplicateNode { name: name.clone() });
            }
            graph.nodes.push(Spot { name: name.clone(), host, adjacent: Vec::new() });
        }
        let default_rate = topology.rate;
        let mut names = Names::default();
        let mut interfaces: Vec<Names> =
            std::iter::repeat_with(Names::default).take(graph.nodes.len()).collect();
        for link in &wiring.links {
            let ends = link.ends();
            let find = |node: &String| {
                by_name.get(node.as_str()).copied().ok_or_else(|| PlanError::UnknownNode {
                    a: ends[0].clone(),
                    b: ends[1].clone(),
                    node: node.clone(),
                })
            };
            let [a, b] = [find(&ends[0])?, find(&ends[1])?];
            if a == b {
                return Err(PlanError::SelfLink { node: ends[0].clone() });
            }
            let cable = graph.cables.len();
            let interfaces = [(a, b), (b, a)].map(|(node, peer)| {
                if graph.nodes[node].host {
                    format!("eth{}", graph.nodes[node].adjacent.len())
                } else {
                    interfaces[node].interface(&format!("to-{}", graph.nodes[peer].name), "port")
                }
            });
            graph.nodes[a].adjacent.push((cable, b));
            graph.nodes[b].adjacent.push((cable, a));
            graph.cables.push(Cable {
                name: names.unique(&format!("{}-{}", ends[0], ends[1]), "-"),
                ends: [a, b],
                interfaces,
                mtu: link.mtu(),
                rate: link.rate().or(default_rate).map(|r| r.0),
                impaired: link.impaired(),
            });
        }
        if graph.hosts().next().is_none() {
            return Err(PlanError::NoHost);
        }
        if let Some(bare) = graph.nodes.iter().find(|n| n.host && n.adjacent.is_empty()) {
            return Err(PlanError::NoLink { host: bare.name.clone() });
        }
        Ok(graph)
    }

    /// The hosts, in order.
    pub(super) fn hosts(&self) -> impl Iterator<Item = usize> + Clone {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].host)
    }

    /// Position of each node among the hosts; 0 for what is no host.
    pub(super) fn host_numbers(&self) -> Vec<usize> {
        let mut numbers = vec![0; self.nodes.len()];
        for (number, host) in self.hosts().enumerate() {
            numbers[host] = number;
        }
        numbers
    }
}

fn check_count(what: &'static str, count: u64, max: u64) -> Result<(), PlanError> {
    if count > max { Err(PlanError::TooLarge { what, count, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(yaml: &str) -> Topology {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn leaf_spine_is_wired_in_full() {
        let graph =
            Graph::new(&topology("leaf-spine: { leaves: 2, spines: 3, hosts: 2 }")).unwrap();
        let names: Vec<_> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["spine1", "spine2", "spine3", "leaf1", "leaf2", "h1", "h2", "h3", "h4"]);
        let cables: Vec<_> = graph.cables.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(cables[..4], ["h1-leaf1", "h2-leaf1", "h3-leaf2", "h4-leaf2"]);
        assert_eq!(cables.len(), 4 + 6);
        assert_eq!(graph.cables[0].interfaces, ["eth0", "to-h1"]);
        assert_eq!(graph.cables[4].interfaces, ["to-spine1", "to-leaf1"]);
    }

    #[test]
    fn parallel_cables_and_second_uplinks_have_names_of_their_own() {
        let graph = Graph::new(&topology(
            "{ hosts: [h1], switches: [s1, s2], links: [[h1, s1], [h1, s2], [s1, s2], [s1, s2]] }",
        ))
        .unwrap();
        assert_eq!(graph.cables[1].interfaces, ["eth1", "to-h1"]);
        assert_eq!(graph.cables[2].name, "s1-s2");
        assert_eq!(graph.cables[3].name, "s1-s2-2");
        assert_eq!(graph.cables[3].interfaces, ["to-s2-2", "to-s1-2"]);
    }

    #[test]
    fn faults_name_their_object() {
        let fault = |yaml: &str| Graph::new(&topology(yaml)).unwrap_err().to_string();
        assert!(fault("{}").contains("no host"));
        assert!(fault("{ hosts: [h1] }").contains("`h1` has no link"));
        assert!(fault("{ hosts: [h1, h1] }").contains("called `h1`"));
        assert!(fault("{ hosts: [h1], links: [[h1, s9]] }").contains("link h1-s9 ends at `s9`"));
        assert!(fault("{ hosts: [h1], links: [[h1, h1]] }").contains("joins `h1` to itself"));
        let huge = fault("leaf-spine: { leaves: 4000000000, spines: 4000000000, hosts: 2 }");
        assert!(huge.contains("more than the 32768"), "{huge}");
    }
}
