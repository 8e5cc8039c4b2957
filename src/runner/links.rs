//! What links do to packets: begun before the flows, observed, and accounted for behind them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::{Progress, RunError};
use crate::lab::Delay;
use crate::measure::links::Snapshot;
use crate::measure::observe;
use crate::measure::result::{LinkResult, LossResult, ObservedLink};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// How long packets that are still under way are given beyond what their links delay them.
const LATE: Duration = Duration::from_millis(50);

/// What was observed of all links before the flows, by variant and link.
pub(super) struct Observed {
    links: Vec<Vec<Option<ObservedLink>>>,
    /// Frames dropped for want of room before the flows.
    overflowed: Vec<Vec<u64>>,
}

/// Makes links do what they are to do from now on, and observes it.
pub(super) fn begin(
    testbed: &Testbed,
    plan: &Plan,
    notes: &mut Vec<String>,
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
        let found = observe::delays(testbed, &variants)?;
        for (slot, found) in links.iter_mut().flatten().zip(found.into_iter().flatten()) {
            *slot = found.map(|found| ObservedLink {
                by: by.name().to_owned(),
                seeded: by.seeded(),
                delay: Some(found.delay),
                reorder: found.reorder,
                ..ObservedLink::default()
            });
        }
    }
    for (variant, links) in plan.variants.iter().zip(&mut links) {
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
                notes.push(format!("{}: rates of links were not tried: {error}", variant.name));
            }
        }
    }
    settle(plan);
    let overflowed = overflowed(testbed, plan);
    Ok(Observed { links, overflowed })
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

/// Writes what was observed into a variant's links, and what they lost while the flows ran: what one
/// end sent and the other did not receive, by the interfaces' own counters.
pub(super) fn end(
    testbed: &Testbed,
    plan: &Plan,
    observed: Observed,
    (before, after): (&[Snapshot], &[Snapshot]),
    mut results: Vec<&mut Vec<LinkResult>>,
) {
    let overflowed = overflowed(testbed, plan);
    for (v, variant) in plan.variants.iter().enumerate() {
        let lost = after[v].lost_since(&before[v]);
        let Some(results) = results.get_mut(v) else { continue };
        for (n, (result, cable)) in results.iter_mut().zip(&variant.links).enumerate() {
            result.observed.clone_from(&observed.links[v][n]);
            if let Some(seen) = &mut result.observed {
                seen.overflowed = overflowed[v][n].saturating_sub(observed.overflowed[v][n]);
            }
            result.loss = cable.impaired.loss.map(|configured| LossResult {
                configured: configured.share(),
                offered: result.packets,
                lost: lost.get(n).copied().unwrap_or_default(),
            });
        }
    }
}

fn overflowed(testbed: &Testbed, plan: &Plan) -> Vec<Vec<u64>> {
    plan.variants.iter().map(|variant| testbed.underlay().overflowed(variant)).collect()
}
