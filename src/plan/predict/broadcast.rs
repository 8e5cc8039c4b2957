//! Where one broadcast of a tenant goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::super::SpanningTree;
use super::super::edge::Presence;
use super::super::graph::Graph;
use super::super::route::{self, Group, uplinks};
use super::many::Many;

/// What one broadcast of the first VM of each tenant costs the underlay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Broadcast {
    /// Packets that its host sends.
    pub copies: Many,
    /// Packets on all links together.
    pub crossings: Many,
    /// Other hosts that get it.
    pub reached: Many,
    /// Of these the hosts that have no VM of the tenant.
    pub bothered: Many,
}

impl Broadcast {
    /// No tenant's broadcast leaves its host.
    pub(super) fn nowhere(present: &[&Presence]) -> Broadcast {
        let none: Many = present.iter().map(|_| 0).collect();
        Broadcast { copies: none, crossings: none, reached: none, bothered: none }
    }
}

/// Counts over all tenants; `tree` is that of a bridged fabric.
pub(super) fn of(
    graph: &Graph,
    tree: Option<&SpanningTree>,
    present: &[&Presence],
    tunnel: bool,
    multicast: bool,
) -> Broadcast {
    let way = match tree {
        Some(tree) => Way::bridged(graph, tree),
        None => Way::routed(graph),
    };
    let mut rows: Vec<[u64; 4]> = Vec::with_capacity(present.len());
    let mut paths = Paths::new(graph);
    for tenant in present {
        let Some((source, _)) = tenant.hosts().next() else { continue };
        let others = tenant.peer_count(source);
        let everywhere = graph.hosts().count() as u64 - 1;
        rows.push(match (tree.is_some(), tunnel && !multicast) {
            // Flooded once over every link, blocked ones and a standby's too.
            (true, false) => [1, way.flooded, everywhere, everywhere - others],
            (_, true) => [others, paths.to_each(&way, tenant, source), others, 0],
            // Routers copy where the ways part.
            (false, false) if tunnel => [1, paths.together(&way, tenant, source), others, 0],
            // Routers forward no broadcast at all.
            (false, false) => [0; 4],
        });
    }
    let column = |n: usize| rows.iter().map(|row| row[n]).collect();
    Broadcast { copies: column(0), crossings: column(1), reached: column(2), bothered: column(3) }
}

/// How packets get from host to host.
struct Way {
    /// Whether each cable forwards between switches.
    open: Vec<bool>,
    /// Cables that a flooded frame crosses; bridged fabrics only.
    flooded: u64,
    /// Whether a host uses its first cable only.
    first_only: bool,
    groups: Vec<Group>,
    /// The group of each host, by host number.
    group_of: Vec<usize>,
}

impl Way {
    fn bridged(graph: &Graph, tree: &SpanningTree) -> Way {
        let open: Vec<bool> = (0..graph.cables.len()).map(|n| !tree.blocks(n)).collect();
        // A blocked port sends nothing and discards what comes, but the other end of its cable does
        // send, so that every cable of a switch is crossed once.
        let of_switch = |ends: &[usize; 2]| ends.iter().any(|&end| !graph.nodes[end].host);
        let cables = graph.cables.iter().filter(|cable| of_switch(&cable.ends));
        let flooded = cables.count() as u64;
        Way { flooded, first_only: true, ..Way::new(graph, open) }
    }

    fn routed(graph: &Graph) -> Way {
        Way::new(graph, vec![true; graph.cables.len()])
    }

    fn new(graph: &Graph, open: Vec<bool>) -> Way {
        let numbers = graph.host_numbers();
        let groups = route::groups(graph);
        let mut group_of = vec![0; graph.hosts().count()];
        for (n, group) in groups.iter().enumerate() {
            for &host in &group.hosts {
                group_of[numbers[host]] = n;
            }
        }
        Way { open, flooded: 0, first_only: false, groups, group_of }
    }
}

/// Shortest ways, found once for the hosts of each group.
struct Paths<'a> {
    graph: &'a Graph,
    hosts: Vec<usize>,
    /// By source group or first switch: for each node the cables from there, and the way's last cable
    /// with the node before it.
    found: BTreeMap<Vec<usize>, Vec<Option<Step>>>,
}

