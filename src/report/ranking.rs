//! Which variant keeps most of the plain path's figure, and between which of them nothing can be told.
//!
//! Variants stand in the order of their medians. Each is compared with the first one of its group by the ratio of
//! both in the same rounds; where that tells a difference, a new group begins with it.

use std::cmp::Ordering;

use super::figures::{Compared, baseline, compared_by, flow, labels, ratios};
use super::number::{NONE, Unit, bounds, count, fixed};
use super::overlay::Sheet;
use crate::measure::result::{FlowResult, RunResult, VariantResult};
use crate::measure::statistics::LEVEL;

/// Rounds from which on variants are ranked.
const ROUNDS: usize = 3;

/// One variant in the ranking of one flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Place<'a> {
    /// The variant's name.
    pub name: &'a str,
    /// The figure, by round.
    by_round: Vec<Option<f64>>,
    /// The figure over the rounds.
    figure: Compared,
    /// Where its group begins: 1 and up.
    pub rank: usize,
    /// The first of its group, where that is another one.
    pub same_as: Option<&'a str>,
    /// Over the figure of the first of the group above.
    behind: Option<(&'a str, Compared)>,
}

/// The ranking of one flow; empty with fewer than two variants or too few rounds.
#[must_use]
pub fn ranking<'a>(run: &'a RunResult, label: &str) -> Vec<Place<'a>> {
    let mut places: Vec<Place<'a>> =
        run.variants.iter().filter_map(|v| place(run, v, flow(v, label)?)).collect();
    places.sort_by(|a, b| b.figure.spread.median.total_cmp(&a.figure.spread.median));
    if places.len() < 2 {
        return Vec::new();
    }
    let mut first = 0;
    for at in 1..places.len() {
        let both = places[at].by_round.iter().zip(&places[first].by_round);
        let over: Vec<f64> = both.filter_map(|(a, b)| Some((*a)? / (*b)?)).collect();
        let Some(over) = Compared::of(&over) else { continue };
        if over.apart == Some(Ordering::Less) {
            places[at].behind = Some((places[first].name, over));
            first = at;
        } else {
            places[at].same_as = Some(places[first].name);
        }
        places[at].rank = first + 1;
    }
    places
}

/// A variant that is compared with a plain path by its ratio to it. Where nobody is, all by their rates.
fn place<'a>(
    run: &'a RunResult,
    variant: &'a VariantResult,
    here: &FlowResult,
) -> Option<Place<'a>> {
    let figure = compared_by(&here.kind);
    let by_round = match baseline(run, variant) {
        Some(plain) => ratios(here, flow(plain, &here.label)?, figure),
        None if plain(run) => return None,
        None => here.rounds.iter().map(|r| Some(figure(r)).filter(|_| r.counts())).collect(),
    };
    let values: Vec<f64> = by_round.iter().copied().flatten().collect();
    let figure = Compared::of(&values).filter(|c| c.rounds >= ROUNDS)?;
    Some(Place { name: &variant.name, by_round, figure, rank: 1, same_as: None, behind: None })
}

/// A figure as the ranking shows it: ratios, or rates with their unit.
fn shown(run: &RunResult, kind: &str, figure: &Compared) -> [String; 2] {
    if plain(run) {
        return [fixed(figure.spread.median, 2), figure.interval.map_or(NONE.to_owned(), bounds)];
    }
    let unit = if kind == "rr" { Unit::TRANSACTIONS } else { Unit::bits(figure.spread.median) };
    let ends = figure.interval.map(|i| [i.low, i.high].map(|end| fixed(end / unit.per, 2)));
    let ends = ends.map_or(NONE.to_owned(), |[low, high]| format!("[{low}–{high}]"));
    [unit.show(figure.spread.median), ends]
}

/// What the ranking is by, and what its brackets are.
#[must_use]
pub fn title(run: &RunResult) -> String {
    let by = if plain(run) { "ratio to the plain path" } else { "rate" };
    let mut places = labels(run).into_iter().flat_map(|label| ranking(run, label));
    let few = places.find_map(|p| p.figure.interval.filter(|i| i.level < LEVEL));
    match few {
        None => format!("Ranking by {by}; brackets hold its median with 95 %"),
        Some(few) => {
            format!("Ranking by {by}; brackets: smallest to largest of {} rounds", few.rounds)
        }
    }
}

fn plain(run: &RunResult) -> bool {
    run.variants.iter().any(|v| v.baseline.is_some())
}

/// One line for each flow: `tcp a→b: vxlan 0.55 [0.51–0.58]; geneve 0.54 [0.50–0.57], no difference measurable from
/// vxlan; gre 0.26 [0.24–0.27].`
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    for label in labels(run) {
        let places = ranking(run, label);
        let kind = kind(run, label);
        let each = places.iter().map(|place| {
            let [median, ends] = shown(run, kind, &place.figure);
            let same = place.same_as.map(|of| format!(", no difference measurable from {of}"));
            format!("{} {median} {ends}{}", place.name, same.unwrap_or_default())
        });
        let each: Vec<String> = each.collect();
        if !each.is_empty() {
            out.push(format!("{label}: {}.", each.join("; ")));
        }
    }
    out
}

