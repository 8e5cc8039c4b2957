//! What links do to packets: begun before the flows, observed, and accounted for behind them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::bench::leave_out;
use super::{Found, Progress, RunError, parts};
use crate::lab::Delay;
use crate::measure::links::Snapshot;
use crate::measure::result::{LossResult, ObservedLink, VariantResult};
use crate::measure::{MeasureError, observe};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// How long packets that are still under way are given beyond what their links delay them.
const LATE: Duration = Duration::from_millis(50);

/// What was observed of all links before the flows, by variant and link.
pub(super) type Observed = Vec<Vec<Option<ObservedLink>>>;

/// What has been counted so far, by variant.
pub(super) struct Counted {
    /// What crossed links.
    links: Vec<Snapshot>,
    /// Frames that links dropped for want of room.
    overflowed: Vec<Vec<u64>>,
}

impl Counted {
    /// Reads all counters.
    pub fn take(testbed: &Testbed, plan: &Plan) -> Result<Counted, MeasureError> {
        let variants = || plan.variants.iter();
        Ok(Counted {
            links: variants().map(|v| Snapshot::take(testbed, v)).collect::<Result<_, _>>()?,
            overflowed: variants().map(|v| testbed.underlay().overflowed(v)).collect(),
        })
    }
}

/// Makes links do what they are to do from now on, and observes it.
pub(super) fn begin(
    testbed: &Testbed,
    plan: &Plan,
    found: &mut Found,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Observed, RunError> {
    for variant in &plan.variants {
        testbed.underlay().impair(variant)?;
    }
    let mut links: Vec<Vec<Option<ObservedLink>>> =
        plan.variants.iter().map(|v| vec![None; v.links.len()]).collect();
    let impairer = testbed.underlay().impairer();
    if let Some(by) = impairer.filter(|_| !stop.load(Relaxed)) {
        progress.stage("links: delay, jitter, order");
        let variants: Vec<&Variant> = plan.variants.iter().collect();
        let seen = observe::delays(testbed, &variants);
        let seen = seen.map_err(|error| found.leave_out(parts::DELAYS, &error)).unwrap_or_default();
        for (slot, seen) in links.iter_mut().flatten().zip(seen.into_iter().flatten()) {
            *slot = seen.map(|seen| ObservedLink {
                by: by.name().to_owned(),
                seeded: by.seeded(),
                delay: Some(seen.delay),
                reorder: seen.reorder,
                ..ObservedLink::default()
            });
        }
    }
    for (v, (variant, links)) in plan.variants.iter().zip(&mut links).enumerate() {
        if stop.load(Relaxed) || variant.links.iter().all(|link| link.rate.is_none()) {
            continue;
        }
        progress.stage(&format!("{}: rates of links", variant.name));
        match observe::rates(testbed, variant) {
            Ok(rates) => {
                for (slot, rate) in links.iter_mut().zip(rates).filter(|(_, rate)| rate.is_some()) {
                    slot.get_or_insert_default().rate = rate;
                }
            }
            Err(error) => {
                leave_out(&mut found.variants[v], &mut found.notes, parts::RATES, &error);
            }
        }
    }
    settle(plan);
    Ok(links)
}

/// Waits until what is under way has arrived.
pub(super) fn settle(plan: &Plan) {
    let longest = |variant: &Variant| {
        let each = variant.links.iter().filter(|link| link.impaired.any()).map(|link| {
            let times = [link.impaired.delay, link.impaired.jitter];
            times.into_iter().flatten().map(Delay::time).sum::<Duration>()
        });
        // One after the other, on the longest of ways.
        each.sum::<Duration>()
    };
    let longest = plan.variants.iter().map(longest).max().unwrap_or_default();
    if !longest.is_zero() {
        std::thread::sleep(longest.min(Duration::from_secs(20)) + LATE);
    }
}

/// Writes into the variants' results what crossed their links while the flows ran, what these lost of it
/// (what one end sent and the other did not receive, by the interfaces' own counters), and what was
/// observed before.
pub(super) fn end(
    plan: &Plan,
    observed: &Observed,
    (before, after): (&Counted, &Counted),
    results: &mut [VariantResult],
) {
    for (v, (variant, result)) in plan.variants.iter().zip(results).enumerate() {
        let lost = after.links[v].lost_since(&before.links[v]);
        result.links = after.links[v].since(&before.links[v], variant);
        for (n, (result, cable)) in result.links.iter_mut().zip(&variant.links).enumerate() {
            result.observed.clone_from(&observed[v][n]);
            if let Some(seen) = &mut result.observed {
                let (now, then) = (after.overflowed[v].get(n), before.overflowed[v].get(n));
                seen.overflowed = now.zip(then).map_or(0, |(now, then)| now.saturating_sub(*then));
            }
            result.loss = cable.impaired.loss.map(|configured| LossResult {
                configured: configured.share(),
                offered: result.packets,
                lost: lost.get(n).copied().unwrap_or_default(),
            });
        }
    }
}
