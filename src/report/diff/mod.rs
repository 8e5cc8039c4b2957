//! What changed between two runs, and whether that can be told from chance.

mod page;
mod render;

use std::cmp::Ordering;

use serde::Serialize;

use super::figures::{compared_by, cpu_per_gb, flow, overhead_apart, ratios};
use super::number::{Unit, count, fixed};
use crate::measure::result::{FlowResult, FlowRound, Interval, RunResult, VariantResult};
use crate::measure::statistics::{ratio_of_medians, unpaired};

/// The difference of two results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The earlier run and the later one: title, lab, start, whether it is complete.
    pub runs: [Run; 2],
    /// Why figures of the two may not be comparable: machines, kernels, versions, interruptions.
    pub cautions: Vec<String>,
    /// Figures of flows that both runs have.
    pub figures: Vec<Figure>,
    /// What else differs: sizes, isolation, reachability, expectations.
    pub changes: Vec<Change>,
    /// Variants and flows that only one of them has.
    pub only: Vec<String>,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The lab's title.
    pub title: String,
    /// The lab file.
    pub lab: String,
    /// When it started.
    pub started: String,
    /// Whether all rounds were run.
    pub complete: bool,
}

/// What is compared of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// bit/s or transactions/s.
    Rate,
    /// The rate over the plain path's of the same round: this carries over between machines.
    RatioToPlain,
    /// CPU seconds of the machine per 10^9 bytes.
    CpuPerGb,
}

/// Whether a difference can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// The later is larger.
    Larger,
    /// The later is smaller.
    Smaller,
    /// No difference measurable.
    NoDifference,
    /// Fewer than three rounds on a side.
    TooFewRounds,
}

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The variant.
    pub variant: String,
    /// The flow's label.
    pub flow: String,
    /// `tcp`, `udp` or `rr`.
    pub kind: String,
    /// What is compared.
    pub what: What,
    /// Median of the earlier run.
    pub before: f64,
    /// Median of the later run.
    pub after: f64,
    /// Later over earlier.
    pub ratio: f64,
    /// Where that ratio lies.
    pub interval: Option<Interval>,
    /// Rounds on either side.
    pub rounds: [usize; 2],
    /// What can be told.
    pub told: Told,
}

/// Something that is not a figure over rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The variant.
    pub variant: String,
    /// What it is.
    pub what: String,
    /// In the earlier run.
    pub before: String,
    /// In the later run.
    pub after: String,
    /// Whether it is for the worse: an expectation that fails now, or more leaks.
    pub worse: bool,
}

impl Diff {
    /// Whether the later run is measurably worse: a lower ratio to the plain path (or rate, where there is none), an
    /// expectation that fails now, or more leaks.
    #[must_use]
    pub fn regressed(&self) -> bool {
        let related = |f: &Figure| {
            f.what == What::Rate && {
                let same = |g: &&Figure| g.variant == f.variant && g.flow == f.flow;
                self.figures.iter().filter(same).any(|g| g.what == What::RatioToPlain)
            }
        };
        // Plain paths are the measure of the others, and as fast as the machine was.
        let ratios = self.figures.iter().any(|f| f.what == What::RatioToPlain);
        let counts = |f: &&Figure| match f.what {
            What::RatioToPlain => true,
            What::Rate => !ratios && !related(f),
            What::CpuPerGb => false,
        };
        self.figures.iter().filter(counts).any(|f| f.told == Told::Smaller)
            || self.changes.iter().any(|c| c.worse)
    }
}

/// Compares two runs.
#[must_use]
pub fn diff(before: &RunResult, after: &RunResult) -> Diff {
    let mut figures = Vec::new();
    let mut changes = Vec::new();
    let mut only = lonely(before, after, "the earlier");
    only.extend(lonely(after, before, "the later"));
    for old in &before.variants {
        let Some(new) = variant(after, &old.name) else { continue };
        for here in &old.flows {
            let Some(there) = flow(new, &here.label) else { continue };
            figures.extend(of_flow([before, after], [old, new], [here, there]));
        }
        changes.extend(sizes(old, new));
        changes.extend(tenants(old, new));
    }
    changes.extend(expectations(before, after));
    let run = |run: &RunResult| Run {
        title: run.title.clone(),
        lab: run.lab.clone(),
        started: run.started.clone(),
        complete: run.complete,
    };
    Diff {
        runs: [run(before), run(after)],
        cautions: cautions(before, after),
        figures,
        changes,
        only,
    }
}

