//! Which nodes share a box, so that any lab fits a page.

use std::collections::{BTreeMap, VecDeque};

use crate::plan::{NodeKind, Variant};

/// Most boxes of switches in one layer.
const SWITCHES: usize = 32;
/// Most hosts that are drawn one by one.
const HOSTS: usize = 24;

/// Nodes by box: `of[node]` is the number of its box, and boxes are in the order they are drawn in.
#[derive(Debug)]
pub(super) struct Fold {
    /// The box of each node, in the order of [`Variant::nodes`].
    pub of: Vec<usize>,
    /// The nodes of each box.
    pub members: Vec<Vec<usize>>,
    /// The layer of each box: 0 for hosts.
    pub layers: Vec<usize>,
}

/// Neighbours of each node, as `(link, node)`.
pub(super) fn neighbours(variant: &Variant) -> Vec<Vec<(usize, usize)>> {
    let index: BTreeMap<&str, usize> =
        variant.nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
    let mut neighbours = vec![Vec::new(); variant.nodes.len()];
    for (link, cable) in variant.links.iter().enumerate() {
        let [a, b] = cable.ends.each_ref().map(|end| index.get(end.node.as_str()).copied());
        if let (Some(a), Some(b)) = (a, b) {
            neighbours[a].push((link, b));
            neighbours[b].push((link, a));
        }
    }
    neighbours
}

/// Steps from the nearest host: 0 at hosts. A switch that no host reaches is above all others.
fn layers(variant: &Variant, neighbours: &[Vec<(usize, usize)>]) -> Vec<usize> {
    let mut layer = vec![usize::MAX; variant.nodes.len()];
    let hosts = (0..variant.nodes.len()).filter(|&n| variant.nodes[n].kind == NodeKind::Host);
    let mut queue: VecDeque<usize> = hosts.collect();
    for &host in &queue {
        layer[host] = 0;
    }
    while let Some(node) = queue.pop_front() {
        for &(_, peer) in &neighbours[node] {
            if layer[peer] == usize::MAX {
                layer[peer] = layer[node] + 1;
                queue.push_back(peer);
            }
        }
    }
    let top = layer.iter().filter(|&&l| l != usize::MAX).max().copied().unwrap_or(0);
    layer.iter().map(|&l| if l == usize::MAX { top + 1 } else { l }).collect()
}

impl Fold {
    pub(super) fn new(variant: &Variant, neighbours: &[Vec<(usize, usize)>]) -> Fold {
        let layer = layers(variant, neighbours);
        let mut fold =
            Fold { of: vec![0; variant.nodes.len()], members: Vec::new(), layers: Vec::new() };
        let top = layer.iter().max().copied().unwrap_or(0);
        for height in 1..=top {
            let nodes: Vec<usize> = (0..layer.len()).filter(|&n| layer[n] == height).collect();
            let each = nodes.len().div_ceil(SWITCHES).max(1);
            for members in nodes.chunks(each) {
                fold.add(members.to_vec(), height);
            }
        }
        // Hosts stand below the boxes of switches that they are joined to.
        let hosts: Vec<usize> = (0..layer.len()).filter(|&n| layer[n] == 0).collect();
        let mut under: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for &host in &hosts {
            let peers = neighbours[host].iter().filter(|(_, peer)| layer[*peer] > 0);
            let mut above: Vec<usize> = peers.map(|&(_, peer)| fold.of[peer]).collect();
            above.sort_unstable();
            above.dedup();
            under.entry(above).or_default().push(host);
        }
        for group in under.into_values() {
            let each = if hosts.len() > HOSTS { group.len() } else { 1 };
            for members in group.chunks(each) {
                fold.add(members.to_vec(), 0);
            }
        }
        fold
    }

    fn add(&mut self, members: Vec<usize>, layer: usize) {
        for &node in &members {
            self.of[node] = self.members.len();
        }
        self.members.push(members);
        self.layers.push(layer);
    }
}
