//! What changed between two runs, and whether that can be told from chance.

mod chance;
mod changes;
mod figures;
mod page;
mod render;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::figures::flow;
use super::number::{Unit, fixed};
use crate::measure::result::{Interval, RunResult, VariantResult};

/// The difference of two results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The earlier run and the later one: title, lab, start, whether it is complete.
    pub runs: [Run; 2],
    /// Why figures of the two may not be comparable: machines, kernels, versions, interruptions.
    pub cautions: Vec<String>,
    /// Figures of flows that both runs have.
    pub figures: Vec<Figure>,
    /// What all figures together say of the later run.
    pub gate: Gate,
    /// What else differs: sizes, isolation, reachability, attacks, expectations, what is missing.
    pub changes: Vec<Change>,
    /// Variants and flows that only the later one has; what only the earlier has is a change.
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
    /// Datagrams delivered per second.
    PacketRate,
    /// Share of the datagrams sent that was not delivered; it may be 0, so the later less the earlier.
    Loss,
    /// CPU seconds of the machine per 10^9 bytes.
    CpuPerGb,
    /// Median of the round trips of all rounds together.
    LatencyP50,
    /// 90th percentile of them.
    LatencyP90,
    /// 99th percentile of them.
    LatencyP99,
}

/// Whether a difference can be told, by this figure alone.
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
    /// One figure for all rounds: how rounds scatter is not known of it.
    NotByRound,
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
    /// Later over earlier; absent of a loss, and where the earlier is 0.
    pub ratio: Option<f64>,
    /// Where that ratio lies, or of a loss the difference; absent where no interval can be given.
    pub interval: Option<Interval>,
    /// Rounds on either side.
    pub rounds: [usize; 2],
    /// What can be told of it alone.
    pub told: Told,
    /// How likely so low a figure, or a lower one, is if nothing changed; only of what the gate looks at.
    pub p: Option<f64>,
    /// Whether that stands when it is held together with all others that the gate looks at.
    pub worse: bool,
}

/// What ratios to the plain path (rates, where there is no plain path) say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Gate {
    /// Probability with which two runs of the same are called worse, at most.
    pub level: f64,
    /// Figures that were judged.
    pub judged: usize,
    /// Figures that have fewer than three rounds on a side, so that they cannot be.
    pub unjudged: usize,
    /// Judged figures that are lower beyond chance.
    pub worse: usize,
}

/// Something that is not a figure over rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The variant; empty of what belongs to the whole run.
    pub variant: String,
    /// What it is.
    pub what: String,
    /// In the earlier run.
    pub before: String,
    /// In the later run.
    pub after: String,
    /// Whether it is for the worse: it fails now, leaks more, reaches less, or is not shown any more.
    pub worse: bool,
}

impl Diff {
    /// Whether the later run is worse: ratios to the plain path (rates, where there is none) that are lower beyond chance,
    /// all of them held together, or any change for the worse.
    #[must_use]
    pub fn regressed(&self) -> bool {
        self.gate.worse > 0 || self.changes.iter().any(|c| c.worse)
    }
}

/// Compares two runs.
#[must_use]
pub fn diff(before: &RunResult, after: &RunResult) -> Diff {
    let mut all = Vec::new();
    let mut changes = changes::of_runs(before, after);
    for old in &before.variants {
        let Some(new) = variant(after, &old.name) else { continue };
        for here in &old.flows {
            let Some(there) = flow(new, &here.label) else { continue };
            all.extend(figures::of_flow([before, after], [old, new], [here, there]));
        }
        changes.extend(changes::of_variants(old, new));
    }
    changes.extend(changes::expectations(before, after));
    let (figures, gate) = figures::judged(all);
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
        gate,
        changes,
        only: added(before, after),
    }
}

fn variant<'a>(run: &'a RunResult, name: &str) -> Option<&'a VariantResult> {
    run.variants.iter().find(|v| v.name == name)
}

/// Variants and flows that only the later run has.
fn added(before: &RunResult, after: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    for v in &after.variants {
        match variant(before, &v.name) {
            None => out.push(format!("variant {} is only in the later run", v.name)),
            Some(there) => {
                let new = v.flows.iter().filter(|f| flow(there, &f.label).is_none());
                out.extend(
                    new.map(|f| format!("{}: {} is only in the later run", v.name, f.label)),
                );
            }
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
        ("builds", &before.build, &after.build),
        ("labs", &before.title, &after.title),
    ] {
        if a != b {
            out.push(format!("The {what} differ: {a} and {b}."));
        }
    }
    if before.lab_hash != after.lab_hash && before.title == after.title {
        out.push("The lab's files differ.".to_owned());
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
    /// The figure's name, and both with its unit where it has one.
    fn shown(&self) -> (&'static str, [String; 2]) {
        let both = [self.before, self.after];
        let larger = self.before.max(self.after);
        let micros = |name| (name, both.map(|v| Unit::MICROS.show(v)));
        match (self.what, self.kind.as_str()) {
            (What::RatioToPlain, _) => ("ratio to plain", both.map(|v| fixed(v, 3))),
            (What::CpuPerGb, _) => ("CPU per GB", both.map(|v| Unit::CPU.show(v))),
            (What::Loss, _) => ("loss", both.map(|v| Unit::PERCENT.show(v))),
            (What::PacketRate, _) => ("packets", both.map(|v| Unit::packets(larger).show(v))),
            (What::LatencyP50, _) => micros("latency, median"),
            (What::LatencyP90, _) => micros("latency, 90 %"),
            (What::LatencyP99, _) => micros("latency, 99 %"),
            (What::Rate, "rr") => ("transactions", both.map(|v| Unit::TRANSACTIONS.show(v))),
            (What::Rate, _) => ("rate", both.map(|v| Unit::bits(larger).show(v))),
        }
    }
}
