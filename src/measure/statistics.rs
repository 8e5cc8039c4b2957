//! How sure a median is: bootstrap intervals, and when a difference is one.
//!
//! From [`SIXTH`] values on, an interval is a percentile bootstrap of the median (Efron and Tibshirani, "An
//! Introduction to the Bootstrap", 1993, chapter 13) with percentiles moved outwards for few values (Hesterberg,
//! "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015, section 5.3): without that
//! it is too narrow. Resampling is seeded, so the same values give the same interval.
//!
//! With fewer values no interval that rests on their order alone can reach 95 %: from smallest to largest it holds
//! the median with a probability of 1 − 2^(1−n), which is 75 % for three. That is what is given then.

use std::cmp::Ordering;

use super::result::{Interval, IntervalMethod};

/// Probability with which an interval is to hold the median.
pub const LEVEL: f64 = 0.95;
/// Values from which on smallest to largest hold the median with [`LEVEL`]: 1 − 2^(1−6) is 96.9 %.
pub const SIXTH: usize = 6;
/// Values on either side from which on a difference can be told at all.
pub const ENOUGH: usize = 3;
/// How many times as far from 1 as they are apart few values must be to differ from it.
pub const CLEAR: f64 = 1.5;
/// Resamples of a bootstrap. Its ends are order statistics of few values, which more do not move.
const RESAMPLES: usize = 4000;
/// Where resampling starts.
const SEED: u64 = 0x6f76_6572_6c61_6221;

/// The interval of the median of these values; `None` of fewer than two. Values that are not finite are left out.
#[must_use]
pub fn interval(values: &[f64]) -> Option<Interval> {
    interval_of(values, RESAMPLES)
}

fn interval_of(values: &[f64], resamples: usize) -> Option<Interval> {
    let sorted = sorted(values);
    let count = sorted.len();
    let (&low, &high) = (sorted.first()?, sorted.last()?);
    if count < SIXTH {
        return (count > 1).then(|| range(low, high, count));
    }
    let mut random = Random(SEED);
    let mut medians: Vec<f64> = (0..resamples).map(|_| resampled(&sorted, &mut random)).collect();
    Some(between(&mut medians, count))
}

/// The interval of the ratio of two medians, of values that are not paired: `above` over `below`. With fewer than
/// [`SIXTH`] values on a side it reaches from the smallest over the largest to the largest over the smallest, and its level is
/// the least that it can have: the probability that both ranges hold their medians. `None` where a value of `below` is not
/// above 0, so that there is no ratio, and of fewer than two values on a side.
#[must_use]
pub fn ratio_of_medians(above: &[f64], below: &[f64]) -> Option<Interval> {
    let positive = below.iter().all(|v| *v > 0.0 || !v.is_finite());
    let ends = |a: [f64; 2], b: [f64; 2]| [a[0] / b[1], a[1] / b[0]];
    if positive { of_two(above, below, |a, b| a / b, ends) } else { None }
}

/// The interval of the difference of two medians, of values that are not paired: `above` less `below`. See
/// [`ratio_of_medians`]: where there is a ratio, this one holds 0 exactly where that one holds 1.
#[must_use]
pub fn difference_of_medians(above: &[f64], below: &[f64]) -> Option<Interval> {
    of_two(above, below, |a, b| a - b, |a, b| [a[0] - b[1], a[1] - b[0]])
}

fn of_two(
    above: &[f64],
    below: &[f64],
    figure: fn(f64, f64) -> f64,
    ends: fn([f64; 2], [f64; 2]) -> [f64; 2],
) -> Option<Interval> {
    let (above, below) = (sorted(above), sorted(below));
    let count = above.len().min(below.len());
    if count < 2 {
        return None;
    }
    if count < SIXTH {
        let range = |values: &[f64]| [values[0], values[values.len() - 1]];
        let [low, high] = ends(range(&above), range(&below));
        let level = holds(above.len()) * holds(below.len());
        let (method, rounds) = (IntervalMethod::Range, count as u64);
        return Some(Interval { low, high, level, method, rounds });
    }
    let mut random = Random(SEED);
    let mut one = || figure(resampled(&above, &mut random), resampled(&below, &mut random));
    let mut figures: Vec<f64> = (0..RESAMPLES).map(|_| one()).collect();
    Some(between(&mut figures, count))
}

