//! Numbered frames in the order in which they arrived: which overtook others, and how long they took.

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
