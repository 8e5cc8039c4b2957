//! `events` and `watch`: what happens, and the traffic that is watched meanwhile.

use std::time::Duration;

use super::At;
use crate::lab::events::{DowntimeExpected, Event, SurvivalExpected, Watch};
use crate::lab::model::Expected;
use crate::lab::units::Span;

const KINDS: [&str; 5] = ["cut", "restore", "kill", "revive", "move"];

pub(super) fn events(at: &At<'_>) -> Vec<Event> {
    let Some(items) = at.list("a list of events") else { return Vec::new() };
    // One that could not be read keeps its place in the list as one in which nothing happens, so
    // that the rules find the others at their paths.
    items.iter().map(|at| event(at).unwrap_or_else(nothing)).collect()
}

fn nothing() -> Event {
    let (name, cut, restore, kill, revive, moved, to) = Default::default();
    Event { at: Span(Duration::from_nanos(1)), name, cut, restore, kill, revive, moved, to }
}

fn event(at: &At<'_>) -> Option<Event> {
    let example = "`{ at: 1s, cut: leaf1-spine1 }`";
    let keys = [&["at", "name", "to"], &KINDS[..]].concat();
    let fields = at.fields(&format!("an event, e.g. {example}"), &keys)?;
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let wanted = "the time from the beginning of the watched traffic, e.g. `1s`";
    let time = fields.need("at", wanted).and_then(|at| at.parsed(wanted));
    let [kind] = kinds.as_slice() else {
        if at.sink.clean(&at.path) {
            at.wrong(if kinds.is_empty() {
                format!("an event is one of {}, e.g. {example}", KINDS.join(", "))
            } else {
                format!(
                    "one event is one of {}, not {}; begin each with its own `-`",
                    KINDS.join(", "),
                    kinds.join(" and ")
                )
            });
        }
        return None;
    };
    let of = |key: &str, wanted: &str| fields.get(key).and_then(|at| at.text(wanted));
    if let Some(to) = fields.get("to").filter(|_| *kind != "move") {
        to.wrong("only a VM that moves has a host to go `to`; leave it out");
    }
    let to = if *kind == "move" {
        let wanted = "the host that the VM moves to, e.g. `to: h4`";
        fields.need("to", wanted).and_then(|at| at.text(wanted))
    } else {
        None
    };
    let link = "the name of a link, e.g. `leaf1-spine1`";
    let node = "the name of a switch";
    Some(Event {
        at: time?,
        name: of("name", "a name for expectations"),
        cut: of("cut", link),
        restore: of("restore", link),
        kill: of("kill", node),
        revive: of("revive", node),
        moved: of("move", "a VM as `tenant/vm`, e.g. `red/vm1`"),
        to,
    })
}

pub(super) fn watch(at: &At<'_>) -> Watch {
    let example = "a map, e.g. `{ ends: [red/vm1 -> red/vm2], for: 10s }`";
    let Some(fields) = at.fields(example, &["ends", "for"]) else { return Watch::default() };
    let pair = "a pair of VMs, e.g. `red/vm1 -> red/vm2`";
    let ends = fields.get("ends").and_then(|at| at.list("a list of pairs of VMs"));
    let ends = ends.unwrap_or_default();
    Watch {
        ends: ends.iter().map(|at| at.text(pair).unwrap_or_default()).collect(),
        span: fields.get("for").and_then(|at| at.parsed("a time, e.g. `10s`")),
    }
}

pub(super) fn downtime(at: &At<'_>) -> Option<Expected> {
    let example = "a map, e.g. `{ event: 1, at-most: 500ms }`";
    let fields = at.fields(example, &["event", "at-most", "at-least", "within"])?;
    let wanted = "an event's name, or its number in the list";
    let event = fields.need("event", wanted)?.text(wanted)?;
    let time = |key| fields.get(key).and_then(|at| at.parsed("a time, e.g. `500ms`"));
    let (at_most, at_least) = (time("at-most"), time("at-least"));
    if at_most.is_none() && at_least.is_none() {
        if at.sink.clean(&at.path) {
            at.wrong("says nothing; give `at-least`, `at-most` or both");
        }
        return None;
    }
    let within = fields.get("within").and_then(|at| at.text("a tenant's name"));
    Some(Expected::Downtime(DowntimeExpected { event, at_most, at_least, within }))
}

pub(super) fn survives(at: &At<'_>) -> Option<Expected> {
    let fields = at.fields("a map, e.g. `{ event: 1, tcp: true }`", &["event", "tcp", "within"])?;
    let wanted = "an event's name, or its number in the list";
    let event = fields.need("event", wanted)?.text(wanted)?;
    let wanted = "whether the TCP connection carries on, `true` or `false`";
    let tcp = fields.need("tcp", wanted)?.truth()?;
    let within = fields.get("within").and_then(|at| at.text("a tenant's name"));
    Some(Expected::Survives(SurvivalExpected { event, tcp, within }))
}
