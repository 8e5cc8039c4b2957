//! `expect`: what must hold.

use super::At;
use super::at::Fields;
use super::names::suggestion;
use super::tree::Kind;
use super::{attacks, bum, carrier, cost, events, joined, link, tables};
use crate::encap::DropReason;
use crate::lab::lesson;
use crate::lab::limits::{COUNT, HANDSHAKES, OVERHEAD, PIECES, VM_MTU};
use crate::lab::model::{
    Expectation, Expected, RatioExpected, RefusedExpected, Secrecy, SentChecksum, Transfer,
};
use crate::lab::probes::{Answer, ProbeExpected};

const KINDS: [&str; 43] = [
    "attack",
    "refused",
    "reachable",
    "unreachable",
    "isolated",
    "overhead",
    "mtu",
    "throughput",
    "drops",
    "spread",
    "tunnels",
    "copies",
    "broadcast",
    "no-broadcast",
    "walk",
    "probe",
    "told",
    "transfer",
    "ledger",
    "payload",
    "large_send",
    "handshakes",
    "checksum",
    "delivered",
    "slowdown",
    "cost",
    "cpu",
    "goodput",
    "pieces",
    "retransmits",
    "link",
    "tables",
    "stray",
    "downtime",
    "survives",
    "blind",
    "seen",
    "gateway",
    "hops",
    "unaware",
    "stream",
    "reordered",
    "entries",
];
/// What every kind may have beside it.
const COMMON: [&str; 4] = ["in", "variant", "claim", "contradicts"];
const ANSWERS: [(&str, Answer); 4] = [
    ("protocol-unreachable", Answer::ProtocolUnreachable),
    ("port-unreachable", Answer::PortUnreachable),
    ("unreachable", Answer::Unreachable),
    ("fragmentation-needed", Answer::FragmentationNeeded),
];
const TRANSFERS: [(&str, Transfer); 2] =
    [("passes", Transfer::Passes), ("stalls", Transfer::Stalls)];
const SECRECIES: [(&str, Secrecy); 2] =
    [("readable", Secrecy::Readable), ("hidden", Secrecy::Hidden)];
const CHECKSUMS: [(&str, SentChecksum); 2] =
    [("zero", SentChecksum::Zero), ("right", SentChecksum::Right)];

pub(super) fn expectations(at: &At<'_>) -> Vec<Expectation> {
    let Some(items) = at.list("a list of what must hold") else { return Vec::new() };
    items
        .iter()
        .map(|at| {
            // One that could not be read keeps its place in the list as one that always holds,
            // so that the rules find the others at their paths.
            expectation(at).unwrap_or(Expectation {
                what: Expected::Isolated(Vec::new()),
                only: None,
                variant: None,
                claim: None,
                contradicts: None,
            })
        })
        .collect()
}

fn expectation(at: &At<'_>) -> Option<Expectation> {
    let example = "`isolated: [red, blue]`";
    let fields =
        at.fields(&format!("what must hold, e.g. {example}"), &[&KINDS[..], &COMMON].concat())?;
    let claim = fields.get("claim").and_then(|at| claim(&at));
    let contradicts = fields.get("contradicts").and_then(|at| contradicts(&at, claim.is_some()));
    let variant = fields.get("variant").and_then(|at| at.text("the name of a variant"));
    let only = fields.get("in").and_then(|at| carrier::encap(&at));
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let [kind] = kinds.as_slice() else {
        if at.sink.clean(&at.path) {
            at.wrong(if kinds.is_empty() {
                format!("an expectation is one of {}, e.g. {example}", KINDS.join(", "))
            } else {
                format!(
                    "one expectation says one thing, not {}; begin each with its own `-`",
                    kinds.join(" and ")
                )
            });
        }
        return None;
    };
    let what = what(kind, &fields)?;
    let only = if let Expected::Refused(of) = what { Some(of.encap) } else { only };
    Some(Expectation { what, only, variant, claim, contradicts })
}

