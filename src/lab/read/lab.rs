//! The top level of a lab file.

use super::{At, carrier, events, expect, joined, probes, published, tenant, topology, traffic};
use crate::lab::model::{Capture, Carrier, Compare, Lab, Measure, TopologyRef};
use crate::lab::read::tree::Kind;

const KEYS: [&str; 18] = [
    "title",
    "about",
    "topology",
    "carrier",
    "compare",
    "tenants",
    "routers",
    "segments",
    "traffic",
    "events",
    "watch",
    "detection",
    "probes",
    "measure",
    "expect",
    "capture",
    "seed",
    "published",
];

/// Reads a lab; what could not be read is replaced by a value no rule objects to.
pub(crate) fn lab(root: &At<'_>) -> Option<Lab> {
    let fields = root.fields("a lab, with `title`, `topology` and `tenants`", &KEYS)?;
    let title = fields.need("title", "one line that says what the lab shows");
    let title = title.and_then(|at| {
        let text = at.text("one line that says what the lab shows")?;
        if text.trim().is_empty() {
            at.wrong("is empty; write one line that says what the lab shows");
        }
        Some(text)
    });
    let wiring =
        fields.need("topology", "a name from `topologies/`, a path, or a topology written here");
    let tenants = fields.need("tenants", "a list of tenants with their VMs");
    Some(Lab {
        title: title.unwrap_or_default(),
        about: fields.get("about").and_then(|at| at.text("a paragraph for the report's reader")),
        topology: wiring
            .and_then(|at| reference(&at))
            .unwrap_or_else(|| TopologyRef::Named(String::new())),
        carrier: fields.get("carrier").map_or_else(Carrier::default, |at| carrier::carrier(&at)),
        compare: fields.get("compare").map_or_else(Compare::default, |at| carrier::compare(&at)),
        tenants: tenants.map(|at| tenant::tenants(&at)).unwrap_or_default(),
        routers: fields.get("routers").map(|at| joined::routers(&at)).unwrap_or_default(),
        segments: fields.get("segments").map(|at| joined::segments(&at)).unwrap_or_default(),
        traffic: fields.get("traffic").map(|at| traffic::flows(&at)).unwrap_or_default(),
        events: fields.get("events").map(|at| events::events(&at)).unwrap_or_default(),
        watch: fields.get("watch").map(|at| events::watch(&at)).unwrap_or_default(),
        detection: fields.get("detection").and_then(|at| at.parsed("a time, e.g. `50ms`")),
        probes: fields.get("probes").map(|at| probes::probes(&at)).unwrap_or_default(),
        measure: fields.get("measure").map_or_else(Measure::default, |at| traffic::measure(&at)),
        expect: fields.get("expect").map(|at| expect::expectations(&at)).unwrap_or_default(),
        capture: fields
            .get("capture")
            .and_then(|at| at.choice("place to capture at", &[("underlay", Capture::Underlay)])),
        published: fields.get("published").and_then(|at| published::published(&at)),
        seed: fields.get("seed").and_then(|at| seed(&at)).unwrap_or_default(),
    })
}

fn reference(at: &At<'_>) -> Option<TopologyRef> {
    match at.node.kind {
        Kind::Map(_) => Some(TopologyRef::Inline(topology::topology(at)?)),
        _ => at.text("a name from `topologies/`, a path, or a topology").map(TopologyRef::Named),
    }
}

fn seed(at: &At<'_>) -> Option<u64> {
    if let Kind::Int(value, _) = at.node.kind
        && let Ok(value) = u64::try_from(value)
    {
        return Some(value);
    }
    at.wrong(format!("a seed is a whole number between 0 and {}", u64::MAX));
    None
}
