//! What the size of datagrams does to each carrier, where a run has UDP flows that differ in nothing else.

use maud::Markup;

use super::super::figures::{bit_rate, flow, packet_rate};
use super::super::number::Unit;
use super::super::packets::{Set, sets};
use super::chart::variant;
use super::charts::{figure, sure, whiskers};
use super::colors;
use super::lines::{Line, lines};
use crate::measure::result::{FlowResult, FlowRound, RunResult, Spread};

/// The charts: goodput and packet rate, of each set of flows that differ in their size only.
pub fn sizes(run: &RunResult) -> Vec<Markup> {
    sets(run).iter().flat_map(|set| both(run, set)).flatten().collect()
}

/// Whether a flow is in one of these charts, and needs none of its own.
pub fn is_swept(run: &RunResult, label: &str) -> bool {
    sets(run).iter().any(|set| set.labels.contains(&label))
}

fn both(run: &RunResult, set: &Set<'_>) -> [Option<Markup>; 2] {
    let draw = |what: &str, unit: fn(f64) -> Unit, of: fn(&FlowRound) -> f64| {
        let series = series(run, set, of);
        let largest = series.iter().flat_map(|l| &l.points).map(|(_, s)| s.max).fold(0.0, f64::max);
        let unit = unit(largest);
        let scaled = |s: &Spread| Spread {
            min: s.min / unit.per,
            median: s.median / unit.per,
            max: s.max / unit.per,
        };
        let line = |l: &Line| Line {
            points: l.points.iter().map(|(x, s)| (*x, scaled(s))).collect(),
            ..l.clone()
        };
        let title = format!("{}: {what} over the datagrams' size", set.name);
        let axes = ["payload of a datagram, bytes", &format!("{what}, {}", unit.name)];
        let drawn = lines(&title, axes, &series.iter().map(line).collect::<Vec<_>>());
        figure(&title, whiskers(run), drawn)
    };
    [draw("goodput", Unit::bits, bit_rate), draw("packet rate", Unit::packets, packet_rate)]
}

/// A line per variant.
fn series(run: &RunResult, set: &Set<'_>, of: fn(&FlowRound) -> f64) -> Vec<Line> {
    let point = |flow: &FlowResult| {
        let size = flow.size? as f64;
        Some((size, sure(flow, of)?))
    };
    let line = |(v, color): (&crate::measure::result::VariantResult, u8)| {
        let flows = set.labels.iter().filter_map(|label| flow(v, label));
        let mut points: Vec<_> = flows.filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { name: v.name.clone(), points, color: variant(color) }
    };
    run.variants.iter().zip(colors(run)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_of_several_sizes_make_two_charts_and_no_bars() {
        let mut run: RunResult =
            super::super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap();
        for v in &mut run.variants {
            let like = v.flows.iter().find(|f| f.kind == "udp").unwrap().clone();
            v.flows.retain(|f| f.kind != "udp");
            v.flows.extend([64, 1400].map(|size| FlowResult {
                label: format!("udp {size} B red/vm1→red/vm2"),
                size: Some(size),
                ..like.clone()
            }));
        }
        assert_eq!(sizes(&run).len(), 2);
        assert!(sizes(&run)[0].0.contains("udp red/vm1→red/vm2: goodput over the datagrams' size"));
        let line = &series(&run, &sets(&run)[0], packet_rate)[3];
        assert_eq!((line.name.as_str(), line.points.len()), ("vxlan", 2));
        assert!((line.points[0].0 - 64.0).abs() < f64::EPSILON);
        assert!(
            is_swept(&run, "udp 64 B red/vm1→red/vm2") && !is_swept(&run, "rr red/vm1→red/vm2")
        );
        run.variants.iter_mut().for_each(|v| v.flows.truncate(4));
        assert!(sizes(&run).is_empty(), "one size is no sweep");
    }
}
