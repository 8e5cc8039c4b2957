//! How long frames are under way, and which overtake others.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::arrivals::{Summary, late, overtaking, summary};
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
/// Probes each way on one link, at least and at most.
const PROBES: std::ops::RangeInclusive<u32> = 20..=300;
/// Least time between two probes of a direction.
const APART: Duration = Duration::from_millis(2);
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
    /// Time between two probes of a direction.
    apart: Duration,
    count: u32,
    next: Instant,
    /// When each was sent, from either end.
    sent: [Vec<Duration>; 2],
    /// Number and time of what arrived from either end.
    arrived: [Vec<(u32, Duration)>; 2],
}

/// Probes all impaired links of these variants at once, both directions of each, for about two
/// seconds; in the order of variants and links, `None` for links that are not impaired.
///
/// Probes are single short frames, far enough apart that jitter could not make one overtake another,
/// or close enough, where the link is to reorder, that it can.
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
    let per_second: f64 = probing.iter().map(|p| 2.0 / p.apart.as_secs_f64()).sum();
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
        let apart = match impaired.reorder {
            Some(_) => time(impaired.delay) / 4,
            None => (time(impaired.jitter) * 2 + Duration::from_millis(1)).max(APART),
        };
        let mut probing = Probing {
            ends: Ends::open(place, variant, link, SHORTEST)?,
            impaired,
            apart: apart.max(Duration::from_micros(250)),
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

    fn all_sent(&self) -> bool {
        self.sent[0].len() >= self.count as usize
    }

    fn all_here(&self) -> bool {
        (0..2).all(|side| self.arrived[side].len() >= self.sent[side].len())
    }

    /// Sends the next probe from both ends where it is time; whether it did.
    fn send(&mut self, now: Instant) -> Result<bool, MeasureError> {
        if self.all_sent() || now < self.next {
            return Ok(false);
        }
        for side in 0..2 {
            let number = u32::try_from(self.sent[side].len()).unwrap_or(u32::MAX);
            let sent = self.ends.send(side, number);
            let sent = sent.map_err(MeasureError::system("send a probe of a link"))?;
            self.sent[side].push(sent.unwrap_or_default());
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
        let arrived = self.arrived.each_ref().map(|arrived| arrived.len() as u64);
        let ways = [self.way(0), self.way(1)];
        let times = ways.each_ref().map(|way| way.times);
        let delay = DelayResult {
            configured: seconds(self.impaired.delay),
            jitter: seconds(self.impaired.jitter),
            sent: self.sent.each_ref().map(|sent| sent.len() as u64),
            arrived,
            median: times.map(|times| times.median),
            spread: times.map(|times| times.spread),
            min: times.map(|times| times.min),
            max: times.map(|times| times.max),
            out_of_order: ways.each_ref().map(|way| way.late),
        };
        let overtook = ways.map(|way| way.overtook);
        let configured = self.impaired.reorder.map(Reorder::share);
        let reorder = configured.map(|configured| ReorderResult { configured, arrived, overtook });
        Observed { delay, reorder }
    }

    /// What was observed of frames that were sent at one end.
    fn way(&self, side: usize) -> Way {
        let (sent, arrived) = (&self.sent[side], &self.arrived[side]);
        let numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
        let ahead = overtaking(&numbers);
        let took = |(number, at): &(u32, Duration)| {
            let sent = sent.get(*number as usize).copied().unwrap_or_default();
            at.saturating_sub(sent).as_secs_f64()
        };
        let mut times: Vec<f64> = arrived.iter().map(took).collect();
        let mut late = late(&numbers);
        if self.impaired.reorder.is_some() {
            late = 0;
            let usual = summary(&times).median / 2.0;
            let slow = times.iter().zip(&ahead).filter(|(t, ahead)| !**ahead && **t >= usual);
            times = slow.map(|(time, _)| *time).collect();
        }
        let overtook = ahead.iter().filter(|ahead| **ahead).count() as u64;
        Way { times: summary(&times), overtook, late }
    }
}

/// One direction of a link.
struct Way {
    times: Summary,
    overtook: u64,
    /// Frames that came after later ones, where the link is not to reorder.
    late: u64,
}
