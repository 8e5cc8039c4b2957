//! How long frames are under way, and which overtake others.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::arrivals::{Summary, in_trains, late, summary};
use super::{Ends, SHORTEST};
use crate::lab::{Delay, Impaired, Reorder};
use crate::measure::Place;
use crate::measure::ends::wait;
use crate::measure::error::MeasureError;
use crate::measure::result::{DelayResult, ReorderResult};
use crate::measure::tap::BUFFER;
use crate::plan::{Link, Variant};

/// About how long probes are sent.
const SPAN: Duration = Duration::from_millis(1500);
/// Probes each way on one link, at least and at most; trains of them where the link is to reorder.
const PROBES: std::ops::RangeInclusive<u32> = 20..=300;
/// Least time between two probes of a direction.
const APART: Duration = Duration::from_millis(2);
/// Probes in a train, back to back: one that goes ahead overtakes the others, unless all before it
/// went ahead too, of which there are fewer the longer trains are.
const TRAIN: usize = 16;
/// What a train counts as among probes: its frames are one after the other and wait for no wake-up.
const TRAIN_COUNTS_AS: f64 = 8.0;
/// Probes a second on all links together, so that they do not wait for each other.
const TOGETHER: f64 = 4000.0;
/// How much later than planned the last ones may come.
const PATIENCE: Duration = Duration::from_millis(300);

/// What was observed of one link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Times under way.
    pub delay: DelayResult,
    /// Who overtook, where the link is to reorder.
    pub reorder: Option<ReorderResult>,
}

/// One link's probes.
struct Probing {
    ends: Ends,
    impaired: Impaired,
    /// Probes sent back to back: one, or a train.
    size: usize,
    /// Time between two probes or trains of a direction.
    apart: Duration,
    /// Probes or trains.
    count: u32,
    next: Instant,
    /// When each probe was sent, from either end; `None` where the queue there was full.
    sent: [Vec<Option<Duration>>; 2],
    /// Number and time of what arrived from either end.
    arrived: [Vec<(u32, Duration)>; 2],
}

/// Probes all impaired links of these variants at once, both directions of each, for about two
/// seconds; in the order of variants and links, `None` for links that are not impaired.
///
/// Probes are single short frames, far enough apart that none has to wait for the one before it. Where
/// the link is to reorder they are trains, in whose order is seen who overtakes, and whose first
/// frames tell the delay.
///
/// # Errors
/// An interface cannot be watched or sent from.
pub fn delays(
    place: &impl Place,
    variants: &[&Variant],
) -> Result<Vec<Vec<Option<Observed>>>, MeasureError> {
    let begun = Instant::now();
    let mut all = Vec::with_capacity(variants.len());
    for variant in variants {
        let each = variant.links.iter().map(|link| {
            let probing = || Probing::open(place, variant, link, begun);
            link.impaired.any().then(probing).transpose()
        });
        all.push(each.collect::<Result<Vec<_>, _>>()?);
    }
    let mut probing: Vec<&mut Probing> = all.iter_mut().flatten().flatten().collect();
    let per_second: f64 = probing.iter().map(|p| p.per_second()).sum();
    for one in &mut probing {
        one.slow_down(per_second / TOGETHER);
    }
    exchange(&mut probing)?;
    let observed = |p: Option<Probing>| p.map(Probing::observed);
    Ok(all.into_iter().map(|links| links.into_iter().map(observed).collect()).collect())
}

fn exchange(probing: &mut [&mut Probing]) -> Result<(), MeasureError> {
    let mut buffer = vec![0; BUFFER];
    let mut last = Instant::now();
    let longest = probing.iter().map(|p| p.longest()).max().unwrap_or_default();
    loop {
        let now = Instant::now();
        for one in probing.iter_mut() {
            if one.send(now)? {
                last = now;
            }
            one.receive(&mut buffer)?;
        }
        let next = probing.iter().filter(|p| !p.all_sent()).map(|p| p.next).min();
        let end = last + longest + PATIENCE;
        if next.is_none() && (now >= end || probing.iter().all(|p| p.all_here())) {
            return Ok(());
        }
        let taps: Vec<_> = probing.iter().flat_map(|p| &p.ends.taps).map(AsFd::as_fd).collect();
        let failed = MeasureError::system("wait for probes of links");
        wait(&taps, next.unwrap_or(end)).map_err(failed)?;
    }
}

