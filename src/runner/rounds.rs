//! The flows, round by round in every variant.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hdrhistogram::Histogram;

use super::Progress;
use crate::lab::Flow;
use crate::measure::latency;
use crate::measure::result::{FlowResult, FlowRound, Spread, VariantResult};
use crate::plan::{Plan, PlannedFlow, Variant};
use crate::testbed::Testbed;
use crate::traffic;

/// First port that receivers listen on; each round of each flow takes the next one, so that no
/// connection of the last one is in the way.
const FIRST_PORT: u16 = 20_000;

/// What was found of one flow in one variant.
struct Series {
    rounds: Vec<FlowRound>,
    latency: Option<Histogram<u64>>,
}

/// What was found of all flows: by variant, then by flow; `None` where the variant does not carry
/// the flow's tenant.
pub(super) struct Rounds(Vec<Vec<Option<Series>>>);

impl Rounds {
    pub fn new(plan: &Plan) -> Self {
        let series = |variant: &Variant, flow: &PlannedFlow| {
            let carried = variant.vm(&flow.tenant, &flow.from).is_some();
            carried.then(|| Series { rounds: Vec::new(), latency: None })
        };
        let of_variant = |v| plan.flows.iter().map(|f| series(v, f)).collect();
        Rounds(plan.variants.iter().map(of_variant).collect())
    }

    /// Runs all rounds; returns whether it came to the end.
    pub fn run(
        &mut self,
        testbed: &Testbed,
        plan: &Plan,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> bool {
        let rounds = plan.measure.rounds;
        let mut port = FIRST_PORT;
        for round in 0..rounds {
            progress.stage(&format!("traffic, round {} of {rounds}", round + 1));
            for (f, flow) in plan.flows.iter().enumerate() {
                for v in 0..plan.variants.len() {
                    let v = (v + round as usize) % plan.variants.len();
                    let Some(series) = &mut self.0[v][f] else { continue };
                    if stop.load(Relaxed) {
                        return false;
                    }
                    let variant = &plan.variants[v];
                    progress.step(&format!("{} in {}", flow.label, variant.name));
                    let cpu = || testbed.engine_cpu(variant);
                    let outcome = traffic::run_flow(testbed, variant, flow, port, &cpu);
                    port = port.checked_add(1).unwrap_or(FIRST_PORT);
                    series.take(outcome);
                }
            }
        }
        true
    }

    /// Writes the figures into the variants' results.
    pub fn fill(&self, plan: &Plan, results: &mut [VariantResult]) {
        for (v, variant) in plan.variants.iter().enumerate() {
            let base = variant
                .baseline
                .as_ref()
                .and_then(|name| plan.variants.iter().position(|b| b.name == *name));
            for (f, flow) in plan.flows.iter().enumerate() {
                let Some(series) = &self.0[v][f] else { continue };
                let base = base.and_then(|b| self.0[b][f].as_ref());
                results[v].flows.push(series.result(flow, base));
            }
        }
    }
}

impl Series {
    fn take(&mut self, outcome: traffic::Outcome) {
        if let Some(histogram) = outcome.latency {
            match &mut self.latency {
                // Both have the same bounds, so nothing can be lost.
                Some(all) => drop(all.add(histogram)),
                None => self.latency = Some(histogram),
            }
        }
        self.rounds.push(outcome.round);
    }

    fn result(&self, flow: &PlannedFlow, base: Option<&Series>) -> FlowResult {
        let good = || self.rounds.iter().filter(|r| r.error.is_none());
        let per_gb = |seconds: f64, bytes: u64| seconds / (real(bytes) / 1e9);
        let has_engine = good().any(|r| r.engine_seconds > 0.0);
        let ratio = base.and_then(|base| {
            let pairs = self.rounds.iter().zip(&base.rounds);
            let both = pairs.filter(|(a, b)| a.error.is_none() && b.error.is_none());
            Spread::of(both.map(|(a, b)| rate(&flow.flow, a) / rate(&flow.flow, b)))
        });
        FlowResult {
            label: flow.label.clone(),
            kind: flow.flow.kind().to_owned(),
            rounds: self.rounds.clone(),
            rate: Spread::of(good().map(|r| rate(&flow.flow, r))).unwrap_or_default(),
            ratio,
            cpu_per_gb: Spread::of(good().map(|r| per_gb(r.cpu_seconds, r.bytes))),
            engine_cpu_per_gb: has_engine
                .then(|| Spread::of(good().map(|r| per_gb(r.engine_seconds, r.bytes))))
                .flatten(),
            latency: self.latency.as_ref().and_then(latency::summary),
        }
    }
}

/// The figure to compare: bit/s, or transactions/s.
fn rate(flow: &Flow, round: &FlowRound) -> f64 {
    match flow {
        Flow::Tcp(_) | Flow::Udp(_) => real(round.bytes) * 8.0 / round.seconds,
        Flow::Rr(_) => real(round.received) / round.seconds,
    }
}

#[allow(clippy::cast_precision_loss)] // counts of a run, far below 2^53
fn real(count: u64) -> f64 {
    count as f64
}
