//! Figures that others published, beside this run's.

use super::figures::{Compared, baseline, bit_rate, flow, labels, paired, ratios};
use super::number::{NONE, Unit, bounds, digits, fixed};
use super::overlay::Sheet;
use crate::measure::result::{
    CostPart, FlowResult, FlowRound, PublishedFigureResult, RunResult, Spread, VariantResult,
};

/// Theirs and ours: throughput, processor time of both sides, and ratios to the plain path, which carry over
/// between machines.
#[must_use]
pub fn sheet(run: &RunResult) -> Sheet {
    let published = run.published.as_ref();
    let rows =
        published.into_iter().flat_map(|p| p.figures.iter().map(|f| row(run, f, &p.figures[0])));
    Sheet {
        title: "Beside published figures",
        head: vec![
            "Theirs",
            "Throughput",
            "Ratio",
            "CPU receiving",
            "CPU sending",
            "Ours",
            "Throughput",
            "Ratio to plain",
            "CPU receiving",
            "CPU sending",
        ],
        rows: rows.collect(),
    }
}

/// Where the figures are from; nothing where the lab names none.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let Some(published) = &run.published else { return Vec::new() };
    let note = published.note.as_ref().map(|note| format!(" {note}")).unwrap_or_default();
    let plain = published.figures.first().map_or("", |f| f.what.as_str());
    let mut out = vec![format!(
        "Theirs: {}; ratios are to its `{plain}`.{note} Ours are of this run. Their network and ours \
         are not the same: compare ratios, and of these the order.",
        published.source
    )];
    out.push(
        "CPU is processor seconds per gigabyte delivered, in brackets as a ratio to the plain path: theirs from \
         how busy the processors of a side were at that throughput, ours from the clocks of threads, where \
         receiving is decapsulating and the receiver, and sending the sender and encapsulating. The kernel does \
         part of the receiving host's work on the time of who sends."
            .to_owned(),
    );
    let nobody = published.figures.iter().filter(|f| f.variant.is_none());
    let nobody: Vec<String> = nobody.map(|f| format!("`{}`", f.what)).collect();
    if !nobody.is_empty() {
        out.push(format!("Not reproduced here: {}.", nobody.join(", ")));
    }
    out
}

fn row(
    run: &RunResult,
    theirs: &PublishedFigureResult,
    plain: &PublishedFigureResult,
) -> Vec<String> {
    let ratio = theirs.throughput / plain.throughput;
    let name = theirs.variant.as_deref();
    let ours = name.and_then(|name| run.variants.iter().find(|v| v.name == name));
    let flow = ours.and_then(|v| tcp(run, v));
    let rate = flow.map(|f| f.rate.median).filter(|_| flow.is_some_and(|f| !f.rounds.is_empty()));
    let own = |v: &VariantResult| match baseline(run, v) {
        Some(plain) => tcp(run, v).zip(tcp(run, plain)).and_then(|(a, b)| paired(a, b, bit_rate)),
        None => Compared::of(&[1.0]),
    };
    let shown = ours.and_then(own).map(|c| {
        let within = c.interval.map(|i| format!(" {}", bounds(i))).unwrap_or_default();
        format!("{}{within}", fixed(c.spread.median, 2))
    });
    let none = || NONE.to_owned();
    let [receiving, sending] =
        [0, 1].map(|side| match (per_gb(theirs, side), per_gb(plain, side)) {
            (Some(cpu), Some(plain)) => cost(cpu, Some(cpu / plain)),
            (Some(cpu), None) => cost(cpu, None),
            _ => none(),
        });
    let [own_receiving, own_sending] =
        [receiving_side, sending_side].map(|side| own_cost(run, ours, side).unwrap_or_else(none));
    vec![
        theirs.what.clone(),
        Unit::bits(theirs.throughput).show(theirs.throughput),
        fixed(ratio, 2),
        receiving,
        sending,
        name.map_or_else(|| "not reproduced".to_owned(), str::to_owned),
        rate.map_or_else(none, |rate| Unit::bits(rate).show(rate)),
        shown.unwrap_or_else(none),
        own_receiving,
        own_sending,
    ]
}

/// Seconds per gigabyte, and the ratio to the plain path's: `0.731 s/GB (1.00)`.
fn cost(per_gb: f64, ratio: Option<f64>) -> String {
    let ratio = ratio.filter(|ratio| ratio.is_finite());
    let ratio = ratio.map(|ratio| format!(" ({})", fixed(ratio, 2))).unwrap_or_default();
    format!("{} s/GB{ratio}", digits(per_gb))
}

/// Processor seconds per gigabyte of one of their sides: so many percent of a processor, at that throughput.
fn per_gb(figure: &PublishedFigureResult, side: usize) -> Option<f64> {
    let percent = *figure.cpu.as_ref()?.get(side)?;
    Some(percent / 100.0 * 8e9 / figure.throughput)
}

