//! What the underlay's MTU does to each carrier, where a run compares several.

use maud::Markup;

use super::super::figures::{flow, labels};
use super::super::number::Unit;
use super::super::sizes::{part, without_mtu};
use super::chart::variant;
use super::charts::{figure, rate, sure_goodput, whiskers};
use super::colors;
use super::lines::{Line, lines};
use crate::measure::result::{RunResult, Spread, VariantResult};

/// The charts; none where no carrier has two MTUs.
pub fn sweeps(run: &RunResult) -> Vec<Markup> {
    let exact = |v: f64| Spread { min: v, median: v, max: v };
    let percent = |share: f64| share / Unit::PERCENT.per;
    let mut out = Vec::new();
    let mut add =
        |title: &str, how: &str, axis: &str, of: &dyn Fn(&VariantResult) -> Option<Spread>| {
            let series = series(run, of);
            out.extend(figure(title, how, lines(title, ["underlay MTU, bytes", axis], &series)));
        };
    add(
        "Goodput over the underlay's MTU",
        "one TCP stream on the shaped link; whiskers: how sure, from parts of its time",
        "goodput, % of the rate",
        &sure_goodput,
    );
    let tcp = |v: &VariantResult, l: &str| flow(v, l).is_some_and(|f| f.kind == "tcp");
    if let Some(label) = labels(run).into_iter().find(|l| run.variants.iter().any(|v| tcp(v, l))) {
        let rate = |v: &VariantResult| flow(v, label).and_then(rate);
        let largest = run.variants.iter().filter_map(rate).map(|s| s.max).fold(0.0, f64::max);
        let unit = Unit::bits(largest);
        let title = format!("{label}: throughput over the underlay's MTU");
        let axis = format!("throughput, {}", unit.name);
        add(&title, whiskers(run), &axis, &|v| {
            let s = rate(v)?;
            let [min, median, max] = [s.min, s.median, s.max].map(|figure| figure / unit.per);
            Some(Spread { min, median, max })
        });
    }
    add(
        "Headers over the underlay's MTU",
        "what they are of a frame that fills it",
        "part of the frame, %",
        &|v| Some(exact(percent(part(&v.mtu)))),
    );
    out
}

/// A line per carrier: variants whose names differ in the MTU only.
fn series(run: &RunResult, of: &dyn Fn(&VariantResult) -> Option<Spread>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for (v, color) in run.variants.iter().zip(colors(run)) {
        let Some(figure) = of(v) else { continue };
        let (name, x) = (without_mtu(&v.name), f64::from(v.mtu.underlay));
        match out.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push((x, figure)),
            None => out.push(Line { name, points: vec![(x, figure)], color: variant(color) }),
        }
    }
    for line in &mut out {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line.points.dedup_by(|a, b| a.0.total_cmp(&b.0).is_eq());
    }
    out.retain(|line| line.points.len() > 1);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_that_differ_in_the_mtu_make_one_line() {
        let mut run: RunResult =
            super::super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap();
        assert!(sweeps(&run).is_empty());
        let mut other = run.variants[3].clone();
        other.name += "-mtu9000";
        (other.mtu.underlay, other.mtu.inner, other.mtu.probed) = (9000, 8950, Some(8950));
        run.variants[3].name += "-mtu1500";
        run.variants.push(other);
        let line = series(&run, &|v| {
            v.mtu.probed.map(|p| {
                let p = f64::from(p);
                Spread { min: p, median: p, max: p }
            })
        });
        assert_eq!(line.len(), 1);
        assert_eq!(line[0].points.iter().map(|p| p.0).collect::<Vec<_>>(), [1500.0, 9000.0]);
        assert_eq!(sweeps(&run).len(), 3);
    }
}
