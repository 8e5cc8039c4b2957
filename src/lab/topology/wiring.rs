//! What every generator gives, and what they all are made of.

use std::fmt::Debug;

use super::{LinkFull, LinkSpec};
use crate::lab::units::Rate;

/// Every node and cable of a topology.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// Physical machines.
    pub hosts: Vec<String>,
    /// Switches or routers, the spanning tree's root first.
    pub switches: Vec<String>,
    /// Cables: hosts' first.
    pub links: Vec<LinkSpec>,
}

/// How many of everything a topology has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Physical machines.
    pub hosts: u64,
    /// Switches or routers.
    pub switches: u64,
    /// Cables.
    pub links: u64,
}

impl Counts {
    /// Hosts and switches; each becomes a namespace.
    #[must_use]
    pub const fn nodes(self) -> u64 {
        self.hosts.saturating_add(self.switches)
    }
}

/// A shape that a few numbers describe.
pub trait Generator: Debug {
    /// Its key in a topology file.
    fn key(&self) -> &'static str;

    /// Its keys that say how large it is.
    fn sizes(&self) -> &'static [&'static str];

    /// How many hosts, switches and cables it makes, by formula; at most `u64::MAX` of each.
    fn counts(&self) -> Counts;

    /// Its nodes and cables, where `rate` is that of links without one of their own. Names are the
    /// same for the same parameters; hosts are `h1..`.
    fn wire(&self, rate: Option<Rate>) -> Wiring;

    /// Changes the parameter that grows with a data centre so that there are at least `hosts`
    /// hosts, and no more whole racks, sites or pods than that takes.
    fn grow(&mut self, hosts: u32);

    /// Whether its switches are routers, whatever carries the tenants.
    fn routed(&self) -> bool {
        false
    }
}

impl Wiring {
    /// Adds switches `NAME1..` and returns their names.
    pub(super) fn add_switches(&mut self, name: &str, count: u32) -> Vec<String> {
        let names: Vec<String> = (1..=count).map(|n| format!("{name}{n}")).collect();
        self.switches.extend_from_slice(&names);
        names
    }

    /// Adds the next host, `h1..`, with a cable to each of `switches`.
    pub(super) fn add_host(&mut self, switches: &[&String]) {
        let host = format!("h{}", self.hosts.len() + 1);
        for switch in switches {
            self.join(&host, switch);
        }
        self.hosts.push(host);
    }

    /// Adds `each` hosts under every one of `switches`, in their order.
    pub(super) fn add_hosts_under(&mut self, switches: &[String], each: u32) {
        for switch in switches {
            for _ in 0..each {
                self.add_host(&[switch]);
            }
        }
    }

    /// Adds a cable.
    pub(super) fn join(&mut self, a: &str, b: &str) {
        self.links.push(LinkSpec::Ends([a.to_owned(), b.to_owned()]));
    }

    /// Adds a cable with properties of its own.
    pub(super) fn join_with(&mut self, a: &str, b: &str, mtu: Option<u32>, rate: Option<Rate>) {
        self.join_as(a, b, LinkFull { mtu, rate, ..LinkFull::default() });
    }

    /// Adds a cable with these properties, whose ends do not matter.
    pub(super) fn join_as(&mut self, a: &str, b: &str, of: LinkFull) {
        if of == LinkFull::default() {
            self.join(a, b);
        } else {
            let ends = [a.to_owned(), b.to_owned()];
            self.links.push(LinkSpec::Full(LinkFull { ends, ..of }));
        }
    }
}

/// A product that stops at the largest number.
pub(super) fn times(a: u32, b: u32) -> u64 {
    u64::from(a).saturating_mul(u64::from(b))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lab::Topology;

    /// Expands a topology and checks what holds for every shape: the formula, unique names, every
    /// cable between nodes that exist, hosts named in order, the cables of hosts first.
    pub fn expand(yaml: &str) -> Wiring {
        let topology: Topology = serde_yaml::from_str(yaml).unwrap();
        let wiring = topology.wiring();
        let counted = Counts {
            hosts: wiring.hosts.len() as u64,
            switches: wiring.switches.len() as u64,
            links: wiring.links.len() as u64,
        };
        assert_eq!(topology.counts(), counted, "{yaml}");
        assert_eq!(topology.host_names(), wiring.hosts, "{yaml}");
        let nodes: BTreeSet<&String> = wiring.hosts.iter().chain(&wiring.switches).collect();
        assert_eq!(nodes.len() as u64, counted.nodes(), "{yaml}: a name twice");
        let is_host = |name: &String| wiring.hosts.contains(name);
        for link in &wiring.links {
            let [a, b] = link.ends();
            assert!(nodes.contains(a) && nodes.contains(b) && a != b, "{yaml}: {a}-{b}");
            assert!(!is_host(b), "{yaml}: a host is the first end");
        }
        let of_hosts = wiring.links.iter().take_while(|l| is_host(&l.ends()[0])).count();
        assert!(!wiring.links[of_hosts..].iter().any(|l| is_host(&l.ends()[0])), "{yaml}");
        wiring
    }

    /// The cables as `a-b`.
    pub fn cables(wiring: &Wiring) -> Vec<String> {
        wiring.links.iter().map(|link| link.ends().join("-")).collect()
    }

    /// Grows a topology and says how many hosts it then has.
    pub fn grown(yaml: &str, hosts: u32) -> u64 {
        let mut topology: Topology = serde_yaml::from_str(yaml).unwrap();
        assert!(topology.grow(hosts));
        topology.counts().hosts
    }

    #[test]
    fn what_is_listed_stays_as_it_is() {
        let topology: Topology =
            serde_yaml::from_str("{ hosts: [a, b], switches: [s], links: [[a, s], [b, s]] }")
                .unwrap();
        let wiring = topology.wiring();
        assert_eq!((wiring.hosts, wiring.switches), (topology.hosts.clone(), vec!["s".into()]));
        assert_eq!(topology.counts(), Counts { hosts: 2, switches: 1, links: 2 });
        assert!(!topology.clone().grow(10), "nothing to grow");
    }

    #[test]
    fn no_number_is_too_large_to_count() {
        let most = u32::MAX;
        for yaml in [
            format!("leaf-spine: {{ leaves: {most}, spines: {most}, hosts: {most} }}"),
            format!("tree: {{ depth: {most}, fanout: {most} }}"),
            format!("tree: {{ depth: {most}, fanout: 1 }}"),
            format!("fat-tree: {{ k: {most} }}"),
            format!("mesh: {{ switches: {most}, hosts: {most} }}"),
            format!("dual-homed: {{ pairs: {most}, spines: {most}, hosts: {most} }}"),
            format!("wan: {{ sites: {most}, hosts: {most}, cores: {most} }}"),
        ] {
            let topology: Topology = serde_yaml::from_str(&yaml).unwrap();
            assert!(topology.counts().nodes() >= u64::from(most), "{yaml}");
        }
    }
}
