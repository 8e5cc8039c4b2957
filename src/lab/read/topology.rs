//! A topology, inline or in a file of its own.

use super::at::Fields;
use super::carrier::underlay_mtu;
use super::names::NODES;
use super::tree::Kind;
use super::{At, shape, switches};
use crate::lab::model::{LinkFull, LinkSpec, Switchable, Topology, default_mtu};
use crate::lab::topology::Impaired;
use crate::lab::units::{Delay, Loss, Rate};

/// Keys of a topology beside its generators.
const KEYS: [&str; 16] = [
    "title",
    "hosts",
    "switches",
    "links",
    "mtu",
    "rate",
    "loss",
    "delay",
    "jitter",
    "reorder",
    "stp",
    "mac_table",
    "mac_limit",
    "vlan_learning",
    "switch",
    "ports",
];

/// Reads a topology; what could not be read is left out.
pub(crate) fn topology(at: &At<'_>) -> Option<Topology> {
    let keys: Vec<&str> = Topology::GENERATORS.into_iter().chain(KEYS).collect();
    let wanted = "a topology, with a generator such as `leaf-spine`, or `hosts`, `switches` and \
                  `links`";
    let fields = at.fields(wanted, &keys)?;
    let Impaired { loss, delay, jitter, reorder } = impaired(&fields);
    let on_or_off = [("on", Switchable::On), ("off", Switchable::Off)];
    Some(Topology {
        title: fields.get("title").and_then(|at| at.text("one line that says what it looks like")),
        hosts: fields.get("hosts").map(|at| nodes(&at, "hosts")).unwrap_or_default(),
        switches: fields.get("switches").map(|at| nodes(&at, "switches")).unwrap_or_default(),
        links: fields.get("links").map(|at| links(&at)).unwrap_or_default(),
        mtu: fields.get("mtu").and_then(|at| underlay_mtu(&at)).unwrap_or_else(default_mtu),
        rate: fields.get("rate").and_then(|at| rate(&at)),
        stp: fields
            .get("stp")
            .and_then(|at| at.choice("setting of spanning tree", &on_or_off))
            .unwrap_or(Switchable::On),
        loss,
        delay,
        jitter,
        reorder,
        mac_table: fields.get("mac_table").and_then(|at| switches::mac_table(&at)),
        mac_limit: fields.get("mac_limit").and_then(|at| switches::mac_table(&at)),
        vlan_learning: fields.get("vlan_learning").and_then(|at| switches::learning(&at)),
        switch: fields.get("switch").map(|at| switches::settings(&at)).unwrap_or_default(),
        ports: fields.get("ports").map(|at| switches::ports(&at)).unwrap_or_default(),
        ..shape::shape(&fields)
    })
}

pub(super) fn rate(at: &At<'_>) -> Option<Rate> {
    at.parsed("bits per second, e.g. `10G`")
}

/// Names keep their place in the list, so that the rules find them at their paths; unread ones are empty.
fn nodes(at: &At<'_>, what: &str) -> Vec<String> {
    let Some(items) = at.list(&format!("a list of {what}")) else { return Vec::new() };
    items.iter().map(|at| at.name(NODES).unwrap_or_default()).collect()
}

fn links(at: &At<'_>) -> Vec<LinkSpec> {
    let Some(items) = at.list("a list of cables, e.g. `[[h1, leaf1], [h2, leaf1]]`") else {
        return Vec::new();
    };
    items.iter().map(link).collect()
}

fn link(at: &At<'_>) -> LinkSpec {
    if let Kind::List(_) = at.node.kind {
        return LinkSpec::Ends(ends(at));
    }
    let fields = at.fields(
        "a cable, e.g. `[h1, leaf1]` or `{ ends: [h1, leaf1], rate: 1G }`",
        &["ends", "mtu", "rate", "loss", "delay", "jitter", "reorder"],
    );
    let get = |key| fields.as_ref().and_then(|f| f.get(key));
    let both = "the two nodes it joins, e.g. `[h1, leaf1]`";
    let both = fields.as_ref().and_then(|f| f.need("ends", both));
    let Impaired { loss, delay, jitter, reorder } =
        fields.as_ref().map(impaired).unwrap_or_default();
    LinkSpec::Full(LinkFull {
        ends: both.map(|at| ends(&at)).unwrap_or_default(),
        mtu: get("mtu").and_then(|at| underlay_mtu(&at)),
        rate: get("rate").and_then(|at| rate(&at)),
        loss,
        delay,
        jitter,
        reorder,
    })
}

/// What links do to packets.
pub(super) fn impaired(fields: &Fields<'_>) -> Impaired {
    let late = |key| fields.get(key).and_then(|at| delay(&at));
    let reordered = "the share of packets that overtake others, e.g. `1%`";
    Impaired {
        loss: fields.get("loss").and_then(|at| loss(&at)),
        delay: late("delay"),
        jitter: late("jitter"),
        reorder: fields.get("reorder").and_then(|at| at.parsed(reordered)),
    }
}

/// Time that a packet is under way.
pub(super) fn delay(at: &At<'_>) -> Option<Delay> {
    at.parsed("a time with its unit, e.g. `20ms` or `500us`")
}

/// A share of packets that a link loses.
pub(super) fn loss(at: &At<'_>) -> Option<Loss> {
    at.parsed("the share of packets lost, e.g. `1%`")
}

fn ends(at: &At<'_>) -> [String; 2] {
    let Some(items) = at.list("the two nodes a cable joins, e.g. `[h1, leaf1]`") else {
        return Default::default();
    };
    let [a, b] = items.as_slice() else {
        at.wrong(format!("a cable joins two nodes, not {}; write e.g. `[h1, leaf1]`", items.len()));
        return Default::default();
    };
    let name = |at: &At<'_>| at.text("the name of a node").unwrap_or_default();
    [name(a), name(b)]
}
