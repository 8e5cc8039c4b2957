//! What events did to the traffic that was watched.

use std::fmt::Display;

use super::finding::Finding;
use crate::lab::{DowntimeExpected, Span, SurvivalExpected};
use crate::measure::result::{EventResult, OutageResult, VariantResult};

/// How long nothing may pass after an event, in words.
pub(super) fn downtime_words(expected: &DowntimeExpected) -> String {
    let whose = whose(expected.within.as_ref());
    format!("downtime{whose} after event {} is {}", expected.event, bounds(expected))
}

/// What becomes of a connection, in words.
pub(super) fn survival_words(expected: &SurvivalExpected) -> String {
    let what = if expected.tcp { "survives" } else { "breaks or hangs" };
    let whose = whose(expected.within.as_ref());
    format!("TCP{whose} {what} at event {}", expected.event)
}

/// The downtime of every pair that was watched, in its worse direction, is within the bounds.
pub(super) fn downtime(expected: &DowntimeExpected, found: &VariantResult) -> Finding {
    let events = events(&expected.event, expected.within.as_ref(), found);
    if events.is_empty() {
        return not_seen();
    }
    let milliseconds = |span: Span| span.0.as_secs_f64() * 1e3;
    let held = |event: &&EventResult| {
        let (down, healed) = event.downtime();
        let short = expected.at_most.is_none_or(|most| healed && down <= milliseconds(most));
        short && expected.at_least.is_none_or(|least| down >= milliseconds(least))
    };
    let worst = events.iter().map(|event| event.downtime_at_event().0).fold(0.0, f64::max);
    let healed = events.iter().all(|event| event.downtime().1);
    let at_event = if healed { format!("{worst:.0} ms") } else { format!("over {worst:.0} ms") };
    // What is judged is the longest; what the event did and what came later are told apart.
    let outages = events.iter().flat_map(|event| [&event.there, &event.back]);
    let later = outages.filter_map(OutageResult::later).max_by(|a, b| a.0.total_cmp(&b.0));
    let later = later.filter(|(ms, _)| *ms > worst);
    let measured = match later {
        Some((ms, from)) => format!("{at_event}, later {ms:.0} ms at {from:.2} s"),
        None => at_event,
    };
    let both = if later.is_some() { ", the later gap's among them" } else { "" };
    let lost: u64 = events.iter().map(|event| event.there.lost + event.back.lost).sum();
    let sent: u64 = events.iter().map(|event| event.there.sent + event.back.sent).sum();
    let took = events.iter().map(|event| event.took_ms).fold(0.0, f64::max);
    let quiet = events.iter().map(|event| event.quiet_ms).fold(0.0, f64::max);
    Finding::new(
        events.iter().all(held),
        format!(
            "{lost} of {sent} datagrams lost{both}; bringing it about took {took:.0} ms; {quiet:.0} ms \
             at most before the first event"
        ),
    )
    .figures(bounds(expected), measured)
}

/// The connection of every pair that was watched carries on, or none does.
pub(super) fn survives(expected: &SurvivalExpected, found: &VariantResult) -> Finding {
    let events = events(&expected.event, expected.within.as_ref(), found);
    if events.is_empty() {
        return not_seen();
    }
    let each = events.iter().map(|event| match (&event.tcp.error, event.tcp.survived) {
        (Some(error), _) => format!("{}: {error}", event.watched),
        (None, true) => format!("{}: gap of {:.0} ms", event.watched, event.tcp.gap_ms),
        (None, false) => {
            format!("{}: nothing arrived in {:.0} ms", event.watched, event.tcp.gap_ms)
        }
    });
    Finding::new(
        events.iter().all(|event| event.tcp.survived == expected.tcp),
        each.collect::<Vec<_>>().join("; "),
    )
}

fn not_seen() -> Finding {
    Finding::unknown("the event did not happen here, or its traffic is not carried")
}

/// What was found of an event, in all pairs or in those of a tenant.
fn events<'a>(
    reference: &str,
    within: Option<&String>,
    found: &'a VariantResult,
) -> Vec<&'a EventResult> {
    let asked = |event: &&EventResult| {
        let tenant = event.watched.split('/').next();
        within.is_none_or(|within| tenant == Some(within))
    };
    let named = |event: &&EventResult| event.name.as_deref() == Some(reference);
    let numbered = |event: &&EventResult| event.number.to_string() == reference;
    if found.events.iter().any(|event| named(&event)) {
        found.events.iter().filter(named).filter(asked).collect()
    } else {
        found.events.iter().filter(numbered).filter(asked).collect()
    }
}

