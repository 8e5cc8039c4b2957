//! What one more tenant takes in configuration: nodes to touch, and entries to make at them.
//!
//! It is counted of a tenant that the plan has, so that it is a tenant like it. Attaching VMs to ports of
//! their host is left out: it is the same whatever carries them.
//!
//! A VLAN is allowed at switches' ports: at the port of every host that has VMs of the tenant, and at both
//! ends of every trunk that spanning tree may come to use between these. Those are all trunks but
//! the ones that lead to none of the hosts: after one cut the way between two leaves of a leaf-spine fabric may lead
//! through a third leaf. A tunnel needs nothing of the fabric, and at each of the hosts the id and the other
//! ends, or one group.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{NodeKind, Variant};
use crate::ids::Encap;
use crate::lab::has_ids;

/// The configuration of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTenant {
    /// The tenant that the new one is like: that with VMs at most hosts, the first of these.
    pub like: String,
    /// Hosts where it has VMs, or that they may move to: each is told something.
    pub hosts: u64,
    /// Switches that are told something.
    pub switches: u64,
    /// Switches' ports at which its VLAN is allowed.
    pub ports: u64,
    /// Ids at hosts: one at each, where packets name their tenant.
    pub ids: u64,
    /// Other ends of tunnels, or places that broadcasts are sent to, over all hosts.
    pub peers: u64,
    /// Multicast groups that hosts join.
    pub groups: u64,
    /// MAC addresses of VMs in hosts' tables, where those do not learn.
    pub macs: u64,
}

impl Variant {
    /// What one more tenant takes; `None` where no tenant can be told from another: without
    /// encapsulation, and where packets name none.
    #[must_use]
    pub fn new_tenant(&self) -> Option<NewTenant> {
        if !has_ids(self.encap) {
            return None;
        }
        let spread = |name: &str| self.present(name).count();
        // The last of several maxima is taken, so the first tenant is looked at last.
        let like = self.tenants.iter().rev().max_by_key(|tenant| spread(&tenant.name))?;
        let ports = self.vlan_ports(&like.name);
        let switches: BTreeSet<&str> = ports.iter().map(|(node, _)| *node).collect();
        let mut sum = NewTenant {
            like: like.name.clone(),
            switches: switches.len() as u64,
            ports: ports.len() as u64,
            ..NewTenant::default()
        };
        for (_, network) in self.present(&like.name) {
            sum.hosts += 1;
            // An SSH connection is the network: nothing in it names one.
            sum.ids += u64::from(self.encap != Encap::Ssh);
            sum.groups += u64::from(network.group.is_some());
            sum.peers += if network.group.is_some() { 0 } else { network.peers.len() as u64 };
            sum.macs += network.fdb.len() as u64;
        }
        Some(sum)
    }

    /// The edges of a tenant, each with its network there.
    fn present<'v>(
        &'v self,
        tenant: &'v str,
    ) -> impl Iterator<Item = (&'v super::Edge, &'v super::EdgeNetwork)> {
        self.edges.iter().flat_map(move |edge| {
            let networks = edge.networks.iter().filter(move |network| network.tenant == tenant);
            networks.map(move |network| (edge, network))
        })
    }

    /// The switches' ports at which a tenant's VLAN has to be allowed: node and interface.
    #[must_use]
    pub fn vlan_ports(&self, tenant: &str) -> Vec<(&str, &str)> {
        if self.encap != Encap::Vlan {
            return Vec::new();
        }
        let index: BTreeMap<&str, usize> = self
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Switch)
            .enumerate()
            .map(|(n, node)| (node.name.as_str(), n))
            .collect();
        let uplinks: BTreeSet<(&str, &str)> =
            self.present(tenant).map(|(edge, _)| (edge.host.as_str(), edge.nic.as_str())).collect();
        let mut access = Vec::new();
        let mut trunks = Vec::new();
        let mut wanted = vec![false; index.len()];
        for link in &self.links {
            let at = link.ends.each_ref().map(|end| index.get(end.node.as_str()).copied());
            match at {
                [Some(a), Some(b)] => trunks.push((link, [a, b])),
                [Some(a), None] | [None, Some(a)] => {
                    let near = usize::from(at[0].is_none());
                    let far = &link.ends[1 - near];
                    if uplinks.contains(&(far.node.as_str(), far.interface.as_str())) {
                        wanted[a] = true;
                        access.push(&link.ends[near]);
                    }
                }
                [None, None] => {}
            }
        }
        let ends: Vec<[usize; 2]> = trunks.iter().map(|(_, ends)| *ends).collect();
        let used = on_the_way(&ends, &wanted);
        let used = trunks.iter().zip(used).filter(|(_, used)| *used);
        let used = used.flat_map(|((link, _), _)| &link.ends);
        let vid = self.tenants.iter().find(|t| t.name == tenant).map_or(0, |t| t.id);
        let told = |end: &&super::LinkEnd| end.vlans.as_ref().is_none_or(|v| v.allow(vid));
        let all = access.into_iter().chain(used).filter(told);
        all.map(|end| (end.node.as_str(), end.interface.as_str())).collect()
    }
}