/// Whether the median of ratios is apart from 1, and which way; `None` of fewer than three.
///
/// It is where the interval does not hold 1. With fewer than [`SIXTH`] values its median must also be further from 1
/// than [`CLEAR`] times all values are from each other: smallest to largest alone would find a difference in a quarter
/// of triples where there is none, and so it is 4 % (normal) to 7 % (uniform noise).
#[must_use]
pub fn apart(ratios: &[f64]) -> Option<Ordering> {
    let interval = interval(ratios).filter(|i| i.rounds >= ENOUGH as u64)?;
    let away = (median(ratios)? - 1.0).abs();
    let sure = interval.rounds >= SIXTH as u64;
    let clear = sure || away > CLEAR * (interval.high - interval.low);
    Some(if clear { side(&interval) } else { Ordering::Equal })
}

/// Whether the median of `above` is apart from that of `below`, which are not paired, and which way; `None` with fewer
/// than three values on a side.
///
/// It is where [`difference_of_medians`] does not hold 0. With fewer than [`SIXTH`] values on a side the medians must also be
/// further apart than the values of either side are from each other.
#[must_use]
pub fn unpaired(above: &[f64], below: &[f64]) -> Option<Ordering> {
    let interval = difference_of_medians(above, below).filter(|i| i.rounds >= ENOUGH as u64)?;
    let spread = |values: &[f64]| {
        let sorted = sorted(values);
        sorted.last().zip(sorted.first()).map_or(0.0, |(last, first)| last - first)
    };
    let away = (median(above)? - median(below)?).abs();
    let sure = interval.rounds >= SIXTH as u64;
    let clear = sure || away > spread(above).max(spread(below));
    Some(match interval {
        i if clear && i.low > 0.0 => Ordering::Greater,
        i if clear && i.high < 0.0 => Ordering::Less,
        _ => Ordering::Equal,
    })
}

/// Which side of 1 an interval lies on; `Equal` where it holds 1.
#[must_use]
pub fn side(interval: &Interval) -> Ordering {
    match interval {
        i if i.low > 1.0 => Ordering::Greater,
        i if i.high < 1.0 => Ordering::Less,
        _ => Ordering::Equal,
    }
}

/// Half the interval over the median: what `until` asks to be small. `None` below [`SIXTH`] values, or of a median of 0.
#[must_use]
pub fn half_width(values: &[f64]) -> Option<f64> {
    let interval = interval(values).filter(|i| i.rounds >= SIXTH as u64)?;
    let middle = median(values)?.abs();
    (middle > 0.0).then(|| (interval.high - interval.low) / 2.0 / middle)
}

/// The middle value, or the mean of the two middle ones.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    (!sorted.is_empty()).then(|| middle(&sorted))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// Smallest to largest of so many values, and the probability that it holds the median.
fn range(low: f64, high: f64, count: usize) -> Interval {
    let (level, method) = (holds(count), IntervalMethod::Range);
    Interval { low, high, level, method, rounds: count as u64 }
}

/// The probability that smallest to largest of so many values hold the median.
fn holds(count: usize) -> f64 {
    1.0 - 0.5_f64.powi(i32::try_from(count.saturating_sub(1)).unwrap_or(i32::MAX))
}

/// The percentiles of resampled figures that an interval of `count` values ends at.
fn between(figures: &mut [f64], count: usize) -> Interval {
    figures.sort_by(f64::total_cmp);
    let tail = tail(count);
    let last = figures.len() - 1;
    let below = ((figures.len() as f64 * tail) as usize).min(last);
    let (low, high) = (figures[below], figures[last - below]);
    Interval { low, high, level: LEVEL, method: IntervalMethod::Bootstrap, rounds: count as u64 }
}

/// The share of resamples outside at each end: Φ(−√(n/(n−1)) t), t being Student's at 97.5 % with n − 1 degrees of freedom.
fn tail(count: usize) -> f64 {
    let (n, free) = (count as f64, (count - 1) as f64);
    normal_tail((n / free).sqrt() * student(free))
}

/// Student's t at 97.5 % by the expansion of Abramowitz and Stegun 26.7.5; within 0.2 % from 5 degrees of freedom on.
fn student(free: f64) -> f64 {
    let z = 1.959_964_f64;
    let [z3, z5, z7] = [3, 5, 7].map(|power| z.powi(power));
    z + (z3 + z) / (4.0 * free)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * free.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * free.powi(3))
}