fn whose(within: Option<&String>) -> String {
    within.map(|tenant| format!(" of {tenant}")).unwrap_or_default()
}

fn bounds(expected: &DowntimeExpected) -> String {
    let bound = |sign: &str, span: &dyn Display| format!("{sign} {span}");
    let least = expected.at_least.as_ref().map(|least| bound("≥", least));
    let most = expected.at_most.as_ref().map(|most| bound("≤", most));
    least.into_iter().chain(most).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::result::ConnectionResult;

    fn found(down: f64, healed: bool, survived: bool) -> VariantResult {
        let outage = OutageResult { downtime_ms: down, healed, ..OutageResult::default() };
        let back = OutageResult { healed: true, ..OutageResult::default() };
        let tcp = ConnectionResult { survived, ..ConnectionResult::default() };
        let event = EventResult { number: 1, there: outage, back, tcp, ..EventResult::default() };
        VariantResult { events: vec![event], ..VariantResult::default() }
    }

    fn expected(at_least: Option<u64>, at_most: Option<u64>) -> DowntimeExpected {
        let span = |ms: u64| Span(Duration::from_millis(ms));
        let (at_least, at_most) = (at_least.map(span), at_most.map(span));
        DowntimeExpected { event: "1".into(), at_most, at_least, within: None }
    }

    #[test]
    fn downtime_lies_within_both_bounds() {
        let of = |least, most, found: &VariantResult| downtime(&expected(least, most), found).held;
        assert!(of(Some(90), Some(100), &found(95.0, true, true)));
        assert!(!of(Some(96), None, &found(95.0, true, true)));
        assert!(!of(None, Some(94), &found(95.0, true, true)));
        let endless = found(95.0, false, true);
        assert!(!of(None, Some(500), &endless), "what does not heal is not short");
        assert!(of(Some(90), None, &endless));
        assert!(!of(None, Some(500), &VariantResult::default()), "it did not happen");
    }

    #[test]
    fn what_came_later_is_judged_but_told_apart() {
        let mut moved = found(60.0, true, true);
        let there = &mut moved.events[0].there;
        (there.at_once_ms, there.at_once_from) = (Some(25.0), Some(1.0));
        (there.down_from, there.lost, there.sent) = (Some(2.649), 9, 100);
        let told = downtime(&expected(None, Some(50)), &moved);
        assert!(!told.held, "the longest counts");
        assert_eq!(told.measured.as_deref(), Some("25 ms, later 60 ms at 2.65 s"));
        assert!(told.detail.starts_with("9 of 100 datagrams lost, the later gap's among them;"));
        moved.events[0].there.at_once_ms = Some(60.0);
        let told = downtime(&expected(None, Some(60)), &moved);
        assert!(told.held);
        assert_eq!(told.measured.as_deref(), Some("60 ms"));
        assert!(told.detail.starts_with("9 of 100 datagrams lost; "), "{}", told.detail);
    }

    #[test]
    fn connections_survive_or_do_not() {
        let of = |tcp, found: &VariantResult| {
            survives(&SurvivalExpected { event: "1".into(), tcp, within: None }, found).held
        };
        assert!(of(true, &found(0.0, true, true)) && !of(true, &found(0.0, true, false)));
        assert!(of(false, &found(0.0, true, false)) && !of(false, &found(0.0, true, true)));
        assert!(!of(false, &VariantResult::default()));
    }

    #[test]
    fn a_tenant_is_asked_for_alone() {
        let mut both = found(10.0, true, true);
        both.events[0].watched = "red/a→red/b".into();
        both.events.push(EventResult {
            watched: "blue/a→blue/b".into(),
            ..found(900.0, false, false).events.remove(0)
        });
        let survives = |within: Option<&str>, tcp| {
            let within = within.map(str::to_owned);
            survives(&SurvivalExpected { event: "1".into(), tcp, within }, &both).held
        };
        assert!(survives(Some("red"), true) && survives(Some("blue"), false));
        assert!(!survives(None, true) && !survives(None, false) && !survives(Some("green"), true));
        let within = Some("red".to_owned());
        let expected = DowntimeExpected { within, ..expected(None, Some(20)) };
        assert!(downtime(&expected, &both).held);
        assert_eq!(downtime_words(&expected), "downtime of red after event 1 is ≤ 20ms");
    }
}
