//! Whether what had to hold did.

mod attacks;
mod bum;
mod cost;
mod drops;
mod events;
mod finding;
mod ledger;
mod link;
mod overlay;
mod probes;
pub(super) mod reach;
mod sizes;
mod speed;
mod tables;
mod transfer;
mod wire;

use super::parts;
use finding::Finding;

use crate::lab::{Expectation, Expected, Secrecy, SentChecksum, Transfer, TunnelCount, lesson};
use crate::measure::result::{ClaimResult, RunResult, VariantResult, Verdict};
use crate::plan::{Plan, Variant};

/// A verdict for every expectation in every variant that it is about, and one on each byte ledger
/// that does not add up. Plain paths are a subject
/// of expectations where these name them, or where the lab has nothing else.
pub(super) fn verdicts(plan: &Plan, result: &RunResult) -> Vec<Verdict> {
    let only_plain = plan.variants.iter().all(|v| v.baseline.is_none());
    let all = || plan.variants.iter().zip(&result.variants);
    let mut verdicts = Vec::new();
    for expectation in &plan.expect {
        let before = verdicts.len();
        for (variant, found) in all() {
            let named = match &expectation.variant {
                Some(name) => *name == variant.name,
                None => only_plain || !is_reference(plan, variant),
            };
            if named && expectation.only.is_none_or(|encap| encap == variant.encap) {
                verdicts.push(verdict(expectation, found, &result.variants));
            }
        }
        if verdicts.len() == before {
            verdicts.push(Verdict {
                what: words(&expectation.what),
                claim: expectation.claim.clone(),
                contradicts: None,
                variant: expectation.only.map_or_else(String::new, |e| e.name().to_owned()),
                held: false,
                theory: None,
                measured: None,
                detail: "no variant of this lab is what it speaks of".into(),
            });
        }
    }
    let unasked = ledger::unasked(&verdicts, result.variants.iter());
    verdicts.extend(unasked);
    verdicts
}

/// The rows of the lesson that a lab's expectations are about, in the lesson's order.
pub(super) fn claims(plan: &Plan) -> Vec<ClaimResult> {
    let named = |id: &str| plan.expect.iter().any(|e| e.claim.as_deref() == Some(id));
    let rows = lesson::CLAIMS.iter().filter(|claim| named(claim.id));
    rows.map(|claim| ClaimResult {
        id: claim.id.to_owned(),
        says: claim.says.to_owned(),
        theory: claim.theory.to_owned(),
        note: (!claim.note.is_empty()).then(|| claim.note.to_owned()),
    })
    .collect()
}

/// Whether a variant only serves as another one's baseline.
fn is_reference(plan: &Plan, variant: &Variant) -> bool {
    plan.variants.iter().any(|v| v.baseline.as_ref() == Some(&variant.name))
}

fn words(expected: &Expected) -> String {
    match expected {
        Expected::Reachable(_)
        | Expected::Unreachable(_)
        | Expected::Blind(_)
        | Expected::Seen(_)
        | Expected::Gateway(_)
        | Expected::Hops { .. }
        | Expected::Unaware { .. }
        | Expected::Stream(_)
        | Expected::Entries(_)
        | Expected::Reordered { .. } => overlay::words(expected),
        Expected::Drops(least) => {
            let each = least.iter().map(|(reason, count)| format!("{count} {reason}"));
            format!("engines drop at least {}", each.collect::<Vec<_>>().join(", "))
        }
        Expected::Isolated(tenants) => format!("nothing leaks between {}", tenants.join(", ")),
        Expected::Overhead(bytes) => format!("each packet grows by {bytes} bytes"),
        Expected::Mtu(mtu) => format!("the largest inner packet is {mtu} bytes"),
        Expected::Throughput(expected) => speed::throughput_words(expected),
        Expected::Cpu(expected) => cost::cpu_words(expected),
        Expected::Goodput { at_least, at_most } => sizes::goodput_words(*at_least, *at_most),
        Expected::Pieces(count) => sizes::pieces_words(*count),
        Expected::Retransmits { at_least, at_most } => speed::retransmit_words(*at_least, *at_most),
        Expected::Spread { links, at_least, at_most } => {
            let least = at_least.map(|part| format!("at least {part}"));
            let most = at_most.map(|part| format!("at most {part}"));
            let bounds: Vec<String> = least.into_iter().chain(most).collect();
            format!(
                "of the bytes over {} the least used link has {}",
                links.join(", "),
                bounds.join(" and ")
            )
        }
        Expected::Tunnels(TunnelCount::All(count)) => format!("{count} tunnels are configured"),
        Expected::Tunnels(TunnelCount::Each(each)) => {
            let each = each.iter().map(|(tenant, count)| format!("{count} for {tenant}"));
            format!("tunnels are configured: {}", each.collect::<Vec<_>>().join(", "))
        }
        Expected::Copies(count) => {
            let arp = count.arp.map(|n| format!("{n} for an ARP request"));
            let broadcast = count.broadcast.map(|n| format!("{n} for another broadcast"));
            let each: Vec<String> = arp.into_iter().chain(broadcast).collect();
            format!("packets that leave a host of {}: {}", count.within, each.join(", "))
        }
        Expected::Broadcast { within } => {
            format!("broadcast and multicast of {within} reach all its hosts")
        }
        Expected::NoBroadcast { within } => {
            format!("no broadcast of {within} reaches another host")
        }
        Expected::Walk { from, to } => {
            format!("the first packet from {from} to {to} goes step by step as theory says")
        }
        Expected::Attack(attack) => attacks::words(*attack),
        Expected::Link(expected) => link::words(expected),
        Expected::Refused(of) => format!("{} refuses tenant number {}", of.encap, of.tenants),
        Expected::Probe(probe) => probes::words(probe),
        Expected::Told(mtu) => format!("who sends more than fits is told {mtu} bytes"),
        Expected::Transfer(Transfer::Passes) => "a bulk transfer of full segments passes".into(),
        Expected::Transfer(Transfer::Stalls) => "a bulk transfer stalls after the handshake".into(),
        Expected::Ledger(_) => ledger::WORDS.into(),
        Expected::Payload(Secrecy::Readable) => "payload can be read on the underlay".into(),
        Expected::Payload(Secrecy::Hidden) => "payload cannot be read on the underlay".into(),
        Expected::LargeSend { at_least } => {
            format!("one send of at least {at_least} bytes leaves the host")
        }
        Expected::Handshakes(count) => {
            format!("{count} TCP connections are opened to the tunnel's port")
        }
        Expected::Checksum(SentChecksum::Zero) => "the outer UDP checksum is sent as zero".into(),
        Expected::Checksum(SentChecksum::Right) => "the outer UDP checksum is sent".into(),
        Expected::Tables(table) => tables::table_words(table),
        Expected::Stray(stray) => tables::stray_words(stray),
        Expected::Downtime(of) => events::downtime_words(of),
        Expected::Survives(of) => events::survival_words(of),
        Expected::Slowdown(of) => cost::slowdown_words(of),
        Expected::Cost(of) => cost::cost_words(of),
        Expected::Delivered { at_least, at_most } => speed::share_words(*at_least, *at_most),
    }
}

