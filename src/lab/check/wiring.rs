//! Topologies: every node exists once, has a cable and is reached from every other.

use std::collections::HashMap;

use super::super::limits::{LINKS, NODES};
use super::super::model::{LinkSpec, Topology};
use super::super::read::{Sink, below, distance, suggestion};

pub(super) fn check(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    let given: Vec<&str> =
        Topology::GENERATORS.into_iter().filter(|key| sink.has(&below(path, key))).collect();
    match given.as_slice() {
        [] => listed(topology, path, sink),
        [key, more @ ..] => {
            for other in more {
                let message = format!("`{key}` makes all nodes already; a topology has one shape");
                sink.rule(&below(path, other), message);
            }
            let hosts = generated(topology, key, path, sink);
            hosts.filter(|_| more.is_empty())
        }
    }
}

fn generated(topology: &Topology, key: &str, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    for list in ["hosts", "switches", "links"] {
        let path = below(path, list);
        if sink.has(&path) {
            let why = format!("`{key}` makes the nodes and cables itself");
            sink.rule(&path, format!("{why}; leave `{list}` out, or list everything instead"));
        }
    }
    let at = below(path, key);
    let generator = topology.generator()?;
    let counts = generator.counts();
    for (what, count, max) in [("nodes", counts.nodes(), NODES), ("cables", counts.links, LINKS)] {
        if count > max {
            let smaller = generator.sizes().join("` or `");
            let count = amount(count);
            let message =
                format!("makes {count} {what}, and {max} are the limit; make `{smaller}` smaller");
            sink.rule(&at, message);
            return None;
        }
    }
    let odd = topology.fat_tree.as_ref().filter(|fat| fat.k % 2 != 0);
    if let Some(fat) = odd {
        let (below_it, above_it) = (fat.k - 1, fat.k + 1);
        let message = format!(
            "half of a switch's ports lead down and half up, and {} is odd; take {below_it} or {above_it}",
            fat.k
        );
        sink.rule(&below(&at, "k"), message);
        return None;
    }
    oversubscription(topology, path, sink);
    Some(topology.host_names())
}

/// A count, where it is one: the formulas end at the largest number there is.
fn amount(count: u64) -> String {
    const LARGE: u64 = 1_000_000_000;
    if count > LARGE { format!("more than {LARGE}") } else { count.to_string() }
}

/// Uplinks take their rate from that of the hosts.
fn oversubscription(topology: &Topology, path: &str, sink: &Sink<'_>) {
    let Some(shape) = &topology.leaf_spine else { return };
    let at = below(&below(path, "leaf-spine"), "oversubscription");
    let Some(times) = shape.oversubscription else { return };
    let Some(rate) = topology.rate else {
        if !sink.has(&below(path, "rate")) {
            let message = "hosts without a rate oversubscribe nothing; give the topology a `rate`, \
                           e.g. `10G`, which is then that of the hosts' links";
            sink.rule(&at, message);
        }
        return;
    };
    if shape.uplink(Some(rate)).is_some_and(|uplink| uplink.0 <= 1) {
        let message =
            format!("leaves the uplinks nothing of {rate}bit/s times {times}; make it smaller");
        sink.rule(&at, message);
    }
}

fn listed(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    let hosts_path = below(path, "hosts");
    if topology.hosts.is_empty() {
        let (at, message) = if sink.has(&hosts_path) {
            (hosts_path.as_str(), "is empty; list the physical machines, e.g. `[h1, h2]`")
        } else {
            (
                path,
                "a topology needs machines; give e.g. `leaf-spine`, or `hosts`, `switches` and `links`",
            )
        };
        sink.rule(at, message);
        return None;
    }
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut named: Vec<(&str, String)> = Vec::new();
    for (key, names) in [("hosts", &topology.hosts), ("switches", &topology.switches)] {
        for (n, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let at = format!("{}[{n}]", below(path, key));
            if let Some(earlier) = index.get(name.as_str()) {
                let earlier = &named[*earlier].1;
                sink.rule(
                    &at,
                    format!(
                        "`{name}` is the name of {earlier} already; every node needs one of its own"
                    ),
                );
            } else {
                index.insert(name, named.len());
                named.push((name, at));
            }
        }
    }
    // With names missing, every cable to them would look wrong too.
    let read = |key: &str, names: &[String]| {
        !sink.faulty_at(&below(path, key)) && names.iter().all(|name| !name.is_empty())
    };
    let hosts = read("hosts", &topology.hosts);
    if hosts && read("switches", &topology.switches) {
        cables(topology, path, &index, &named, sink);
    }
    hosts.then(|| topology.host_names())
}

fn cables(
    topology: &Topology,
    path: &str,
    index: &HashMap<&str, usize>,
    named: &[(&str, String)],
    sink: &Sink<'_>,
) {
    let mut joined = Groups::new(named.len());
    let mut cabled = vec![false; named.len()];
    let links_path = below(path, "links");
    let mut all_read = !sink.faulty_at(&links_path);
    let mut unknown = Vec::new();
    for (n, link) in topology.links.iter().enumerate() {
        let ends = link.ends();
        let ends_path = match link {
            LinkSpec::Ends(_) => format!("{links_path}[{n}]"),
            LinkSpec::Full(_) => format!("{links_path}[{n}].ends"),
        };
        let mut found = [None; 2];
        for (end, name) in ends.iter().enumerate() {
            found[end] = index.get(name.as_str()).copied();
            all_read &= !name.is_empty();
            if found[end].is_none() && !name.is_empty() {
                unknown.push(name);
                let near = suggestion(name, named.iter().map(|(name, _)| *name));
                let message = format!("there is no node `{name}`{near}");
                sink.rule(&format!("{ends_path}[{end}]"), message);
            }
        }
        for node in found.into_iter().flatten() {
            cabled[node] = true;
        }
        let [Some(a), Some(b)] = found else { continue };
        if a == b {
            sink.rule(&ends_path, format!("a cable from `{}` to itself; name two nodes", ends[0]));
        }
        joined.join(a, b);
    }
    // An end that was not read could be any node.
    if !all_read {
        return;
    }
    let bare = named.iter().zip(&cabled).filter(|(_, cabled)| !**cabled).map(|(node, _)| node);
    // One that is misspelt was meant to be a node with such a name.
    let meant = |name: &str| unknown.iter().any(|unknown| distance(unknown, name).is_some());
    for (name, at) in bare.filter(|(name, _)| !meant(name)) {
        sink.rule(at, format!("no cable leads to `{name}`; add one to `links`, or leave it out"));
    }
    if !unknown.is_empty() {
        return;
    }
    let Some(from) = cabled.iter().position(|cabled| *cabled) else { return };
    let group = joined.group(from);
    if let Some(to) = (from..named.len()).find(|to| cabled[*to] && joined.group(*to) != group) {
        let (from, to) = (named[from].0, named[to].0);
        let message = format!("no way leads from `{from}` to `{to}`; all nodes must be joined");
        sink.rule(&links_path, message);
    }
}

/// Which nodes are joined (union-find with path halving).
pub(super) struct Groups(Vec<usize>);

impl Groups {
    pub fn new(nodes: usize) -> Self {
        Groups((0..nodes).collect())
    }

    pub fn group(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    /// Joins two nodes; whether they were apart before.
    pub fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.group(a), self.group(b));
        self.0[a] = b;
        a != b
    }
}
