//! The flows, round by round in every variant.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Progress;
use super::stopping::{self, State};
use super::{cost, loaded, together};
use crate::lab::{self, Flow};
use crate::measure::cpu::ticks_per_second;
use crate::measure::foreign::Load;
use crate::measure::latency;
use crate::measure::result::{
    Ended, FlowResult, FlowRound, RoundMark, RoundsResult, Spread, VariantResult,
};
use crate::measure::statistics::{half_width, interval};
use crate::plan::{Plan, PlannedFlow, Variant};
use crate::testbed::Testbed;
use crate::traffic;

/// First port that receivers listen on; each round of each flow takes the next one, so that no
/// connection of the last one is in the way.
const FIRST_PORT: u16 = 20_000;
/// Where they begin anew, with room for flows that run together.
const LAST_PORT: u16 = 65_000;

/// What was found of one flow in one variant.
struct Series {
    rounds: Vec<FlowRound>,
    /// Latency over the quiet rounds and over the noisy ones.
    latency: [Option<Histogram<u64>>; 2],
}

/// What was found of all flows: by variant, then by flow; `None` where the variant does not carry
/// the flow's tenant.
pub(super) struct Rounds {
    series: Vec<Vec<Option<Series>>>,
    /// By variant: the plain path it is compared with.
    bases: Vec<Option<usize>>,
    run: u32,
    ended: Ended,
}

impl Rounds {
    pub fn new(plan: &Plan) -> Self {
        let series = |variant: &Variant, flow: &PlannedFlow| {
            let carried = flow.ends(variant).is_some();
            carried.then(|| Series { rounds: Vec::new(), latency: [None, None] })
        };
        let of_variant = |v| plan.flows.iter().map(|f| series(v, f)).collect();
        let base = |v: &Variant| {
            let name = v.baseline.as_ref()?;
            plan.variants.iter().position(|b| b.name == *name)
        };
        Rounds {
            series: plan.variants.iter().map(of_variant).collect(),
            bases: plan.variants.iter().map(base).collect(),
            run: 0,
            ended: Ended::Interrupted,
        }
    }

    /// Runs rounds until they are enough; returns whether it came to that.
    pub fn run(
        &mut self,
        testbed: &Testbed,
        plan: &Plan,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> bool {
        let rounds = plan.measure.rounds;
        let begun = Instant::now();
        let mut port = FIRST_PORT;
        let mut last = Duration::ZERO;
        let mut load = Load::now().ok();
        let (processors, ticks) =
            (std::thread::available_parallelism().map_or(1, Into::into), ticks_per_second());
        loop {
            if let Some(ended) = stopping::ended(rounds, &self.state(plan, begun, last)) {
                self.ended = ended;
                return true;
            }
            // Looked at here too: a lab may have no flows.
            if stop.load(Relaxed) {
                return false;
            }
            let round = self.run;
            let round_begun = Instant::now();
            progress.stage(&stopping::words(rounds, round));
            for (f, flow) in plan.flows.iter().enumerate() {
                // It runs with the sum that it is part of.
                if flow.together.is_some() {
                    continue;
                }
                for v in 0..plan.variants.len() {
                    let v = (v + round as usize) % plan.variants.len();
                    let members = together::members(plan, f);
                    if self.series[v][f].is_none() {
                        continue;
                    }
                    if stop.load(Relaxed) {
                        return false;
                    }
                    let variant = &plan.variants[v];
                    progress.step(&format!("{} in {}", flow.label, variant.name));
                    let outcomes = together::run(testbed, variant, flow, members, port);
                    let next = u16::try_from(outcomes.len()).ok().and_then(|n| port.checked_add(n));
                    port = next.filter(|next| *next < LAST_PORT).unwrap_or(FIRST_PORT);
                    let now = Load::now().ok();
                    let pair = now.as_ref().zip(load.as_ref());
                    let foreign =
                        pair.map(|(now, then)| now.foreign_since(then, processors, ticks));
                    load = now;
                    for (series, mut outcome) in self.series[v][f..].iter_mut().zip(outcomes) {
                        outcome.round.foreign = foreign;
                        cost::others(&mut outcome.round, flow.window(variant), processors);
                        outcome.round.mark = stopping::mark(rounds, round, foreign);
                        if let Some(series) = series {
                            series.take(outcome);
                        }
                    }
                }
            }
            self.run += 1;
            last = round_begun.elapsed();
        }
    }

    fn state(&self, plan: &Plan, begun: Instant, last: Duration) -> State {
        let exactly = matches!(plan.measure.rounds, lab::Rounds::Exactly(_));
        State {
            run: self.run,
            quiet: self.quiet(plan),
            // Of many rounds this takes a while, and says nothing where their number is fixed.
            widest: if exactly { None } else { self.widest(plan, true) },
            elapsed: begun.elapsed(),
            last,
        }
    }

    /// The least quiet rounds of any figure; the most there can be where there is none.
    fn quiet(&self, plan: &Plan) -> u32 {
        let quiet = self.each(plan).map(|(f, here, base)| values(f, here, base, true).len()).min();
        quiet.and_then(|quiet| u32::try_from(quiet).ok()).unwrap_or(u32::MAX)
    }

    /// Every flow in every variant whose figure is looked at: ratios where there is a plain path, and
    /// rates where nobody is compared with them. What never ends well tells nothing.
    fn each<'a>(
        &'a self,
        plan: &'a Plan,
    ) -> impl Iterator<Item = (&'a PlannedFlow, &'a Series, Option<&'a Series>)> {
        let variants = (0..self.series.len()).filter(|v| !self.bases.contains(&Some(*v)));
        variants.flat_map(move |v| {
            plan.flows.iter().enumerate().filter_map(move |(f, flow)| {
                let series = self.series[v][f].as_ref()?;
                series.rounds.iter().any(|r| r.error.is_none()).then_some(())?;
                Some((flow, series, self.base(v, f)))
            })
        })
    }

