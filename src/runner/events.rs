//! The phase in which things happen: once in every variant, while traffic is watched.
//!
//! All variants are watched at the same time, each in its own network and with little traffic; they
//! begin one after the other, so that what one event costs does not fall into another's outage.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::bench::{interrupted, leave_out};
use super::{Found, Progress, parts};
use crate::lab::{Event, Happening, counted};
use crate::measure::result::{EventResult, TimelineResult};
use crate::plan::{Plan, Schedule, Variant};
use crate::testbed::{Testbed, TestbedError};
use crate::traffic::watch::{Log, Origin, Watched, connection, outage, quiet, timeline};

/// From one variant's beginning to the next one's.
const APART: Duration = Duration::from_millis(200);
/// How often an interruption is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What one variant's events came to, and what a reader must know of it.
#[derive(Default)]
struct Outcome {
    events: Vec<EventResult>,
    timelines: Vec<TimelineResult>,
    note: Option<String>,
}

/// When one event began and ended, from the beginning of the watch, and the routes changed by then.
struct Happened {
    at: Duration,
    done: Duration,
    routes: u64,
}

/// Lets everything happen and writes what it came to into the results; what went wrong becomes a
/// note.
pub(super) fn run(
    testbed: &Testbed,
    plan: &Plan,
    found: &mut Found,
    progress: &dyn Progress,
    stop: &AtomicBool,
) {
    let Some(schedule) = &plan.schedule else { return };
    if stop.load(Relaxed) {
        found.variants.iter_mut().for_each(|result| interrupted(result, parts::EVENTS));
        return;
    }
    let events = counted(schedule.events.len(), "event");
    let span = schedule.span.as_secs_f64();
    progress.stage(&format!("{events} during {span:.0} s of watched traffic"));
    let outcomes = std::thread::scope(|scope| {
        let mut running = Vec::new();
        for (number, variant) in plan.variants.iter().enumerate() {
            let wait = APART.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
            running.push(scope.spawn(move || {
                if pass(Origin::now(), wait, stop) {
                    watch(testbed, variant, schedule, stop)
                } else {
                    Ok(Outcome::default())
                }
            }));
        }
        let panicked = |_| Err("a watching thread panicked".to_owned());
        let joined = running.into_iter().map(|one| one.join().unwrap_or_else(panicked));
        joined.collect::<Vec<_>>()
    });
    for (result, outcome) in found.variants.iter_mut().zip(outcomes) {
        match outcome {
            _ if stop.load(Relaxed) => interrupted(result, parts::EVENTS),
            Ok(outcome) => {
                result.events = outcome.events;
                result.timelines = outcome.timelines;
                let note = outcome.note.map(|why| format!("{}: events: {why}", result.name));
                found.notes.extend(note);
            }
            Err(why) => leave_out(result, &mut found.notes, parts::EVENTS, &why),
        }
    }
}

/// One variant's events.
fn watch(
    testbed: &Testbed,
    variant: &Variant,
    schedule: &Schedule,
    stop: &AtomicBool,
) -> Result<Outcome, String> {
    let carried =
        schedule.watched.iter().filter(|pair| variant.vm(&pair.tenant, &pair.from).is_some());
    let mut open = Vec::new();
    for (pair, number) in carried.zip(0..) {
        match Watched::open(testbed, variant, pair, number) {
            Ok(watched) => open.push((pair, watched)),
            Err(error) => return Err(format!("{}: {error}", pair.label())),
        }
    }
    let routing = testbed.routing(variant, schedule.detection).map_err(|e| e.to_string())?;
    let (done, changed) = (AtomicBool::new(false), AtomicU64::new(0));
    let origin = Origin::now();
    std::thread::scope(|scope| {
        let routing = routing.map(|routing| scope.spawn(|| routing.run(&done, &changed)));
        let running: Vec<_> = open
            .into_iter()
            .map(|(pair, watched)| {
                (pair, scope.spawn(move || watched.run(origin, schedule.span, stop)))
            })
            .collect();
        let happened = happen(testbed, variant, &schedule.events, origin, &changed, stop);
        let logs = running.into_iter().filter_map(|(pair, one)| Some((pair, one.join().ok()?)));
        let logs: Vec<_> = logs.collect();
        done.store(true, Relaxed);
        let refused = routing.and_then(|routing| routing.join().ok()?.err());
        let happened = happened.map_err(|error| error.to_string())?;
        if stop.load(Relaxed) {
            return Ok(Outcome::default());
        }
        let routes = changed.load(Relaxed);
        let results = logs
            .iter()
            .flat_map(|(pair, log)| findings(&pair.label(), schedule, &happened, log, routes));
        let mut events: Vec<EventResult> = results.collect();
        events.sort_by_key(|result| result.number);
        let timelines = logs.iter().map(|(pair, log)| timeline(&pair.label(), log, schedule.span));
        let timelines = timelines.collect();
        let note = refused.map(|error| format!("routes: {error}"));
        Ok(Outcome { events, timelines, note })
    })
}

/// Brings the events about at their times.
fn happen(
    testbed: &Testbed,
    variant: &Variant,
    events: &[Event],
    origin: Origin,
    changed: &AtomicU64,
    stop: &AtomicBool,
) -> Result<Vec<Happened>, TestbedError> {
    let mut happenings = testbed.happenings(variant);
    let mut happened = Vec::with_capacity(events.len());
    for event in events {
        if !pass(origin, event.at.0, stop) {
            break;
        }
        let (at, routes) = (origin.elapsed(), changed.load(Relaxed));
        if let Some(what) = event.happening() {
            happenings.happen(what)?;
        }
        happened.push(Happened { at, done: origin.elapsed(), routes });
    }
    Ok(happened)
}

/// What each event did to the traffic of one pair.
fn findings(
    label: &str,
    schedule: &Schedule,
    happened: &[Happened],
    log: &Log,
    routes: u64,
) -> Vec<EventResult> {
    let first = happened.first().map_or(schedule.span, |first| first.at);
    let quiet_ms = quiet(&log.there, first).max(quiet(&log.back, first));
    let each = schedule.events.iter().zip(happened).enumerate();
    each.map(|(n, (event, this))| {
        let next = happened.get(n + 1);
        let until = next.map_or(schedule.span, |next| next.at);
        EventResult {
            number: u32::try_from(n + 1).unwrap_or(u32::MAX),
            name: event.name.clone(),
            what: event.words(),
            kind: event.happening().map(kind).unwrap_or_default().to_owned(),
            watched: label.to_owned(),
            at: this.at.as_secs_f64(),
            took_ms: this.done.saturating_sub(this.at).as_secs_f64() * 1e3,
            seconds: until.saturating_sub(this.at).as_secs_f64(),
            there: outage(&log.there, this.at, this.done, until),
            back: outage(&log.back, this.at, this.done, until),
            tcp: connection(&log.tcp, this.at, this.done, until),
            quiet_ms,
            routes_changed: next.map_or(routes, |next| next.routes).saturating_sub(this.routes),
        }
    })
    .collect()
}

/// The name of an event's kind in results: its key in the lab.
const fn kind(happening: Happening<'_>) -> &'static str {
    match happening {
        Happening::Cut(_) => "cut",
        Happening::Restore(_) => "restore",
        Happening::Kill(_) => "kill",
        Happening::Revive(_) => "revive",
        Happening::Move { .. } => "move",
    }
}

/// Waits until `after` has passed since `origin`; `false` if it is to end before.
fn pass(origin: Origin, after: Duration, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Relaxed) {
            return false;
        }
        let left = after.saturating_sub(origin.elapsed());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}
