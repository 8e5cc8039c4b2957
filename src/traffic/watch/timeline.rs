//! What logs say of each short interval of the watched time: pure arithmetic.

use std::time::Duration;

use super::{FlowLog, Log};
use crate::measure::result::{DirectionTimeline, TimelineResult};

/// Lengths of an interval in milliseconds, of which the shortest is taken that makes no more than [`MOST`].
const LENGTHS: [u64; 7] = [20, 50, 100, 200, 500, 1000, 2000];
/// Intervals at most: as many as a drawing can show.
const MOST: u128 = 400;

/// What was sent and what arrived in each interval of `span`. What arrived later than that is left out.
#[must_use]
pub fn timeline(watched: &str, log: &Log, span: Duration) -> TimelineResult {
    let length = LENGTHS.into_iter().find(|ms| span.as_millis().div_ceil(u128::from(*ms)) <= MOST);
    let length = Duration::from_millis(length.unwrap_or(LENGTHS[LENGTHS.len() - 1]));
    let count = usize::try_from(span.as_millis().div_ceil(length.as_millis())).unwrap_or_default();
    let at = |when: Duration| usize::try_from(when.as_millis() / length.as_millis()).ok();
    let counted = |times: &mut dyn Iterator<Item = Duration>| {
        let mut counts = vec![0_u32; count];
        for n in times.filter_map(at) {
            if let Some(count) = counts.get_mut(n) {
                *count += 1;
            }
        }
        counts
    };
    let direction = |flows: &[FlowLog]| DirectionTimeline {
        sent: counted(&mut flows.iter().flat_map(|flow| flow.sent.iter().copied())),
        arrived: counted(&mut flows.iter().flat_map(|flow| flow.arrived.iter().flatten().copied())),
    };
    let mut tcp_bytes = vec![0; count];
    let mut before = 0;
    for (when, read) in &log.tcp.read {
        if let Some(bytes) = at(*when).and_then(|n| tcp_bytes.get_mut(n)) {
            *bytes += read.saturating_sub(before);
        }
        before = *read;
    }
    TimelineResult {
        watched: watched.to_owned(),
        interval_ms: length.as_secs_f64() * 1e3,
        there: direction(&log.there),
        back: direction(&log.back),
        tcp_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::StreamLog;
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn everything_is_counted_where_it_happened_and_once() {
        let flow = FlowLog {
            sent: [0, 5, 19, 20, 41, 59].map(ms).to_vec(),
            arrived: vec![Some(ms(1)), None, Some(ms(21)), Some(ms(39)), Some(ms(60)), None],
        };
        let one = FlowLog { sent: vec![ms(59)], arrived: vec![Some(ms(59))] };
        let read = vec![(ms(3), 10), (ms(18), 15), (ms(45), 115), (ms(80), 200)];
        let tcp = StreamLog { read, ..StreamLog::default() };
        let log = Log { there: vec![flow.clone(), one], back: vec![flow], tcp };
        let found = timeline("red/a→red/b", &log, ms(60));
        assert_eq!(found.there.sent, [3, 1, 3]);
        assert_eq!(found.there.arrived, [1, 2, 1], "what arrives after the end is left out");
        assert_eq!(found.back.arrived, [1, 2, 0]);
        assert_eq!(found.tcp_bytes, [15, 0, 100]);
        assert!((found.interval_ms - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_long_watch_has_longer_intervals() {
        let of = |span| {
            let found = timeline("x", &Log::default(), span);
            (found.interval_ms.round() as u64, found.tcp_bytes.len())
        };
        assert_eq!(of(ms(8000)), (20, 400));
        assert_eq!(of(ms(8001)), (50, 161));
        assert_eq!(of(ms(60_000)), (200, 300));
        assert_eq!(of(ms(0)), (20, 0));
        assert_eq!(of(Duration::from_secs(3600)).0, 2000);
    }
}