fn what(kind: &str, fields: &Fields<'_>) -> Option<Expected> {
    let at = fields.get(kind)?;
    match kind {
        "attack" => attacks::expected(&at).map(Expected::Attack),
        "refused" => refused(&at),
        "probe" => probe(&at).map(Expected::Probe),
        "told" => Some(Expected::Told(at.number("MTU", &VM_MTU)?)),
        "transfer" => Some(Expected::Transfer(at.choice("end of a transfer", &TRANSFERS)?)),
        "ledger" => ledger(&at),
        "payload" => Some(Expected::Payload(at.choice("kind of payload", &SECRECIES)?)),
        "handshakes" => {
            Some(Expected::Handshakes(at.number("number of connections", &HANDSHAKES)?))
        }
        "checksum" => Some(Expected::Checksum(at.choice("checksum", &CHECKSUMS)?)),
        "large_send" => {
            let fields = at.fields("a map, e.g. `{ at-least: 60000 }`", &["at-least"])?;
            let at = fields.need("at-least", "the size of the send in bytes, e.g. `60000`")?;
            Some(Expected::LargeSend { at_least: at.number("size in bytes", &OVERHEAD)? })
        }
        "retransmits" => {
            let keys = ["at-least", "at-most"];
            let fields = at.fields("a map, e.g. `{ at-most: 10 }`", &keys)?;
            let count = |key| {
                let at = fields.get(key)?;
                at.number("number of segments", &(0..=u32::MAX))
            };
            let (at_least, at_most) = (count("at-least"), count("at-most"));
            bounded(&at, at_least.is_some() || at_most.is_some())?;
            Some(Expected::Retransmits { at_least, at_most })
        }
        "delivered" => {
            let (at_least, at_most) = shares(&at, "`{ at-most: 0.999 }`")?;
            Some(Expected::Delivered { at_least, at_most })
        }
        "goodput" => {
            let (at_least, at_most) = shares(&at, "`{ at-least: 0.95 }`")?;
            Some(Expected::Goodput { at_least, at_most })
        }
        "pieces" => Some(Expected::Pieces(at.number("number of packets", &PIECES)?)),
        "drops" => {
            let wanted = "a map from reasons to counts, e.g. `{ unknown_network: 1 }`";
            let count = |(reason, at): (String, At<'_>)| {
                let reason = reason_named(&reason, &at)?;
                let least = at.number("number of frames", &(1..=u32::MAX))?;
                Some((reason, u64::from(least)))
            };
            Some(Expected::Drops(at.entries(wanted)?.into_iter().filter_map(count).collect()))
        }
        "slowdown" => cost::slowdown(&at),
        "cost" => cost::cost(&at),
        "link" => link::link(&at),
        "downtime" => events::downtime(&at),
        "survives" => events::survives(&at),
        "spread" => bum::spread(&at),
        "tunnels" => bum::tunnels(&at),
        "tables" => tables::tables(&at),
        "stray" => tables::stray(&at),
        "copies" => bum::copies(&at),
        "walk" => bum::walk(&at),
        "broadcast" => Some(Expected::Broadcast { within: within(&at)? }),
        "no-broadcast" => Some(Expected::NoBroadcast { within: within(&at)? }),
        "reachable" | "unreachable" | "blind" | "seen" | "gateway" | "hops" | "unaware"
        | "stream" | "reordered" | "entries" => joined::expected(kind, &at),
        "isolated" => {
            if matches!(&at.node.kind, Kind::Text(text) if text == "all") {
                return Some(Expected::Isolated(vec!["all".to_owned()]));
            }
            let items = at.list("a list of tenants, e.g. `[red, blue]`")?;
            let names = items.iter().map(|at| at.text("a tenant's name").unwrap_or_default());
            Some(Expected::Isolated(names.collect()))
        }
        "overhead" => Some(Expected::Overhead(at.number("overhead in bytes", &OVERHEAD)?)),
        "mtu" => Some(Expected::Mtu(at.number("MTU", &VM_MTU)?)),
        "throughput" => ratio(&at).map(Expected::Throughput),
        "cpu" => ratio(&at).map(Expected::Cpu),
        other => {
            at.wrong(format!("`{other}` is named as an expectation, but nothing reads it"));
            None
        }
    }
}

/// What part of another variant's figure it must be.
fn ratio(at: &At<'_>) -> Option<RatioExpected> {
    let keys = ["at-least", "at-most", "of"];
    let fields = at.fields("a map, e.g. `{ at-least: 0.35 }`", &keys)?;
    let ratio = |key| fields.get(key).and_then(|at| at.positive("ratio"));
    let expected = RatioExpected {
        at_least: ratio("at-least"),
        at_most: ratio("at-most"),
        of: fields.get("of").and_then(|at| at.text("the name of a variant")),
    };
    bounded(at, expected.at_least.is_some() || expected.at_most.is_some())?;
    Some(expected)
}

