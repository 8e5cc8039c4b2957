//! What spanning tree makes of an L2 fabric, computed from the plan by the rules of IEEE 802.1D-2004.
//!
//! Everything that the protocol decides by is in the plan: priorities and MACs of bridges, and the
//! order of their ports. Bridges and costs are as Linux has them: a bridge's address is the smallest
//! of its ports', ports are numbered as they are joined, and every veth costs the same.

use std::collections::{BTreeMap, VecDeque};

use super::{NodeKind, Variant};

/// Path cost of every port: veth devices say 10 Gbit/s (802.1D-1998 table 8-5, as Linux takes it).
const COST: u32 = 2;
/// Priority of a port (802.1D-2004 clause 17.14): Linux's default.
const PORT_PRIORITY: u16 = 32;

/// What a port does (802.1D-2004 clause 17.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRole {
    /// No bridge port, or no spanning tree.
    None,
    /// Leads to the root.
    Root,
    /// Leads away from it; a port to a host always is one.
    Designated,
    /// Neither, and so it forwards nothing.
    Blocked,
}

/// The tree of one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanningTree {
    /// Names of the root bridges: one for each part that is joined; none without spanning tree.
    pub roots: Vec<String>,
    /// The roles of both ends of each link, in the order of [`Variant::links`].
    pub roles: Vec<[PortRole; 2]>,
}

impl SpanningTree {
    /// Whether an end of a link is blocked.
    #[must_use]
    pub fn blocks(&self, link: usize) -> bool {
        self.roles.get(link).is_some_and(|ends| ends.contains(&PortRole::Blocked))
    }
}

/// Priority and address; the smaller is the better one (clause 9.2.5).
type BridgeId = (u16, String);

/// A port towards another bridge.
#[derive(Debug, Clone, Copy)]
struct Port {
    link: usize,
    end: usize,
    peer: usize,
    /// The port's number at this bridge, and at the other.
    number: u16,
    peer_number: u16,
}

impl Variant {
    /// Which ports spanning tree will block.
    #[must_use]
    pub fn spanning_tree(&self) -> SpanningTree {
        let mut tree =
            SpanningTree { roots: Vec::new(), roles: vec![[PortRole::None; 2]; self.links.len()] };
        if !self.stp {
            return tree;
        }
        let switches = self.nodes.iter().filter(|node| node.kind == NodeKind::Switch);
        let index: BTreeMap<&str, usize> =
            switches.clone().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
        let mut ids: Vec<BridgeId> =
            switches.map(|node| (node.stp_priority.unwrap_or(32768), String::from("~"))).collect();
        let mut ports: Vec<Vec<Port>> = vec![Vec::new(); ids.len()];
        let mut joined = vec![0_u16; ids.len()];
        for (link, cable) in self.links.iter().enumerate() {
            let ends = cable.ends.each_ref().map(|end| index.get(end.node.as_str()).copied());
            let mut numbers = [0; 2];
            for end in 0..2 {
                let Some(bridge) = ends[end] else { continue };
                joined[bridge] = joined[bridge].saturating_add(1);
                numbers[end] = joined[bridge];
                // MACs are written in one way, so that their texts are in their order.
                let mac = &cable.ends[end].mac;
                if *mac < ids[bridge].1 {
                    ids[bridge].1.clone_from(mac);
                }
                tree.roles[link][end] = PortRole::Designated;
            }
            let [Some(a), Some(b)] = ends else { continue };
            for (end, bridge, peer) in [(0, a, b), (1, b, a)] {
                let (number, peer_number) = (numbers[end], numbers[1 - end]);
                ports[bridge].push(Port { link, end, peer, number, peer_number });
            }
        }
        for part in parts(&ports) {
            let Some(&root) = part.iter().min_by_key(|&&bridge| &ids[bridge]) else { continue };
            tree.roots
                .extend(index.iter().find(|(_, n)| **n == root).map(|(name, _)| (*name).into()));
            settle(root, &part, &ids, &ports, &mut tree.roles);
        }
        tree
    }
}

/// Bridges that are joined, part by part.
fn parts(ports: &[Vec<Port>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; ports.len()];
    let mut parts = Vec::new();
    for start in 0..ports.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut part = vec![start];
        let mut next = 0;
        while let Some(&bridge) = part.get(next) {
            next += 1;
            for port in &ports[bridge] {
                if !std::mem::replace(&mut seen[port.peer], true) {
                    part.push(port.peer);
                }
            }
        }
        parts.push(part);
    }
    parts
}

