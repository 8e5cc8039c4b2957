//! Carriers over several MTUs of the underlay: what was computed, counted, probed and felt, side by side.

use super::number::{NONE, Unit, count, fixed};
use super::overlay::Sheet;
use crate::measure::result::{MtuResult, RunResult, VariantResult};

/// Title of the table.
pub(super) const TITLE: &str = "Sizes over the underlay's MTU";

/// A carrier on all of the underlay's MTUs that a run has of it, ascending; two or more.
struct Sweep<'r> {
    carrier: String,
    variants: Vec<&'r VariantResult>,
}

/// Variants whose names differ in the MTU only, where there are several.
fn sweeps(run: &RunResult) -> Vec<Sweep<'_>> {
    let mut sweeps: Vec<Sweep<'_>> = Vec::new();
    for v in &run.variants {
        let carrier = without_mtu(&v.name);
        match sweeps.iter_mut().find(|sweep| sweep.carrier == carrier) {
            Some(sweep) => sweep.variants.push(v),
            None => sweeps.push(Sweep { carrier, variants: vec![v] }),
        }
    }
    for sweep in &mut sweeps {
        sweep.variants.sort_by_key(|v| v.mtu.underlay);
        sweep.variants.dedup_by_key(|v| v.mtu.underlay);
    }
    sweeps.retain(|sweep| sweep.variants.len() > 1);
    sweeps
}

/// The table, a row for each carrier and MTU.
pub fn sheet(run: &RunResult) -> Sheet {
    let sweeps = sweeps(run);
    let rows = sweeps.iter().flat_map(|s| s.variants.iter().map(|v| (&s.carrier, &v.mtu)));
    let optional = |figure: Option<String>| figure.unwrap_or_else(|| NONE.to_owned());
    // Figure and sign stay on one line.
    let percent = |share: f64| Unit::PERCENT.show(share).replace(' ', "\u{a0}");
    let rows = rows.map(|(carrier, m)| {
        vec![
            carrier.clone(),
            count(m.underlay),
            count(m.overhead_computed),
            optional(m.overhead_counted.map(|counted| fixed(counted, 0))),
            count(m.inner),
            optional(m.probed.map(count)),
            percent(part(m)),
            optional(m.goodput_ceiling.map(percent)),
            optional(m.goodput_felt.map(percent)),
        ]
    });
    Sheet {
        title: TITLE,
        head: vec![
            "Carrier",
            "Underlay MTU",
            "Headers, computed",
            "counted",
            "Inner MTU, computed",
            "probed",
            "Headers' part of a full frame",
            "Goodput by arithmetic",
            "felt",
        ],
        rows: rows.collect(),
    }
}

/// What headers are of a frame that fills the MTU, its Ethernet header included.
pub(super) fn part(m: &MtuResult) -> f64 {
    let frame = f64::from(m.inner) + f64::from(m.overhead_computed) + 14.0;
    f64::from(m.overhead_computed) / frame
}

/// A sentence for each carrier.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    sweeps(run).iter().filter_map(sentence).collect()
}

fn sentence(sweep: &Sweep<'_>) -> Option<String> {
    let (first, last) = (&sweep.variants.first()?.mtu, &sweep.variants.last()?.mtu);
    let all = || sweep.variants.iter().map(|v| &v.mtu);
    let percent = |share: f64| Unit::PERCENT.show(share);
    let mut line = format!(
        "{}: on underlays of {} to {} bytes its {} bytes of headers are {} to {} of a full frame",
        sweep.carrier,
        count(first.underlay),
        count(last.underlay),
        count(first.overhead_computed),
        percent(part(first)),
        percent(part(last)),
    );
    let told = |m: &MtuResult| m.overhead_counted.is_some() && m.probed.is_some();
    let agree = |m: &MtuResult| {
        m.overhead_counted.is_none_or(|c| (c - f64::from(m.overhead_computed)).abs() < 0.5)
            && m.probed.is_none_or(|probed| probed == m.inner)
    };
    if all().all(told) {
        let right = all().filter(|m| agree(m)).count();
        let of = sweep.variants.len();
        line += &if right == of {
            format!("; computed, counted and probed agree at all {right}")
        } else {
            format!("; computed, counted and probed are APART at {} of {of}", of - right)
        };
    }
    if let (Some(least), Some(most)) = (first.goodput_felt, last.goodput_felt) {
        line += &format!("; felt as goodput of {} to {}", percent(least), percent(most));
        if let (Some(low), Some(high)) = (first.goodput_ceiling, last.goodput_ceiling) {
            line += &format!(", where arithmetic allows {} to {}", percent(low), percent(high));
        }
        line += " of the link's rate";
    }
    Some(line + ".")
}

/// `vxlan-mtu9000-mesh` without its MTU.
pub(super) fn without_mtu(name: &str) -> String {
    let is_mtu = |part: &&str| {
        part.strip_prefix("mtu")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    name.split('-').filter(|part| !is_mtu(part)).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(probed: u32) -> RunResult {
        let mut run: RunResult =
            super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        run.variants.truncate(1);
        let at = |underlay: u32, felt: f64| {
            let mtu = MtuResult {
                underlay,
                inner: underlay - 50,
                probed: Some(underlay - 50),
                overhead_computed: 50,
                overhead_counted: Some(50.0),
                goodput_felt: Some(felt),
                ..MtuResult::default()
            };
            let name = format!("vxlan-mtu{underlay}-mesh");
            VariantResult { name, mtu, ..VariantResult::default() }
        };
        run.variants.extend([at(9000, 0.98), at(1500, 0.92)]);
        run.variants[1].mtu.probed = Some(probed);
        run
    }

    #[test]
    fn variants_that_differ_in_the_mtu_make_one_sweep() {
        assert_eq!(without_mtu("vxlan-mtu9000-kernel"), "vxlan-kernel");
        assert_eq!(without_mtu("mtu-mtux"), "mtu-mtux");
        let table = sheet(&run(8950));
        assert_eq!(table.rows.len(), 2, "a variant alone is no sweep");
        let expected = [
            "vxlan-mesh",
            "1,500",
            "50",
            "50",
            "1,450",
            "1,450",
            "3.30\u{a0}%",
            "–",
            "92.0\u{a0}%",
        ];
        assert_eq!(table.rows[0], expected);
        assert_eq!(
            sentences(&run(8950)),
            [
                "vxlan-mesh: on underlays of 1,500 to 9,000 bytes its 50 bytes of headers are 3.30 % to 0.555 % of a full frame; computed, counted and probed agree at all 2; felt as goodput of 92.0 % to 98.0 % of the link's rate."
            ]
        );
    }

    #[test]
    fn sizes_that_are_apart_are_told() {
        assert!(sentences(&run(8900))[0].contains("are APART at 1 of 2"));
    }
}