/// The ranking of all flows as one table.
#[must_use]
pub fn sheet(run: &RunResult) -> Option<Sheet> {
    let mut rows = Vec::new();
    for label in labels(run) {
        for place in ranking(run, label) {
            let [median, ends] = shown(run, kind(run, label), &place.figure);
            let told = match (place.same_as, &place.behind) {
                (Some(of), _) => format!("no difference measurable from {of}"),
                (None, Some((of, over))) => {
                    let ends = over.interval.map(bounds).unwrap_or_default();
                    format!("{} of {of} {ends}", fixed(over.spread.median, 2))
                }
                (None, None) => String::new(),
            };
            rows.push(vec![
                label.to_owned(),
                count(place.rank as u64),
                place.name.to_owned(),
                median,
                ends,
                count(place.figure.rounds as u64),
                told,
            ]);
        }
    }
    let figure = if plain(run) { "Ratio to plain" } else { "Rate" };
    (!rows.is_empty()).then(|| Sheet {
        title: "Ranking",
        head: vec!["Flow", "Rank", "Variant", figure, "Interval", "Rounds", "Beside those above"],
        rows,
    })
}

fn kind<'a>(run: &'a RunResult, label: &str) -> &'a str {
    run.variants.iter().find_map(|v| flow(v, label)).map_or("", |f| f.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::FlowRound;

    fn variant(name: &str, baseline: Option<&str>, bytes: &[u64]) -> VariantResult {
        let round = |&bytes| FlowRound { seconds: 1.0, bytes, ..FlowRound::default() };
        let flow = FlowResult {
            label: "tcp a→b".into(),
            kind: "tcp".into(),
            rounds: bytes.iter().map(round).collect(),
            ..FlowResult::default()
        };
        VariantResult {
            name: name.into(),
            baseline: baseline.map(str::to_owned),
            flows: vec![flow],
            ..VariantResult::default()
        }
    }

    fn run(variants: Vec<VariantResult>) -> RunResult {
        let fixture = include_str!("../../tests/fixtures/result.json");
        RunResult { variants, ..super::super::read(fixture).unwrap() }
    }

    const PLAIN: [u64; 7] = [1000, 500, 1000, 2000, 1000, 900, 1100];

    #[test]
    fn what_cannot_be_told_apart_is_one_group() {
        // Each shares its ups and downs with the plain path of the same round.
        let of = |per_mille: [u64; 7]| {
            PLAIN.iter().zip(per_mille).map(|(plain, part)| plain * part).collect::<Vec<_>>()
        };
        let plain: Vec<u64> = PLAIN.iter().map(|plain| plain * 1000).collect();
        let run = run(vec![
            variant("plain-l3", None, &plain),
            variant("gre", Some("plain-l3"), &of([260, 255, 250, 262, 251, 258, 249])),
            variant("geneve", Some("plain-l3"), &of([545, 570, 552, 530, 560, 549, 541])),
            variant("vxlan", Some("plain-l3"), &of([550, 560, 548, 541, 570, 540, 555])),
        ]);
        let places = ranking(&run, "tcp a→b");
        let order: Vec<_> = places.iter().map(|p| (p.name, p.rank, p.same_as)).collect();
        assert_eq!(order, [("vxlan", 1, None), ("geneve", 1, Some("vxlan")), ("gre", 3, None)]);
        let [line] = &sentences(&run)[..] else { panic!() };
        assert!(line.starts_with("tcp a→b: vxlan 0.55 [0.54–0.57]; geneve 0.55 ["), "{line}");
        assert!(line.contains(", no difference measurable from vxlan; gre 0.26 ["), "{line}");
        let sheet = sheet(&run).unwrap();
        assert_eq!(sheet.rows.len(), 3);
        assert!(sheet.rows[2][6].starts_with("0.46 of vxlan ["), "{:?}", sheet.rows[2]);
    }

    #[test]
    fn too_few_rounds_are_not_ranked() {
        let few = run(vec![
            variant("plain-l3", None, &[1000, 1000]),
            variant("gre", Some("plain-l3"), &[260, 255]),
            variant("vxlan", Some("plain-l3"), &[550, 560]),
        ]);
        assert!(ranking(&few, "tcp a→b").is_empty() && sheet(&few).is_none());
    }

    #[test]
    fn without_plain_paths_rates_are_ranked() {
        let run = run(vec![
            variant("a", None, &[1_000_000_000; 6]),
            variant("b", None, &[2_000_000_000; 6]),
        ]);
        let [line] = &sentences(&run)[..] else { panic!() };
        assert_eq!(line, "tcp a→b: b 16.0 Gbit/s [16.00–16.00]; a 8.00 Gbit/s [8.00–8.00].");
    }
}
