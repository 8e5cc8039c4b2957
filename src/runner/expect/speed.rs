//! What the flows came to.

use super::finding::Finding;
use crate::lab::RatioExpected;
use crate::measure::result::{FlowResult, FlowRound, Spread, VariantResult};

/// What part of another variant's throughput the first TCP flow must have, in words.
pub(super) fn throughput_words(expected: &RatioExpected) -> String {
    let of = expected.of.as_deref().unwrap_or("the plain path");
    match (expected.at_least, expected.at_most) {
        (Some(least), None) => format!("TCP reaches at least {least} of {of}"),
        (None, Some(most)) => format!("TCP reaches at most {most} of {of}"),
        (least, most) => format!("TCP reaches {} of {of}", bounds(least, most)),
    }
}

/// The first TCP flow has this part of another variant's throughput, round by round.
pub(super) fn throughput(
    expected: &RatioExpected,
    found: &VariantResult,
    all: &[VariantResult],
) -> Finding {
    let tcp = |v: &VariantResult| v.flows.iter().find(|f| f.kind == "tcp").cloned();
    let ratio = match &expected.of {
        None => tcp(found).and_then(|flow| flow.ratio),
        Some(name) => {
            let other = all.iter().find(|v| v.name == *name).and_then(tcp);
            tcp(found).zip(other).and_then(|(here, there)| ratio(&here, &there))
        }
    };
    let of = expected.of.as_deref().unwrap_or("the plain path");
    match ratio {
        Some(ratio) => Finding::new(
            within(ratio.median, expected.at_least, expected.at_most),
            format!("of {of}; rounds {:.2} to {:.2}", ratio.min, ratio.max),
        )
        .figures(bounds(expected.at_least, expected.at_most), format!("{:.2}", ratio.median)),
        None => Finding::unknown(format!("no TCP flow was compared with {of}")),
    }
}

/// One flow's rates over another's, of rounds that ended well in both.
fn ratio(here: &FlowResult, there: &FlowResult) -> Option<Spread> {
    let pairs = here.rounds.iter().zip(&there.rounds);
    let both = pairs.filter(|(a, b)| a.counts() && b.counts());
    let rate = |round: &FlowRound| round.bytes as f64 / round.seconds;
    Spread::of(both.map(|(a, b)| rate(a) / rate(b)))
}

pub(super) fn within(figure: f64, at_least: Option<f64>, at_most: Option<f64>) -> bool {
    at_least.is_none_or(|least| figure >= least) && at_most.is_none_or(|most| figure <= most)
}

/// How many segments the first TCP flow's sender must have sent again, in words.
pub(super) fn retransmit_words(at_least: Option<u32>, at_most: Option<u32>) -> String {
    let bounds = bounds(at_least.map(f64::from), at_most.map(f64::from));
    format!("the VM's TCP sends {bounds} segments again")
}

/// So many segments were sent again, over all rounds.
pub(super) fn retransmits(
    at_least: Option<u32>,
    at_most: Option<u32>,
    found: &VariantResult,
) -> Finding {
    let Some(flow) = found.flows.iter().find(|f| f.kind == "tcp") else {
        return Finding::unknown("no TCP flow ran here");
    };
    let good = || flow.rounds.iter().filter(|round| round.counts());
    if good().next().is_none() {
        return Finding::unknown("no round of the TCP flow ended well");
    }
    let again: u64 = good().map(|round| round.retransmits).sum();
    let held = at_least.is_none_or(|least| again >= least.into())
        && at_most.is_none_or(|most| again <= most.into());
    Finding::new(held, format!("over {} rounds", good().count()))
        .figures(bounds(at_least.map(f64::from), at_most.map(f64::from)), again)
}

/// A share of the first UDP flow's datagrams arrives.
pub(super) fn delivered(
    at_least: Option<f64>,
    at_most: Option<f64>,
    found: &VariantResult,
) -> Finding {
    let Some(flow) = found.flows.iter().find(|f| f.kind == "udp") else {
        return Finding::unknown("no UDP flow ran here");
    };
    let rounds = || flow.rounds.iter().filter(|round| round.counts());
    let sent: u64 = rounds().map(|round| round.sent).sum();
    let received: u64 = rounds().map(|round| round.received).sum();
    if sent == 0 {
        return Finding::unknown("no datagram was sent");
    }
    let share = received as f64 / sent as f64;
    let held = within(share, at_least, at_most);
    Finding::new(held, format!("{received} of {sent} datagrams"))
        .figures(bounds(at_least, at_most), format!("{share:.4}"))
}

/// What share must arrive, in words.
pub(super) fn share_words(at_least: Option<f64>, at_most: Option<f64>) -> String {
    format!("the share of datagrams that arrive is {}", bounds(at_least, at_most))
}

pub(super) fn bounds(at_least: Option<f64>, at_most: Option<f64>) -> String {
    let least = at_least.map(|least| format!("≥ {least}"));
    let most = at_most.map(|most| format!("≤ {most}"));
    least.into_iter().chain(most).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_held_between_both_bounds() {
        let round = FlowRound { sent: 1000, received: 985, ..FlowRound::default() };
        let failed = FlowRound { sent: 9, error: Some("no".into()), ..FlowRound::default() };
        let rounds = vec![round, failed];
        let flow = FlowResult { kind: "udp".into(), rounds, ..FlowResult::default() };
        let found = VariantResult { flows: vec![flow], ..VariantResult::default() };
        assert!(delivered(Some(0.98), Some(0.99), &found).held);
        assert!(!delivered(Some(0.99), None, &found).held);
        assert!(!delivered(None, Some(0.98), &found).held);
        assert!(!delivered(Some(0.1), None, &VariantResult::default()).held);
    }

    fn tcp(name: &str, bytes: [u64; 3], retransmits: u64) -> VariantResult {
        let round = |bytes| FlowRound { seconds: 1.0, bytes, retransmits, ..FlowRound::default() };
        let rounds = bytes.map(round).to_vec();
        let flow = FlowResult { kind: "tcp".into(), rounds, ..FlowResult::default() };
        VariantResult { name: name.into(), flows: vec![flow], ..VariantResult::default() }
    }

    #[test]
    fn throughput_can_be_compared_with_another_variant() {
        let all = [tcp("a", [10, 20, 30], 0), tcp("b", [100, 100, 100], 0)];
        let of = |least, most, of: &str| {
            let expected = RatioExpected { at_least: least, at_most: most, of: Some(of.into()) };
            throughput(&expected, &all[0], &all).held
        };
        assert!(of(Some(0.2), Some(0.2), "b") && !of(Some(0.3), None, "b"));
        assert!(!of(None, Some(0.1), "b") && !of(Some(0.0001), None, "c"));
        // Nothing was compared with a plain path.
        let plain = RatioExpected { at_least: Some(0.1), at_most: None, of: None };
        assert!(!throughput(&plain, &all[0], &all).held);
    }

    #[test]
    fn segments_sent_again_are_added_up() {
        let found = tcp("a", [1, 1, 1], 5);
        assert!(retransmits(Some(15), Some(15), &found).held);
        assert!(!retransmits(Some(16), None, &found).held);
        assert!(!retransmits(None, Some(14), &found).held);
        assert!(!retransmits(None, Some(9), &VariantResult::default()).held);
    }
}