fn variant<'a>(run: &'a RunResult, name: &str) -> Option<&'a VariantResult> {
    run.variants.iter().find(|v| v.name == name)
}

fn lonely(of: &RunResult, other: &RunResult, which: &str) -> Vec<String> {
    let mut out = Vec::new();
    for v in &of.variants {
        match variant(other, &v.name) {
            None => out.push(format!("variant {} is only in {which} run", v.name)),
            Some(there) => {
                let missing = v.flows.iter().filter(|f| flow(there, &f.label).is_none());
                out.extend(
                    missing.map(|f| format!("{}: {} is only in {which} run", v.name, f.label)),
                );
            }
        }
    }
    out
}

fn of_flow(
    runs: [&RunResult; 2],
    variants: [&VariantResult; 2],
    flows: [&FlowResult; 2],
) -> Vec<Figure> {
    let rate = compared_by(&flows[0].kind);
    let over = |figure: fn(&FlowRound) -> f64| flows.map(|flow| values(flow, figure));
    let to_plain = [0, 1].map(|n| {
        let plain = super::figures::baseline(runs[n], variants[n]);
        let plain = plain.and_then(|plain| flow(plain, &flows[n].label));
        plain.map_or_else(Vec::new, |p| ratios(flows[n], p, rate).into_iter().flatten().collect())
    });
    let mut all = vec![(What::RatioToPlain, to_plain), (What::Rate, over(rate))];
    if flows.iter().all(|f| f.cpu_per_gb.is_some()) {
        all.push((What::CpuPerGb, over(cpu_per_gb)));
    }
    let figure = |(what, [before, after]): (What, [Vec<f64>; 2])| {
        use crate::measure::statistics::median;
        let (old, new) = (median(&before)?, median(&after)?);
        let told = match unpaired(&after, &before) {
            None => Told::TooFewRounds,
            Some(Ordering::Greater) => Told::Larger,
            Some(Ordering::Less) => Told::Smaller,
            Some(Ordering::Equal) => Told::NoDifference,
        };
        Some(Figure {
            variant: variants[0].name.clone(),
            flow: flows[0].label.clone(),
            kind: flows[0].kind.clone(),
            what,
            before: old,
            after: new,
            ratio: new / old,
            interval: ratio_of_medians(&after, &before),
            rounds: [before.len(), after.len()],
            told,
        })
        .filter(|f| f.ratio.is_finite())
    };
    all.into_iter().filter_map(figure).collect()
}

fn values(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> Vec<f64> {
    flow.rounds.iter().filter(|r| r.counts()).map(figure).filter(|v| v.is_finite()).collect()
}

fn sizes(old: &VariantResult, new: &VariantResult) -> Vec<Change> {
    let bytes = |n: Option<u32>| n.map_or("none".to_owned(), |n| format!("{} B", count(n)));
    let (a, b) = (&old.mtu, &new.mtu);
    let counted = |m: &crate::measure::result::MtuResult| {
        m.overhead_counted.map_or("not counted".to_owned(), |c| format!("{} B", fixed(c, 1)))
    };
    // Half a byte is rounding, as in the report itself.
    let near = match (a.overhead_counted, b.overhead_counted) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.5,
        (a, b) => a.is_some() == b.is_some(),
    };
    let mut all = vec![
        ("underlay MTU", bytes(Some(a.underlay)), bytes(Some(b.underlay)), false),
        ("inner MTU", bytes(Some(a.inner)), bytes(Some(b.inner)), false),
        ("inner MTU probed", bytes(a.probed), bytes(b.probed), false),
        ("overhead", bytes(Some(a.overhead_computed)), bytes(Some(b.overhead_computed)), false),
    ];
    if !near {
        let apart = overhead_apart(b) && !overhead_apart(a);
        all.push(("overhead counted", counted(a), counted(b), apart));
    }
    let all = all.into_iter().filter(|(_, before, after, _)| before != after);
    all.map(|(what, before, after, worse)| Change {
        variant: old.name.clone(),
        what: what.to_owned(),
        before,
        after,
        worse,
    })
    .collect()
}

