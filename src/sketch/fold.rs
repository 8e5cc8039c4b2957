//! Which nodes share a box, so that any wiring fits a page.

use std::collections::{BTreeMap, VecDeque};

use super::Wiring;

/// Most boxes of switches in one layer.
const SWITCHES: usize = 32;
/// Most hosts that are drawn one by one.
const HOSTS: usize = 24;

/// Nodes by box: `of[node]` is the number of its box, and boxes are in the order they are drawn in.
#[derive(Debug)]
pub struct Fold {
    /// The box of each node, in the order of [`Wiring::hosts`].
    pub of: Vec<usize>,
    /// The nodes of each box.
    pub members: Vec<Vec<usize>>,
    /// The layer of each box: 0 for hosts.
    pub layers: Vec<usize>,
}

/// Neighbours of each node.
fn neighbours(wiring: &Wiring) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); wiring.hosts.len()];
    for &[a, b] in &wiring.links {
        if a < neighbours.len() && b < neighbours.len() {
            neighbours[a].push(b);
            neighbours[b].push(a);
        }
    }
    neighbours
}

/// Steps from the nearest host: 0 at hosts. A switch that no host reaches is above all others.
fn layers(wiring: &Wiring, neighbours: &[Vec<usize>]) -> Vec<usize> {
    let mut layer = vec![usize::MAX; wiring.hosts.len()];
    let hosts = (0..wiring.hosts.len()).filter(|&n| wiring.hosts[n]);
    let mut queue: VecDeque<usize> = hosts.collect();
    for &host in &queue {
        layer[host] = 0;
    }
    while let Some(node) = queue.pop_front() {
        for &peer in &neighbours[node] {
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
    /// Folds what would not fit.
    #[must_use]
    pub fn new(wiring: &Wiring) -> Fold {
        let neighbours = neighbours(wiring);
        let layer = layers(wiring, &neighbours);
        let mut fold =
            Fold { of: vec![0; wiring.hosts.len()], members: Vec::new(), layers: Vec::new() };
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
            let peers = neighbours[host].iter().filter(|peer| layer[**peer] > 0);
            let mut above: Vec<usize> = peers.map(|&peer| fold.of[peer]).collect();
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
