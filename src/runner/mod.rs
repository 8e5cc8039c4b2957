//! The whole pipeline, from a plan to a result: the only place that sees all stages.
//!
//! All variants stand at once. Within a round every flow is run in every variant before the next
//! flow begins, and the order of the variants turns from round to round, so that a drift of the
//! machine's speed falls on all of them alike.

mod anatomy;
mod attacks;
mod bum;
mod capture;
mod cost;
mod error;
mod events;
mod expect;
mod links;
mod loaded;
mod new_tenant;
mod nodes;
mod overlay;
mod phases;
mod probes;
mod rounds;
mod stopping;
mod tables;
mod together;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

pub use error::RunError;

use crate::lab::MtuMode;
use crate::measure;
use crate::measure::links::Snapshot;
use crate::measure::result::{
    Machine, PublishedFigureResult, PublishedResult, RoundsResult, RunResult, SCHEMA, TestbedTimes,
    VariantResult,
};
use crate::netns::World;
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;
use rounds::Rounds;

/// What a run tells while it works, and how it is stopped.
pub trait Progress: Sync {
    /// A stage began, e.g. `build 34 namespaces`.
    fn stage(&self, what: &str);
    /// Something within the stage, e.g. `round 2 of 3: tcp … in vxlan`.
    fn step(&self, what: &str);
}

/// How a plan is run.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The lab file as it was named.
    pub lab: &'a str,
    /// Where a capture goes, if the plan wants one.
    pub capture: &'a Path,
    /// Told what happens.
    pub progress: &'a dyn Progress,
    /// Ends the run early once it is true: the result then holds the rounds that were finished
    /// and is marked incomplete.
    pub stop: &'a AtomicBool,
    /// Given the testbed before it is removed.
    pub keep: Option<&'a dyn Fn(&Testbed)>,
}

/// Runs a plan and returns what was found.
///
/// # Errors
/// What could not be built or measured. Everything built is removed in any case.
pub fn run(world: &World, plan: &Plan, options: Options<'_>) -> Result<RunResult, RunError> {
    let progress = options.progress;
    let begun = Instant::now();
    let used = measure::memory_in_use();
    let started = jiff::Zoned::now();
    let machine = Machine { rootless: world.rootless(), ..crate::measure::machine() };
    progress.stage("building namespaces, links and engines");
    let testbed = Testbed::build(world, plan)?;
    let built = testbed.built_in();
    progress.stage(&format!(
        "{} namespaces stand after {:.2} s; waiting until all links forward",
        testbed.namespaces(),
        built.as_secs_f64()
    ));
    for variant in &plan.variants {
        if !options.stop.load(Relaxed) {
            progress.step(&variant.name);
            testbed.ready(variant, options.stop)?;
        }
    }
    let ready = begun.elapsed();
    let memory = measure::memory_in_use().saturating_sub(used);
    let resident = measure::resident_memory();
    let capture = capture::start(&testbed, plan, options.capture)?;
    let mut found = examine(&testbed, plan, progress, options.stop)?;
    if let Some(capture) = capture {
        found.notes.push(capture::stop(capture, options.capture)?);
    }
    if let Some(keep) = options.keep {
        keep(&testbed);
    }
    progress.stage("removing everything");
    let times = TestbedTimes {
        namespaces: testbed.namespaces(),
        build_seconds: built.as_secs_f64(),
        ready_seconds: ready.as_secs_f64(),
        teardown_seconds: testbed.close()?.as_secs_f64(),
        memory_bytes: memory,
        resident_bytes: resident,
    };
    let mut result = RunResult {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: plan.title.clone(),
        about: plan.about.clone(),
        lab: options.lab.to_owned(),
        started: started.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        seconds: 0.0,
        complete: found.complete,
        seed: plan.seed,
        machine,
        testbed: times,
        variants: std::mem::take(&mut found.variants),
        expectations: Vec::new(),
        claims: expect::claims(plan),
        notes: found.notes,
        rounds: found.rounds,
        published: plan.published.as_ref().map(published),
    };
    result.expectations = expect::verdicts(plan, &result);
    result.seconds = begun.elapsed().as_secs_f64();
    Ok(result)
}

