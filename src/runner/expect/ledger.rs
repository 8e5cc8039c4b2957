//! Whether the byte ledger adds up.

use super::finding::Finding;
use crate::measure::result::{LedgerRow, VariantResult, Verdict};

/// What has to hold, in words.
pub(super) const WORDS: &str =
    "the VMs' bytes and the headers are the bytes on the wire at every hop";

/// Every row adds up, and there are rows of links.
pub(super) fn ledger(found: &VariantResult) -> Finding {
    let links = found.ledger.iter().filter(|row| row.hop.contains(" → ") && row.frames > 0);
    if links.count() == 0 {
        return Finding::unknown("no bytes were weighed on a link here");
    }
    let wrong: Vec<&LedgerRow> = found.ledger.iter().filter(|row| !row.adds_up()).collect();
    let off = wrong.iter().map(|row| row.difference().unsigned_abs()).fold(0, u64::saturating_add);
    let bytes = found.ledger.iter().map(|row| row.outer).fold(0, u64::saturating_add);
    let mut detail = vec![format!("{} rows, {bytes} B on the wire", found.ledger.len())];
    detail.extend(wrong.iter().take(3).map(|row| {
        let why = row.wrong.as_deref().unwrap_or("its sum does not add up");
        format!("{} ({}): {why}", row.hop, row.pass)
    }));
    let losses = found.ledger.iter().filter(|row| row.lost + row.lost_behind > 0);
    detail.extend(losses.take(3).map(|row| {
        let lost = row.lost + row.lost_behind;
        format!("{lost} frames of the {} were lost at {}", row.pass, row.hop)
    }));
    Finding::new(wrong.is_empty(), detail.join("; ")).figures(
        "0 B apart",
        match wrong.len() {
            0 => "0 B apart".to_owned(),
            rows => format!("{off} B apart, in {rows} of the rows"),
        },
    )
}

/// A ledger that does not add up fails the run, whether the lab expects something of it or not: the
/// verdicts on those that no expectation is about.
pub(super) fn unasked<'r>(
    verdicts: &[Verdict],
    variants: impl Iterator<Item = &'r VariantResult>,
) -> Vec<Verdict> {
    let asked =
        |found: &VariantResult| verdicts.iter().any(|v| v.what == WORDS && v.variant == found.name);
    let wrong = variants.filter(|found| found.ledger.iter().any(|row| !row.adds_up()));
    let wrong = wrong.filter(|found| !asked(found)).map(|found| {
        let Finding { held, theory, measured, detail } = ledger(found);
        let (what, variant) = (WORDS.to_owned(), found.name.clone());
        Verdict { what, variant, held, theory, measured, detail, ..Verdict::default() }
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(&str, u64, u64)]) -> VariantResult {
        let ledger = rows.iter().map(|(hop, inner, outer)| LedgerRow {
            hop: (*hop).into(),
            pass: "datagrams".into(),
            frames: 1,
            inner: *inner,
            outer: *outer,
            ..LedgerRow::default()
        });
        VariantResult { name: "vxlan".into(), ledger: ledger.collect(), ..VariantResult::default() }
    }

    #[test]
    fn one_row_that_is_off_fails_the_ledger() {
        assert!(ledger(&found(&[("red/vm1", 9, 9), ("h1 → h2", 9, 9)])).held);
        let off = ledger(&found(&[("red/vm1", 9, 9), ("h1 → h2", 9, 11)]));
        assert!(!off.held);
        assert_eq!(off.measured.as_deref(), Some("2 B apart, in 1 of the rows"));
        assert!(off.detail.contains("h1 → h2 (datagrams)"), "{}", off.detail);
    }

    #[test]
    fn ports_alone_show_nothing() {
        assert!(!ledger(&found(&[("red/vm1", 9, 9)])).held);
        assert!(!ledger(&found(&[])).held);
        let mut silent = found(&[("h1 → h2", 0, 0)]);
        silent.ledger[0].frames = 0;
        assert!(!ledger(&silent).held, "nothing crossed");
    }

    #[test]
    fn a_ledger_that_is_off_fails_without_being_asked_and_only_once() {
        let (good, bad) = (found(&[("h1 → h2", 9, 9)]), found(&[("h1 → h2", 9, 8)]));
        assert!(unasked(&[], [&good].into_iter()).is_empty());
        let verdicts = unasked(&[], [&good, &bad].into_iter());
        assert_eq!(verdicts.len(), 1);
        assert!(!verdicts[0].held);
        assert!(unasked(&verdicts, [&bad].into_iter()).is_empty());
    }
}
