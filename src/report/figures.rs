//! What a report computes from a result: paired ratios, loss, and when a difference is one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::number::real;
use crate::ids::Encap;
use crate::measure::result::{
    FlowResult, FlowRound, Interval, LinkResult, MtuResult, RunResult, Spread, VariantResult,
};
use crate::measure::statistics::{apart, interval};

/// The variant a variant is compared with.
#[must_use]
pub fn baseline<'a>(run: &'a RunResult, variant: &VariantResult) -> Option<&'a VariantResult> {
    let name = variant.baseline.as_ref()?;
    run.variants.iter().find(|v| &v.name == name)
}

/// The flow of this label in a variant.
#[must_use]
pub fn flow<'a>(variant: &'a VariantResult, label: &str) -> Option<&'a FlowResult> {
    variant.flows.iter().find(|f| f.label == label)
}

/// The labels of all flows, in the order of the lab.
#[must_use]
pub fn labels(run: &RunResult) -> Vec<&str> {
    let mut labels = Vec::new();
    for flow in run.variants.iter().flat_map(|v| &v.flows) {
        if !labels.contains(&flow.label.as_str()) {
            labels.push(&flow.label);
        }
    }
    labels
}

/// Rounds that count: they ended well and are not left out.
pub fn good(flow: &FlowResult) -> impl Iterator<Item = &FlowRound> {
    flow.rounds.iter().filter(|r| r.counts())
}

