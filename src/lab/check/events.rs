//! Events: about links, switches, VMs and hosts that exist, in an order in which they can happen,
//! while traffic is watched.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::Whole;
use super::flows::{between, end};
use crate::ids::Encap;
use crate::lab::events::{Event, Happening, find_event, watched_pair};
use crate::lab::model::{Datapath, Learning, Topology};
use crate::lab::read::suggestion;
use crate::lab::topology::Wiring;
use crate::lab::units::Span;

pub(super) fn check(whole: &Whole<'_>) {
    watch(whole);
    order(whole);
    names(whole);
    let wiring = whole.topology.filter(|_| whole.hosts.is_some()).map(Topology::wiring);
    if let Some(wiring) = &wiring {
        links(whole, wiring);
        switches(whole, wiring);
    }
    moves(whole);
}

/// An expectation names an event that there is.
pub(super) fn named(whole: &Whole<'_>, reference: &str, path: &str) {
    let events = &whole.lab.events;
    if find_event(events, reference).is_some() || !whole.sink.clean("events") {
        return;
    }
    let hint = match events.len() {
        0 => "the lab has no `events`".to_owned(),
        n => {
            let near = suggestion(reference, events.iter().filter_map(|e| e.name.as_deref()));
            format!("they are numbered from 1 to {n}{near}")
        }
    };
    whole.sink.rule(path, format!("`{reference}` is no event: {hint}"));
}

fn watch(whole: &Whole<'_>) {
    let (lab, sink) = (whole.lab, whole.sink);
    for (n, pair) in lab.watch.ends.iter().enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let path = format!("watch.ends[{n}]");
        match watched_pair(pair) {
            Some((from, to)) => between(whole, [from, to], [&path, &path]),
            None => sink.rule(
                &path,
                format!("`{pair}` is no pair of VMs; write e.g. `red/vm1 -> red/vm2`"),
            ),
        }
    }
    if lab.events.is_empty() {
        if sink.has("watch") && sink.clean("events") {
            sink.rule("watch", "nothing happens while this is watched; add `events`");
        }
        return;
    }
    if lab.watch.ends.is_empty() && lab.traffic.is_empty() && sink.clean("traffic") {
        let message = "nobody's traffic is watched; add `watch: { ends: [red/vm1 -> red/vm2] }`";
        sink.rule("events", message);
    }
    let Some(Span(span)) = lab.watch.span else { return };
    for (n, event) in lab.events.iter().enumerate().filter(|(_, event)| event.at.0 >= span) {
        let (at, span) = (event.at, Span(span));
        sink.rule(
            &format!("events[{n}].at"),
            format!("{at} is after the end of the watched traffic, which goes on for {span}"),
        );
    }
}

fn order(whole: &Whole<'_>) {
    let mut last = Duration::ZERO;
    for (n, event) in readable(whole) {
        if event.at.0 < last {
            whole.sink.rule(
                &format!("events[{n}].at"),
                format!("{} is before the event above it; write them in order", event.at),
            );
        }
        last = last.max(event.at.0);
    }
}

fn names(whole: &Whole<'_>) {
    let mut seen = HashSet::new();
    for (n, event) in whole.lab.events.iter().enumerate() {
        let Some(name) = &event.name else { continue };
        let path = format!("events[{n}].name");
        if name.parse::<u64>().is_ok() {
            let message = "is a number, which stands for a position in the list; write a word";
            whole.sink.rule(&path, format!("`{name}` {message}"));
        } else if !seen.insert(name) {
            whole.sink.rule(&path, format!("another event is called `{name}` already"));
        }
    }
}

/// Events that were read, with their positions.
fn readable<'a>(whole: &Whole<'a>) -> impl Iterator<Item = (usize, &'a Event)> {
    let events = whole.lab.events.iter().enumerate();
    events.filter(|(_, event)| event.happening().is_some())
}

/// The names that the plan gives to links: parallel ones are numbered.
fn link_names(wiring: &Wiring) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut names = Vec::with_capacity(wiring.links.len());
    for link in &wiring.links {
        let [a, b] = link.ends();
        let numbered = (2_u32..).map(|n| format!("{a}-{b}-{n}"));
        let mut all = std::iter::once(format!("{a}-{b}")).chain(numbered);
        names.extend(all.find(|name| taken.insert(name.clone())));
    }
    names
}

