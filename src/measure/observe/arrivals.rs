//! Numbered frames in the order in which they arrived: which overtook others, and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

/// Of each frame in the order of arrival, whether one that was sent before it arrived later.
pub(super) fn overtaking(numbers: &[u32]) -> Vec<bool> {
    let mut earliest = u32::MAX;
    let mut out: Vec<bool> = numbers
        .iter()
        .rev()
        .map(|&number| {
            let overtook = earliest < number;
            earliest = earliest.min(number);
            overtook
        })
        .collect();
    out.reverse();
    out
}

/// Of frames sent in trains of so many, how many could have overtaken one before them in their train,
/// and how many did. A frame could if the one before it was sent less than `window` earlier; the first of
/// a train could not, nor could one behind a pause that the sender did not mean to make.
pub(super) fn in_trains(
    sent: &[Option<Duration>],
    arrived: &[u32],
    size: usize,
    window: Duration,
) -> (u64, u64) {
    let moment = |number: usize| sent.get(number).copied().flatten();
    let could = |number: usize| {
        let before = number.checked_sub(1).filter(|_| !number.is_multiple_of(size));
        let gap = before.and_then(moment).zip(moment(number)).map(|(a, b)| b.saturating_sub(a));
        gap.is_some_and(|gap| gap < window)
    };
    let mut trains: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for &number in arrived {
        trains.entry(number as usize / size).or_default().push(number);
    }
    let (mut able, mut ahead) = (0, 0);
    for train in trains.values() {
        for (&number, overtook) in train.iter().zip(overtaking(train)) {
            if could(number as usize) {
                able += 1;
                ahead += u64::from(overtook);
            }
        }
    }
    (able, ahead)
}

/// Frames that arrived after one that was sent later (RFC 4737 section 3.3: reordered).
pub(super) fn late(numbers: &[u32]) -> u64 {
    let mut latest = 0;
    let mut count = 0;
    for &number in numbers {
        count += u64::from(number < latest);
        latest = latest.max(number);
    }
    count
}

/// Median, interquartile range, smallest and largest; zeros of nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Summary {
    pub median: f64,
    pub spread: f64,
    pub min: f64,
    pub max: f64,
}

pub(super) fn summary(figures: &[f64]) -> Summary {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return Summary::default();
    };
    let middle = |part: &[f64]| f64::midpoint(part[(part.len() - 1) / 2], part[part.len() / 2]);
    // The halves share the median of an odd number (Tukey's hinges).
    let half = sorted.len().div_ceil(2);
    let spread = middle(&sorted[sorted.len() - half..]) - middle(&sorted[..half]);
    Summary { median: middle(&sorted), spread, min, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_overtakes_and_who_is_late() {
        // 3 goes ahead of 1 and 2; 5 is lost.
        assert_eq!(overtaking(&[0, 3, 1, 2, 4, 6]), [false, true, false, false, false, false]);
        assert_eq!(late(&[0, 3, 1, 2, 4, 6]), 2);
        assert_eq!((overtaking(&[]), late(&[])), (vec![], 0));
        assert_eq!((overtaking(&[2, 1, 0]), late(&[2, 1, 0])), (vec![true, true, false], 2));
    }

    #[test]
    fn only_those_right_behind_others_of_their_train_count() {
        let at = |milliseconds| Some(Duration::from_millis(milliseconds));
        // Two trains of four; the last of the second came late, and frame 6 never left.
        let sent = [at(0), at(0), at(1), at(1), at(5), at(5), None, at(9)];
        let count = |arrived: &[u32]| in_trains(&sent, arrived, 4, Duration::from_millis(2));
        assert_eq!(count(&[0, 1, 2, 3, 4, 5, 7]), (4, 0));
        // 2 overtakes 0 and 1; 5 overtakes those of the other train, which does not matter; 4 too.
        assert_eq!(count(&[2, 5, 0, 1, 3, 4, 7]), (4, 2));
        assert_eq!(count(&[4, 5, 2, 0, 1, 3, 7]), (4, 1));
        // 7 overtakes after a pause, 4 is lost.
        assert_eq!(count(&[0, 1, 2, 3, 7, 5]), (4, 0));
        assert_eq!(count(&[]), (0, 0));
    }

    #[test]
    fn summaries_by_hand() {
        let four = summary(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!((four.median, four.min, four.max), (2.5, 1.0, 4.0));
        assert!((four.spread - 2.0).abs() < 1e-12);
        let one = summary(&[7.0]);
        assert_eq!((one.median, one.spread), (7.0, 0.0));
        // One that was held up by the machine does not matter.
        assert!((summary(&[1.0, 2.0, 3.0, 4.0, 900.0]).spread - 2.0).abs() < 1e-12);
        assert_eq!(summary(&[]), Summary::default());
    }
}
