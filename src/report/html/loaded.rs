//! Distribution of latency on the idle path and under load, in one chart.

use maud::Markup;

use super::super::loaded::{Pair, flows};
use super::chart::{Curve, distribution, variant};
use super::charts::figure;
use super::colors;
use crate::measure::result::RunResult;

/// A chart for each flow under load that has its idle one beside it.
pub fn latencies(run: &RunResult) -> Vec<Markup> {
    flows(run).into_iter().filter_map(|(label, _)| chart(run, label)).collect()
}

/// Whether a flow is in one of these charts, and needs none of its own.
pub fn is_drawn(run: &RunResult, label: &str) -> bool {
    flows(run).iter().any(|(loaded, idle)| [*loaded, *idle].contains(&label))
}

fn chart(run: &RunResult, label: &str) -> Option<Markup> {
    let both = run.variants.iter().zip(colors(run)).filter_map(|(v, color)| {
        let pair = Pair::of(v, label)?;
        let curve = |points: &[(f64, f64)], dotted| Curve {
            name: v.name.clone(),
            points: points.to_vec(),
            dotted,
            color: variant(color),
        };
        Some([curve(&pair.idle.cdf, false), curve(&pair.loaded.cdf, true)])
    });
    let curves: Vec<Curve> = both.flatten().collect();
    let title = format!("{label}: latency, idle and under load");
    figure(
        &title,
        "share of round trips answered within a time; dotted: under load",
        distribution(&title, "round-trip time, µs (logarithmic)", &curves),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_latencies_are_in_one_chart() {
        let run: RunResult =
            super::super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap();
        let [drawn] = &latencies(&run)[..] else { panic!() };
        assert!(drawn.0.contains("dotted: under load"), "{}", drawn.0);
        assert!(is_drawn(&run, "rr red/vm1→red/vm2"));
        assert!(!is_drawn(&run, "tcp red/vm1→red/vm2"));
    }
}
