//! Which charts a run is shown by.

use maud::{Markup, PreEscaped, html};

use super::super::figures::{
    bit_rate, cpu_per_gb, flow, good, labels, over_rounds, packet_rate, small_packets, streams,
};
use super::super::number::{Unit, count, fixed};
use super::chart::{Bar, Curve, bars, distribution, variant};
use super::{colors, loaded, packets};
use crate::measure::result::{FlowResult, FlowRound, RunResult, Spread, VariantResult};
use crate::measure::statistics::LEVEL;

/// All charts of a run, each with its title; those without figures are left out.
pub fn charts(run: &RunResult) -> Vec<Markup> {
    let mut out = Vec::new();
    for label in labels(run).into_iter().filter(|label| !elsewhere(run, label)) {
        let Some(kind) = run.variants.iter().find_map(|v| flow(v, label)).map(|f| f.kind.as_str())
        else {
            continue;
        };
        let small = run.variants.iter().filter_map(|v| flow(v, label)).any(small_packets);
        match kind {
            "rr" => out.extend(latencies(run, label)),
            "udp" if small => {
                out.extend(flow_bars(run, label, "packets delivered", Unit::packets, |f| {
                    sure(f, packet_rate)
                }));
            }
            "udp" => out.extend(flow_bars(run, label, "payload delivered", Unit::bits, rate)),
            _ => {
                out.extend(flow_bars(run, label, "throughput", Unit::bits, rate));
                // The parts of a sum have no processor time of their own.
                let own = |f: &FlowResult| f.cpu_per_gb.and_then(|_| sure(f, cpu_per_gb));
                out.extend(flow_bars(run, label, "CPU per gigabyte", |_| Unit::CPU, own));
            }
        }
    }
    out.extend(goodput(run));
    out.extend(sizes(run));
    out
}

/// Whether a flow is drawn in a chart of several.
fn elsewhere(run: &RunResult, label: &str) -> bool {
    packets::is_swept(run, label) || loaded::is_drawn(run, label)
}

/// The rate, with the interval of its median for whiskers.
pub fn rate(flow: &FlowResult) -> Option<Spread> {
    sure(flow, bit_rate)
}

/// A figure's median between the ends of its interval; of one round both are the figure.
pub fn sure(flow: &FlowResult, figure: fn(&FlowRound) -> f64) -> Option<Spread> {
    let found = over_rounds(flow, figure)?;
    let Spread { min, median, max } = found.spread;
    let (low, high) = found.interval.map_or((min, max), |i| (i.low, i.high));
    Some(Spread { min: low, median, max: high })
}

/// What whiskers are, which depends on how many rounds there were.
pub fn whiskers(run: &RunResult) -> &'static str {
    if run.variants.iter().flat_map(|v| &v.flows).all(|f| good(f).count() < 2) {
        return "one round, which has no spread";
    }
    let flows = run.variants.iter().flat_map(|v| &v.flows);
    let mut intervals = flows.filter_map(|f| over_rounds(f, bit_rate)?.interval).peekable();
    if intervals.peek().is_some() && intervals.all(|i| i.level >= LEVEL) {
        "median; whiskers hold it with 95 %"
    } else {
        "median; whiskers from smallest to largest round"
    }
}

/// A chart with its title and how to read it.
pub fn figure(title: &str, how: &str, svg: Option<String>) -> Option<Markup> {
    let svg = svg?;
    Some(html! {
        figure {
            figcaption { strong { (title) } " " span.how { (how) } }
            (PreEscaped(svg))
        }
    })
}

