//! Topologies: every node exists once, has a cable and is reached from every other.

use std::collections::HashMap;

use super::super::limits::{LINKS, NODES};
use super::super::model::{LinkSpec, Topology};
use super::super::read::{Sink, below, distance, suggestion};

pub(super) fn check(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    if topology.leaf_spine.is_some() || sink.has(&below(path, "leaf-spine")) {
        generated(topology, path, sink)
    } else {
        listed(topology, path, sink)
    }
}

fn generated(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    for key in ["hosts", "switches", "links"] {
        let path = below(path, key);
        if sink.has(&path) {
            let why = "`leaf-spine` makes the nodes and cables itself";
            sink.rule(&path, format!("{why}; leave `{key}` out, or list everything instead"));
        }
    }
    let shape = topology.leaf_spine.as_ref()?;
    let (leaves, spines, hosts) = (shape.leaves, shape.spines, shape.hosts);
    let nodes = u64::from(leaves) * (u64::from(hosts) + 1) + u64::from(spines);
    let links = u64::from(leaves) * (u64::from(hosts) + u64::from(spines));
    for (what, count, max) in [("nodes", nodes, NODES), ("cables", links, LINKS)] {
        if count > max {
            let message = format!("makes {count} {what}; {max} are the limit");
            sink.rule(&below(path, "leaf-spine"), message);
            return None;
        }
    }
    Some(topology.host_names())
}

fn listed(topology: &Topology, path: &str, sink: &Sink<'_>) -> Option<Vec<String>> {
    let hosts_path = below(path, "hosts");
    if topology.hosts.is_empty() {
        let (at, message) = if sink.has(&hosts_path) {
            (hosts_path.as_str(), "is empty; list the physical machines, e.g. `[h1, h2]`")
        } else {
            (
                path,
                "a topology needs machines; give `leaf-spine`, or `hosts`, `switches` and `links`",
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
        let (ends, ends_path) = match link {
            LinkSpec::Ends(ends) => (ends, format!("{links_path}[{n}]")),
            LinkSpec::Full(full) => (&full.ends, format!("{links_path}[{n}].ends")),
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
struct Groups(Vec<usize>);

impl Groups {
    fn new(nodes: usize) -> Self {
        Groups((0..nodes).collect())
    }

    fn group(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.group(a), self.group(b));
        self.0[a] = b;
    }
}
