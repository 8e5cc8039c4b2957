//! Routers and segments: names of their own, on hosts and in tenants that exist, in encapsulations
//! that carry frames; and what is expected of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Whole;
use super::flows::{end, find_tenant};
use crate::ids::Encap;
use crate::lab::joined::{Reach, Router, Segment};
use crate::lab::model::{Expectation, Expected, Flow};
use crate::lab::read::suggestion;

pub(super) fn check(whole: &Whole<'_>) {
    let lab = whole.lab;
    names(whole);
    let mut joined: HashMap<(&str, &str), &str> = HashMap::new();
    for (n, router) in lab.routers.iter().enumerate() {
        let path = format!("routers[{n}]");
        host(whole, &router.host, &format!("{path}.host"));
        frames(whole, &path, "a router has a port in each network");
        joins(whole, router, &path);
        for pair in pairs(&router.joins) {
            if let Some(other) = joined.insert(pair, &router.name) {
                let message = format!(
                    "`{other}` joins `{}` and `{}` already; VMs take one way",
                    pair.0, pair.1
                );
                whole.sink.rule(&format!("{path}.joins"), message);
            }
        }
    }
    let mut vlans: HashSet<(&str, u16)> = HashSet::new();
    let mut gateways: HashMap<&str, &str> = HashMap::new();
    for (n, segment) in lab.segments.iter().enumerate() {
        let path = format!("segments[{n}]");
        host(whole, &segment.gateway, &format!("{path}.gateway"));
        frames(whole, &path, "a gateway bridges");
        if !segment.tenant.is_empty() {
            find_tenant(whole, &segment.tenant, &format!("{path}.tenant"));
        }
        if segment.switch.is_empty() {
            continue;
        }
        let first = *gateways.entry(&segment.switch).or_insert(&segment.gateway);
        if first != segment.gateway {
            let message = format!("switch `{}` has its trunk at `{first}` already", segment.switch);
            whole.sink.rule(&format!("{path}.gateway"), message);
        }
        if !vlans.insert((&segment.switch, segment.vlan.value())) {
            let message = format!(
                "VLAN {} is another segment's on the trunk of `{}` already",
                segment.vlan, segment.switch
            );
            whole.sink.rule(&format!("{path}.vlan"), message);
        }
        machines(whole, segment, &path);
    }
}

/// Pairs of tenants, each in one order.
fn pairs(joins: &[String]) -> Vec<(&str, &str)> {
    let sorted: BTreeSet<&str> = joins.iter().map(String::as_str).collect();
    let sorted: Vec<&str> = sorted.into_iter().collect();
    let each = sorted.iter().enumerate();
    each.flat_map(|(n, a)| sorted[n + 1..].iter().map(move |b| (*a, *b))).collect()
}

/// Names of routers and segments, and those that become namespaces beside the topology's nodes.
fn names(whole: &Whole<'_>) {
    let nodes: HashSet<String> = whole.topology.map_or_else(HashSet::new, |topology| {
        let wiring = topology.wiring();
        wiring.hosts.into_iter().chain(wiring.switches).collect()
    });
    let mut seen: HashSet<&str> = HashSet::new();
    let own = |name: &str, again: bool, path: &str| {
        if name.is_empty() {
            return;
        }
        if nodes.contains(name) || !again {
            let message = format!("`{name}` is the name of another node already; rename one");
            whole.sink.rule(path, message);
        }
    };
    for (n, router) in whole.lab.routers.iter().enumerate() {
        own(&router.name, seen.insert(&router.name), &format!("routers[{n}].name"));
    }
    let mut switches: HashSet<&str> = HashSet::new();
    let mut segments: HashSet<&str> = HashSet::new();
    for (n, segment) in whole.lab.segments.iter().enumerate() {
        // Segments may share a switch.
        let free = !seen.contains(segment.switch.as_str());
        switches.insert(&segment.switch);
        own(&segment.switch, free, &format!("segments[{n}].switch"));
        if !segment.name.is_empty() && !segments.insert(&segment.name) {
            let message = format!("two segments are called `{}`; rename one", segment.name);
            whole.sink.rule(&format!("segments[{n}].name"), message);
        }
    }
}

fn host(whole: &Whole<'_>, name: &str, path: &str) {
    let Some(hosts) = &whole.hosts else { return };
    if !name.is_empty() && !hosts.iter().any(|host| host == name) {
        let near = suggestion(name, hosts.iter().map(String::as_str));
        whole.sink.rule(path, format!("the topology has no host `{name}`{near}"));
    }
}

/// What has ports in a tenant's network needs frames.
fn frames(whole: &Whole<'_>, path: &str, why: &str) {
    let ip = |encap: &Encap| *encap != Encap::None && !encap.carries_ethernet();
    if whole.all_encaps_read()
        && let Some(encap) = whole.encaps().into_iter().find(ip)
    {
        let message = format!(
            "{why}, and {encap} carries IP packets without Ethernet; take e.g. vxlan or gretap"
        );
        whole.sink.rule(path, message);
    }
}

