//! `traffic` and `measure`: the flows and what else is measured.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::at::Fields;
use super::tree::Kind;
use super::{At, rounds};
use crate::lab::limits::{DATAGRAM, MESSAGE, SAMPLE, STREAMS};
use crate::lab::model::{Flow, Measure, RrFlow, Sizes, TcpFlow, Tool, UdpFlow};
use crate::lab::units::{ByteSize, Rate, Span};

const TOOLS: [(&str, Tool); 2] = [("builtin", Tool::Builtin), ("iperf3", Tool::Iperf3)];
const KINDS: [&str; 4] = ["tcp", "udp", "rr", "together"];

pub(super) fn flows(at: &At<'_>) -> Vec<Flow> {
    let Some(items) = at.list("a list of flows") else { return Vec::new() };
    // One that could not be read keeps its place in the list as a flow without ends, so that the
    // rules find the others at their paths.
    items.iter().map(|at| flow(at).unwrap_or_else(nobodys)).collect()
}

fn nobodys() -> Flow {
    let span = Span(Duration::from_secs(1));
    let (from, to) = Default::default();
    Flow::Tcp(TcpFlow { from, to, span, streams: 1, tool: Tool::Builtin })
}

fn flow(at: &At<'_>) -> Option<Flow> {
    one_of(at, &KINDS)
}

/// A flow of one of these kinds.
fn one_of(at: &At<'_>, known: &[&'static str]) -> Option<Flow> {
    let example = "`tcp: { from: red/vm1, to: red/vm2, for: 1s }`";
    let names = known.join(", ");
    let fields = at.fields(&format!("a flow, e.g. {example}"), known)?;
    let kinds: Vec<&str> =
        known.iter().copied().filter(|kind| fields.get(kind).is_some()).collect();
    let [kind] = kinds.as_slice() else {
        if at.sink.clean(&at.path) {
            at.wrong(if kinds.is_empty() {
                format!("a flow is one of {names}, e.g. {example}")
            } else {
                format!(
                    "one flow is one of {names}, not {}; begin each with its own `-`",
                    kinds.join(" and ")
                )
            });
        }
        return None;
    };
    let at = fields.get(kind)?;
    match *kind {
        "tcp" => tcp(&at).map(Flow::Tcp),
        "udp" => udp(&at).map(Flow::Udp),
        "together" => together(&at),
        _ => rr(&at).map(Flow::Rr),
    }
}

/// Flows that run at the same time.
fn together(at: &At<'_>) -> Option<Flow> {
    let items = at.list("a list of flows, e.g. `[{ tcp: .. }, { tcp: .. }]`")?;
    let flows: Vec<Flow> =
        items.iter().map(|at| one_of(at, &KINDS[..3]).unwrap_or_else(nobodys)).collect();
    if flows.len() < 2 && at.sink.clean(&at.path) {
        at.wrong("names fewer than two flows; one alone stands in the list itself");
    }
    Some(Flow::Together(flows))
}

/// The ends and the time of a flow, which all kinds have; unread ends are empty.
fn common(fields: &Fields<'_>) -> (String, String, Span) {
    let wanted = "a VM as `tenant/vm`, e.g. `red/vm1`";
    let end = |key| fields.need(key, wanted).and_then(|at| at.text(wanted)).unwrap_or_default();
    let wanted = "the time per round, e.g. `1s`";
    let span = fields.need("for", wanted).and_then(|at| at.parsed(wanted));
    (end("from"), end("to"), span.unwrap_or(Span(Duration::from_secs(1))))
}

fn size(fields: &Fields<'_>, range: &RangeInclusive<u64>, usual: ByteSize) -> ByteSize {
    fields.get("size").and_then(|at| one_size(&at, range)).unwrap_or(usual)
}