#[derive(Clone, Copy)]
struct Step {
    distance: u64,
    /// The cable that leads here, and where it comes from; `None` at the start.
    from: Option<(usize, usize)>,
}

impl<'a> Paths<'a> {
    fn new(graph: &'a Graph) -> Self {
        Paths { graph, hosts: graph.hosts().collect(), found: BTreeMap::new() }
    }

    /// The switches that a host sends to.
    fn starts(&self, way: &Way, host: usize) -> Vec<usize> {
        let node = self.hosts[host];
        let mut starts: Vec<usize> = uplinks(self.graph, node).map(|(_, peer)| peer).collect();
        if way.first_only {
            starts.truncate(1);
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    fn from(&mut self, way: &Way, starts: &[usize]) -> &[Option<Step>] {
        let graph = self.graph;
        self.found.entry(starts.to_vec()).or_insert_with(|| {
            let mut steps: Vec<Option<Step>> = vec![None; graph.nodes.len()];
            let mut queue: VecDeque<usize> = starts.iter().copied().collect();
            for &start in starts {
                steps[start] = Some(Step { distance: 0, from: None });
            }
            while let Some(node) = queue.pop_front() {
                let distance = steps[node].map_or(0, |step| step.distance) + 1;
                for (cable, peer) in uplinks(graph, node) {
                    if way.open[cable] && steps[peer].is_none() {
                        steps[peer] = Some(Step { distance, from: Some((cable, node)) });
                        queue.push_back(peer);
                    }
                }
            }
            steps
        })
    }

    /// The nearest switch in front of a host, and how many cables it is away.
    fn nearest(steps: &[Option<Step>], ends: &[usize]) -> Option<(usize, u64)> {
        let reached = ends.iter().filter_map(|&end| Some((end, steps[end]?.distance)));
        reached.min_by_key(|&(_, distance)| distance)
    }

    /// Cables crossed by a packet of its own to each other host.
    fn to_each(&mut self, way: &Way, tenant: &Presence, source: usize) -> u64 {
        let starts = self.starts(way, source);
        if way.first_only {
            let ends: Vec<Vec<usize>> =
                tenant.peers(source).map(|peer| self.starts(way, peer)).collect();
            let steps = self.from(way, &starts);
            let far = ends.iter().filter_map(|end| Self::nearest(steps, end));
            return far.map(|(_, distance)| distance + 2).sum();
        }
        // Hosts of one group are as far away, and each host's own cable is one more at either end.
        let mut by_group: BTreeMap<usize, u64> = BTreeMap::new();
        for peer in tenant.peers(source) {
            *by_group.entry(way.group_of[peer]).or_default() += 1;
        }
        let far = by_group.into_iter().filter_map(|(group, hosts)| {
            let distance = &way.groups[group].distance;
            let nearest = starts.iter().filter_map(|&start| distance[start]).min()?;
            Some(hosts * (u64::from(nearest) + 2))
        });
        far.sum()
    }

    /// Cables of the tree of shortest ways to all other hosts.
    fn together(&mut self, way: &Way, tenant: &Presence, source: usize) -> u64 {
        let starts = self.starts(way, source);
        let ends: BTreeSet<Vec<usize>> =
            tenant.peers(source).map(|peer| self.starts(way, peer)).collect();
        let steps = self.from(way, &starts);
        let mut crossed = BTreeSet::new();
        let mut first = BTreeSet::new();
        for end in &ends {
            let Some((mut node, _)) = Self::nearest(steps, end) else { continue };
            while let Some((cable, before)) = steps[node].and_then(|step| step.from) {
                if !crossed.insert(cable) {
                    break;
                }
                node = before;
            }
            if steps[node].is_some_and(|step| step.from.is_none()) {
                first.insert(node);
            }
        }
        // The own cables of the source, one for each switch it starts from, and of all others.
        crossed.len() as u64 + first.len() as u64 + tenant.peer_count(source)
    }
}