fn joins(whole: &Whole<'_>, router: &Router, path: &str) {
    let path = format!("{path}.joins");
    let mut nets = Vec::new();
    let mut seen = HashSet::new();
    for (n, name) in router.joins.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let path = format!("{path}[{n}]");
        if !seen.insert(name) {
            whole.sink.rule(&path, format!("`{name}` stands in this list already"));
            continue;
        }
        let Some(tenant) = find_tenant(whole, name, &path) else { continue };
        let net = tenant.subnet;
        let over = |other: &ipnet::Ipv4Net| {
            other.prefix_len() > 0
                && (other.contains(&net.network()) || net.contains(&other.network()))
        };
        if let Some((first, other)) = nets.iter().find(|(_, other)| over(other)) {
            let message = format!(
                "subnet {net} of `{name}` overlaps {other} of `{first}`; a router needs subnets \
                 that it can tell apart"
            );
            whole.sink.rule(&path, message);
        }
        nets.push((name, net));
    }
    if router.joins.len() < 2 {
        whole.sink.rule(&path, "names fewer than two tenants; a router joins two or more");
    }
}

/// Machines have names that no VM of the tenant has.
fn machines(whole: &Whole<'_>, segment: &Segment, path: &str) {
    let members = whole.lab.members(&segment.tenant);
    for (n, machine) in segment.vms().enumerate().filter(|(_, m)| !m.name.is_empty()) {
        if members.iter().filter(|vm| vm.name == machine.name).count() > 1 {
            let message =
                format!("`{}` has somebody called `{}` already", segment.tenant, machine.name);
            whole.sink.rule(&format!("{path}.machines[{n}]"), message);
        }
    }
}

/// Rules of the expectations that are about these.
pub(super) fn expected(whole: &Whole<'_>, expectation: &Expectation, path: &str) {
    match &expectation.what {
        Expected::Reachable(reach) => reachable(whole, reach, true, &format!("{path}.reachable")),
        Expected::Unreachable(reach) => {
            reachable(whole, reach, false, &format!("{path}.unreachable"));
        }
        Expected::Blind(tenants) => known(whole, tenants, &format!("{path}.blind")),
        Expected::Seen(tenants) => known(whole, tenants, &format!("{path}.seen")),
        Expected::Gateway(name) => {
            let segments = &whole.lab.segments;
            if !segments.iter().any(|s| s.name == *name) && whole.sink.clean("segments") {
                let near = suggestion(name, segments.iter().map(|s| s.name.as_str()));
                let message = format!("there is no segment `{name}`{near}");
                whole.sink.rule(&format!("{path}.gateway"), message);
            }
        }
        Expected::Hops { from, to, .. } => {
            let ends = [("from", from), ("to", to)];
            let [Some(_), Some(_)] =
                ends.map(|(key, vm)| end(whole, vm, &format!("{path}.hops.{key}")))
            else {
                return;
            };
            if from == to {
                whole.sink.rule(&format!("{path}.hops.to"), "is where the probe comes from");
            }
        }
        Expected::Unaware { within, of } => {
            find_tenant(whole, within, &format!("{path}.unaware.within"));
            if of.is_none() && !whole.lab.measure.baseline {
                let message = "is compared with the plain path, which `measure: { baseline: false }` \
                               leaves out; name another variant with `of`";
                whole.sink.rule(&format!("{path}.unaware"), message);
            }
        }
        Expected::Entries(each) => {
            for name in each.keys() {
                find_tenant(whole, name, &format!("{path}.entries.{name}"));
            }
        }
        Expected::Stream(stream) => {
            end(whole, &stream.from, &format!("{path}.stream.from"));
        }
        Expected::Reordered { .. } => {
            let mut flows = whole.lab.traffic.iter().flat_map(Flow::members);
            let udp = flows.any(|flow| matches!(flow, Flow::Udp(_)));
            if !udp && whole.sink.clean("traffic") {
                let message = "is about UDP flows, and the lab has none; \
                               add `- udp: { from: .., to: .., for: 1s, rate: 1M }` to `traffic`";
                whole.sink.rule(&format!("{path}.reordered"), message);
            }
        }
        _ => {}
    }
}

fn known(whole: &Whole<'_>, tenants: &[String], path: &str) {
    for (n, name) in tenants.iter().enumerate() {
        find_tenant(whole, name, &format!("{path}[{n}]"));
    }
}

fn reachable(whole: &Whole<'_>, reach: &Reach, wanted: bool, path: &str) {
    match reach {
        Reach::Within(within) if within.within == "all" => {
            if whole.lab.tenants.iter().all(|tenant| whole.lab.members(&tenant.name).len() < 2) {
                let message = "no tenant has two VMs, so that there is nobody to reach";
                whole.sink.rule(&format!("{path}.within"), message);
            }
        }
        Reach::Within(within) => {
            let path = format!("{path}.within");
            if let Some(tenant) = find_tenant(whole, &within.within, &path)
                && whole.lab.members(&tenant.name).len() == 1
            {
                let message = format!(
                    "`{}` has only one VM, which has nobody to reach; give it a second one",
                    within.within
                );
                whole.sink.rule(&path, message);
            }
        }
        Reach::Across(across) => {
            let (from, to) = (&across.from, &across.to);
            let from_path = format!("{path}.from");
            let both = [
                find_tenant(whole, from, &from_path),
                find_tenant(whole, to, &format!("{path}.to")),
            ];
            if both.iter().any(Option::is_none) {
                return;
            }
            if from == to {
                let message = format!("`{to}` is where it comes from; write `within: {to}`");
                whole.sink.rule(&format!("{path}.to"), message);
            } else if wanted && !whole.lab.joined(from, to) && whole.sink.clean("routers") {
                let message = format!(
                    "no router joins `{from}` and `{to}`, so this can never hold; \
                     add one to `routers`"
                );
                whole.sink.rule(path, message);
            }
        }
    }
}
