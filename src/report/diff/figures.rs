//! Figures of a flow in two runs, and which of all of them got worse beyond chance.

use std::cmp::Ordering;

use super::super::figures::{compared_by, cpu_per_gb, flow, good, loss, packet_rate, ratios};
use super::chance::{FAMILY, below, holm};
use super::{Figure, Gate, Told, What};
use crate::measure::result::{FlowResult, FlowRound, Latency, RunResult, VariantResult};
use crate::measure::statistics::{difference_of_medians, median, ratio_of_medians, unpaired};

/// A figure and the rounds' values on either side.
pub(super) type Compared = (Figure, [Vec<f64>; 2]);

/// A percentile, and where it stands.
type Percentile = (What, fn(&Latency) -> f64);

/// All figures that a flow has in both runs.
pub(super) fn of_flow(
    runs: [&RunResult; 2],
    variants: [&VariantResult; 2],
    flows: [&FlowResult; 2],
) -> Vec<Compared> {
    let rate = compared_by(&flows[0].kind);
    let over = |figure: fn(&FlowRound) -> f64| flows.map(|flow| values(flow, figure));
    let to_plain = [0, 1].map(|n| {
        let plain = super::super::figures::baseline(runs[n], variants[n]);
        let plain = plain.and_then(|plain| flow(plain, &flows[n].label));
        plain.map_or_else(Vec::new, |p| ratios(flows[n], p, rate).into_iter().flatten().collect())
    });
    let mut all = vec![(What::RatioToPlain, to_plain), (What::Rate, over(rate))];
    if flows[0].kind == "udp" {
        all.extend([(What::PacketRate, over(packet_rate)), (What::Loss, over(loss))]);
    }
    if flows.iter().all(|f| f.cpu_per_gb.is_some()) {
        all.push((What::CpuPerGb, over(cpu_per_gb)));
    }
    let blank = |what, before, after| Figure {
        variant: variants[0].name.clone(),
        flow: flows[0].label.clone(),
        kind: flows[0].kind.clone(),
        what,
        before,
        after,
        ratio: (what != What::Loss && before > 0.0).then_some(after / before),
        interval: None,
        rounds: [0, 0],
        told: Told::NotByRound,
        p: None,
        worse: false,
    };
    let figure = |(what, [before, after]): (What, [Vec<f64>; 2])| {
        // Where a flow failed in every round there is no figure; that is told as a change.
        let figure = Figure {
            interval: match what {
                What::Loss => difference_of_medians(&after, &before),
                _ => ratio_of_medians(&after, &before),
            },
            rounds: [before.len(), after.len()],
            told: match unpaired(&after, &before) {
                None => Told::TooFewRounds,
                Some(Ordering::Greater) => Told::Larger,
                Some(Ordering::Less) => Told::Smaller,
                Some(Ordering::Equal) => Told::NoDifference,
            },
            ..blank(what, median(&before)?, median(&after)?)
        };
        Some((figure, [before, after]))
    };
    let mut out: Vec<Compared> = all.into_iter().filter_map(figure).collect();
    if let [Some(before), Some(after)] = flows.map(|f| f.latency.as_ref()) {
        let percentiles: [Percentile; 3] = [
            (What::LatencyP50, |l| l.p50),
            (What::LatencyP90, |l| l.p90),
            (What::LatencyP99, |l| l.p99),
        ];
        let both = |(what, of): (What, fn(&Latency) -> f64)| blank(what, of(before), of(after));
        out.extend(percentiles.map(both).map(|figure| (figure, [Vec::new(), Vec::new()])));
    }
    out
}

fn values(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> Vec<f64> {
    good(flow).map(figure).filter(|v| v.is_finite()).collect()
}

/// Holds the figures that count for the gate together.
pub(super) fn judged(mut all: Vec<Compared>) -> (Vec<Figure>, Gate) {
    // Plain paths are the measure of the others, and as fast as the machine was.
    let ratios = all.iter().any(|(f, _)| f.what == What::RatioToPlain);
    let counted = if ratios { What::RatioToPlain } else { What::Rate };
    let of_gate = |f: &Figure| f.what == counted;
    let count = all.iter().filter(|(f, _)| of_gate(f)).count();
    let wanted = FAMILY / count.max(1) as f64;
    for (figure, [before, after]) in all.iter_mut().filter(|(f, _)| of_gate(f)) {
        figure.p = below(after, before, wanted);
    }
    let probabilities: Vec<f64> = all.iter().filter_map(|(f, _)| f.p).collect();
    let stand = holm(&probabilities);
    for ((figure, _), stands) in all.iter_mut().filter(|(f, _)| f.p.is_some()).zip(&stand) {
        figure.worse = *stands;
    }
    let gate = Gate {
        level: FAMILY,
        judged: probabilities.len(),
        unjudged: count - probabilities.len(),
        worse: stand.iter().filter(|stands| **stands).count(),
    };
    (all.into_iter().map(|(figure, _)| figure).collect(), gate)
}