fn flow_bars(
    run: &RunResult,
    label: &str,
    what: &str,
    unit: fn(f64) -> Unit,
    of: fn(&FlowResult) -> Option<Spread>,
) -> Option<Markup> {
    let found: Vec<(usize, &VariantResult, Spread)> = run
        .variants
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, v, flow(v, label).and_then(of)?)))
        .collect();
    let unit = unit(found.iter().map(|(_, _, s)| s.median).fold(0.0, f64::max));
    let colors = colors(run);
    let list: Vec<Bar> = found
        .iter()
        .map(|(i, v, s)| Bar {
            name: v.name.clone(),
            value: Spread {
                min: s.min / unit.per,
                median: s.median / unit.per,
                max: s.max / unit.per,
            },
            stacked: 0.0,
            limit: None,
            label: super::super::number::digits(s.median / unit.per),
            color: variant(colors[*i]),
        })
        .collect();
    let title = format!("{label}: {what}");
    let axis = format!("{what}, {}", unit.name);
    figure(&title, whiskers(run), bars(&title, &axis, &list))
}

fn latencies(run: &RunResult, label: &str) -> Option<Markup> {
    let colors = colors(run);
    let curves: Vec<Curve> = run
        .variants
        .iter()
        .zip(colors)
        .filter_map(|(v, color)| {
            Some(Curve {
                name: v.name.clone(),
                points: flow(v, label)?.latency.as_ref()?.cdf.clone(),
                dotted: false,
                color: variant(color),
            })
        })
        .collect();
    let title = format!("{label}: round-trip latency");
    figure(
        &title,
        "share of round trips answered within a time; further left is faster",
        distribution(&title, "round-trip time, µs (logarithmic)", &curves),
    )
}

/// Goodput felt on the shaped link in percent of its rate, between the ends of its interval; where there is none both
/// are the figure.
pub fn sure_goodput(v: &VariantResult) -> Option<Spread> {
    let felt = v.mtu.goodput_felt?;
    let (low, high) = v.mtu.goodput_interval.map_or((felt, felt), |i| (i.low, i.high));
    let [min, median, max] = [low, felt, high].map(|share| share / Unit::PERCENT.per);
    Some(Spread { min, median, max })
}

fn goodput(run: &RunResult) -> Option<Markup> {
    let colors = colors(run);
    let list: Vec<Bar> = run
        .variants
        .iter()
        .zip(colors)
        .filter_map(|(v, color)| {
            let percent = |share: f64| share / Unit::PERCENT.per;
            let felt = percent(v.mtu.goodput_felt?);
            let sure = sure_goodput(v)?;
            let ceiling = v.mtu.goodput_ceiling.filter(|c| c.is_finite()).map(percent);
            Some(Bar {
                name: v.name.clone(),
                value: sure,
                stacked: 0.0,
                limit: ceiling,
                label: ceiling.map_or_else(
                    || fixed(felt, 1),
                    |c| format!("{} of {}", fixed(felt, 1), fixed(c, 1)),
                ),
                color: variant(color),
            })
        })
        .collect();
    let title = "Goodput of one TCP stream on the shaped link";
    figure(
        title,
        "bar: felt; whiskers: how sure, from parts of its time; red mark: the ceiling by arithmetic",
        bars(title, "goodput, % of the link's rate", &list),
    )
}

fn sizes(run: &RunResult) -> Option<Markup> {
    let colors = colors(run);
    let list: Vec<Bar> = run
        .variants
        .iter()
        .zip(colors)
        .filter(|(v, _)| !streams(v))
        .map(|(v, color)| {
            let inner = f64::from(v.mtu.inner);
            Bar {
                name: v.name.clone(),
                value: Spread { min: inner, median: inner, max: inner },
                stacked: f64::from(v.mtu.overhead_computed),
                limit: Some(f64::from(v.mtu.underlay)),
                label: format!("{} + {}", count(v.mtu.inner), count(v.mtu.overhead_computed)),
                color: variant(color),
            }
        })
        .collect();
    let title = "What the underlay's MTU is spent on";
    figure(
        title,
        "bar: largest inner packet; its contrasting end: what the encapsulation adds; red mark: the underlay's MTU (a VLAN tag may exceed it)",
        bars(title, "bytes", &list),
    )
}