impl Probing {
    fn open(
        place: &impl Place,
        variant: &Variant,
        link: &Link,
        begun: Instant,
    ) -> Result<Probing, MeasureError> {
        let impaired = link.impaired.real();
        let time = |time: Option<Delay>| time.map(Delay::time).unwrap_or_default();
        let size = if impaired.reorder.is_some() { TRAIN } else { 1 };
        // A link with a rate passes the frames of a train at once only if it had rest before.
        let bits = size as u64 * SHORTEST as u64 * 8;
        let rest = link.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(bits.saturating_mul(1_000_000_000) / rate.max(1))
        });
        let apart = time(impaired.jitter) * 2 + Duration::from_millis(1) + rest;
        let mut probing = Probing {
            ends: Ends::open(place, variant, link, SHORTEST)?,
            impaired,
            size,
            apart: apart.max(APART),
            count: 0,
            next: begun,
            sent: [Vec::new(), Vec::new()],
            arrived: [Vec::new(), Vec::new()],
        };
        probing.slow_down(1.0);
        Ok(probing)
    }

    /// Leaves so many times as much time between probes, where that is more.
    fn slow_down(&mut self, times: f64) {
        self.apart = self.apart.mul_f64(times.max(1.0));
        let fit = SPAN.as_micros() / self.apart.as_micros().max(1);
        let fit = u32::try_from(fit).unwrap_or(u32::MAX);
        self.count = fit.clamp(*PROBES.start(), *PROBES.end());
    }

    fn longest(&self) -> Duration {
        let Impaired { delay, jitter, .. } = self.impaired;
        [delay, jitter].into_iter().flatten().map(Delay::time).sum()
    }

    /// What it sends in a second, in probes.
    fn per_second(&self) -> f64 {
        let weight = if self.size > 1 { TRAIN_COUNTS_AS } else { 1.0 };
        2.0 * weight / self.apart.as_secs_f64()
    }

    fn all_sent(&self) -> bool {
        self.sent[0].len() >= self.count as usize * self.size
    }

    fn all_here(&self) -> bool {
        (0..2).all(|side| self.arrived[side].len() >= self.sent[side].len())
    }

    /// Sends the next probe or train from both ends where it is time; whether it did.
    fn send(&mut self, now: Instant) -> Result<bool, MeasureError> {
        if self.all_sent() || now < self.next {
            return Ok(false);
        }
        for side in 0..2 {
            for _ in 0..self.size {
                let number = u32::try_from(self.sent[side].len()).unwrap_or(u32::MAX);
                let sent = self.ends.send(side, number);
                let sent = sent.map_err(MeasureError::system("send a probe of a link"))?;
                self.sent[side].push(sent);
            }
        }
        // From now on, so that being late makes none of them close to the next.
        self.next = now + self.apart;
        Ok(true)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), MeasureError> {
        for side in 0..2 {
            let arrived = &mut self.arrived[1 - side];
            let take = |number, time| arrived.push((number, time));
            let received = self.ends.receive(side, buffer, take);
            received.map_err(MeasureError::system("receive a probe of a link"))?;
        }
        Ok(())
    }

    fn observed(self) -> Observed {
        let seconds = |time: Option<Delay>| time.map_or(0.0, |t| t.time().as_secs_f64());
        let ways = [self.way(0), self.way(1)];
        let times = ways.each_ref().map(|way| way.times);
        let delay = DelayResult {
            configured: seconds(self.impaired.delay),
            jitter: seconds(self.impaired.jitter),
            sent: self.sent.each_ref().map(|sent| firsts(sent, self.size)),
            arrived: ways.each_ref().map(|way| way.arrived),
            median: times.map(|times| times.median),
            spread: times.map(|times| times.spread),
            min: times.map(|times| times.min),
            max: times.map(|times| times.max),
            out_of_order: ways.each_ref().map(|way| way.late),
        };
        let (arrived, overtook) = (ways.each_ref().map(|w| w.able), ways.map(|w| w.overtook));
        let configured = self.impaired.reorder.filter(|_| arrived != [0, 0]).map(Reorder::share);
        let reorder = configured.map(|configured| ReorderResult { configured, arrived, overtook });
        Observed { delay, reorder }
    }

    /// What was observed of frames that were sent at one end.
    fn way(&self, side: usize) -> Way {
        let (sent, arrived) = (&self.sent[side], &self.arrived[side]);
        let numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
        let took = |(number, at): &(u32, Duration)| {
            let sent = sent.get(*number as usize).copied().flatten()?;
            let first = (*number as usize).is_multiple_of(self.size);
            first.then(|| at.saturating_sub(sent).as_secs_f64())
        };
        let mut times: Vec<f64> = arrived.iter().filter_map(took).collect();
        let count = times.len() as u64;
        if self.impaired.reorder.is_none() {
            let late = late(&numbers);
            return Way { times: summary(&times), arrived: count, able: 0, overtook: 0, late };
        }
        let usual = summary(&times).median / 2.0;
        times.retain(|time| *time >= usual);
        let Impaired { delay, jitter, .. } = self.impaired;
        let least =
            |delay: Delay| delay.time().saturating_sub(jitter.map_or(Duration::ZERO, Delay::time));
        let window = delay.map_or(Duration::ZERO, least) / 2;
        let (able, overtook) = in_trains(sent, &numbers, self.size, window);
        Way { times: summary(&times), arrived: count, able, overtook, late: 0 }
    }
}

/// Probes, or first ones of trains, that left: not those for which the queue had no room.
fn firsts(sent: &[Option<Duration>], size: usize) -> u64 {
    sent.iter().step_by(size).flatten().count() as u64
}

/// One direction of a link.
struct Way {
    times: Summary,
    /// Probes, or first ones of trains.
    arrived: u64,
    /// Frames of trains that could overtake others.
    able: u64,
    overtook: u64,
    /// Frames that came after later ones, where the link is not to reorder.
    late: u64,
}
