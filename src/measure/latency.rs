//! Round-trip times as a histogram, and what a report says of them.

use hdrhistogram::Histogram;

use super::result::Latency;

/// Longest round trip told apart, in nanoseconds; longer ones count as this.
const LONGEST: u64 = 60_000_000_000;

/// An empty histogram of nanoseconds up to a minute, three digits exact.
///
/// # Errors
/// Never with these bounds; the histogram's own error is passed on.
pub fn histogram() -> Result<Histogram<u64>, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(1, LONGEST, 3)
}

/// The figures of a report, in microseconds; `None` of an empty histogram.
#[must_use]
pub fn summary(histogram: &Histogram<u64>) -> Option<Latency> {
    if histogram.is_empty() {
        return None;
    }
    let at = |quantile| micros(histogram.value_at_quantile(quantile));
    // Steps halve the distance to 1, so the tail is drawn as finely as the body.
    let cdf = histogram
        .iter_quantiles(4)
        .map(|step| (micros(step.value_iterated_to()), step.quantile()))
        .collect();
    Some(Latency {
        count: histogram.len(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: micros(histogram.max()),
        cdf,
    })
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_out_in_microseconds() {
        let mut histogram = histogram().unwrap();
        assert_eq!(summary(&histogram), None);
        for micros in 1..=1000_u64 {
            histogram.record(micros * 1000).unwrap();
        }
        let latency = summary(&histogram).unwrap();
        assert_eq!(latency.count, 1000);
        assert!((latency.p50 - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99 - 990.0).abs() < 1.0, "{latency:?}");
        assert!((latency.max - 1000.0).abs() < 1.0, "{latency:?}");
        assert!(latency.cdf.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert!((latency.cdf.last().unwrap().1 - 1.0).abs() < 1e-9);
    }
}