/// A figure of one round; `None` where the round does not count or the figure is undefined.
fn each(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> impl Iterator<Item = Option<f64>> {
    flow.rounds.iter().map(move |r| {
        let value = figure(r);
        (r.counts() && value.is_finite()).then_some(value)
    })
}

/// A figure over the rounds that ended well.
#[must_use]
pub fn spread(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> Option<Spread> {
    Spread::of(each(flow, figure).flatten())
}

/// Ratios over some rounds, and what they say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// Smallest, median and largest.
    pub spread: Spread,
    /// Where the true median lies; `None` of one round.
    pub interval: Option<Interval>,
    /// Whether they differ from 1, and which way; `None` with too few rounds to tell.
    pub apart: Option<Ordering>,
    /// Rounds they rest on.
    pub rounds: usize,
}

impl Compared {
    /// What ratios say; `None` of none.
    #[must_use]
    pub fn of(ratios: &[f64]) -> Option<Compared> {
        Some(Compared {
            spread: Spread::of(ratios.iter().copied())?,
            interval: interval(ratios),
            apart: apart(ratios),
            rounds: ratios.len(),
        })
    }
}

/// A figure over the rounds that count, with where its median lies.
#[must_use]
pub fn over_rounds(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> Option<Compared> {
    let values: Vec<f64> = each(flow, figure).flatten().collect();
    Compared::of(&values)
}

/// A figure over the plain path's of the same round, by round: what both shared at that moment cancels. `None` where
/// a round does not count in one of them.
pub fn ratios(
    flow: &FlowResult,
    plain: &FlowResult,
    figure: fn(&FlowRound) -> f64,
) -> Vec<Option<f64>> {
    let ratio = |(a, b): (Option<f64>, Option<f64>)| Some(a? / b?).filter(|r| r.is_finite());
    each(flow, figure).zip(each(plain, figure)).map(ratio).collect()
}

/// A figure over the plain path's of the same round.
#[must_use]
pub fn paired(
    flow: &FlowResult,
    plain: &FlowResult,
    figure: fn(&FlowRound) -> f64,
) -> Option<Compared> {
    let ratios: Vec<f64> = ratios(flow, plain, figure).into_iter().flatten().collect();
    Compared::of(&ratios)
}

/// The figure that a kind of flow is compared by: bit/s, or transactions/s.
#[must_use]
pub fn compared_by(kind: &str) -> fn(&FlowRound) -> f64 {
    if kind == "rr" { packet_rate } else { bit_rate }
}

/// Payload bits delivered per second.
#[must_use]
pub fn bit_rate(round: &FlowRound) -> f64 {
    real(round.bytes) * 8.0 / round.seconds
}

/// Datagrams or transactions delivered per second.
#[must_use]
pub fn packet_rate(round: &FlowRound) -> f64 {
    real(round.received) / round.seconds
}

/// Payload bits that the load beside a flow delivered per second; not a number where there is none.
#[must_use]
pub fn load_rate(round: &FlowRound) -> f64 {
    round.load_bytes.map_or(f64::NAN, real) * 8.0 / round.seconds
}

/// Share of what was sent that was not delivered, 0 to 1.
#[must_use]
pub fn loss(round: &FlowRound) -> f64 {
    real(round.sent.saturating_sub(round.received)) / real(round.sent)
}

/// CPU seconds of the whole machine per 10^9 payload bytes delivered.
#[must_use]
pub fn cpu_per_gb(round: &FlowRound) -> f64 {
    round.cpu_seconds * 1e9 / real(round.bytes)
}

/// CPU seconds of the engines' threads per 10^9 payload bytes delivered.
#[must_use]
pub fn engine_cpu_per_gb(round: &FlowRound) -> f64 {
    round.engine_seconds * 1e9 / real(round.bytes)
}

/// Whether a UDP flow is about packets rather than bytes: at most 128 payload bytes each.
#[must_use]
pub fn small_packets(flow: &FlowResult) -> bool {
    let (bytes, packets) =
        good(flow).fold((0.0, 0.0), |(b, p), r| (b + real(r.bytes), p + real(r.received)));
    flow.kind == "udp" && packets > 0.0 && bytes / packets <= 128.0
}

/// Whether the overhead counted on the wire is not that of the format: half a byte is rounding, such
/// as by an odd packet among those counted.
#[must_use]
pub fn overhead_apart(mtu: &MtuResult) -> bool {
    mtu.overhead_counted.is_some_and(|c| (c - f64::from(mtu.overhead_computed)).abs() > 0.5)
}

/// Whether packets grow by no one number of bytes: a stream carries them.
#[must_use]
pub fn streams(variant: &VariantResult) -> bool {
    encap(variant) == Some(Encap::Ssh)
}

/// The encapsulation that a variant's name of it stands for.
#[must_use]
pub fn encap(variant: &VariantResult) -> Option<Encap> {
    variant.encap.parse().ok()
}

/// Links between switches or routers: both ends have another link as well.
#[must_use]
pub fn fabric_links(variant: &VariantResult) -> Vec<&LinkResult> {
    let degree = |node: &String| variant.links.iter().filter(|l| l.ends.contains(node)).count();
    variant.links.iter().filter(|l| l.ends.iter().all(|n| degree(n) > 1)).collect()
}

/// Each link's part of the bytes of all of them, 0 to 1; empty where none carried anything.
#[must_use]
pub fn shares(links: &[&LinkResult]) -> Vec<f64> {
    let bytes: Vec<f64> = links.iter().map(|l| carried(l)).collect();
    let sum: f64 = bytes.iter().sum();
    if sum > 0.0 { bytes.iter().map(|b| b / sum).collect() } else { Vec::new() }
}

/// Bytes a link carried both ways.
#[must_use]
pub fn carried(link: &LinkResult) -> f64 {
    real(link.bytes[0]) + real(link.bytes[1])
}

/// Counters by name and variant: the variants that have any, and one row per name that is not all
/// zero, with `None` where a variant does not count it.
#[must_use]
#[allow(clippy::type_complexity)]
pub fn counters(
    run: &RunResult,
    of: fn(&VariantResult) -> &BTreeMap<String, u64>,
) -> (Vec<&VariantResult>, Vec<(&str, Vec<Option<u64>>)>) {
    let variants: Vec<_> = run.variants.iter().filter(|v| of(v).values().any(|n| *n > 0)).collect();
    let names: BTreeSet<&str> = variants
        .iter()
        .flat_map(|v| of(v).iter())
        .filter(|(_, n)| **n > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    let rows = names
        .into_iter()
        .map(|name| (name, variants.iter().map(|v| of(v).get(name).copied()).collect()))
        .collect();
    (variants, rows)
}

/// Whether a packet larger than fits passed because hosts fragmented what they sent.
#[must_use]
pub fn in_fragments(variant: &VariantResult) -> bool {
    variant.fragments.is_some() && variant.mtu.probed.is_some_and(|p| p > variant.mtu.inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_of(min: f64, median: f64, max: f64) -> Spread {
        Spread { min, median, max }
    }

    #[test]
    fn ratios_pair_rounds_and_leave_failed_ones_out() {
        let round = |received, error: Option<&str>| FlowRound {
            seconds: 1.0,
            received,
            error: error.map(Into::into),
            ..FlowRound::default()
        };
        let tunnel = FlowResult {
            rounds: vec![round(50, None), round(0, Some("refused")), round(30, None)],
            ..FlowResult::default()
        };
        let plain = FlowResult {
            rounds: vec![round(100, None), round(100, None), round(100, None)],
            ..FlowResult::default()
        };
        let compared = paired(&tunnel, &plain, packet_rate).unwrap();
        assert_eq!((compared.spread, compared.rounds), (spread_of(0.3, 0.4, 0.5), 2));
        assert_eq!(spread(&tunnel, packet_rate), Some(spread_of(30.0, 40.0, 50.0)));
    }

    #[test]
    fn a_ratio_rests_on_rounds_that_count_on_both_sides() {
        let round = |ok: bool, left_out: bool| FlowRound {
            error: (!ok).then(|| "refused".to_owned()),
            seconds: 1.0,
            bytes: 1,
            left_out,
            ..FlowRound::default()
        };
        let flow = |rounds: Vec<FlowRound>| FlowResult { rounds, ..FlowResult::default() };
        let good = |rounds: [bool; 3]| flow(rounds.map(|ok| round(ok, false)).to_vec());
        let pairs = |a: &FlowResult, b: &FlowResult| paired(a, b, bit_rate).map_or(0, |c| c.rounds);
        assert_eq!(pairs(&good([true, true, false]), &good([true, false, true])), 1);
        assert_eq!(pairs(&good([true; 3]), &good([true; 3])), 3);
        let warmed = flow(vec![round(true, true), round(true, false), round(true, false)]);
        assert_eq!(pairs(&good([true; 3]), &warmed), 2);
    }

    #[test]
    fn loss_of_nothing_sent_is_undefined() {
        assert!(loss(&FlowRound::default()).is_nan());
        let doubled = FlowRound { sent: 2, received: 3, ..FlowRound::default() };
        assert!(loss(&doubled).abs() < f64::EPSILON);
    }
}
