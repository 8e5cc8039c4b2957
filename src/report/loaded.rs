//! Latency while bulk traffic fills the same path, beside the latency of the path that is idle.

use super::figures::{baseline, flow, labels};
use super::number::{NONE, Unit, count, fixed, plural, seconds};
use super::overlay::Sheet;
use crate::measure::result::{Latency, LoadResult, RunResult, VariantResult};

/// The title of the table.
pub const TITLE: &str = "Latency, idle → under load";

/// Answers from which a 99th percentile is one.
const ENOUGH: u64 = 100;

/// A flow under load in one variant, and the same one without.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Its latency without load.
    pub idle: &'a Latency,
    /// Its latency under load.
    pub loaded: &'a Latency,
    /// The load.
    pub load: &'a LoadResult,
}

impl<'a> Pair<'a> {
    /// What a variant has of the flow under load that is called `label`; `None` where either of both is missing.
    #[must_use]
    pub fn of(variant: &'a VariantResult, label: &str) -> Option<Pair<'a>> {
        let loaded = flow(variant, label)?;
        let load = loaded.load.as_ref()?;
        let idle = flow(variant, load.idle.as_deref()?)?;
        Some(Pair { idle: idle.latency.as_ref()?, loaded: loaded.latency.as_ref()?, load })
    }

    /// How many times longer a figure is under load.
    fn times(self, of: fn(&Latency) -> f64) -> Option<f64> {
        let times = of(self.loaded) / of(self.idle);
        times.is_finite().then_some(times)
    }
}

/// The flows under load of which the run has the idle one too, each with the label of that.
pub fn flows(run: &RunResult) -> Vec<(&str, &str)> {
    let idle = |label| -> Option<&str> {
        let of = |v| -> Option<&str> { flow(v, label)?.load.as_ref()?.idle.as_deref() };
        run.variants.iter().find_map(of)
    };
    labels(run).into_iter().filter_map(|label| Some((label, idle(label)?))).collect()
}

/// Percentiles without and with load, a row for each variant and flow.
#[must_use]
pub fn sheet(run: &RunResult) -> Sheet {
    let all = flows(run).into_iter().flat_map(|(label, _)| {
        run.variants.iter().filter_map(move |v| Some((v, label, Pair::of(v, label)?)))
    });
    let row = |(v, label, pair): (&VariantResult, &str, Pair<'_>)| {
        let both = |of: fn(&Latency) -> f64| {
            format!("{} → {}", micros(of(pair.idle)), micros(of(pair.loaded)))
        };
        let with_times = |of: fn(&Latency) -> f64| {
            let longer = pair.times(of).map(|t| format!(" ({})", times(t)));
            both(of) + &longer.unwrap_or_default()
        };
        let slowest = if pair.loaded.count < ENOUGH {
            format!("{} → {NONE}", micros(pair.idle.p99))
        } else {
            with_times(|l| l.p99)
        };
        let rate = pair.load.rate.median;
        vec![
            v.name.clone(),
            label.to_owned(),
            with_times(|l| l.p50),
            both(|l| l.p90),
            slowest,
            both(|l| l.max),
            format!("{} → {}", count(pair.idle.count), count(pair.loaded.count)),
            Unit::bits(rate).show(rate),
        ]
    };
    Sheet {
        title: TITLE,
        head: vec!["Variant", "Flow", "p50", "p90", "p99", "max", "Answers", "Load"],
        rows: all.map(row).collect(),
    }
}

/// How many times longer answers take under load, beside the plain path.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let carried = run.variants.iter().any(|v| v.baseline.is_some());
    let told = |v: &&VariantResult| !carried || v.baseline.is_some();
    let each = flows(run).into_iter().flat_map(|(label, _)| {
        run.variants.iter().filter(told).filter_map(move |v| sentence(run, v, label))
    });
    each.collect()
}

fn sentence(run: &RunResult, variant: &VariantResult, label: &str) -> Option<String> {
    let pair = Pair::of(variant, label)?;
    let plain = baseline(run, variant).and_then(|plain| Some((plain, Pair::of(plain, label)?)));
    let median = longer(pair, plain, |l| l.p50)?;
    let slowest = longer(pair, plain, |l| l.p99)?;
    let slowest = if pair.loaded.count < ENOUGH {
        let answers = plural(pair.loaded.count, "answer");
        format!("; {answers} under load are too few for a 99th percentile")
    } else {
        format!(", and the slowest of a hundred {slowest}")
    };
    Some(format!(
        "{}: while {} the same path, the median answer took {median}{slowest}.",
        variant.name,
        filling(pair.load),
    ))
}

/// `4.0× as long as on the idle path (46.2 µs → 185 µs; on plain-l3 3.0×)`.
fn longer(
    pair: Pair<'_>,
    plain: Option<(&VariantResult, Pair<'_>)>,
    of: fn(&Latency) -> f64,
) -> Option<String> {
    let beside = plain.and_then(|(plain, there)| {
        Some(format!("; on {} {}", plain.name, times(there.times(of)?)))
    });
    Some(format!(
        "{} as long as on the idle path ({} → {}{})",
        times(pair.times(of)?),
        micros(of(pair.idle)),
        micros(of(pair.loaded)),
        beside.unwrap_or_default(),
    ))
}

/// `12.3 µs`, `4.56 ms`.
fn micros(figure: f64) -> String {
    if figure < 1000.0 { Unit::MICROS.show(figure) } else { seconds(figure / 1e6) }
}

/// `4 TCP streams filled`.
fn filling(load: &LoadResult) -> String {
    format!("{} filled", plural(u64::from(load.streams), "TCP stream"))
}

fn times(figure: f64) -> String {
    format!("{}×", fixed(figure, usize::from(figure < 9.95)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_under_load_stands_beside_the_idle_one() {
        let mut run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        let found = flows(&run);
        assert_eq!(found, [("rr 64 B beside tcp x4 red/vm1→red/vm2", "rr red/vm1→red/vm2")]);
        let table = sheet(&run);
        assert_eq!(table.rows.len(), 4);
        let cells = ["vxlan", "46.2 µs → 185 µs (4.0×)", "123 µs → 983 µs (8.0×)"];
        assert_eq!([0, 2, 4].map(|at| table.rows[3][at].as_str()), cells);
        let told = sentences(&run);
        assert_eq!(told.len(), 2, "one for each variant beside a plain path: {told:#?}");
        assert!(
            told[1].starts_with("vxlan: while 4 TCP streams filled the same path"),
            "{told:#?}"
        );
        let median =
            "took 4.0× as long as on the idle path (46.2 µs → 185 µs; on plain-l3 3.0×), and";
        assert!(told[1].contains(median), "{told:#?}");
        run.variants[3]
            .flows
            .iter_mut()
            .filter_map(|f| f.latency.as_mut())
            .for_each(|l| l.count = 9);
        assert!(
            sentences(&run)[1]
                .ends_with("; 9 answers under load are too few for a 99th percentile.")
        );
    }

    #[test]
    fn without_the_idle_flow_there_is_nothing_beside_it() {
        let mut run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        for flow in run.variants.iter_mut().flat_map(|v| &mut v.flows) {
            if let Some(load) = &mut flow.load {
                load.idle = None;
            }
        }
        assert!(sheet(&run).rows.is_empty() && sentences(&run).is_empty());
    }
}