/// Two bounds of a share, of which one may be left out.
fn shares(at: &At<'_>, example: &str) -> Option<(Option<f64>, Option<f64>)> {
    let fields = at.fields(&format!("a map, e.g. {example}"), &["at-least", "at-most"])?;
    let share = |key| fields.get(key).and_then(|at| at.positive("share"));
    let (at_least, at_most) = (share("at-least"), share("at-most"));
    bounded(at, at_least.is_some() || at_most.is_some())?;
    Some((at_least, at_most))
}

/// One that does not add up fails the run anyway, so nobody can want it not to.
fn ledger(at: &At<'_>) -> Option<Expected> {
    let wanted = at.truth()?;
    if !wanted {
        at.wrong("a ledger that does not add up fails every run; write `true`, or leave it out");
        return None;
    }
    Some(Expected::Ledger(true))
}

fn refused(at: &At<'_>) -> Option<Expected> {
    let fields =
        at.fields("a map, e.g. `{ encap: vlan, tenants: 4095 }`", &["encap", "tenants"])?;
    let encap = fields.need("encap", "the encapsulation").and_then(|at| carrier::encap(&at));
    let tenants = fields.need("tenants", "how many tenants are one too many");
    let tenants = tenants.and_then(|at| at.number("number of tenants", &COUNT));
    Some(Expected::Refused(RefusedExpected { encap: encap?, tenants: tenants? }))
}

/// The one tenant that an expectation is about.
fn within(at: &At<'_>) -> Option<String> {
    let wanted = "a tenant's name";
    let fields = at.fields("a map, e.g. `{ within: red }`", &["within"])?;
    fields.need("within", wanted)?.text(wanted)
}

/// Notes that neither bound is given.
pub(super) fn bounded(at: &At<'_>, is: bool) -> Option<()> {
    if !is && at.sink.clean(&at.path) {
        at.wrong("says nothing; give `at-least`, `at-most` or both");
    }
    is.then_some(())
}

/// A reason to drop; a fault at `at` where there is none of that name.
fn reason_named(name: &str, at: &At<'_>) -> Option<String> {
    let found = DropReason::ALL.iter().find(|reason| reason.name() == name);
    if found.is_none() {
        let near = suggestion(name, DropReason::ALL.iter().map(|r| r.name()));
        at.wrong(format!("`{name}` is no reason to drop{near}"));
    }
    found.map(|reason| reason.name().to_owned())
}

fn probe(at: &At<'_>) -> Option<ProbeExpected> {
    let keys = ["name", "delivered", "dropped", "answered"];
    let fields = at.fields("a map, e.g. `{ name: zero, delivered: 10 }`", &keys)?;
    let name = fields.need("name", "the name of a probe")?.text("the name of a probe")?;
    let expected = ProbeExpected {
        name,
        delivered: fields.get("delivered").and_then(|at| at.number("count", &(0..=1000))),
        dropped: fields
            .get("dropped")
            .and_then(|at| reason_named(&at.text("a reason to drop, e.g. `inner_tag`")?, &at)),
        answered: fields.get("answered").and_then(|at| at.choice("answer", &ANSWERS)),
    };
    let none = ProbeExpected {
        name: expected.name.clone(),
        delivered: None,
        dropped: None,
        answered: None,
    };
    if expected == none {
        if at.sink.clean(&at.path) {
            at.wrong("says nothing; give `delivered`, `dropped` or `answered`");
        }
        return None;
    }
    Some(expected)
}

fn claim(at: &At<'_>) -> Option<String> {
    let text = at.text("a row of the lesson, e.g. `C1`")?;
    if lesson::claim(&text).is_none() {
        at.wrong(format!(
            "`{text}` is no row of the lesson; there are A1 to A3, B1 to B9 and C1 to C20"
        ));
        return None;
    }
    Some(text)
}

fn contradicts(at: &At<'_>, claimed: bool) -> Option<String> {
    let text = at.text("in a sentence, what the lesson has wrong if this holds")?;
    if !claimed {
        at.wrong("what contradicts the lesson names the row with `claim:` beside it");
        return None;
    }
    Some(text)
}
