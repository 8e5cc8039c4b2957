//! Figures that others published, beside this run's.

use super::figures::{Compared, baseline, bit_rate, flow, labels, paired};
use super::number::{NONE, Unit, bounds, fixed};
use super::overlay::Sheet;
use crate::measure::result::{FlowResult, PublishedFigureResult, RunResult, VariantResult};

/// Theirs and ours: throughput, and ratios to the plain path, which carry over between machines.
#[must_use]
pub fn sheet(run: &RunResult) -> Sheet {
    let published = run.published.as_ref();
    let rows =
        published.into_iter().flat_map(|p| p.figures.iter().map(|f| row(run, f, &p.figures[0])));
    Sheet {
        title: "Beside published figures",
        head: vec!["Theirs", "Throughput", "Ratio", "Ours", "Throughput", "Ratio to plain"],
        rows: rows.collect(),
    }
}

/// Where the figures are from; nothing where the lab names none.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let Some(published) = &run.published else { return Vec::new() };
    let note = published.note.as_ref().map(|note| format!(" {note}")).unwrap_or_default();
    let plain = published.figures.first().map_or("", |f| f.what.as_str());
    vec![format!(
        "Theirs: {}; ratios are to its `{plain}`.{note} Ours are of this run. Their network and ours \
         are not the same: compare ratios, and of these the order.",
        published.source
    )]
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
    vec![
        theirs.what.clone(),
        Unit::bits(theirs.throughput).show(theirs.throughput),
        fixed(ratio, 2),
        name.map_or_else(none, str::to_owned),
        rate.map_or_else(none, |rate| Unit::bits(rate).show(rate)),
        shown.unwrap_or_else(none),
    ]
}

/// The first TCP flow of a variant.
fn tcp<'a>(run: &RunResult, variant: &'a VariantResult) -> Option<&'a FlowResult> {
    labels(run).into_iter().filter_map(|l| flow(variant, l)).find(|f| f.kind == "tcp")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::PublishedResult;

    #[test]
    fn ratios_stand_beside_ratios() {
        let fixture = include_str!("../../tests/fixtures/result.json");
        let mut run = super::super::read(fixture).unwrap();
        assert!(sheet(&run).rows.is_empty() && sentences(&run).is_empty());
        let figure = |what: &str, throughput, variant: Option<&str>| PublishedFigureResult {
            what: what.into(),
            throughput,
            variant: variant.map(str::to_owned),
        };
        run.published = Some(PublishedResult {
            source: "A table, 2012".into(),
            note: None,
            figures: vec![
                figure("bridge", 10e9, Some("plain-l3")),
                figure("tunnel", 2.5e9, Some("vxlan")),
                figure("another", 5e9, None),
            ],
        });
        let rows = sheet(&run).rows;
        assert_eq!(rows[1][..4], ["tunnel", "2.50 Gbit/s", "0.25", "vxlan"]);
        assert_eq!(rows[1][5], "0.54 [0.53–0.54]");
        assert_eq!((rows[0][5].as_str(), rows[2][5].as_str()), ("1.00", NONE));
    }
}