fn links(whole: &Whole<'_>, wiring: &Wiring) {
    let names = link_names(wiring);
    let mut cut: BTreeMap<&str, bool> = BTreeMap::new();
    for (n, event) in readable(whole) {
        let (key, link, goes_down) = match event.happening() {
            Some(Happening::Cut(link)) => ("cut", link, true),
            Some(Happening::Restore(link)) => ("restore", link, false),
            _ => continue,
        };
        let path = format!("events[{n}].{key}");
        if !names.iter().any(|name| name == link) {
            let turned = link.split_once('-').map(|(a, b)| format!("{b}-{a}"));
            let near = match turned.filter(|turned| names.contains(turned)) {
                Some(turned) => format!("; did you mean `{turned}`?"),
                None => suggestion(link, names.iter().map(String::as_str)),
            };
            whole.sink.rule(&path, format!("there is no link `{link}`{near}"));
            continue;
        }
        let was_cut = cut.insert(link, goes_down).unwrap_or(false);
        if was_cut == goes_down {
            let message = if goes_down { "is cut already" } else { "was not cut before" };
            whole.sink.rule(&path, format!("`{link}` {message}"));
        }
    }
}

fn switches(whole: &Whole<'_>, wiring: &Wiring) {
    let mut dead: BTreeMap<&str, bool> = BTreeMap::new();
    for (n, event) in readable(whole) {
        let (key, node, dies) = match event.happening() {
            Some(Happening::Kill(node)) => ("kill", node, true),
            Some(Happening::Revive(node)) => ("revive", node, false),
            _ => continue,
        };
        let path = format!("events[{n}].{key}");
        if wiring.hosts.iter().any(|host| host == node) {
            let message = "is a host, and its VMs are what is watched; kill a switch, or cut one \
                           of its links";
            whole.sink.rule(&path, format!("`{node}` {message}"));
            continue;
        }
        if !wiring.switches.iter().any(|switch| switch == node) {
            let near = suggestion(node, wiring.switches.iter().map(String::as_str));
            whole.sink.rule(&path, format!("there is no switch `{node}`{near}"));
            continue;
        }
        let was_dead = dead.insert(node, dies).unwrap_or(false);
        if was_dead == dies {
            let message = if dies { "is dead already" } else { "was not killed before" };
            whole.sink.rule(&path, format!("`{node}` {message}"));
        }
    }
}

fn moves(whole: &Whole<'_>) {
    let mut at: BTreeMap<&str, &str> = BTreeMap::new();
    for (n, event) in readable(whole) {
        let Some(Happening::Move { vm, to }) = event.happening() else { continue };
        let path = format!("events[{n}]");
        movable(whole, &format!("{path}.move"));
        let known = end(whole, vm, &format!("{path}.move"));
        if let Some(hosts) = &whole.hosts
            && !hosts.iter().any(|host| host == to)
        {
            let near = suggestion(to, hosts.iter().map(String::as_str));
            whole.sink.rule(&format!("{path}.to"), format!("there is no host `{to}`{near}"));
            continue;
        }
        let Some((tenant, name)) = known.zip(vm.split_once('/').map(|(_, vm)| vm)) else {
            continue;
        };
        let tenant = whole.lab.tenants.iter().find(|t| t.name == tenant);
        let born = tenant.and_then(|t| t.vms.iter().find(|v| v.name == name));
        let from = at.insert(vm, to).or(born.map(|vm| vm.host.as_str()));
        if from == Some(to) {
            let message = format!("`{vm}` is on `{to}` already; name another host");
            whole.sink.rule(&format!("{path}.to"), message);
        }
    }
}

/// Every variant can take a VM elsewhere.
fn movable(whole: &Whole<'_>, path: &str) {
    let lab = whole.lab;
    if whole.encaps().contains(&Encap::Ssh) {
        let message = "no VM moves in `ssh`: its tunnels are sessions between two hosts, each with \
                       devices of its own; leave ssh out, or the event";
        return whole.sink.rule(path, message);
    }
    let kernel = lab.datapaths().contains(&Datapath::Kernel)
        || lab.carrier.datapath_on.values().any(|d| *d == Datapath::Kernel);
    let learning = [lab.carrier.learning];
    let learning =
        if lab.compare.learning.is_empty() { &learning } else { &lab.compare.learning[..] };
    if kernel && learning.contains(&Learning::Static) {
        let message = "no VM moves with `learning: static` and `datapath: kernel`: nobody changes \
                       the kernel's tables; take `datapath: user`, or another `learning`";
        whole.sink.rule(path, message);
    }
}