fn verdict(expectation: &Expectation, found: &VariantResult, all: &[VariantResult]) -> Verdict {
    let missing = parts::of(&expectation.what).into_iter().find_map(|part| {
        let why = found.unmeasured.get(&part)?;
        Some(Finding::unknown(format!("not measured: {part}: {why}")))
    });
    let finding = missing.unwrap_or_else(|| finding(&expectation.what, found, all));
    let Finding { held, theory, measured, detail } = finding;
    Verdict {
        what: words(&expectation.what),
        claim: expectation.claim.clone(),
        contradicts: expectation.contradicts.clone().filter(|_| held),
        variant: found.name.clone(),
        held,
        theory,
        measured,
        detail,
    }
}

fn finding(what: &Expected, found: &VariantResult, all: &[VariantResult]) -> Finding {
    match what {
        Expected::Reachable(_)
        | Expected::Unreachable(_)
        | Expected::Blind(_)
        | Expected::Seen(_)
        | Expected::Gateway(_)
        | Expected::Hops { .. }
        | Expected::Unaware { .. }
        | Expected::Stream(_)
        | Expected::Entries(_)
        | Expected::Reordered { .. } => overlay::finding(what, found, all),
        Expected::Drops(least) => drops::drops(least, found),
        Expected::Isolated(tenants) => reach::isolated(tenants, found),
        Expected::Overhead(bytes) => sizes::overhead(*bytes, found),
        Expected::Mtu(mtu) => sizes::largest(*mtu, found),
        Expected::Throughput(expected) => speed::throughput(expected, found, all),
        Expected::Cpu(expected) => cost::cpu(expected, found, all),
        Expected::Goodput { at_least, at_most } => sizes::goodput(*at_least, *at_most, found),
        Expected::Pieces(count) => sizes::pieces(*count, found),
        Expected::Retransmits { at_least, at_most } => {
            speed::retransmits(*at_least, *at_most, found)
        }
        Expected::Spread { links, at_least, at_most } => {
            bum::spread(links, *at_least, *at_most, found)
        }
        Expected::Tunnels(count) => bum::tunnels(count, found),
        Expected::Copies(count) => bum::copies(count, found),
        Expected::Broadcast { within } => bum::broadcast(within, found),
        Expected::NoBroadcast { within } => bum::no_broadcast(within, found),
        Expected::Walk { from, to } => bum::walk(from, to, found),
        Expected::Attack(attack) => attacks::attack(*attack, found),
        Expected::Link(expected) => link::link(expected, found),
        Expected::Refused(of) => reach::refused(*of, found),
        Expected::Probe(probe) => probes::probe(probe, found),
        Expected::Told(mtu) => sizes::told(*mtu, found),
        Expected::Transfer(end) => transfer::transfer(*end, found),
        Expected::Ledger(_) => ledger::ledger(found),
        Expected::Payload(secrecy) => wire::payload(*secrecy, found),
        Expected::LargeSend { at_least } => transfer::large_send(*at_least, found),
        Expected::Handshakes(count) => transfer::handshakes(*count, found),
        Expected::Checksum(sent) => wire::checksum(*sent, found),
        Expected::Tables(table) => tables::table(table, found),
        Expected::Stray(stray) => tables::stray(stray, found),
        Expected::Downtime(of) => events::downtime(of, found),
        Expected::Survives(of) => events::survives(of, found),
        Expected::Slowdown(of) => cost::slowdown(of, found),
        Expected::Cost(of) => cost::cost(of, found),
        Expected::Delivered { at_least, at_most } => speed::delivered(*at_least, *at_most, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::TableExpected;

    #[test]
    fn what_was_not_measured_holds_nothing_and_says_why() {
        let what = Expected::Tables(TableExpected {
            node: "leaf1".into(),
            vms: None,
            at_least: None,
            at_most: Some(0),
        });
        let expectation =
            Expectation { what, only: None, variant: None, claim: None, contradicts: None };
        let mut found = VariantResult::default();
        assert!(verdict(&expectation, &found, &[]).held, "an empty table");
        found.unmeasured.insert(parts::TABLES.into(), "no such device".into());
        let verdict = verdict(&expectation, &found, &[]);
        assert!(!verdict.held && verdict.detail.contains("no such device"), "{verdict:?}");
    }
}
