//! What logs say of the time between two events: pure arithmetic.

use std::time::Duration;

use super::{FlowLog, StreamLog};
use crate::measure::result::{ConnectionResult, OutageResult};

/// A flow of which nothing arrived in the last part of a period has not healed in it.
const TAIL: Duration = Duration::from_millis(100);
/// What the beginning of a watch is left out of the quiet time: first questions for addresses.
const BEGINNING: Duration = Duration::from_millis(100);
/// What begins so soon after an event was brought about began with it: a flow sends every 8 ms, and
/// what a busy machine does later is no matter of the event.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What datagrams that were sent from `from` to before `to` felt of an event that was brought about by
/// `done`.
#[must_use]
pub fn outage(flows: &[FlowLog], from: Duration, done: Duration, to: Duration) -> OutageResult {
    let mut sum = OutageResult { healed: true, ..OutageResult::default() };
    for flow in flows {
        let (sent, lost) = counted(flow, from, to);
        sum.flows += 1;
        sum.flows_hit += u32::from(lost > 0);
        sum.sent += sent;
        sum.lost += lost;
        for gap in gaps(flow, from, to) {
            let ms = milliseconds(gap.length);
            if ms > sum.downtime_ms {
                (sum.downtime_ms, sum.down_from) = (ms, Some(gap.from.as_secs_f64()));
            }
            if gap.from <= done + AT_ONCE && sum.at_once_ms.is_none_or(|most| ms > most) {
                sum.at_once_ms = Some(ms);
                sum.at_once_from = Some(gap.from.as_secs_f64());
            }
            sum.healed &= gap.ended || gap.length < TAIL;
        }
    }
    sum
}

/// The longest time of any flow in milliseconds in which nothing arrived before the first event.
#[must_use]
pub fn quiet(flows: &[FlowLog], first_event: Duration) -> f64 {
    let all = flows.iter().flat_map(|flow| gaps(flow, BEGINNING, first_event));
    milliseconds(all.map(|gap| gap.length).max().unwrap_or_default())
}

/// Datagrams sent from `from` to before `to`, and those of them that never arrived.
fn counted(flow: &FlowLog, from: Duration, to: Duration) -> (u64, u64) {
    let period = flow.sent.iter().zip(&flow.arrived).filter(|(sent, _)| (from..to).contains(sent));
    period.fold((0, 0), |(sent, lost), (_, at)| (sent + 1, lost + u64::from(at.is_none())))
}

/// A time in which a flow sent and nothing of it arrived; mostly as long as a datagram is under way.
struct Gap {
    from: Duration,
    length: Duration,
    /// Whether something arrived again before the period's end.
    ended: bool,
}

/// All gaps of a period. One begins when the first datagram is sent that is lost or late, so that a sender
/// that is held up makes none.
fn gaps(flow: &FlowLog, from: Duration, to: Duration) -> Vec<Gap> {
    let mut all = Vec::new();
    let mut waiting: Option<Duration> = None;
    for (sent, arrived) in flow.sent.iter().zip(&flow.arrived) {
        if !(from..to).contains(sent) {
            continue;
        }
        let since = *waiting.get_or_insert(*sent);
        // What comes after the next event tells of that.
        if let Some(at) = arrived.filter(|at| *at <= to) {
            all.push(Gap { from: since, length: at.saturating_sub(since), ended: true });
            waiting = None;
        }
    }
    let tail = |since| Gap { from: since, length: to.saturating_sub(since), ended: false };
    all.extend(waiting.map(tail));
    all
}

