//! What the flows came to.

use super::finding::Finding;
use crate::measure::result::VariantResult;

/// The first TCP flow has at least this part of the plain path's throughput.
pub(super) fn throughput(at_least: f64, found: &VariantResult) -> Finding {
    let flow = found.flows.iter().find(|f| f.kind == "tcp");
    match flow.and_then(|f| f.ratio) {
        Some(ratio) => Finding::new(
            ratio.median >= at_least,
            format!("of the plain path; rounds {:.2} to {:.2}", ratio.min, ratio.max),
        )
        .figures(format!("≥ {at_least}"), format!("{:.2}", ratio.median)),
        None => Finding::unknown("no TCP flow was compared with a plain path"),
    }
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
    let rounds = || flow.rounds.iter().filter(|round| round.error.is_none());
    let sent: u64 = rounds().map(|round| round.sent).sum();
    let received: u64 = rounds().map(|round| round.received).sum();
    if sent == 0 {
        return Finding::unknown("no datagram was sent");
    }
    #[allow(clippy::cast_precision_loss)] // counts of a run, far below 2^53
    let share = received as f64 / sent as f64;
    let held =
        at_least.is_none_or(|least| share >= least) && at_most.is_none_or(|most| share <= most);
    Finding::new(held, format!("{received} of {sent} datagrams"))
        .figures(bounds(at_least, at_most), format!("{share:.4}"))
}

/// What share must arrive, in words.
pub(super) fn share_words(at_least: Option<f64>, at_most: Option<f64>) -> String {
    format!("the share of datagrams that arrive is {}", bounds(at_least, at_most))
}

fn bounds(at_least: Option<f64>, at_most: Option<f64>) -> String {
    let least = at_least.map(|least| format!("≥ {least}"));
    let most = at_most.map(|most| format!("≤ {most}"));
    least.into_iter().chain(most).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{FlowResult, FlowRound};

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
}
