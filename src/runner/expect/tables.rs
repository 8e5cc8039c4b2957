//! MAC tables, and what strays because of them.

use super::finding::Finding;
use crate::lab::{StrayExpected, TableExpected};
use crate::measure::result::VariantResult;

pub(super) fn table_words(table: &TableExpected) -> String {
    let when = table.vms.map_or_else(String::new, |vms| format!(" once {vms} VMs have spoken"));
    let bounds = bounds(table.at_least, table.at_most, "entries");
    format!("{}'s MAC table has {bounds}{when}", table.node)
}

pub(super) fn stray_words(stray: &StrayExpected) -> String {
    let bounds = bounds(stray.at_least, stray.at_most, "unicast frames");
    format!("{bounds} of {} are seen at ports that they are not for", stray.within)
}

fn bounds(at_least: Option<u32>, at_most: Option<u32>, of: &str) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) if least == most => format!("{least} {of}"),
        (Some(least), Some(most)) => format!("{least} to {most} {of}"),
        (Some(least), None) => format!("at least {least} {of}"),
        (None, Some(0)) => format!("no {of}"),
        (None, Some(most)) => format!("at most {most} {of}"),
        (None, None) => of.to_owned(),
    }
}

fn theory(at_least: Option<u32>, at_most: Option<u32>) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("≥ {least}"),
        (None, Some(most)) => format!("≤ {most}"),
        (None, None) => String::new(),
    }
}

fn within(count: u64, at_least: Option<u32>, at_most: Option<u32>) -> bool {
    at_least.is_none_or(|least| count >= least.into())
        && at_most.is_none_or(|most| count <= most.into())
}

/// The table of a node has so many entries, at the end or once so many VMs had spoken.
pub(super) fn table(table: &TableExpected, found: &VariantResult) -> Finding {
    let at = match table.vms {
        None => Some(&found.tables),
        Some(vms) => found
            .table_growth
            .iter()
            .find(|count| count.vms == u64::from(vms))
            .map(|count| &count.entries),
    };
    let Some(entries) = at else {
        return Finding::unknown("tables were not read when so many VMs had spoken");
    };
    // A node that keeps no table, as a router, holds no entries.
    let count = entries.get(&table.node).copied().unwrap_or_default();
    let growth = found.table_growth.iter().map(|step| {
        let entries = step.entries.get(&table.node).copied().unwrap_or_default();
        format!("{}: {entries}", step.vms)
    });
    let growth: Vec<String> = growth.collect();
    let detail = if growth.is_empty() {
        String::new()
    } else {
        format!("entries by VMs that had spoken: {}", growth.join(", "))
    };
    Finding::new(within(count, table.at_least, table.at_most), detail)
        .figures(theory(table.at_least, table.at_most), count)
}

/// So many frames were seen where they should not be, while all reached their aim.
pub(super) fn stray(stray: &StrayExpected, found: &VariantResult) -> Finding {
    let Some(seen) = found.strays.get(&stray.within) else {
        return Finding::unknown("stray frames were not looked for here");
    };
    let alive = seen.sent > 0 && seen.delivered == seen.sent;
    let most: Vec<String> =
        seen.ports.iter().map(|(port, count)| format!("{port} {count}")).take(4).collect();
    let more = seen.ports.len().saturating_sub(most.len());
    let more = if more > 0 { format!(" and {more} more ports") } else { String::new() };
    let places =
        if most.is_empty() { String::new() } else { format!("; at {}{more}", most.join(", ")) };
    let detail = format!(
        "control: {} of {} frames reached their VM; {} ports watched{places}",
        seen.delivered, seen.sent, seen.watched
    );
    Finding::new(alive && within(seen.strays, stray.at_least, stray.at_most), detail)
        .figures(theory(stray.at_least, stray.at_most), seen.strays)
        .unless_missed(stray.at_most.map_or(0, |_| seen.missed))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::stray::StrayResult;
    use crate::measure::tables::TableCount;

    fn entries(count: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("leaf1".to_owned(), count)])
    }

    #[test]
    fn tables_are_counted_at_the_end_or_on_the_way() {
        let found = VariantResult {
            tables: entries(16),
            table_growth: vec![TableCount { vms: 8, entries: entries(8) }],
            ..VariantResult::default()
        };
        let holds = |node: &str, vms, at_least, at_most| {
            table(&TableExpected { node: node.into(), vms, at_least, at_most }, &found).held
        };
        assert!(holds("leaf1", None, Some(16), Some(16)));
        assert!(!holds("leaf1", None, Some(17), None) && !holds("leaf1", None, None, Some(15)));
        assert!(
            holds("leaf1", Some(8), Some(8), Some(8)) && !holds("leaf1", Some(8), Some(9), None)
        );
        assert!(!holds("leaf1", Some(9), None, Some(100)), "nobody looked then");
        assert!(holds("spine1", None, None, Some(0)) && !holds("spine1", None, Some(1), None));
    }

    #[test]
    fn strays_count_only_in_a_network_that_is_alive() {
        let found = |delivered, strays| VariantResult {
            strays: BTreeMap::from([(
                "red".to_owned(),
                StrayResult { sent: 9, delivered, strays, ..StrayResult::default() },
            )]),
            ..VariantResult::default()
        };
        let expected =
            |at_least, at_most| StrayExpected { within: "red".into(), at_least, at_most };
        assert!(stray(&expected(None, Some(0)), &found(9, 0)).held);
        assert!(!stray(&expected(None, Some(0)), &found(8, 0)).held, "one frame was lost");
        assert!(!stray(&expected(None, Some(0)), &found(9, 1)).held);
        assert!(stray(&expected(Some(5), None), &found(9, 5)).held);
        assert!(!stray(&expected(Some(6), None), &found(9, 5)).held);
        assert!(!stray(&expected(None, Some(0)), &VariantResult::default()).held);
    }
}
