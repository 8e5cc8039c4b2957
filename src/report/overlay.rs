//! What was found out about tunnels, broadcasts and first packets, as plain tables that every format
//! draws alike.

use super::cost;
use super::events;
use super::ledger;
use super::loaded;
use super::number::{NONE, count};
use super::published;
use super::sizes;
use super::switches::{growth, strays};
use super::transfers;
use crate::measure::result::RunResult;

/// Rows that are shown of one table.
const ROWS: usize = 120;

/// One table.
pub struct Sheet {
    /// What it is about.
    pub title: &'static str,
    /// Names of the columns.
    pub head: Vec<&'static str>,
    /// Rows of as many cells; the first ones name what the row is about.
    pub rows: Vec<Vec<String>>,
}

/// The tables that have something to say.
pub fn sheets(run: &RunResult) -> Vec<Sheet> {
    let mut sheets = vec![
        loaded::sheet(run),
        cost::sheet(run),
        published::sheet(run),
        sizes::sheet(run),
        transfers::sheet(run),
        ledger::sheet(run),
        events::sheet(run),
        growth(run),
        strays(run),
        tunnels(run),
        broadcasts(run),
        walks(run),
    ];
    sheets.retain(|sheet| !sheet.rows.is_empty());
    for sheet in &mut sheets {
        let more = sheet.rows.len().saturating_sub(ROWS);
        if more > 0 {
            sheet.rows.truncate(ROWS);
            let mut last = vec![format!("and {more} more in result.json")];
            last.resize(sheet.head.len(), String::new());
            sheet.rows.push(last);
        }
    }
    sheets
}

fn tunnels(run: &RunResult) -> Sheet {
    let rows = run.variants.iter().flat_map(|v| v.tunnels.iter().map(move |t| (v, t)));
    let rows = rows.map(|(v, (tenant, t))| {
        let mut row = vec![v.name.clone(), tenant.clone()];
        row.extend([t.hosts, t.tunnels, t.entries, t.entries_per_host].map(count));
        row.push(if t.planned { "the plan" } else { "engines" }.to_owned());
        row
    });
    Sheet {
        title: "What hosts know of each other",
        head: vec!["Variant", "Tenant", "Hosts", "Tunnels", "Entries", "On one host", "Counted in"],
        rows: rows.collect(),
    }
}

fn broadcasts(run: &RunResult) -> Sheet {
    let tenants = run.variants.iter().flat_map(|v| v.broadcasts.iter().map(move |b| (v, b)));
    let kinds = tenants.flat_map(|(v, (tenant, kinds))| kinds.iter().map(move |k| (v, tenant, k)));
    let rows = kinds.map(|(v, tenant, (kind, b))| {
        vec![
            v.name.clone(),
            tenant.clone(),
            kind.clone(),
            figure(b.copies.median, 2),
            figure(b.on_links, 2),
            figure(b.bytes_on_links, 0),
            format!("{} of {}", count(b.delivered), count(b.expected)),
        ]
    });
    Sheet {
        title: "One broadcast",
        head: vec![
            "Variant",
            "Tenant",
            "Kind",
            "Packets from the host",
            "Packets on all links",
            "Bytes on all links",
            "Delivered",
        ],
        rows: rows.collect(),
    }
}

fn walks(run: &RunResult) -> Sheet {
    let walks = run.variants.iter().flat_map(|v| v.walks.iter().map(move |w| (v, w)));
    let steps = walks.flat_map(|(v, w)| w.steps.iter().enumerate().map(move |s| (v, w, s)));
    let rows = steps.map(|(v, w, (number, step))| {
        vec![
            v.name.clone(),
            format!("{} → {}", w.from, w.to),
            format!("{}. {}", number + 1, step.what),
            step.theory.clone(),
            step.seen.clone(),
            if step.held() { "✓" } else { "✗" }.to_owned(),
        ]
    });
    Sheet {
        title: "The first packet, step by step",
        head: vec!["Variant", "Walk", "Step", "Theory", "Seen", ""],
        rows: rows.collect(),
    }
}

fn figure(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { NONE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::bum::BroadcastResult;

    #[test]
    fn figures_that_are_none_are_dashes() {
        assert_eq!((figure(1.0, 2), figure(f64::NAN, 2)), ("1.00".to_owned(), NONE.to_owned()));
        let none = BroadcastResult { on_links: f64::INFINITY, ..BroadcastResult::default() };
        assert_eq!(figure(none.on_links, 0), NONE);
    }
}
