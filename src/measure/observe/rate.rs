//! What passes a link with a rate when more is sent.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::arrivals::overtaking;
use super::{Ends, HEAD};
use crate::measure::Place;
use crate::measure::ends::wait;
use crate::measure::error::MeasureError;
use crate::measure::result::RateResult;
use crate::measure::tap::BUFFER;
use crate::plan::{Link, Variant};

/// How long more is sent than passes.
const SPAN: Duration = Duration::from_millis(120);
/// What arrives in the first part of it is not counted: the bucket is still full.
const BEGIN: Duration = Duration::from_millis(20);
/// Frames that are to arrive after that.
const FRAMES: usize = 20;
/// Longest that a slow link is tried.
const LONGEST: Duration = Duration::from_secs(1);
/// Links of a variant that are tried.
const LINKS: usize = 8;
/// In one of so many rounds the queue may take more than it is offered, or there is no figure.
const HUNGRY: u32 = 10;
/// Bytes of an Ethernet header.
const ETHERNET: u32 = 14;
/// Bytes of a frame at most.
const FRAME: u32 = 1514;

/// Tries the first eight links of a variant that have a rate, one after the other, both directions
/// of each; in the order of its links. `None` also where this program could not send more than passes.
///
/// Frames of full size are sent as long as the queue takes them, and numbered, so that those that got
/// lost behind the bucket count too.
///
/// # Errors
/// An interface cannot be watched or sent from.
pub fn rates(
    place: &impl Place,
    variant: &Variant,
) -> Result<Vec<Option<RateResult>>, MeasureError> {
    let mut left = LINKS;
    let mut of = |link: &Link| {
        let Some(rate) = link.rate.filter(|_| left > 0) else { return Ok(None) };
        left -= 1;
        try_rate(place, variant, link, rate)
    };
    variant.links.iter().map(&mut of).collect()
}

fn try_rate(
    place: &impl Place,
    variant: &Variant,
    link: &Link,
    rate: u64,
) -> Result<Option<RateResult>, MeasureError> {
    let length = link.mtu.saturating_add(ETHERNET).min(FRAME) as usize;
    let mut ends = Ends::open(place, variant, link, length.max(HEAD))?;
    let system = |operation: &'static str| MeasureError::system(operation);
    let (bits, rate) = (length as f64 * 8.0, rate as f64);
    let slow = Duration::from_secs_f64((FRAMES as f64 * bits / rate).min(LONGEST.as_secs_f64()));
    let begun = Instant::now();
    let begin = BEGIN.max(slow / 4);
    let end = begun + begin + SPAN.max(slow);
    let mut sent = [0u32; 2];
    // Rounds in which the queue took all that was offered, and all rounds, once the bucket is empty.
    let (mut hungry, mut rounds) = ([0u32; 2], 0u32);
    let mut arrived: [Vec<(u32, Duration)>; 2] = [Vec::new(), Vec::new()];
    let counted_from = super::wall() + begin;
    let mut buffer = vec![0; BUFFER];
    while Instant::now() < end {
        let emptied = begun.elapsed() >= begin;
        rounds += u32::from(emptied);
        let mut busy = false;
        for side in 0..2 {
            // A few at a time, so that what arrives is read meanwhile.
            let mut refused = false;
            for _ in 0..16 {
                let number = sent[side];
                refused = ends.send(side, number).map_err(system("fill a link"))?.is_none();
                if refused {
                    break;
                }
                sent[side] += 1;
                busy = true;
            }
            hungry[side] += u32::from(emptied && !refused);
            let arrived = &mut arrived[1 - side];
            let take = |number, time| {
                if time >= counted_from {
                    arrived.push((number, time));
                }
            };
            ends.receive(side, &mut buffer, take).map_err(system("read from a link"))?;
        }
        if !busy {
            let taps = ends.taps.each_ref().map(AsFd::as_fd);
            let soon = Instant::now() + Duration::from_millis(1);
            wait(&taps, soon.min(end)).map_err(system("wait for a link"))?;
        }
    }
    if rounds == 0 || hungry.iter().any(|&times| times > rounds / HUNGRY) {
        return Ok(None);
    }
    let found = arrived.each_ref().map(|arrived| passed(arrived).map(|frames| frames * bits));
    let [Some(there), Some(back)] = found else { return Ok(None) };
    Ok(Some(RateResult { configured: rate, observed: [there, back] }))
}

/// Frames a second: the slope of the line through the times and numbers of those that were in order
/// (least squares, times over numbers), which jitter at either end moves little.
fn passed(arrived: &[(u32, Duration)]) -> Option<f64> {
    let numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
    let ahead = overtaking(&numbers);
    let begun = arrived.first()?.1;
    let points: Vec<(f64, f64)> = arrived
        .iter()
        .zip(ahead)
        .filter(|(_, ahead)| !ahead)
        .map(|((number, at), _)| (f64::from(*number), at.saturating_sub(begun).as_secs_f64()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (number, time) = (mean(|p| p.0), mean(|p| p.1));
    let both: f64 = points.iter().map(|p| (p.0 - number) * (p.1 - time)).sum();
    let square: f64 = points.iter().map(|p| (p.0 - number).powi(2)).sum();
    (both > 0.0 && square > 0.0).then(|| square / both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_frames_passed_the_bucket_and_early_ones_do_not_count() {
        let at = Duration::from_millis;
        // Number 3 is lost, 9 overtakes.
        let arrived = [(1, at(10)), (2, at(20)), (9, at(25)), (4, at(40)), (5, at(50))];
        let held_up: Vec<_> = (0..100).map(|n| (n, at(10 * u64::from(n.max(3))))).collect();
        let rate = passed(&held_up).unwrap();
        assert!((100.0..101.0).contains(&rate), "{rate}");
        assert!((passed(&arrived).unwrap() - 100.0).abs() < 1e-9);
        assert_eq!(passed(&arrived[..1]), None);
        assert_eq!(passed(&[]), None);
    }
}
