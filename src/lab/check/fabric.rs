//! The fabric under the tenants: it ends where frames do, has no loop that nobody cuts, and leads
//! from every VM of a tenant to every other.

use std::collections::HashMap;

use super::Whole;
use super::carrier::encap_path;
use super::wiring::Groups;
use crate::ids::Encap;
use crate::lab::carriers::fabric;
use crate::lab::model::{Fabric, Switchable, Topology};
use crate::lab::topology::{Generator, Wiring};

pub(super) fn check(whole: &Whole<'_>) {
    // With faults in the topology there is no certain wiring.
    let (Some(topology), Some(_)) = (whole.topology, &whole.hosts) else { return };
    let encaps = whole.encaps();
    let fabrics = whole.lab.fabrics();
    let some = |wanted| {
        encaps.iter().any(|e| fabrics.iter().any(|(_, asked)| fabric(*asked, *e) == wanted))
    };
    let (bridged, routed) = (some(Fabric::L2), some(Fabric::L3));
    routers_stay_routers(whole, topology);
    let Some(net) = Net::new(topology.wiring()) else { return };
    if bridged && topology.stp == Switchable::Off {
        loop_without_stp(whole, &net);
    }
    if bridged {
        let hint = "a host joins an L2 fabric with its first link";
        paths(whole, &net, &net.bridged(), hint);
    }
    if routed {
        several_links(whole, &net);
        paths(whole, &net, &net.routed(), "paths lead through switches, not through hosts");
    }
}

/// A shape whose nodes are routers is no broadcast domain.
fn routers_stay_routers(whole: &Whole<'_>, topology: &Topology) {
    let Some(shape) = topology.generator().filter(|shape| shape.routed()) else { return };
    let key = shape.key();
    let fabrics = whole.lab.fabrics();
    if let Some((path, _)) = fabrics.iter().find(|(_, fabric)| *fabric == Fabric::L2) {
        let message =
            format!("the sites of a `{key}` are joined by routers; leave it out, or `l3`");
        return whole.sink.rule(path, message);
    }
    for (n, encap) in whole.encaps().into_iter().enumerate().filter(|(_, e)| e.is_tag()) {
        let message = format!(
            "the sites of a `{key}` are joined by routers, which no {encap} tag crosses; take a \
             tunnel, or another topology"
        );
        whole.sink.rule(&encap_path(whole, n), message);
    }
}

fn loop_without_stp(whole: &Whole<'_>, net: &Net) {
    let Some(found) = net.uncut_loop() else { return };
    let path = if whole.sink.has("topology.stp") { "topology.stp" } else { "topology" };
    let fix = "leave `stp` out, take the cable away, or route (`fabric: l3`)";
    whole.sink.rule(path, format!("{found}; {fix}"));
}

/// What is wrong with a topology that stands alone and so is bridged: the rule that labs have.
pub(in crate::lab) fn storm(topology: &Topology) -> Option<String> {
    let routed = topology.generator().is_some_and(Generator::routed);
    if routed || topology.stp == Switchable::On {
        return None;
    }
    let found = Net::new(topology.wiring())?.uncut_loop()?;
    let fix = "leave `stp` out, or take the cable away; a lab may also route it (`fabric: l3`)";
    Some(format!("{found}; {fix}"))
}

/// What looks at one link of a host does not see what a routed host sends over another.
fn several_links(whole: &Whole<'_>, net: &Net) {
    let mut cables = vec![0_u32; net.names.len()];
    for end in net.links.iter().flat_map(|&(a, b)| [a, b]) {
        cables[end] += 1;
    }
    let vms = whole.lab.tenants.iter().flat_map(|tenant| &tenant.vms);
    let several = |host: &String| net.index.get(host).copied().filter(|&host| cables[host] > 1);
    let Some(host) = vms.map(|vm| &vm.host).find_map(several) else { return };
    let (host, links) = (&net.names[host], cables[host]);
    for (n, _) in whole.encaps().into_iter().enumerate().filter(|(_, e)| *e == Encap::Stt) {
        let message = format!(
            "stt's engine serves one link of a host, and `{host}` has {links}; take another \
             tunnel, or hosts with one link"
        );
        whole.sink.rule(&encap_path(whole, n), message);
    }
    if whole.lab.measure.felt.is_some() {
        let message = format!(
            "one link of a host is shaped, and `{host}` routes over {links}; leave it out, or take \
             hosts with one link"
        );
        whole.sink.rule("measure.felt", message);
    }
}