pub(super) fn one_size(at: &At<'_>, range: &RangeInclusive<u64>) -> Option<ByteSize> {
    let size: ByteSize = at.parsed("a size in bytes, e.g. `1400` or `64K`")?;
    if !range.contains(&size.0) {
        at.wrong(format!(
            "a size of {size} bytes does not work here: it must lie between {} and {}",
            range.start(),
            range.end()
        ));
        return None;
    }
    Some(size)
}

/// One size of datagrams, or a list of several.
fn sizes(fields: &Fields<'_>) -> Sizes {
    let Some(at) = fields.get("size").filter(|at| matches!(at.node.kind, Kind::List(_))) else {
        return Sizes::One(size(fields, &DATAGRAM, Sizes::USUAL));
    };
    let items = at.list("sizes in bytes, e.g. `[64, 512, 1400]`").unwrap_or_default();
    let mut sizes: Vec<ByteSize> = Vec::new();
    for item in &items {
        let Some(size) = one_size(item, &DATAGRAM) else { continue };
        if sizes.contains(&size) {
            item.wrong(format!("{size} bytes stand in this list already"));
        }
        sizes.push(size);
    }
    if items.is_empty() {
        at.wrong("names no size; write e.g. `[64, 512, 1400]`");
    }
    Sizes::Each(sizes)
}

fn rate(at: &At<'_>) -> Option<Rate> {
    at.parsed("bits per second, e.g. `100M`")
}

fn tool(fields: &Fields<'_>) -> Tool {
    fields.get("tool").and_then(|at| at.choice("generator", &TOOLS)).unwrap_or_default()
}

fn tcp(at: &At<'_>) -> Option<TcpFlow> {
    let fields = at.fields("a map", &["from", "to", "for", "streams", "tool"])?;
    let (from, to, span) = common(&fields);
    let streams = fields.get("streams").and_then(|at| at.number("number of streams", &STREAMS));
    Some(TcpFlow { from, to, span, streams: streams.unwrap_or(1), tool: tool(&fields) })
}

fn udp(at: &At<'_>) -> Option<UdpFlow> {
    let fields = at.fields("a map", &["from", "to", "for", "rate", "size", "tool"])?;
    let (from, to, span) = common(&fields);
    let rate = fields.get("rate").and_then(|at| rate(&at));
    Some(UdpFlow { from, to, span, rate, size: sizes(&fields), tool: tool(&fields) })
}

fn rr(at: &At<'_>) -> Option<RrFlow> {
    // `tool` is known here only to be refused with its reason.
    let fields = at.fields("a map", &["from", "to", "for", "size", "load", "tool"])?;
    if let Some(tool) = fields.get("tool") {
        tool.wrong(
            "rr has no `tool`: iperf3 does not measure request and response, \
             the built-in generator always does; leave it out",
        );
    }
    let (from, to, span) = common(&fields);
    let size = size(&fields, &MESSAGE, ByteSize(64));
    let load = fields.get("load").and_then(|at| at.number("number of streams", &STREAMS));
    Some(RrFlow { from, to, span, size, load })
}

pub(super) fn measure(at: &At<'_>) -> Measure {
    let keys = ["rounds", "baseline", "overhead", "felt", "mtu", "isolation", "attacks", "sample"];
    let usual = Measure::default();
    let Some(fields) = at.fields("a map, e.g. `{ rounds: 3 }`", &keys) else { return usual };
    let truth = |key, usual| fields.get(key).and_then(|at| at.truth()).unwrap_or(usual);
    Measure {
        rounds: fields.get("rounds").and_then(|at| rounds::rounds(&at)).unwrap_or(usual.rounds),
        baseline: truth("baseline", usual.baseline),
        overhead: truth("overhead", usual.overhead),
        felt: fields.get("felt").and_then(|at| rate(&at)),
        mtu: truth("mtu", usual.mtu),
        isolation: truth("isolation", usual.isolation),
        attacks: fields.get("attacks").and_then(|at| super::attacks::attacks(&at)),
        sample: fields
            .get("sample")
            .and_then(|at| at.number("number of pairs", &SAMPLE))
            .unwrap_or(usual.sample),
    }
}
