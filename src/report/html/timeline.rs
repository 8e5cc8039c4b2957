//! What events did to traffic, drawn over time: a lane for each carrier on one common axis.
//!
//! The shapes are stretched to the width that there is, and all text is the page's own beside them: so it has
//! the same size on a phone, on a screen and on paper, which a scaled drawing's would not have.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::super::number::{fixed, plural, real, seconds};
use super::{colors, tables};
use crate::measure::result::{
    DirectionTimeline, EventResult, OutageResult, RunResult, TimelineResult, VariantResult,
};

/// Width and height of a lane in its own units: datagrams there above, back below, TCP at the bottom.
const WIDE: f64 = 1000.0;
const MIDDLE: f64 = 38.0;
const HIGH: f64 = 36.0;
const TCP: [f64; 2] = [82.0, 98.0];
/// Outages that are shorter are not told from the spacing of a flow's datagrams, 8 ms.
const SHORTEST_MS: f64 = 12.0;
/// Labels stand so far apart, in parts of the width; the table has all figures.
const APART: f64 = 0.16;
/// Parts of the axis at most.
const MARKS: u32 = 6;

/// A drawing for each pair of VMs watched, and the table; `None` where nothing happened.
pub fn timeline(run: &RunResult) -> Option<Markup> {
    let mut pairs: Vec<&str> = Vec::new();
    for timeline in run.variants.iter().flat_map(|v| &v.timelines) {
        if !pairs.contains(&timeline.watched.as_str()) {
            pairs.push(&timeline.watched);
        }
    }
    let drawn: Vec<Markup> = pairs.iter().filter_map(|pair| of_pair(run, pair)).collect();
    let sheet = super::super::events::sheet(run);
    (!sheet.rows.is_empty()).then(|| {
        html! {
            @for drawing in &drawn { (drawing) }
            (tables::sheet(&sheet))
        }
    })
}

struct Lane<'a> {
    variant: &'a VariantResult,
    color: u8,
    timeline: &'a TimelineResult,
    events: Vec<&'a EventResult>,
}

fn of_pair(run: &RunResult, pair: &str) -> Option<Markup> {
    let colors = colors(run);
    let lanes: Vec<Lane<'_>> = run
        .variants
        .iter()
        .zip(colors)
        .filter_map(|(variant, color)| {
            let timeline = variant.timelines.iter().find(|t| t.watched == pair)?;
            let events = variant.events.iter().filter(|e| e.watched == pair).collect();
            Some(Lane { variant, color, timeline, events })
        })
        .collect();
    let first = lanes.first()?;
    let span = lanes.iter().map(|lane| length(lane.timeline)).fold(0.0, f64::max);
    if span <= 0.0 || !span.is_finite() {
        return None;
    }
    let (from, to) = pair.split_once('→').unwrap_or((pair, ""));
    Some(html! {
        figure.timeline {
            figcaption {
                strong { (from) " and " (to) } " "
                span.how {
                    "Datagrams that arrived in each " (fixed(first.timeline.interval_ms, 0)) " ms: above the line from "
                    (from) ", below it back; pale behind them what was sent. Red is the longest time from an event on in which one of "
                    (plural(u64::from(first.events.first().map_or(0, |e| e.there.flows)), "flow"))
                    " each way got nothing through; a dashed frame is a longer one that began later. The thin line at the bottom is what TCP had delivered by then: where it is flat, it stood still."
                }
            }
            ol { @for event in &first.events { li { (fixed(event.at, 2)) " s: " (event.what) } } }
            div.axis.numbers aria-hidden="true" { div.plot { @for event in &first.events {
                span style=(format!("left:{:.2}%", event.at / span * 100.0)) { (event.number) }
            } } }
            @for lane in &lanes { (drawn(lane, span)) }
            div.axis { div.plot { @for mark in marks(span) {
                span style=(place(mark / span, 0.97)) { (fixed(mark, usize::from(mark.fract() > 0.0))) " s" }
            } } }
        }
    })
}

/// Seconds of a timeline.
fn length(timeline: &TimelineResult) -> f64 {
    real(timeline.there.sent.len() as u64) * timeline.interval_ms / 1e3
}