/// The share of a normal distribution above `x` standard deviations, by Abramowitz and Stegun 26.2.17.
fn normal_tail(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let factors = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let polynomial = factors.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

/// The median of as many values drawn with replacement.
fn resampled(sorted: &[f64], random: &mut Random) -> f64 {
    // Sorted values are drawn by their place, so that places are sorted instead of numbers.
    let mut drawn: Vec<u16> = sorted.iter().map(|_| random.below(sorted.len())).collect();
    let half = drawn.len() / 2;
    let (below, &mut place, _) = drawn.select_nth_unstable(half);
    let upper = sorted[usize::from(place)];
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = below.iter().max().map_or(upper, |&place| sorted[usize::from(place)]);
    f64::midpoint(lower, upper)
}

/// Numbers that look random: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A place among `count`, which is at most 65,536: a run has 1,000 rounds.
    fn below(&mut self, count: usize) -> u16 {
        let count = count.min(1 << 16) as u64;
        (((self.next() >> 32) * count) >> 32) as u16
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A distribution: its name, and its value for a number between 0 and 1.
    type Distribution = (&'static str, fn(f64) -> f64);

    const DISTRIBUTIONS: [Distribution; 3] = [
        ("uniform", |u| 0.5 + u),
        ("exponential", |u| -(1.0 - u).ln()),
        // Two kinds of rounds, as when another program now and then runs beside.
        ("skewed", |u| if u < 0.8 { 0.9 + u / 5.0 } else { 0.9 - (u - 0.8) * 4.0 }),
    ];

    fn unit(random: &mut Random) -> f64 {
        (random.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn true_median(of: fn(f64) -> f64) -> f64 {
        let values: Vec<f64> = (0..100_001_u32).map(|n| of(f64::from(n) / 100_001.0)).collect();
        median(&values).unwrap()
    }

    /// How often the interval of `count` values holds the median of where they come from.
    fn coverage(of: fn(f64) -> f64, count: usize, tries: u32) -> f64 {
        let (truth, mut random) = (true_median(of), Random(7));
        let held = (0..tries).filter(|_| {
            let values: Vec<f64> = (0..count).map(|_| of(unit(&mut random))).collect();
            let found = interval_of(&values, 500).unwrap();
            found.low <= truth && truth <= found.high
        });
        f64::from(u32::try_from(held.count()).unwrap()) / f64::from(tries)
    }

    #[test]
    fn intervals_hold_the_median_as_often_as_they_say() {
        for (name, of) in DISTRIBUTIONS {
            for (count, tries) in [(6, 300), (9, 200), (20, 120)] {
                let covered = coverage(of, count, tries);
                assert!(covered > 0.90, "{name}, {count} values: {covered}");
            }
            for (count, level) in [(3, 0.75), (5, 0.9375)] {
                let covered = coverage(of, count, 4000);
                assert!((covered - level).abs() < 0.03, "{name}, {count} values: {covered}");
            }
        }
    }

    #[test]
    fn few_rounds_find_no_difference_where_there_is_none_more_often_than_said() {
        // Ratios around 1, spread alike on both sides.
        let mut random = Random(11);
        for (count, most) in [(3, 0.09), (4, 0.04), (5, 0.03), (6, 0.08), (10, 0.08)] {
            let tries = if count < SIXTH { 2000 } else { 200 };
            let wrong = (0..tries).filter(|_| {
                let ratios: Vec<f64> =
                    (0..count).map(|_| ((unit(&mut random) - 0.5) / 5.0).exp()).collect();
                apart(&ratios).unwrap().is_ne()
            });
            let share = f64::from(u32::try_from(wrong.count()).unwrap()) / f64::from(tries);
            assert!(share <= most, "{count} rounds: {share}");
        }
    }

    #[test]
    fn two_runs_of_the_same_seldom_differ() {
        let mut random = Random(13);
        for (count, tries, most) in [(3, 2000, 0.08), (5, 2000, 0.03), (6, 100, 0.08)] {
            let mut draw = || (0..count).map(|_| 1.0 + unit(&mut random)).collect::<Vec<f64>>();
            let wrong = (0..tries).filter(|_| unpaired(&draw(), &draw()).unwrap().is_ne()).count();
            let share = f64::from(u32::try_from(wrong).unwrap()) / f64::from(tries);
            assert!(share <= most, "{count} rounds: {share}");
        }
        let twice = [2.0, 2.1, 2.2].map(|v| v * 2.0);
        assert_eq!(unpaired(&twice, &[2.0, 2.1, 2.2]), Some(Ordering::Greater));
        assert_eq!(unpaired(&[1.0, 1.0], &[2.0, 2.0, 2.0]), None);
    }

    #[test]
    fn what_differs_is_found() {
        let around = |middle: f64| (0..8).map(move |n| middle + f64::from(n % 4) / 50.0);
        assert_eq!(apart(&around(0.5).collect::<Vec<_>>()), Some(Ordering::Less));
        assert_eq!(apart(&around(1.5).collect::<Vec<_>>()), Some(Ordering::Greater));
        assert_eq!(apart(&around(0.97).collect::<Vec<_>>()), Some(Ordering::Equal));
        assert_eq!(apart(&[0.5, 0.55, 0.6]), Some(Ordering::Less));
        assert_eq!(apart(&[0.5, 0.8, 0.95]), Some(Ordering::Equal), "as wide as the difference");
        assert_eq!((apart(&[0.5]), apart(&[0.5, 0.5])), (None, None));
        let (fast, slow): (Vec<f64>, Vec<f64>) = (around(2.0).collect(), around(1.0).collect());
        let ratio = ratio_of_medians(&fast, &slow).unwrap();
        assert!(ratio.low > 1.8 && ratio.high < 2.1, "{ratio:?}");
        assert_eq!(ratio_of_medians(&fast, &[0.0, 1.0]), None);
        assert_eq!(
            unpaired(&[1.0, 1.1, 1.2], &[0.0; 3]),
            Some(Ordering::Greater),
            "without a ratio"
        );
    }

    #[test]
    fn few_rounds_of_two_runs_hold_the_ratio_at_least_as_often_as_they_say() {
        for (name, of) in DISTRIBUTIONS {
            let mut random = Random(17);
            for (counts, level) in [([3, 3], 0.75 * 0.75), ([5, 9], 0.9375 * 0.996_093_75)] {
                let mut draw = |n: usize| -> Vec<f64> {
                    (0..n).map(|_| of(unit(&mut random)).max(1e-9)).collect()
                };
                let mut held = 0_u32;
                for _ in 0..2000 {
                    let found = ratio_of_medians(&draw(counts[0]), &draw(counts[1])).unwrap();
                    assert!((found.level - level).abs() < 1e-9, "{found:?}");
                    held += u32::from(found.low <= 1.0 && 1.0 <= found.high);
                }
                let covered = f64::from(held) / 2000.0;
                assert!(covered > level - 0.02, "{name}, {counts:?} values: {covered}");
            }
        }
    }

    #[test]
    fn tails_are_those_of_the_tables() {
        for (free, table) in [(5.0, 2.5706), (10.0, 2.2281), (29.0, 2.0452)] {
            assert!((student(free) - table).abs() < 0.005, "{free}: {}", student(free));
        }
        assert!((normal_tail(1.959_964) - 0.025).abs() < 1e-6);
        assert!((normal_tail(3.0) - 0.001_349_9).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn an_interval_lies_within_the_values_and_around_the_median(
            values in prop::collection::vec(-1e6_f64..1e6, 2..40)
        ) {
            let found = interval(&values).unwrap();
            let (all, middle) = (sorted(&values), median(&values).unwrap());
            prop_assert!(found.low <= middle && middle <= found.high);
            prop_assert!(all[0] <= found.low && found.high <= all[all.len() - 1]);
            prop_assert_eq!(found, interval(&values).unwrap());
            // The order of the values and what is not finite make no difference.
            let mut turned: Vec<f64> = values.iter().rev().copied().collect();
            turned.push(f64::NAN);
            prop_assert_eq!(found, interval(&turned).unwrap());
        }

        #[test]
        fn a_scale_goes_through(values in prop::collection::vec(0.1_f64..1e3, 6..12)) {
            let doubled: Vec<f64> = values.iter().map(|v| v * 2.0).collect();
            let (one, two) = (interval(&values).unwrap(), interval(&doubled).unwrap());
            prop_assert!((one.low * 2.0 - two.low).abs() < 1e-9);
            prop_assert!((one.high * 2.0 - two.high).abs() < 1e-9);
        }
    }
}