/// The same of one of our sides, over the rounds that count.
fn own_cost(
    run: &RunResult,
    ours: Option<&VariantResult>,
    side: fn(&FlowRound) -> f64,
) -> Option<String> {
    let flow = tcp(run, ours?)?;
    let each = flow.rounds.iter().filter(|r| r.counts()).map(side);
    let per_gb = Spread::of(each)?.median;
    let ratio = match baseline(run, ours?) {
        Some(plain) => {
            let ratios = ratios(flow, tcp(run, plain)?, side);
            Spread::of(ratios.into_iter().flatten()).map(|ratio| ratio.median)
        }
        None => Some(1.0),
    };
    Some(cost(per_gb, ratio))
}

/// Seconds per gigabyte of who receives, and of who decapsulates for him.
fn receiving_side(round: &FlowRound) -> f64 {
    together(round, [CostPart::Receiver, CostPart::Decapsulate])
}

/// Seconds per gigabyte of who sends, and of who encapsulates for him.
fn sending_side(round: &FlowRound) -> f64 {
    together(round, [CostPart::Sender, CostPart::Encapsulate])
}

/// Seconds per gigabyte of a generator and an engine; not a number where the generator's are not known.
fn together(round: &FlowRound, [generator, engine]: [CostPart; 2]) -> f64 {
    let Some(own) = generator.seconds(round) else { return f64::NAN };
    (own + engine.seconds(round).unwrap_or_default()) * 1e9 / super::number::real(round.bytes)
}

/// The first TCP flow of a variant.
fn tcp<'a>(run: &RunResult, variant: &'a VariantResult) -> Option<&'a FlowResult> {
    labels(run).into_iter().filter_map(|l| flow(variant, l)).find(|f| f.kind == "tcp")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{CpuParts, PublishedResult};

    fn with_published() -> RunResult {
        let fixture = include_str!("../../tests/fixtures/result.json");
        let mut run = super::super::read(fixture).unwrap();
        assert!(sheet(&run).rows.is_empty() && sentences(&run).is_empty());
        let figure = |what: &str, throughput, cpu, variant: Option<&str>| PublishedFigureResult {
            what: what.into(),
            throughput,
            cpu,
            variant: variant.map(str::to_owned),
        };
        run.published = Some(PublishedResult {
            source: "A table, 2012".into(),
            note: None,
            figures: vec![
                figure("bridge", 10e9, Some([50.0, 100.0]), Some("plain-l3")),
                figure("tunnel", 2.5e9, Some([25.0, 100.0]), Some("vxlan")),
                figure("another", 5e9, None, None),
            ],
        });
        run
    }

    #[test]
    fn ratios_stand_beside_ratios() {
        let run = with_published();
        let rows = sheet(&run).rows;
        assert_eq!(rows[1][..3], ["tunnel", "2.50 Gbit/s", "0.25"]);
        // A quarter of a processor at 2.5 Gbit/s is 0.25 s for 0.3125 GB.
        assert_eq!(rows[1][3..6], ["0.800 s/GB (2.00)", "3.20 s/GB (4.00)", "vxlan"]);
        assert_eq!(rows[1][7], "0.54 [0.53–0.54]");
        assert_eq!((rows[0][7].as_str(), rows[2][7].as_str()), ("1.00", NONE));
    }

    #[test]
    fn what_nobody_reproduced_says_so() {
        let run = with_published();
        let rows = sheet(&run).rows;
        assert_eq!(rows[2][3..6], [NONE, NONE, "not reproduced"]);
        assert!(sentences(&run).iter().any(|s| s == "Not reproduced here: `another`."));
    }

    #[test]
    fn our_sides_are_a_generator_and_an_engine_each() {
        let mut run = with_published();
        let cpu = |sender, encap, decap, receiver| CpuParts {
            sender: Some(sender),
            encap,
            decap,
            receiver: Some(receiver),
            ..CpuParts::default()
        };
        for v in &mut run.variants {
            let engine = (v.name == "vxlan").then_some(1.5);
            for round in v.flows.iter_mut().flat_map(|f| &mut f.rounds) {
                round.bytes = 1_000_000_000;
                round.cpu = Some(cpu(0.5, engine, engine.map(|s| s * 2.0), 1.0));
            }
        }
        let rows = sheet(&run).rows;
        assert_eq!(rows[0][8..], ["1.00 s/GB (1.00)", "0.500 s/GB (1.00)"]);
        assert_eq!(rows[1][8..], ["4.00 s/GB (4.00)", "2.00 s/GB (4.00)"]);
        assert_eq!(rows[2][8..], [NONE, NONE]);
    }
}
