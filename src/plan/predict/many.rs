//! One figure of many nodes or tenants.

use std::fmt;

use serde::Serialize;

/// Sum, mean and largest of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Many {
    /// Over how many.
    pub of: u64,
    /// Sum over all.
    pub total: u64,
    /// Sum over number; 0 of none.
    pub mean: f64,
    /// Largest.
    pub max: u64,
}

impl FromIterator<u64> for Many {
    fn from_iter<I: IntoIterator<Item = u64>>(figures: I) -> Many {
        let mut many = Many::default();
        for figure in figures {
            many.of += 1;
            many.total = many.total.saturating_add(figure);
            many.max = many.max.max(figure);
        }
        if many.of > 0 {
            many.mean = many.total as f64 / many.of as f64;
        }
        many
    }
}

impl fmt::Display for Many {
    /// The mean, and the largest where it is another: `49.5, max 120`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = if self.mean.fract().abs() < 0.005 || self.mean >= 1000.0 {
            grouped(self.mean.round() as u64)
        } else {
            format!("{:.1}", self.mean)
        };
        // What differs by less than what is shown does not differ.
        if (self.max as f64 - self.mean).abs() < 0.05 {
            return f.write_str(&mean);
        }
        write!(f, "{mean}, max {}", grouped(self.max))
    }
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped<N: Into<u128>>(number: N) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_and_shown() {
        let many: Many = [1, 2, 6].into_iter().collect();
        assert_eq!((many.of, many.total, many.max), (3, 9, 6));
        assert_eq!(many.to_string(), "3, max 6");
        assert_eq!([4, 4].into_iter().collect::<Many>().to_string(), "4");
        assert_eq!(Many::default().to_string(), "0");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
        assert_eq!((grouped(999_u64), grouped(1000_u64)), ("999".into(), "1,000".into()));
    }
}
