//! `expect`: what must hold.

use super::At;
use super::at::Fields;
use super::names::suggestion;
use super::{bum, carrier};
use crate::encap::DropReason;
use crate::lab::limits::{CLAIMS, OVERHEAD, VM_MTU};
use crate::lab::model::{Expectation, Expected};

const KINDS: [&str; 13] = [
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
];
const KEYS: [&str; 16] = [
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
    "in",
    "variant",
    "claim",
];

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
            })
        })
        .collect()
}

fn expectation(at: &At<'_>) -> Option<Expectation> {
    let example = "`isolated: [red, blue]`";
    let fields = at.fields(&format!("what must hold, e.g. {example}"), &KEYS)?;
    let claim = fields.get("claim").and_then(|at| claim(&at));
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
    let variant =
        fields.get("variant").and_then(|at| at.text("a variant's name, e.g. `vxlan-multicast`"));
    Some(Expectation { what: what(kind, &fields)?, only, variant, claim })
}

fn what(kind: &str, fields: &Fields<'_>) -> Option<Expected> {
    let at = fields.get(kind)?;
    match kind {
        "drops" => {
            let wanted = "a map from reasons to counts, e.g. `{ unknown_network: 1 }`";
            let count = |(reason, at): (String, At<'_>)| {
                let Some(reason) = DropReason::ALL.iter().find(|r| r.name() == reason) else {
                    let near = suggestion(&reason, DropReason::ALL.iter().map(|r| r.name()));
                    at.wrong(format!("`{reason}` is no reason to drop{near}"));
                    return None;
                };
                let least = at.number("number of frames", &(1..=u32::MAX))?;
                Some((reason.name().to_owned(), u64::from(least)))
            };
            Some(Expected::Drops(at.entries(wanted)?.into_iter().filter_map(count).collect()))
        }
        "spread" => bum::spread(&at),
        "tunnels" => bum::tunnels(&at),
        "copies" => bum::copies(&at),
        "walk" => bum::walk(&at),
        "broadcast" => Some(Expected::Broadcast { within: within(&at)? }),
        "no-broadcast" => Some(Expected::NoBroadcast { within: within(&at)? }),
        "reachable" | "unreachable" => {
            let within = within(&at)?;
            Some(if kind == "reachable" {
                Expected::Reachable { within }
            } else {
                Expected::Unreachable { within }
            })
        }
        "isolated" => {
            let items = at.list("a list of tenants, e.g. `[red, blue]`")?;
            let names = items.iter().map(|at| at.text("a tenant's name").unwrap_or_default());
            Some(Expected::Isolated(names.collect()))
        }
        "overhead" => Some(Expected::Overhead(at.number("overhead in bytes", &OVERHEAD)?)),
        "mtu" => Some(Expected::Mtu(at.number("MTU", &VM_MTU)?)),
        _ => {
            let fields = at.fields("a map, e.g. `{ at-least: 0.35 }`", &["at-least"])?;
            let at =
                fields.need("at-least", "the smallest ratio to the plain path, e.g. `0.35`")?;
            Some(Expected::Throughput { at_least: at.positive("ratio to the plain path")? })
        }
    }
}

/// The one tenant that an expectation is about.
fn within(at: &At<'_>) -> Option<String> {
    let wanted = "a tenant's name";
    let fields = at.fields("a map, e.g. `{ within: red }`", &["within"])?;
    fields.need("within", wanted)?.text(wanted)
}

fn claim(at: &At<'_>) -> Option<String> {
    let text = at.text("a row of the lesson, e.g. `C1`")?;
    if !is_claim(&text) {
        at.wrong(format!(
            "`{text}` is no row of the lesson; there are A1 to A3, B1 to B9 and C1 to C20"
        ));
        return None;
    }
    Some(text)
}

/// Whether a text names a row of the lesson.
fn is_claim(text: &str) -> bool {
    CLAIMS.iter().any(|(group, rows)| (1..=*rows).any(|row| text == format!("{group}{row}")))
}

#[cfg(test)]
mod tests {
    use super::is_claim;

    #[test]
    fn rows_of_the_lesson() {
        assert!(["A1", "A3", "B9", "C1", "C20"].into_iter().all(is_claim));
        assert!(!["A0", "A4", "B10", "C21", "D1", "C01", "c1", ""].into_iter().any(is_claim));
    }
}