impl super::PortVlans {
    /// Whether frames of a VLAN pass, with or without tag.
    fn allow(&self, vid: u64) -> bool {
        let vid = u16::try_from(vid).unwrap_or_default();
        self.untagged == Some(vid)
            || self.tagged.iter().any(|(first, last)| (*first..=*last).contains(&vid))
    }
}

/// Which links between switches may be on the way between wanted ones, whatever is cut: all but those
/// to switches that lead nowhere, which are taken away one after another. None where one switch is all.
pub(super) fn on_the_way(links: &[[usize; 2]], wanted: &[bool]) -> Vec<bool> {
    if wanted.iter().filter(|wanted| **wanted).count() < 2 {
        return vec![false; links.len()];
    }
    let mut stays = vec![true; links.len()];
    let mut degree = vec![0_usize; wanted.len()];
    let mut of: Vec<Vec<usize>> = vec![Vec::new(); wanted.len()];
    for (n, ends) in links.iter().enumerate() {
        for &end in ends {
            degree[end] += 1;
            of[end].push(n);
        }
    }
    let idle = |node: &usize, degree: &[usize]| degree[*node] == 1 && !wanted[*node];
    let mut dead: Vec<usize> = (0..wanted.len()).filter(|node| idle(node, &degree)).collect();
    while let Some(node) = dead.pop() {
        let Some(&link) = of[node].iter().find(|&&link| stays[link]) else { continue };
        stays[link] = false;
        for end in links[link] {
            degree[end] -= 1;
            if idle(&end, &degree) {
                dead.push(end);
            }
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::read_str;

    fn variants(more: &str) -> Vec<Variant> {
        let lab = format!("title: t\n{more}\nmeasure: {{ baseline: false }}\n");
        let loaded = read_str("lab.yaml", &lab).unwrap();
        crate::plan::plan(&loaded.lab, &loaded.topology).unwrap().variants
    }

    fn of(variants: &[Variant], name: &str) -> NewTenant {
        variants.iter().find(|v| v.name == name).unwrap().new_tenant().unwrap()
    }

    #[test]
    fn a_vlan_is_told_to_switches_and_a_tunnel_to_hosts_only() {
        let all = variants(
            "topology: { leaf-spine: { leaves: 3, spines: 2, hosts: 2 } }\n\
             compare: { encap: [vlan, qinq, gretap, vxlan], learning: [flood, multicast, static] }\n\
             tenants:\n\
             - { name: small, subnet: 10.1.0.0/24, vms: { a: h1, b: h2 } }\n\
             - { name: wide, subnet: 10.2.0.0/24, vms: { a: h1, b: h3, c: h5, d: h5 } }\n\
             - { name: same, subnet: 10.3.0.0/24, vms: { a: h2, b: h4, c: h6 } }",
        );
        let vlan = of(&all, "vlan");
        assert_eq!((vlan.like.as_str(), vlan.hosts, vlan.ids), ("wide", 3, 3));
        // Six trunks with two ends, and three hosts' ports, at all five switches.
        assert_eq!((vlan.switches, vlan.ports, vlan.peers), (5, 12 + 3, 0));
        // The provider's tag is told already.
        let qinq = of(&all, "qinq");
        assert_eq!((qinq.switches, qinq.ports, qinq.ids), (0, 0, 3));
        let flood = of(&all, "vxlan-flood");
        assert_eq!((flood.switches, flood.ports, flood.hosts), (0, 0, 3));
        assert_eq!((flood.ids, flood.peers, flood.groups, flood.macs), (3, 6, 0, 0));
        let group = of(&all, "vxlan-multicast");
        assert_eq!((group.ids, group.peers, group.groups), (3, 0, 3));
        let filled = of(&all, "vxlan-static");
        // Each host is told the VMs of the others: 3, 3 and 2.
        assert_eq!((filled.peers, filled.macs), (6, 8));
        assert_eq!(of(&all, "gretap-flood").peers, 6);
        let all = variants(
            "topology: two-racks\ncarrier: { encap: ssh }\n\
             tenants: [{ name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h3 } }]",
        );
        let ssh = of(&all, "ssh");
        assert_eq!((ssh.ids, ssh.peers), (0, 2), "a connection is the network");
    }

    #[test]
    fn one_rack_needs_no_trunk_and_dead_ends_are_left_out() {
        let of_row = |vms: &str| {
            let row = "topology: { linear: { switches: 5, hosts: 1 } }\ncarrier: { encap: vlan }";
            let all = variants(&format!(
                "{row}\ntenants: [{{ name: red, subnet: 10.1.0.0/24, vms: {vms} }}]"
            ));
            all[0].vlan_ports("red").iter().map(|(node, port)| format!("{node}:{port}")).collect()
        };
        let row: Vec<String> = of_row("{ a: h2, b: h3 }");
        assert_eq!(row, ["sw2:to-h2", "sw3:to-h3", "sw2:to-sw3", "sw3:to-sw2"]);
        let one: Vec<String> = of_row("{ a: h2, b: h2 }");
        assert_eq!(one, ["sw2:to-h2"]);
    }

    /// Switches that the tree leads through between a tenant's hosts, and whether all ports there were counted.
    fn tree_ways(
        variant: &Variant,
        counted: &BTreeSet<(String, String)>,
    ) -> (BTreeSet<String>, bool) {
        let tree = variant.spanning_tree();
        let hosts: Vec<&str> = variant.present("red").map(|(edge, _)| edge.host.as_str()).collect();
        let mut passed = BTreeSet::new();
        let mut all = true;
        // From the first host along unblocked links, with the way to each node.
        let mut ways: BTreeMap<&str, Vec<&super::super::Link>> =
            BTreeMap::from([(hosts[0], vec![])]);
        let mut queue = vec![hosts[0]];
        while let Some(node) = queue.pop() {
            for (n, link) in variant.links.iter().enumerate().filter(|(n, _)| !tree.blocks(*n)) {
                let Some(near) = link.ends.iter().position(|end| end.node == node) else {
                    continue;
                };
                let far = link.ends[1 - near].node.as_str();
                if !ways.contains_key(far) {
                    let way = [ways[node].clone(), vec![&variant.links[n]]].concat();
                    ways.insert(far, way);
                    queue.push(far);
                }
            }
        }
        for host in &hosts[1..] {
            for end in ways[host].iter().flat_map(|link| &link.ends) {
                let switch =
                    variant.nodes.iter().any(|x| x.name == end.node && x.kind == NodeKind::Switch);
                if switch {
                    passed.insert(end.node.clone());
                    all &= counted.contains(&(end.node.clone(), end.interface.clone()));
                }
            }
        }
        (passed, all)
    }

    #[test]
    fn whatever_link_is_cut_the_tree_leads_over_counted_ports() {
        let mut through_others = 0;
        for topology in [
            "leaf-spine: { leaves: 4, spines: 2, hosts: 1 }",
            "leaf-spine: { leaves: 3, spines: 3, hosts: 1 }",
            "fat-tree: { k: 4 }",
            "ring: { switches: 5, hosts: 1 }",
            "mesh: { switches: 4, hosts: 1 }",
        ] {
            for vms in ["{ a: h1, b: h3 }", "{ a: h2, b: h3 }", "{ a: h1, b: h2, c: h3 }"] {
                let all = variants(&format!(
                    "topology: {{ {topology} }}\ncarrier: {{ encap: vlan }}\n\
                     tenants: [{{ name: red, subnet: 10.1.0.0/24, vms: {vms} }}]"
                ));
                let whole = &all[0];
                let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
                let counted: BTreeSet<_> = whole.vlan_ports("red").into_iter().map(owned).collect();
                let (before, sound) = tree_ways(whole, &counted);
                assert!(sound, "{topology} {vms}");
                for cut in 0..whole.links.len() {
                    if whole.links[cut].ends.iter().any(|end| end.node.starts_with('h')) {
                        continue;
                    }
                    let mut left = whole.clone();
                    left.links.remove(cut);
                    let (passed, sound) = tree_ways(&left, &counted);
                    assert!(sound, "{topology} {vms} without {}", whole.links[cut].name);
                    through_others += usize::from(!passed.is_subset(&before));
                }
            }
        }
        assert!(through_others > 0, "some ways lead over switches that none led over before");
    }

    #[test]
    fn ports_that_are_told_otherwise_are_not_counted() {
        let all = variants(
            "topology:\n  hosts: [h1, h2]\n  switches: [s1, s2]\n  \
             links: [[h1, s1], [h2, s2], [s1, s2]]\n  \
             ports: [{ at: s1, to: s2, trunk: [7] }, { at: s2, to: h2, access: 101 }]\n\
             carrier: { encap: vlan }\n\
             tenants: [{ name: red, vid: 101, subnet: 10.1.0.0/24, vms: { a: h1, b: h2 } }]",
        );
        let told = all[0].vlan_ports("red");
        assert_eq!(told, [("s1", "to-h1"), ("s2", "to-h2"), ("s2", "to-s1")]);
    }

    #[test]
    fn where_nobody_can_be_told_apart_there_is_no_further_tenant() {
        let all = variants(
            "topology: two-racks\ncompare: { encap: [none, ipip] }\n\
             tenants: [{ name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h3 } }]",
        );
        assert!(all.iter().all(|variant| variant.new_tenant().is_none()));
    }
}