fn tenants(old: &VariantResult, new: &VariantResult) -> Vec<Change> {
    let leaks = |v: &VariantResult| {
        v.isolation.as_ref().map_or("not tried".to_owned(), |i| {
            format!("{} of {} leaked", count(i.leaks), count(i.probes))
        })
    };
    let leaked = |v: &VariantResult| v.isolation.as_ref().map_or(0, |i| i.leaks);
    let reached = |v: &VariantResult| {
        let each = v.reachable.iter().map(|(tenant, (n, of))| format!("{tenant} {n} of {of}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let all = [
        ("leaks", leaks(old), leaks(new), leaked(new) > leaked(old)),
        ("reachable pairs", reached(old), reached(new), false),
    ];
    let all = all.into_iter().filter(|(_, before, after, _)| before != after);
    all.map(|(what, before, after, worse)| Change {
        variant: old.name.clone(),
        what: what.to_owned(),
        before,
        after,
        worse,
    })
    .collect()
}

fn expectations(before: &RunResult, after: &RunResult) -> Vec<Change> {
    let word = |held: Option<bool>| match held {
        Some(true) => "held".to_owned(),
        Some(false) => "failed".to_owned(),
        None => "not checked".to_owned(),
    };
    let find = |run: &RunResult, what: &str, variant: &str| {
        run.expectations.iter().find(|e| e.what == what && e.variant == variant).map(|e| e.held)
    };
    let mut out: Vec<Change> = Vec::new();
    for verdict in before.expectations.iter().chain(&after.expectations) {
        let held = [before, after].map(|run| find(run, &verdict.what, &verdict.variant));
        let what = format!("expectation: {}", verdict.what);
        let known = out.iter().any(|c| c.what == what && c.variant == verdict.variant);
        if held[0] != held[1] && !known {
            out.push(Change {
                variant: verdict.variant.clone(),
                what,
                before: word(held[0]),
                after: word(held[1]),
                worse: held == [Some(true), Some(false)],
            });
        }
    }
    out
}

fn cautions(before: &RunResult, after: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    let (a, b) = (&before.machine, &after.machine);
    for (what, a, b) in [
        ("kernels", &a.kernel, &b.kernel),
        ("processors", &a.cpu, &b.cpu),
        ("versions of overlab", &before.version, &after.version),
        ("labs", &before.title, &after.title),
    ] {
        if a != b {
            out.push(format!("The {what} differ: {a} and {b}."));
        }
    }
    if a.cpus != b.cpus {
        out.push(format!("The machines have {} and {} processors.", a.cpus, b.cpus));
    }
    if a.rootless != b.rootless {
        let who = |m: bool| if m { "without privileges" } else { "as root" };
        out.push(format!("They ran {} and {}.", who(a.rootless), who(b.rootless)));
    }
    if !out.is_empty() {
        out.push("Ratios to the plain path carry over between machines, rates do not.".to_owned());
    }
    for (run, which) in [(before, "earlier"), (after, "later")] {
        if !run.complete {
            out.push(format!("The {which} run was interrupted: it is incomplete."));
        }
        if run.rounds.as_ref().is_some_and(|r| r.noisy > 0 && !r.noisy_left_out) {
            out.push(format!("The {which} run counts rounds beside foreign load."));
        }
    }
    out
}

impl Figure {
    /// The figure's name, and its unit where it has one.
    fn shown(&self) -> (&'static str, [String; 2]) {
        let both = [self.before, self.after];
        match (self.what, self.kind.as_str()) {
            (What::RatioToPlain, _) => ("ratio to plain", both.map(|v| fixed(v, 3))),
            (What::CpuPerGb, _) => ("CPU per GB", both.map(|v| Unit::CPU.show(v))),
            (What::Rate, "rr") => ("transactions", both.map(|v| Unit::TRANSACTIONS.show(v))),
            (What::Rate, _) => {
                let unit = Unit::bits(self.before.max(self.after));
                ("rate", both.map(|v| unit.show(v)))
            }
        }
    }
}