/// Gives every port between bridges of one part its role.
fn settle(
    root: usize,
    part: &[usize],
    ids: &[BridgeId],
    ports: &[Vec<Port>],
    roles: &mut [[PortRole; 2]],
) {
    let mut cost: BTreeMap<usize, u32> = BTreeMap::from([(root, 0)]);
    let mut queue = VecDeque::from([(root, 0)]);
    while let Some((bridge, so_far)) = queue.pop_front() {
        for port in &ports[bridge] {
            cost.entry(port.peer).or_insert_with(|| {
                queue.push_back((port.peer, so_far + COST));
                so_far + COST
            });
        }
    }
    let cost = |bridge: usize| cost.get(&bridge).copied().unwrap_or(u32::MAX);
    let port_id = |number: u16| (PORT_PRIORITY, number);
    // The root port: the least cost, then the better bridge, its better port, the own better port
    // (clause 17.6).
    let root_port: BTreeMap<usize, usize> = part
        .iter()
        .filter(|&&bridge| bridge != root)
        .filter_map(|&bridge| {
            let best = ports[bridge].iter().min_by_key(|port| {
                let theirs = (cost(port.peer), &ids[port.peer], port_id(port.peer_number));
                (theirs, port_id(port.number))
            })?;
            Some((bridge, best.link))
        })
        .collect();
    for &bridge in part {
        for port in &ports[bridge] {
            // Of the two ends of a cable the one nearer to the root is designated, or else that
            // of the better bridge.
            let designated = (cost(bridge), &ids[bridge]) < (cost(port.peer), &ids[port.peer]);
            roles[port.link][port.end] = if root_port.get(&bridge) == Some(&port.link) {
                PortRole::Root
            } else if designated {
                PortRole::Designated
            } else {
                PortRole::Blocked
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, Topology};

    fn variant(topology: &str) -> Variant {
        let topology: Topology = serde_yaml::from_str(topology).unwrap();
        let lab = serde_json::json!({
            "title": "t", "topology": "t", "carrier": { "encap": "none", "fabric": "l2" },
            "tenants": [],
        });
        let lab: Lab = serde_json::from_value(lab).unwrap();
        crate::plan::plan(&lab, &topology).unwrap().variants.remove(0)
    }

    fn blocked(variant: &Variant) -> Vec<&str> {
        let tree = variant.spanning_tree();
        let links = variant.links.iter().enumerate().filter(|(n, _)| tree.blocks(*n));
        links.map(|(_, link)| link.name.as_str()).collect()
    }

    #[test]
    fn two_racks_lose_the_second_spine_on_one_side() {
        let plan = variant("leaf-spine: { leaves: 2, spines: 2, hosts: 2 }");
        let tree = plan.spanning_tree();
        assert_eq!(tree.roots, ["spine1"]);
        // The second spine is two steps from the root, by way of leaf1, whose address is smaller;
        // leaf2 is nearer to the root, so that the spine's port is the one that blocks.
        assert_eq!(blocked(&plan), ["leaf2-spine2"]);
        let at = plan.links.iter().position(|l| l.name == "leaf2-spine2").unwrap();
        assert_eq!(tree.roles[at], [PortRole::Designated, PortRole::Blocked]);
        assert_eq!(tree.roles[0], [PortRole::None, PortRole::Designated], "a host's link");
    }

    #[test]
    fn what_is_left_is_a_tree() {
        for (topology, switches) in [
            ("ring: { switches: 7, hosts: 1 }", 7),
            ("mesh: { switches: 6, hosts: 1 }", 6),
            ("fat-tree: { k: 6 }", 45),
            ("leaf-spine: { leaves: 4, spines: 3, hosts: 1 }", 7),
            ("tree: { depth: 3, fanout: 2 }", 7),
        ] {
            let plan = variant(topology);
            let tree = plan.spanning_tree();
            let between = |n: &usize| !tree.roles[*n].contains(&PortRole::None);
            let left = (0..plan.links.len()).filter(between).filter(|n| !tree.blocks(*n)).count();
            assert_eq!(left, switches - 1, "{topology}");
            let roots = tree.roles.iter().flatten().filter(|role| **role == PortRole::Root).count();
            assert_eq!(roots, switches - 1, "{topology}: a root port at all but the root");
        }
    }

    #[test]
    fn of_parallel_cables_the_first_is_taken() {
        let plan = variant(
            "{ hosts: [h1], switches: [s1, s2], links: [[h1, s1], [s1, s2], [s1, s2], [s2, s1]] }",
        );
        assert_eq!(blocked(&plan), ["s1-s2-2", "s2-s1"]);
    }

    #[test]
    fn without_the_protocol_nothing_has_a_role() {
        let plan = variant("{ linear: { switches: 3, hosts: 1 }, stp: off }");
        let tree = plan.spanning_tree();
        assert!(tree.roots.is_empty() && tree.roles.iter().flatten().all(|r| *r == PortRole::None));
    }
}
