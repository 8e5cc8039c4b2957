//! What logs say of the time between two events: pure arithmetic.

use std::time::Duration;

use super::{FlowLog, StreamLog};
use crate::measure::result::{ConnectionResult, OutageResult};

/// A flow of which nothing arrived in the last part of a period has not healed in it.
const TAIL: Duration = Duration::from_millis(100);
/// What the beginning of a watch is left out of the quiet time: first questions for addresses.
const BEGINNING: Duration = Duration::from_millis(100);

/// What datagrams that were sent from `from` to before `to` felt.
#[must_use]
pub fn outage(flows: &[FlowLog], from: Duration, to: Duration) -> OutageResult {
    let mut sum = OutageResult { healed: true, ..OutageResult::default() };
    for flow in flows {
        let (mut sent, mut lost) = (0, 0);
        let (longest, tail) = gaps(flow, from, to, |arrived| {
            sent += 1;
            lost += u64::from(!arrived);
        });
        sum.flows += 1;
        sum.flows_hit += u32::from(lost > 0);
        sum.sent += sent;
        sum.lost += lost;
        sum.downtime_ms = sum.downtime_ms.max(milliseconds(longest));
        sum.healed &= tail < TAIL;
    }
    sum
}

/// The longest time of any flow in milliseconds in which nothing arrived before the first event.
#[must_use]
pub fn quiet(flows: &[FlowLog], first_event: Duration) -> f64 {
    let longest = flows.iter().map(|flow| gaps(flow, BEGINNING, first_event, |_| {}).0);
    milliseconds(longest.max().unwrap_or_default())
}

/// The longest time in which something was sent and nothing arrived, and such a time at the end.
/// It begins when the first datagram is sent that is lost or late, so that a sender that is held up
/// makes no gap. `each` is told of every datagram whether it arrived at all.
fn gaps(
    flow: &FlowLog,
    from: Duration,
    to: Duration,
    mut each: impl FnMut(bool),
) -> (Duration, Duration) {
    let mut longest = Duration::ZERO;
    let mut waiting: Option<Duration> = None;
    for (sent, arrived) in flow.sent.iter().zip(&flow.arrived) {
        if !(from..to).contains(sent) {
            continue;
        }
        each(arrived.is_some());
        let since = *waiting.get_or_insert(*sent);
        // What comes after the next event tells of that.
        if let Some(at) = arrived.filter(|at| *at <= to) {
            longest = longest.max(at.saturating_sub(since));
            waiting = None;
        }
    }
    let tail = waiting.map(|since| to.saturating_sub(since)).unwrap_or_default();
    (longest.max(tail), tail)
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
        let found = outage(&flows, ms(300), ms(1000));
        assert_eq!((found.sent, found.lost, found.flows_hit), (140, 20, 1));
        assert!((found.downtime_ms - 201.0).abs() < 1e-6 && found.healed, "{found:?}");
        // What happens in another period is no matter of this one.
        assert_eq!(outage(&flows, ms(500), ms(1000)).lost, 0);
        let cut = outage(&flows, ms(250), ms(450));
        assert!((cut.downtime_ms - 150.0).abs() < 1e-6 && !cut.healed, "{cut:?}");
    }

    #[test]
    fn what_is_late_is_down_and_not_lost_and_a_sluggish_sender_is_neither() {
        let mut late = flow(0..0);
        late.arrived[40] = Some(ms(400 + 90));
        let found = outage(&[late], ms(300), ms(1000));
        assert!(found.lost == 0 && (found.downtime_ms - 90.0).abs() < 1e-6, "{found:?}");
        let mut held_up = flow(0..0);
        held_up.sent.drain(30..60);
        held_up.arrived.drain(30..60);
        let found = outage(&[held_up], ms(0), ms(1000));
        assert!((found.downtime_ms - 1.0).abs() < 1e-6, "{found:?}");
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