fn published(of: &crate::lab::Published) -> PublishedResult {
    let figure = |f: &crate::lab::PublishedFigure| PublishedFigureResult {
        what: f.what.clone(),
        throughput: f.throughput.0 as f64,
        variant: f.variant.clone(),
    };
    PublishedResult {
        source: of.source.clone(),
        note: of.note.clone(),
        figures: of.figures.iter().map(figure).collect(),
    }
}

/// What was found before the testbed went away.
struct Found {
    variants: Vec<VariantResult>,
    notes: Vec<String>,
    complete: bool,
    rounds: Option<RoundsResult>,
}

fn examine(
    testbed: &Testbed,
    plan: &Plan,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Found, RunError> {
    let mut found =
        Found { variants: Vec::new(), notes: Vec::new(), complete: false, rounds: None };
    // Before links forwarded VMs spoke already, about their new addresses, and nobody could hear it.
    let early: Vec<_> = plan.variants.iter().map(|variant| testbed.drops(variant)).collect();
    testbed.watched(true);
    for variant in &plan.variants {
        let mut result = blank(variant);
        let switching = testbed.switching(variant).map(|s| s.name().to_owned());
        result.switching = switching.unwrap_or_default();
        if !stop.load(Relaxed) {
            progress.stage(&format!("{}: sizes, reachability, isolation", variant.name));
            phases::run(testbed, plan, variant, &mut result, &mut found.notes, progress)?;
        }
        found.variants.push(result);
    }
    // From here on nobody looks at packets but a capture.
    testbed.watched(plan.capture.is_some());
    let observed = links::begin(testbed, plan, &mut found.notes, progress, stop)?;
    let before = snapshots(testbed, plan)?;
    let fragments = phases::fragments(testbed, plan)?;
    let mut rounds = Rounds::new(plan);
    found.complete = rounds.run(testbed, plan, progress, stop);
    found.rounds = Some(rounds.fill(plan, &mut found.variants));
    links::settle(plan);
    let after = snapshots(testbed, plan)?;
    let fragmented = phases::fragments(testbed, plan)?;
    for (i, variant) in plan.variants.iter().enumerate() {
        let result = &mut found.variants[i];
        result.fragments = (variant.mtu_mode == MtuMode::Fragment)
            .then(|| fragmented[i].saturating_sub(fragments[i]));
        result.links = after[i].since(&before[i], variant);
        let blocked = testbed.underlay().blocked(variant)?;
        for (link, blocked) in result.links.iter_mut().zip(blocked) {
            link.blocked = blocked;
        }
        result.drops = phases::since(testbed.drops(variant), &early[i]);
        phases::without_search(result);
        result.tables = testbed.tables(variant)?;
        if !stop.load(Relaxed) {
            result.attacks = attacks::run(testbed, plan, variant, progress)?;
        }
    }
    let results = found.variants.iter_mut().map(|v| &mut v.links).collect();
    links::end(testbed, plan, observed, (&before, &after), results);
    let (variants, notes) = (&mut found.variants, &mut found.notes);
    found.complete &= events::run(testbed, plan, variants, notes, progress, stop)?;
    Ok(found)
}

fn snapshots(testbed: &Testbed, plan: &Plan) -> Result<Vec<Snapshot>, RunError> {
    plan.variants.iter().map(|v| Ok(Snapshot::take(testbed, v)?)).collect()
}

fn blank(variant: &Variant) -> VariantResult {
    let mut result = VariantResult {
        name: variant.name.clone(),
        encap: variant.encap.name().to_owned(),
        datapath: variant.datapath.name().to_owned(),
        fabric: variant.fabric.name().to_owned(),
        baseline: variant.baseline.clone(),
        ..VariantResult::default()
    };
    result.nodes = nodes::of(variant);
    result.tenants = variant.tenants.len();
    result.vms = variant.vms().count();
    (result.ids, result.new_tenant) = new_tenant::of(variant);
    result.refused =
        variant.refused.as_ref().map(|refused| (refused.number, refused.message.clone()));
    result.mtu.underlay = variant.underlay_mtu;
    result.mtu.inner = variant.inner_mtu;
    result.mtu.overhead_computed = variant.overhead;
    result
}