/// What a connection felt from `from` to `to`, of an event that was brought about by `done`: what is
/// written before that may still get through.
#[must_use]
pub fn connection(
    log: &StreamLog,
    from: Duration,
    done: Duration,
    to: Duration,
) -> ConnectionResult {
    let by = |log: &[(Duration, u64)], at: Duration| {
        log.iter().take_while(|(when, _)| *when <= at).last().map_or(0, |(_, bytes)| *bytes)
    };
    let sent_before = by(&log.written, done);
    let (read_before, read) = (by(&log.read, from), by(&log.read, to));
    let (mut last, mut gap) = (from, Duration::ZERO);
    for (at, _) in log.read.iter().filter(|(at, _)| (from..=to).contains(at)) {
        gap = gap.max(at.saturating_sub(last));
        last = *at;
    }
    gap = gap.max(to.saturating_sub(last));
    ConnectionResult {
        survived: log.error.is_none() && read > sent_before,
        gap_ms: milliseconds(gap),
        bytes: read - read_before,
        error: log.error.clone(),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A datagram every 10 ms, each on its way for 1 ms, but for those in `lost`.
    fn flow(lost: std::ops::Range<u64>) -> FlowLog {
        let sent: Vec<u64> = (0..100).map(|n| n * 10).collect();
        let arrived = sent.iter().map(|at| (!lost.contains(at)).then_some(ms(at + 1))).collect();
        FlowLog { sent: sent.into_iter().map(ms).collect(), arrived }
    }

    #[test]
    fn downtime_is_from_the_first_lost_to_the_next_that_arrives() {
        let flows = [flow(300..500), flow(0..0)];
        let found = outage(&flows, ms(300), ms(300), ms(1000));
        assert_eq!((found.sent, found.lost, found.flows_hit), (140, 20, 1));
        assert!((found.downtime_ms - 201.0).abs() < 1e-6 && found.healed, "{found:?}");
        // What happens in another period is no matter of this one.
        assert_eq!(outage(&flows, ms(500), ms(500), ms(1000)).lost, 0);
        let cut = outage(&flows, ms(250), ms(250), ms(450));
        assert!((cut.downtime_ms - 150.0).abs() < 1e-6 && !cut.healed, "{cut:?}");
    }

    #[test]
    fn what_is_late_is_down_and_not_lost_and_a_sluggish_sender_is_neither() {
        let mut late = flow(0..0);
        late.arrived[40] = Some(ms(400 + 90));
        let found = outage(&[late], ms(300), ms(300), ms(1000));
        assert!(found.lost == 0 && (found.downtime_ms - 90.0).abs() < 1e-6, "{found:?}");
        let mut held_up = flow(0..0);
        held_up.sent.drain(30..60);
        held_up.arrived.drain(30..60);
        let found = outage(&[held_up], ms(0), ms(0), ms(1000));
        assert!((found.downtime_ms - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn what_began_with_the_event_is_told_from_what_came_later() {
        // Brought about at 200 ms within 5 ms, down for 60 ms; and 90 ms later on.
        let mut flow = flow(200..260);
        for late in 60..69 {
            flow.arrived[late] = None;
        }
        let found = outage(&[flow], ms(195), ms(200), ms(1000));
        let all = [found.downtime_ms, found.down_from.unwrap() * 1e3];
        assert!((all[0] - 91.0).abs() < 1e-6 && (all[1] - 600.0).abs() < 1e-6, "{found:?}");
        let first = [found.at_once_ms.unwrap(), found.at_once_from.unwrap() * 1e3];
        assert!((first[0] - 61.0).abs() < 1e-6 && (first[1] - 200.0).abs() < 1e-6, "{found:?}");
        let nothing = outage(&[FlowLog::default()], ms(0), ms(0), ms(100));
        assert!(nothing.at_once_ms.is_none() && nothing.down_from.is_none() && nothing.healed);
    }

    #[test]
    fn the_quiet_time_leaves_the_beginning_out() {
        assert!((quiet(&[flow(0..50)], ms(500)) - 1.0).abs() < 1e-6);
        assert!((quiet(&[flow(200..250)], ms(500)) - 51.0).abs() < 1e-6);
    }

    #[test]
    fn a_connection_survives_when_what_was_written_afterwards_arrives() {
        let written = (0..100).map(|n| (ms(n * 10), (n + 1) * 10)).collect();
        let until = |end: u64| {
            (0..100).map(|n| (ms(n * 10 + 1), (n + 1) * 10)).filter(move |(at, _)| *at < ms(end))
        };
        let whole = StreamLog { written, read: until(1000).collect(), error: None };
        let found = connection(&whole, ms(300), ms(310), ms(900));
        assert!(found.survived && found.gap_ms < 10.1, "{found:?}");
        let hung = StreamLog { read: until(311).collect(), ..whole.clone() };
        let found = connection(&hung, ms(300), ms(310), ms(900));
        assert!(!found.survived && (found.gap_ms - 599.0).abs() < 20.0, "{found:?}");
        let broken = StreamLog { error: Some("reset".into()), ..whole };
        assert!(!connection(&broken, ms(300), ms(310), ms(900)).survived);
    }
}