    fn base(&self, variant: usize, flow: usize) -> Option<&Series> {
        self.series[self.bases[variant]?][flow].as_ref()
    }

    /// The widest half interval over its median; `None` where one cannot be told.
    fn widest(&self, plan: &Plan, quiet: bool) -> Option<f64> {
        let mut widest = None;
        for (flow, here, base) in self.each(plan) {
            let width = half_width(&values(flow, here, base, quiet))?;
            widest = Some(width.max(widest.unwrap_or_default()));
        }
        widest
    }

    /// Writes the figures into the variants' results, and returns what is to be said of the rounds.
    pub fn fill(&mut self, plan: &Plan, results: &mut [VariantResult]) -> RoundsResult {
        let told = self.settle(plan);
        for (v, found) in results.iter_mut().enumerate() {
            for (f, flow) in plan.flows.iter().enumerate() {
                let Some(series) = &self.series[v][f] else { continue };
                let mut result = series.result(flow, self.base(v, f), told.noisy_left_out);
                let packet = cost::packet(plan, &plan.variants[v], f);
                result.cost = cost::cost(flow, series.rounds.iter().filter(|r| r.counts()), packet);
                if let Some(load) = &mut result.load {
                    load.idle = loaded::idle(plan, flow);
                }
                found.flows.push(result);
            }
        }
        told
    }

    /// Decides which rounds count: warm-ups never, and noisy ones where the lab asks for sure figures and has
    /// too few quiet ones.
    fn settle(&mut self, plan: &Plan) -> RoundsResult {
        let quiet = self.quiet(plan);
        let (until, warm_up) = match plan.measure.rounds {
            lab::Rounds::Exactly(_) => (None, 0),
            lab::Rounds::Until(until) => (Some(until), self.run.min(lab::Until::WARM_UP)),
        };
        let noisy_left_out = until.is_some_and(|until| quiet >= until.min);
        let (mut noisy, mut measurements) = (0, 0);
        let series = self.series.iter_mut().flatten().flatten();
        for round in series.flat_map(|series| &mut series.rounds) {
            measurements += 1;
            noisy += u32::from(round.mark == Some(RoundMark::Noisy));
            round.left_out = match round.mark {
                Some(RoundMark::WarmUp) => true,
                Some(RoundMark::Noisy) => noisy_left_out,
                None => false,
            };
        }
        RoundsResult {
            run: self.run,
            warm_up,
            noisy,
            measurements,
            noisy_left_out,
            until: until.map(|until| until.until.share()),
            widest: self.widest(plan, noisy_left_out),
            ended: self.ended,
        }
    }
}

