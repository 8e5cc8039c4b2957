//! The whole pipeline, from a plan to a result: the only place that sees all stages.
//!
//! All variants stand at once. Within a round every flow is run in every variant before the next
//! flow begins, and the order of the variants turns from round to round, so that a drift of the
//! machine's speed falls on all of them alike.

mod anatomy;
mod attacks;
mod bench;
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
mod parts;
mod phases;
mod probes;
mod rounds;
mod stopping;
mod tables;
mod together;

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

pub use error::RunError;

use crate::measure;
use crate::measure::result::{
    HeaderResult, Machine, PublishedFigureResult, PublishedResult, RoundsResult, RunResult, SCHEMA,
    TestbedTimes, VariantResult,
};
use crate::netns::World;
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;
use bench::Bench;
use links::Counted;
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
    /// What tells the lab's files from others (`Loaded::hash`).
    pub lab_hash: &'a str,
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
        let note = capture::stop(capture, options.capture);
        found.notes.push(note.unwrap_or_else(|error| format!("the capture is not whole: {error}")));
    }
    if let Some(keep) = options.keep {
        keep(&testbed);
    }
    progress.stage("removing everything");
    let (namespaces, closing) = (testbed.namespaces(), Instant::now());
    if let Err(error) = testbed.close() {
        found.notes.push(format!("what was built was not removed in order: {error}"));
    }
    let times = TestbedTimes {
        namespaces,
        build_seconds: built.as_secs_f64(),
        ready_seconds: ready.as_secs_f64(),
        teardown_seconds: closing.elapsed().as_secs_f64(),
        memory_bytes: memory,
        resident_bytes: resident,
    };
    let mut result = RunResult {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: env!("OVERLAB_BUILD").to_owned(),
        title: plan.title.clone(),
        about: plan.about.clone(),
        lab: options.lab.to_owned(),
        lab_hash: options.lab_hash.to_owned(),
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
        cpu: f.cpu,
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

impl Found {
    /// Leaves something out of all variants' results, and says why.
    fn leave_out(&mut self, part: &str, why: &dyn Display) {
        for result in &mut self.variants {
            bench::leave_out(result, &mut self.notes, part, why);
        }
    }

    /// What was found, or nothing and why.
    fn or_leave_out<T>(&mut self, part: &str, found: Result<T, impl Display>) -> Option<T> {
        found.map_err(|why| self.leave_out(part, &why)).ok()
    }
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
        }
        let (result_of, notes) = (&mut result, &mut found.notes);
        phases::run(&mut Bench {
            testbed,
            plan,
            variant,
            result: result_of,
            notes,
            progress,
            stop,
        });
        found.variants.push(result);
    }
    // From here on nobody looks at packets but a capture.
    testbed.watched(plan.capture.is_some());
    let observed = links::begin(testbed, plan, &mut found, progress, stop)?;
    let before = found.or_leave_out(parts::LINKS, Counted::take(testbed, plan));
    let fragments = found.or_leave_out(parts::FRAGMENTS, phases::fragments(testbed, plan));
    let mut rounds = Rounds::new(plan);
    found.complete = rounds.run(testbed, plan, progress, stop);
    found.rounds = Some(rounds.fill(plan, &mut found.variants));
    links::settle(plan);
    // All of it before attacks, which are no part of it.
    if let Some(before) = before
        && let Some(after) = found.or_leave_out(parts::LINKS, Counted::take(testbed, plan))
    {
        links::end(plan, &observed, (&before, &after), &mut found.variants);
    }
    if let Some(before) = fragments
        && let Some(now) = found.or_leave_out(parts::FRAGMENTS, phases::fragments(testbed, plan))
    {
        for (result, (now, then)) in found.variants.iter_mut().zip(now.iter().zip(&before)) {
            result.fragments = now.zip(*then).map(|(now, then)| now.saturating_sub(then));
        }
    }
    for ((variant, result), early) in plan.variants.iter().zip(&mut found.variants).zip(&early) {
        let notes = &mut found.notes;
        let bench = &mut Bench { testbed, plan, variant, result, notes, progress, stop };
        phases::after_flows(bench, early);
        attacks::run(bench);
    }
    events::run(testbed, plan, &mut found, progress, stop);
    // Whatever was going on meanwhile, it may have been cut short.
    found.complete &= !stop.load(Relaxed);
    Ok(found)
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
    let header = |(bytes, name): (u32, &str)| HeaderResult { name: name.to_owned(), bytes };
    result.mtu.headers = variant.headers().into_iter().map(header).collect();
    result
}
