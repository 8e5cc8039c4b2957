//! Topologies: every node exists once, has a cable and is reached from every other.

use std::collections::{HashMap, HashSet};

use super::super::limits::NODES;
use super::super::model::{LinkSpec, Topology};
use super::super::read::{Sink, below, suggestion};

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
    if nodes > NODES {
        let path = below(path, "leaf-spine");
        sink.rule(
            &path,
            format!("makes {nodes} nodes; {NODES} are the limit, each is a namespace"),
        );
        return None;
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
    let certain = sink.clean(&hosts_path) && sink.clean(&below(path, "switches"));
    if certain {
        cables(topology, path, &index, &named, sink);
    }
    sink.clean(&hosts_path).then(|| topology.host_names())
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
    let mut pairs = HashSet::new();
    let links_path = below(path, "links");
    for (n, link) in topology.links.iter().enumerate() {
        let (ends, ends_path) = match link {
            LinkSpec::Ends(ends) => (ends, format!("{links_path}[{n}]")),
            LinkSpec::Full(full) => (&full.ends, format!("{links_path}[{n}].ends")),
        };
        let mut found = [None; 2];
        for (end, name) in ends.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            found[end] = index.get(name.as_str()).copied();
            if found[end].is_none() {
                let near = suggestion(name, named.iter().map(|(name, _)| *name));
                sink.rule(
                    &format!("{ends_path}[{end}]"),
                    format!("there is no node `{name}`{near}"),
                );
            }
        }
        for node in found.into_iter().flatten() {
            cabled[node] = true;
        }
        let [Some(a), Some(b)] = found else { continue };
        if a == b {
            sink.rule(&ends_path, format!("a cable from `{}` to itself; name two nodes", ends[0]));
        } else if !pairs.insert((a.min(b), a.max(b))) {
            let pair = format!("`{}` and `{}`", ends[0], ends[1]);
            sink.rule(
                &ends_path,
                format!("{pair} are joined already; two nodes have one cable at most"),
            );
        }
        joined.join(a, b);
    }
    // Where a cable could not be read, what it joins is unknown.
    if !sink.clean(&links_path) {
        return;
    }
    for ((name, at), _) in named.iter().zip(&cabled).filter(|(_, cabled)| !**cabled) {
        sink.rule(at, format!("no cable leads to `{name}`; add one to `links`, or leave it out"));
    }
    let first = joined.group(0);
    let apart = (0..named.len()).find(|node| cabled[*node] && joined.group(*node) != first);
    if let (Some(apart), true) = (apart, cabled.first() == Some(&true)) {
        let (from, to) = (named[0].0, named[apart].0);
        sink.rule(
            &links_path,
            format!("no way leads from `{from}` to `{to}`; all nodes must be joined"),
        );
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