impl Series {
    fn take(&mut self, outcome: traffic::Outcome) {
        let kept = match outcome.round.mark {
            Some(RoundMark::WarmUp) => None,
            Some(RoundMark::Noisy) => Some(1),
            None => Some(0),
        };
        if let (Some(histogram), Some(kept)) = (outcome.latency, kept) {
            join(&mut self.latency[kept], histogram);
        }
        self.rounds.push(outcome.round);
    }

    /// Latency over all rounds that count.
    fn latency(&self, noisy_left_out: bool) -> Option<Histogram<u64>> {
        let [quiet, noisy] = &self.latency;
        let mut all = quiet.clone();
        if let Some(noisy) = noisy.clone().filter(|_| !noisy_left_out) {
            join(&mut all, noisy);
        }
        all
    }

    fn result(&self, flow: &PlannedFlow, base: Option<&Series>, quiet: bool) -> FlowResult {
        let good = || self.rounds.iter().filter(|r| r.counts());
        let per_gb = |seconds: f64, bytes: u64| seconds / (real(bytes) / 1e9);
        let alone = flow.together.is_none() && !loaded::is(flow);
        let has_engine = good().any(|r| r.engine_seconds > 0.0);
        let rates: Vec<f64> = good().map(|r| rate(&flow.flow, r)).collect();
        let ratios = base.map(|_| values(flow, self, base, quiet)).unwrap_or_default();
        let datagrams = matches!(flow.flow, Flow::Udp(_)).then(|| good().map(packet_rate));
        let packet_rates: Vec<f64> = datagrams.into_iter().flatten().collect();
        FlowResult {
            label: flow.label.clone(),
            kind: together::kind(&flow.flow).to_owned(),
            together: flow.together.clone(),
            rounds: self.rounds.clone(),
            rate: Spread::of(rates.iter().copied()).unwrap_or_default(),
            ratio: Spread::of(ratios.iter().copied()),
            // The processors' time belongs to all flows that run at the same time.
            cpu_per_gb: Spread::of(
                good().filter(|_| alone).map(|r| per_gb(r.cpu_seconds, r.bytes)),
            ),
            engine_cpu_per_gb: (has_engine && alone)
                .then(|| Spread::of(good().map(|r| per_gb(r.engine_seconds, r.bytes))))
                .flatten(),
            cost: None,
            latency: self.latency(quiet).as_ref().and_then(latency::summary),
            size: flow.flow.size().map(|size| size.0),
            load: loaded::load(flow, good()),
            packet_rate: Spread::of(packet_rates.iter().copied()),
            packet_rate_interval: interval(&packet_rates),
            rate_interval: interval(&rates),
            ratio_interval: interval(&ratios),
        }
    }
}

fn join(all: &mut Option<Histogram<u64>>, histogram: Histogram<u64>) {
    match all {
        // Both have the same bounds, so nothing can be lost.
        Some(all) => drop(all.add(histogram)),
        None => *all = Some(histogram),
    }
}

/// The compared figure over rounds that ended well but warm-ups, and with `quiet` but noisy ones: ratios
/// where there is a plain path, or else rates.
fn values(flow: &PlannedFlow, here: &Series, base: Option<&Series>, quiet: bool) -> Vec<f64> {
    let taken = |round: &FlowRound| {
        let left_out = match round.mark {
            Some(RoundMark::WarmUp) => true,
            Some(RoundMark::Noisy) => quiet,
            None => false,
        };
        round.error.is_none() && !left_out
    };
    let figure = |round: &FlowRound| rate(&flow.flow, round);
    match base {
        Some(base) => {
            let pairs = here.rounds.iter().zip(&base.rounds);
            let both = pairs.filter(|(a, b)| taken(a) && taken(b));
            both.map(|(a, b)| figure(a) / figure(b)).collect()
        }
        None => here.rounds.iter().filter(|r| taken(r)).map(figure).collect(),
    }
}

/// The figure to compare: bit/s, or transactions/s.
fn rate(flow: &Flow, round: &FlowRound) -> f64 {
    match flow {
        Flow::Tcp(_) | Flow::Udp(_) | Flow::Together(_) => real(round.bytes) * 8.0 / round.seconds,
        Flow::Rr(_) => packet_rate(round),
    }
}

/// Datagrams, or transactions, delivered per second.
fn packet_rate(round: &FlowRound) -> f64 {
    real(round.received) / round.seconds
}

fn real(count: u64) -> f64 {
    count as f64
}
