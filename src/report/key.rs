//! The three or four figures that matter, for the top of a report.

use std::cmp::Ordering;

use super::figures::{Compared, baseline, compared_by, flow, labels, paired, streams};
use super::number::{Unit, bounds, count, fixed, plural, seconds};
use crate::measure::result::{EventResult, RunResult, VariantResult};

/// Figures at most.
const MOST: usize = 4;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The figure with its unit.
    pub value: String,
    /// What it is.
    pub what: String,
    /// How sure it is, or what it rests on.
    pub sure: String,
}

/// At most four.
#[must_use]
pub fn keys(run: &RunResult) -> Vec<Key> {
    let found = [throughput(run), downtime(run), overhead(run), latency(run), isolation(run)];
    found.into_iter().flatten().take(MOST).collect()
}

fn carried(run: &RunResult) -> impl Iterator<Item = &VariantResult> {
    run.variants.iter().filter(|v| v.baseline.is_some())
}

/// The first label of a kind.
fn first<'a>(run: &'a RunResult, kind: &str) -> Option<&'a str> {
    let of_kind = |v: &VariantResult, l: &str| flow(v, l).is_some_and(|f| f.kind == kind);
    labels(run).into_iter().find(|l| run.variants.iter().any(|v| of_kind(v, l)))
}

/// The ratios of a flow, largest first.
fn ratios<'a>(run: &'a RunResult, label: &str) -> Vec<(&'a str, Compared)> {
    let mut out: Vec<_> = carried(run)
        .filter_map(|v| {
            let (here, there) = (flow(v, label)?, flow(baseline(run, v)?, label)?);
            Some((v.name.as_str(), paired(here, there, compared_by(&here.kind))?))
        })
        .collect();
    out.sort_by(|a, b| b.1.spread.median.total_cmp(&a.1.spread.median));
    out
}

fn throughput(run: &RunResult) -> Option<Key> {
    ratio(run, "tcp", "TCP throughput").or_else(|| ratio(run, "udp", "delivered UDP"))
}

fn latency(run: &RunResult) -> Option<Key> {
    ratio(run, "rr", "round trips a second")
}

fn ratio(run: &RunResult, kind: &str, figure: &str) -> Option<Key> {
    let all = ratios(run, first(run, kind)?);
    let (best, worst) = (all.first()?, all.last()?);
    let times = |r: &Compared| format!("{}×", fixed(r.spread.median, 2));
    let (value, who) = if all.len() == 1 {
        (times(&best.1), best.0.to_owned())
    } else {
        (format!("{} … {}", times(&best.1), times(&worst.1)), format!("{} … {}", best.0, worst.0))
    };
    let rounds = plural(worst.1.rounds as u64, "round");
    let sure = match (worst.1.apart, worst.1.interval) {
        (Some(Ordering::Equal), _) => {
            format!("{}: no difference from the plain path measurable here", worst.0)
        }
        (_, Some(interval)) => format!("{}: {} over {rounds}", worst.0, bounds(interval)),
        (_, None) => "one round: nothing to judge it by".to_owned(),
    };
    Some(Key { value, what: format!("the plain path's {figure}: {who}"), sure })
}

/// What the first event did to traffic.
fn downtime(run: &RunResult) -> Option<Key> {
    let first = run.variants.iter().flat_map(|v| &v.events).map(|e| e.number).min()?;
    let mut all: Vec<(&str, &EventResult)> = run
        .variants
        .iter()
        .flat_map(|v| v.events.iter().map(move |e| (v.name.as_str(), e)))
        .filter(|(_, e)| e.number == first && e.downtime_at_event().0.is_finite())
        .collect();
    all.sort_by(|a, b| a.1.downtime_at_event().0.total_cmp(&b.1.downtime_at_event().0));
    let ((best, least), (worst, most)) = (all.first()?, all.last()?);
    let shown = |e: &EventResult| {
        let (ms, healed) = e.downtime_at_event();
        format!("{}{}", if healed { "" } else { "over " }, seconds(ms / 1e3))
    };
    let (value, who) = if all.len() == 1 {
        (shown(most), (*worst).to_owned())
    } else {
        (format!("{} … {}", shown(least), shown(most)), format!("{best} … {worst}"))
    };
    let quiet = all.iter().map(|(_, e)| e.quiet_ms).fold(0.0, f64::max);
    Some(Key {
        value,
        what: format!("down when {}: {who}", most.what),
        sure: format!("gaps before any event: up to {}", seconds(quiet / 1e3)),
    })
}

fn overhead(run: &RunResult) -> Option<Key> {
    let packets = || carried(run).filter(|v| !streams(v));
    let all = || packets().map(|v| v.mtu.overhead_computed);
    let (least, most) = (all().min()?, all().max()?);
    let value = if least == most {
        format!("{} B", count(most))
    } else {
        format!("{} … {} B", count(least), count(most))
    };
    let counted: Vec<f64> = packets().filter_map(|v| v.mtu.overhead_counted).collect();
    let same = |v: &VariantResult| {
        let computed = f64::from(v.mtu.overhead_computed);
        v.mtu.overhead_counted.is_none_or(|c| (c - computed).abs() <= 0.5)
    };
    let sure = match (counted.len(), packets().all(same)) {
        (0, _) => "by the formats; not counted".to_owned(),
        (_, true) => "counted on the wire, as by the formats".to_owned(),
        (_, false) => "by the formats; the wire is apart from them".to_owned(),
    };
    Some(Key { value, what: "added to every packet".to_owned(), sure })
}

fn isolation(run: &RunResult) -> Option<Key> {
    let all = || run.variants.iter().filter_map(|v| v.isolation.as_ref());
    let sum = |of: fn(&crate::measure::result::IsolationResult) -> u64| {
        all().map(of).fold(0_u64, u64::saturating_add)
    };
    let (leaks, probes) = (sum(|i| i.leaks), sum(|i| i.probes));
    (probes > 0).then(|| Key {
        value: format!("{} of {}", count(leaks), count(probes)),
        what: "probes leaked to another tenant".to_owned(),
        sure: format!(
            "control: {} of the own tenant's arrived",
            Unit::PERCENT.show(
                super::number::real(sum(|i| i.delivered_own))
                    / super::number::real(sum(|i| i.expected_own)).max(1.0)
            )
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::OutageResult;

    #[test]
    fn the_fixture_has_four_figures() {
        let run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        let keys = keys(&run);
        assert_eq!(keys.len(), 4, "{keys:#?}");
        assert!(keys[0].value.contains('×') && keys[1].value.ends_with(" B"), "{keys:#?}");
        let mut events = run.clone();
        let event = |ms, healed| EventResult {
            number: 1,
            what: "red/vm2 moves to h4".into(),
            there: OutageResult { downtime_ms: ms, healed, ..OutageResult::default() },
            back: OutageResult { healed: true, ..OutageResult::default() },
            ..EventResult::default()
        };
        events.variants[1].events = vec![event(2498.0, false)];
        events.variants[3].events = vec![event(31.0, true)];
        let keys = super::keys(&events);
        assert_eq!(keys.len(), 4);
        assert_eq!(keys[1].value, "31.0 ms … over 2.50 s");
        assert_eq!(keys[1].what, "down when red/vm2 moves to h4: vxlan … vlan");
        let mut none = run;
        none.variants.clear();
        assert!(super::keys(&none).is_empty());
    }
}