/// Every VM of a tenant is reached from its first one, where `reached` holds the groups of nodes
/// that each host is joined to.
fn paths(whole: &Whole<'_>, net: &Net, reached: &[Vec<usize>], hint: &str) {
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        let mut known = tenant.vms.iter().filter_map(|vm| Some((vm, *net.index.get(&vm.host)?)));
        let Some((first, at)) = known.next() else { continue };
        for (vm, host) in known {
            if host == at || reached[at].iter().any(|group| reached[host].contains(group)) {
                continue;
            }
            let message = format!(
                "no path leads from `{}` to `{}`, where `{}` lives ({hint}); add a link between \
                 their parts of the topology, or take another host",
                vm.host, first.host, first.name
            );
            let path = format!("tenants[{n}].vms.{}", vm.name);
            let inner = format!("{path}.host");
            let path = if whole.sink.has(&inner) { inner } else { path };
            whole.sink.rule(&path, message);
        }
    }
}

/// Nodes and cables by number.
struct Net {
    names: Vec<String>,
    /// Whether each node is a host.
    hosts: Vec<bool>,
    index: HashMap<String, usize>,
    links: Vec<(usize, usize)>,
}

impl Net {
    /// `None` where a cable ends at no node.
    fn new(wiring: Wiring) -> Option<Net> {
        let mut hosts = vec![false; wiring.switches.len()];
        hosts.resize(wiring.switches.len() + wiring.hosts.len(), true);
        let names: Vec<String> = wiring.switches.into_iter().chain(wiring.hosts).collect();
        let index: HashMap<String, usize> =
            names.iter().enumerate().map(|(n, name)| (name.clone(), n)).collect();
        let number = |name: &String| index.get(name).copied();
        let links = wiring.links.iter().map(|link| {
            let [a, b] = link.ends();
            Some((number(a)?, number(b)?))
        });
        let links = links.collect::<Option<_>>()?;
        Some(Net { names, hosts, index, links })
    }

    /// The first cable between switches that closes a loop, and how many do so with it, in words.
    fn uncut_loop(&self) -> Option<String> {
        let mut groups = Groups::new(self.hosts.len());
        let between = self.links.iter().filter(|(a, b)| !self.hosts[*a] && !self.hosts[*b]);
        let mut closing = between.filter(|(a, b)| !groups.join(*a, *b));
        let &(a, b) = closing.next()?;
        let others = match closing.count() {
            0 => String::new(),
            1 => ", and another one with it".to_owned(),
            more => format!(", and {more} others with it"),
        };
        Some(format!(
            "the cable {}-{} closes a loop{others}, and `stp: off` leaves nothing to cut it: one \
             broadcast would circle for ever",
            self.names[a], self.names[b]
        ))
    }

    /// The broadcast domain of each node: hosts take part with their first link.
    fn bridged(&self) -> Vec<Vec<usize>> {
        let mut groups = Groups::new(self.names.len());
        let mut used = vec![false; self.names.len()];
        for &(a, b) in &self.links {
            let first =
                [a, b].map(|end| !std::mem::replace(&mut used[end], true) || !self.hosts[end]);
            if first == [true, true] {
                groups.join(a, b);
            }
        }
        (0..self.names.len()).map(|node| vec![groups.group(node)]).collect()
    }

    /// The groups of joined routers that each host has a link to, and its cables to other hosts,
    /// which are groups of their own.
    fn routed(&self) -> Vec<Vec<usize>> {
        let mut groups = Groups::new(self.names.len());
        for &(a, b) in self.links.iter().filter(|(a, b)| !self.hosts[*a] && !self.hosts[*b]) {
            groups.join(a, b);
        }
        let mut reached = vec![Vec::new(); self.names.len()];
        for (cable, &(a, b)) in self.links.iter().enumerate() {
            for (host, peer) in [(a, b), (b, a)].into_iter().filter(|(host, _)| self.hosts[*host]) {
                let direct = self.names.len() + cable;
                reached[host].push(if self.hosts[peer] { direct } else { groups.group(peer) });
            }
        }
        reached
    }
}
