//! What events did to the traffic that was watched.

use super::number::{count, seconds};
use super::overlay::Sheet;
use crate::measure::result::{EventResult, OutageResult, RunResult, VariantResult};

/// The title of what events did.
pub const TITLE: &str = "Events, and what they did to traffic";

/// One row for each event in each variant.
pub fn sheet(run: &RunResult) -> Sheet {
    Sheet {
        title: TITLE,
        head: vec![
            "Variant",
            "Event",
            "At",
            "Watched",
            "Down there",
            "Down back",
            "Datagrams lost",
            "Flows hit",
            "TCP",
            "Longest gap before",
        ],
        rows: all(run).map(|(v, e)| row(v, e)).collect(),
    }
}

fn row(v: &VariantResult, e: &EventResult) -> Vec<String> {
    vec![
        v.name.clone(),
        format!("{}. {}", e.number, e.what),
        format!("{:.2} s", e.at),
        e.watched.clone(),
        downtime(&e.there),
        downtime(&e.back),
        format!(
            "{} of {}",
            count(e.there.lost.saturating_add(e.back.lost)),
            count(e.there.sent.saturating_add(e.back.sent))
        ),
        format!(
            "{} of {}",
            u64::from(e.there.flows_hit) + u64::from(e.back.flows_hit),
            u64::from(e.there.flows) + u64::from(e.back.flows)
        ),
        connection(e),
        time(e.quiet_ms),
    ]
}

fn all(run: &RunResult) -> impl Iterator<Item = (&VariantResult, &EventResult)> {
    run.variants.iter().flat_map(|v| v.events.iter().map(move |e| (v, e)))
}

fn downtime(outage: &OutageResult) -> String {
    let healed = if outage.healed { "" } else { ", not healed" };
    let later = outage.later();
    let later = later.map(|(ms, from)| format!(", later {} at {from:.2} s", time(ms)));
    format!("{}{}{healed}", time(outage.at_event().0), later.unwrap_or_default())
}

/// Milliseconds: `31 ms`, `12.5 s`.
fn time(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0} ms") } else { seconds(ms / 1e3) }
}

fn connection(event: &EventResult) -> String {
    match (&event.tcp.error, event.tcp.survived) {
        (Some(error), _) => format!("ended: {error}"),
        (None, true) => format!("survived, gap of {}", time(event.tcp.gap_ms)),
        (None, false) => "nothing arrived any more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_row_with_its_outage() {
        let there = OutageResult {
            flows: 8,
            flows_hit: 2,
            sent: 1500,
            lost: 40,
            downtime_ms: 123.4,
            down_from: Some(1.01),
            at_once_ms: Some(123.4),
            at_once_from: Some(1.01),
            healed: true,
        };
        let back = OutageResult { flows: 8, sent: 1500, healed: true, ..OutageResult::default() };
        let event = EventResult {
            number: 1,
            what: "link a-b is cut".into(),
            at: 1.0,
            there,
            back,
            routes_changed: 3,
            ..EventResult::default()
        };
        let variant = VariantResult { name: "vxlan".into(), ..VariantResult::default() };
        let row = row(&variant, &event);
        assert_eq!(row[4..8], ["123 ms", "0 ms", "40 of 3,000", "2 of 16"]);
        assert_eq!(row[8], "nothing arrived any more");
        let busy = OutageResult {
            downtime_ms: 73.0,
            down_from: Some(2.7),
            at_once_ms: Some(21.4),
            healed: true,
            ..OutageResult::default()
        };
        assert_eq!(downtime(&busy), "21 ms, later 73 ms at 2.70 s");
    }
}
