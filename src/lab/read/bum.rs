//! Expectations of broadcasts, of tunnels and of how flows spread.

use super::At;
use super::tree::Kind;
use crate::lab::bum::{CopyCount, TunnelCount};
use crate::lab::limits::COUNT;
use crate::lab::model::Expected;

pub(super) fn spread(at: &At<'_>) -> Option<Expected> {
    let example = "a map, e.g. `{ links: [leaf1-spine1, leaf1-spine2], at-least: 0.2 }`";
    let fields = at.fields(example, &["links", "at-least", "at-most"])?;
    let items = fields.need("links", "the links that are compared")?.list("a list of links")?;
    let links = items.iter().map(|at| at.text("a link's name").unwrap_or_default()).collect();
    let part = |key| fields.get(key).and_then(|at| at.positive("part of all bytes"));
    let (at_least, at_most) = (part("at-least"), part("at-most"));
    if at_least.is_none() && at_most.is_none() && at.sink.clean(&at.path) {
        at.wrong("says nothing about the parts; add e.g. `at-least: 0.2` or `at-most: 0.05`");
        return None;
    }
    Some(Expected::Spread { links, at_least, at_most })
}

pub(super) fn tunnels(at: &At<'_>) -> Option<Expected> {
    let number = |at: &At<'_>| at.number("number of tunnels", &COUNT).map(u64::from);
    if !matches!(at.node.kind, Kind::Map(_)) {
        return Some(Expected::Tunnels(TunnelCount::All(number(at)?)));
    }
    let entries = at.entries("a number, or a map from tenants to numbers")?;
    let each = entries.into_iter().filter_map(|(tenant, at)| Some((tenant, number(&at)?)));
    Some(Expected::Tunnels(TunnelCount::Each(each.collect())))
}

pub(super) fn copies(at: &At<'_>) -> Option<Expected> {
    let example = "a map, e.g. `{ within: red, broadcast: 3 }`";
    let fields = at.fields(example, &["within", "arp", "broadcast"])?;
    let within = "a tenant's name";
    let number = |key| {
        let at = fields.get(key)?;
        at.number("number of packets", &COUNT).map(u64::from)
    };
    let count = CopyCount {
        within: fields.need("within", within)?.text(within)?,
        arp: number("arp"),
        broadcast: number("broadcast"),
    };
    if count.arp.is_none() && count.broadcast.is_none() && at.sink.clean(&at.path) {
        at.wrong("counts nothing; add `arp: ..` or `broadcast: ..`, packets for each that is sent");
        return None;
    }
    Some(Expected::Copies(count))
}

pub(super) fn walk(at: &At<'_>) -> Option<Expected> {
    let fields = at.fields("a map, e.g. `{ from: red/vm1, to: red/vm2 }`", &["from", "to"])?;
    let wanted = "a VM, `tenant/vm`";
    let (from, to) = (fields.need("from", wanted), fields.need("to", wanted));
    Some(Expected::Walk { from: from?.text(wanted)?, to: to?.text(wanted)? })
}
