//! Figures for people: sensible digits, thousands separators, units.

use crate::measure::result::{Interval, Spread};

/// What stands where no figure is.
pub const NONE: &str = "–";

/// Divides a figure for display: `21.3e9 bit/s` as `21.3 Gbit/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// What a figure is divided by.
    pub per: f64,
    /// The name behind it.
    pub name: &'static str,
}

impl Unit {
    /// CPU seconds per 10^9 bytes.
    pub const CPU: Unit = Unit { per: 1.0, name: "s/GB" };
    /// Microseconds.
    pub const MICROS: Unit = Unit { per: 1.0, name: "µs" };
    /// Per cent of one.
    pub const PERCENT: Unit = Unit { per: 0.01, name: "%" };
    /// Transactions per second.
    pub const TRANSACTIONS: Unit = Unit { per: 1.0, name: "/s" };

    /// The unit for bit rates of which `largest` bit/s is the largest.
    #[must_use]
    pub fn bits(largest: f64) -> Unit {
        match largest {
            x if x >= 9.995e8 => Unit { per: 1e9, name: "Gbit/s" },
            x if x >= 1e5 => Unit { per: 1e6, name: "Mbit/s" },
            _ => Unit { per: 1e3, name: "kbit/s" },
        }
    }

    /// The unit for packet rates of which `largest` packets/s is the largest.
    #[must_use]
    pub fn packets(largest: f64) -> Unit {
        match largest {
            x if x >= 1e6 => Unit { per: 1e6, name: "Mpkt/s" },
            x if x >= 1e3 => Unit { per: 1e3, name: "kpkt/s" },
            _ => Unit { per: 1.0, name: "pkt/s" },
        }
    }

    /// One figure with its unit.
    #[must_use]
    pub fn show(self, figure: f64) -> String {
        if figure.is_finite() {
            format!("{} {}", digits(figure / self.per), self.name)
        } else {
            NONE.to_owned()
        }
    }

    /// The ends of a spread without unit, in the digits of its median: `21.0–21.9`.
    #[must_use]
    pub fn range(self, spread: Spread) -> String {
        range(spread.min / self.per, spread.max / self.per, spread.median / self.per)
    }
}

/// An interval of ratios: `[0.51–0.58]`.
#[must_use]
pub fn bounds(interval: Interval) -> String {
    format!("[{}–{}]", fixed(interval.low, 2), fixed(interval.high, 2))
}

/// Two ends in as many decimals as `like` is shown with.
fn range(min: f64, max: f64, like: f64) -> String {
    if !(min.is_finite() && max.is_finite() && like.is_finite()) {
        return NONE.to_owned();
    }
    format!("{}–{}", fixed(min, decimals(like)), fixed(max, decimals(like)))
}

/// Decimals that leave three significant digits, and three at most.
fn decimals(figure: f64) -> usize {
    match figure.abs() {
        x if x >= 99.95 || x == 0.0 => 0,
        x if x >= 9.995 => 1,
        x if x >= 0.9995 => 2,
        _ => 3,
    }
}

/// A figure with three significant digits, thousands separated: `1,234`, `21.3`, `0.543`; what would
/// round to zero is `<0.001`.
#[must_use]
pub fn digits(figure: f64) -> String {
    if figure > 0.0 && figure < 0.0005 {
        return "<0.001".to_owned();
    }
    fixed(figure, decimals(figure))
}

/// A figure with so many decimals, thousands separated.
#[must_use]
pub fn fixed(figure: f64, decimals: usize) -> String {
    if !figure.is_finite() {
        return NONE.to_owned();
    }
    if figure.abs() >= 1e15 {
        return format!("{figure:.2e}");
    }
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(w, r)| (w, r));
    let whole = separate(whole);
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}

/// A count with thousands separated: `1,234,567`.
#[must_use]
pub fn count(number: impl Into<u64>) -> String {
    separate(&number.into().to_string())
}

fn separate(whole: &str) -> String {
    let (sign, bare) = whole.strip_prefix('-').map_or(("", whole), |b| ("-", b));
    let mut out = String::from(sign);
    for (i, c) in bare.chars().enumerate() {
        if i > 0 && (bare.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes in decimal units: `1.23 GB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let x = real(number);
    match x {
        _ if x >= 1e12 => format!("{} TB", digits(x / 1e12)),
        _ if x >= 1e9 => format!("{} GB", digits(x / 1e9)),
        _ if x >= 1e6 => format!("{} MB", digits(x / 1e6)),
        _ if x >= 1e3 => format!("{} kB", digits(x / 1e3)),
        _ => format!("{number} B"),
    }
}

/// A count as a real number; beyond 2^53 it is rounded, which no display can tell.
#[must_use]
pub fn real(number: u64) -> f64 {
    number as f64
}

/// Seconds: `48.2 s`, `31 ms`.
#[must_use]
pub fn seconds(figure: f64) -> String {
    if figure.is_finite() && figure.abs() < 1.0 {
        format!("{} ms", digits(figure * 1e3))
    } else {
        format!("{} s", digits(figure))
    }
}

/// A noun behind its count: `1 round`, `3 rounds`.
#[must_use]
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_separators() {
        let shown = [21.34e9, 999.6, 1234.4, 1.0, 0.5, 0.0432, 0.0, -1234.0].map(digits);
        assert_eq!(
            shown,
            ["21,340,000,000", "1,000", "1,234", "1.00", "0.500", "0.043", "0", "-1,234"]
        );
        assert_eq!(digits(0.999_98), "1.00");
        assert_eq!(digits(0.000_04), "<0.001");
        assert_eq!(digits(f64::NAN), NONE);
        assert_eq!(digits(1e300), "1.00e300");
        assert_eq!(count(1_234_567_u32), "1,234,567");
        assert_eq!(bytes(1_234_567), "1.23 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(seconds(0.0314), "31.4 ms");
    }

    #[test]
    fn a_unit_is_chosen_by_the_largest() {
        assert_eq!(Unit::bits(21.34e9).show(21.34e9), "21.3 Gbit/s");
        assert_eq!(Unit::bits(2e7).show(1.5e6), "1.50 Mbit/s");
        assert_eq!(Unit::packets(1.2e6).show(1.2e6), "1.20 Mpkt/s");
        assert_eq!(Unit::PERCENT.show(0.9412), "94.1 %");
        let spread = Spread { min: 20.96e9, median: 21.3e9, max: 21.9e9 };
        assert_eq!(Unit::bits(2e10).range(spread), "21.0–21.9");
    }
}