/// Places of the marks on the axis in seconds.
fn marks(span: f64) -> Vec<f64> {
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0];
    let step = steps.into_iter().find(|step| span / step <= f64::from(MARKS)).unwrap_or(span);
    let all = (0..=MARKS).map(|n| f64::from(n) * step);
    all.filter(|mark| *mark <= span + 1e-6).collect()
}

fn drawn(lane: &Lane<'_>, span: f64) -> Markup {
    let (variant, timeline) = (lane.variant, lane.timeline);
    let x = |seconds: f64| seconds / span * WIDE;
    let most =
        timeline.there.sent.iter().chain(&timeline.back.sent).copied().max().unwrap_or(1).max(1);
    let area = |counts: &[u32], up: f64| steps(counts, timeline.interval_ms, most, up, &x);
    let (there, back) = (outages(lane, |e| &e.there), outages(lane, |e| &e.back));
    let quiet = lane.events.iter().map(|e| e.quiet_ms).fold(0.0, f64::max);
    html! {
        div.lane style={ "--c:var(--v" (lane.color) ")" } {
            div.who {
                strong { (variant.name) }
                small { "gaps before any event: up to " (seconds(quiet / 1e3)) }
            }
            div.plot {
                (labels(&there, span, "→"))
                svg viewBox=(format!("0 0 {WIDE} 100")) preserveAspectRatio="none" role="img" aria-label=(described(lane)) {
                    @for (class, of) in [("sent", sent as fn(&DirectionTimeline) -> &[u32]), ("got", arrived)] {
                        path.(class) d=(area(of(&timeline.there), -1.0)) {}
                        path.(class) d=(area(of(&timeline.back), 1.0)) {}
                    }
                    @for (outages, top) in [(&there, MIDDLE - HIGH), (&back, MIDDLE)] {
                        @for out in outages {
                            rect.(out.class) x=(format!("{:.1}", x(out.from))) y=(top) height=(HIGH)
                                width=(format!("{:.1}", x(out.ms / 1e3).min(WIDE - x(out.from)).max(0.0))) {}
                        }
                    }
                    path.base d=(format!("M0 {MIDDLE}H{WIDE}")) {}
                    @for event in &lane.events { path.event d=(format!("M{:.1} 0V100", x(event.at))) {} }
                    path.tcp d=(progress(timeline, &x)) {}
                }
                (labels(&back, span, "←"))
            }
        }
    }
}

/// A time in which a flow got nothing through.
struct Outage {
    from: f64,
    ms: f64,
    healed: bool,
    /// `out` where it began with an event, `later` otherwise.
    class: &'static str,
}

/// Those of one direction, in the order of time.
fn outages(lane: &Lane<'_>, of: fn(&EventResult) -> &OutageResult) -> Vec<Outage> {
    let mut all = Vec::new();
    for outage in lane.events.iter().map(|event| of(event)) {
        let later = outage.later();
        let (ms, from) = outage.at_event();
        let healed = outage.healed || later.is_some();
        all.extend(from.map(|from| Outage { from, ms, healed, class: "out" }));
        let healed = outage.healed;
        all.extend(later.map(|(ms, from)| Outage { from, ms, healed, class: "later" }));
    }
    all.retain(|outage| outage.ms >= SHORTEST_MS);
    all
}

fn sent(direction: &DirectionTimeline) -> &[u32] {
    &direction.sent
}

fn arrived(direction: &DirectionTimeline) -> &[u32] {
    &direction.arrived
}

/// An area in steps from the middle line, up (-1) or down (1).
fn steps(counts: &[u32], interval_ms: f64, most: u32, up: f64, x: &impl Fn(f64) -> f64) -> String {
    let mut path = format!("M0 {MIDDLE}");
    let at = |n: usize| x(real(n as u64) * interval_ms / 1e3);
    let mut last = None;
    for (n, count) in counts.iter().enumerate() {
        if last != Some(count) {
            let y = MIDDLE + up * HIGH * (f64::from(*count) / f64::from(most)).min(1.0);
            let _ = write!(path, "H{:.1}V{y:.1}", at(n));
            last = Some(count);
        }
    }
    let _ = write!(path, "H{:.1}V{MIDDLE}Z", at(counts.len()));
    path
}

