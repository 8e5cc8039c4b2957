//! What engines refused.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::measure::result::VariantResult;

/// Engines dropped at least so many frames for each reason.
pub(super) fn drops(least: &BTreeMap<String, u64>, found: &VariantResult) -> Finding {
    let counted = |reason: &String| found.drops.get(reason).copied().unwrap_or_default();
    let held = least.iter().all(|(reason, least)| counted(reason) >= *least);
    let list = |of: &dyn Fn((&String, &u64)) -> String| {
        least.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    Finding::new(held, "").figures(
        list(&|(reason, least)| format!("≥ {least} {reason}")),
        list(&|(reason, _)| format!("{} {reason}", counted(reason))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_drops_than_expected_do_not_hold() {
        let least = BTreeMap::from([("unknown_network".to_owned(), 2)]);
        let mut found = VariantResult::default();
        assert!(!drops(&least, &found).held);
        found.drops.insert("unknown_network".into(), 2);
        assert!(drops(&least, &found).held);
    }
}