/// What TCP had delivered by the end of each interval.
fn progress(timeline: &TimelineResult, x: &impl Fn(f64) -> f64) -> String {
    let all = timeline.tcp_bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let [top, bottom] = TCP;
    let mut path = format!("M0 {bottom}");
    let mut by_then = 0_u64;
    for (n, bytes) in timeline.tcp_bytes.iter().enumerate() {
        by_then = by_then.saturating_add(*bytes);
        let share = if all == 0 { 0.0 } else { real(by_then) / real(all) };
        let at = x(real(n as u64 + 1) * timeline.interval_ms / 1e3);
        let _ = write!(path, "L{at:.1} {:.1}", bottom - share * (bottom - top));
    }
    path
}

/// The figures of outages over their places, where they do not cover each other: those that began with
/// an event go before others.
fn labels(outages: &[Outage], span: f64, arrow: &str) -> Markup {
    let mut shown: Vec<(f64, &Outage)> = Vec::new();
    for class in ["out", "later"] {
        for outage in outages.iter().filter(|outage| outage.class == class) {
            let at = outage.from / span;
            if shown.iter().all(|(other, _)| (at - other).abs() >= APART) {
                shown.push((at, outage));
            }
        }
    }
    html! {
        div.gaps { @for (at, outage) in shown {
            span.(outage.class) style=(place(at, 0.8)) {
                (arrow) " " @if !outage.healed { "over " } (seconds(outage.ms / 1e3))
            }
        } }
    }
}

/// Where a text stands: from its left end, or beyond `last` by its right end.
fn place(share: f64, last: f64) -> String {
    if share > last {
        format!("right:{:.2}%", (1.0 - share) * 100.0)
    } else {
        format!("left:{:.2}%", share * 100.0)
    }
}

/// What the drawing shows, for who cannot see it.
fn described(lane: &Lane<'_>) -> String {
    let each = lane.events.iter().map(|e| {
        let ms = |outage: &OutageResult| seconds(outage.at_event().0 / 1e3);
        format!(
            "{} at {} s: down {} there, {} back",
            e.what,
            fixed(e.at, 2),
            ms(&e.there),
            ms(&e.back)
        )
    });
    format!("Datagrams over time in {}. {}", lane.variant.name, each.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_few_marks_and_reaches_the_end() {
        assert_eq!(marks(4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(marks(16.0), [0.0, 5.0, 10.0, 15.0]);
        assert!(marks(3600.0).len() <= 7 && marks(0.3).len() <= 7);
    }

    #[test]
    fn areas_and_progress_stay_within_the_lane() {
        let x = |seconds: f64| seconds / 0.06 * WIDE;
        assert_eq!(steps(&[20, 20, 0], 20.0, 20, -1.0, &x), "M0 38H0.0V2.0H666.7V38.0H1000.0V38Z");
        // A burst after an outage is more than was sent in any interval.
        assert!(steps(&[90], 20.0, 20, 1.0, &x).contains("V74.0"));
        let timeline = TimelineResult {
            interval_ms: 20.0,
            tcp_bytes: vec![0, 1000, 1000],
            ..TimelineResult::default()
        };
        assert_eq!(progress(&timeline, &x), "M0 98L333.3 98.0L666.7 90.0L1000.0 82.0");
        let none = TimelineResult { interval_ms: 20.0, tcp_bytes: vec![0], ..timeline };
        assert!(!progress(&none, &x).contains("NaN"));
    }

    #[test]
    fn figures_do_not_cover_each_other() {
        let outage = |from, class| Outage { from, ms: 31.0, healed: true, class };
        let all = [outage(0.9, "later"), outage(1.0, "out"), outage(3.9, "later")];
        let page = labels(&all, 4.0, "→").into_string();
        assert_eq!(page.matches("→ 31.0 ms").count(), 2, "{page}");
        assert!(page.contains("left:25.00%") && page.contains("right:2.50%"), "{page}");
    }
}
