//! Quantities as people write them: `10G`, `64K`, `1500ms`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Bits per second, above 0. Written as a number with `k`, `M` or `G` (powers of 1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(pub u64);

/// Bytes. Written as a number, or with `K`/`M` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A length of time above 0. Written with its unit: `500ms`, `3s`, `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// Share of packets lost, in millionths, below all of them. Written in percent: `1%`, `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Loss(pub u32);

/// How long a packet is under way, in microseconds, up to ten seconds. Written with its unit: `500us`,
/// `20ms`, `1.5ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay(pub u32);

/// Share of packets that overtake others, in millionths, below all of them. Written as a [`Loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reorder(pub u32);

impl Delay {
    /// The longest, in microseconds.
    pub const LONGEST: u32 = 10_000_000;

    /// The same as a length of time.
    #[must_use]
    pub const fn time(self) -> Duration {
        Duration::from_micros(self.0 as u64)
    }
}

impl Reorder {
    /// The share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        Loss(self.0).share()
    }
}

impl Loss {
    /// Everything, in millionths.
    pub const WHOLE: u32 = 1_000_000;

    /// The share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }
}

/// Half of an interval over its median, in millionths, above 0 and below all. Written in percent: `5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Width(pub u32);

impl Width {
    /// The width as a share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        Loss(self.0).share()
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = split(text.trim());
    let number: f64 = number.parse().ok()?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    // Quantities of a lab are far below 2^53, where f64 is exact.
    let value = (number * *factor as f64).round() as u64;
    Some(value)
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("", 1), ("k", 1_000), ("K", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
        match scaled(text.trim_end_matches("bit/s").trim_end_matches("bit"), &units) {
            Some(0) => Err(
                "a rate of 0 carries nothing; write e.g. `100M`, or leave the key out for no limit"
                    .into(),
            ),
            Some(bits) => Ok(Rate(bits)),
            None => Err(format!(
                "`{text}` is no rate; write bits per second as `500k`, `100M` or `10G`"
            )),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units =
            [("", 1), ("B", 1), ("K", 1024), ("KiB", 1024), ("M", 1 << 20), ("MiB", 1 << 20)];
        scaled(text, &units)
            .map(ByteSize)
            .ok_or_else(|| format!("`{text}` is no size; write bytes as `1400`, `64K` or `1M`"))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(time) if time.is_zero() => {
                Err("a time of 0 measures nothing; write e.g. `1s`".into())
            }
            Ok(time) => Ok(Span(time)),
            Err(_) => Err(format!(
                "`{text}` is no length of time; write it with its unit, as `500ms`, `3s` or `1m`"
            )),
        }
    }
}

impl FromStr for Loss {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match scaled(text, &[("%", 10_000)]) {
            Some(share) if share >= u64::from(Loss::WHOLE) => {
                Err(format!("`{text}` leaves nothing over; a link loses less than 100%"))
            }
            Some(share) => Ok(Loss(u32::try_from(share).unwrap_or_default())),
            None => Err(format!("`{text}` is no loss; write percent as `1%` or `0.5%`")),
        }
    }
}

impl FromStr for Width {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match scaled(text, &[("%", 10_000)]) {
            Some(0) => Err("no interval is that narrow; write e.g. `5%`".into()),
            Some(share) if share >= u64::from(Loss::WHOLE) => {
                Err(format!("`{text}` asks for nothing; write e.g. `5%`"))
            }
            Some(share) => Ok(Width(u32::try_from(share).unwrap_or_default())),
            None => Err(format!("`{text}` is no width; write percent as `5%` or `2.5%`")),
        }
    }
}

impl FromStr for Delay {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("us", 1), ("µs", 1), ("ms", 1_000), ("s", 1_000_000)];
        match scaled(text, &units) {
            Some(time) if time > u64::from(Delay::LONGEST) => {
                Err(format!("`{text}` is too long; no packet of a link is under way more than 10s"))
            }
            Some(time) => Ok(Delay(u32::try_from(time).unwrap_or_default())),
            None => {
                Err(format!("`{text}` is no delay; write it with its unit, as `500us` or `20ms`"))
            }
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Loss(self.0).fmt(f)
    }
}

impl FromStr for Reorder {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match scaled(text, &[("%", 10_000)]) {
            Some(share) if share >= u64::from(Loss::WHOLE) => {
                Err(format!("`{text}` leaves nothing to overtake; a link reorders less than 100%"))
            }
            Some(share) => Ok(Reorder(u32::try_from(share).unwrap_or_default())),
            None => Err(format!("`{text}` is no share; write percent as `1%` or `0.5%`")),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n % 1_000_000 == 0 && n > 0 => write!(f, "{}s", n / 1_000_000),
            n if n % 1_000 == 0 => write!(f, "{}ms", n / 1_000),
            n => write!(f, "{n}us"),
        }
    }
}

impl fmt::Display for Reorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Loss(self.0).fmt(f)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, unit) = match self.0 {
            n if n % 1_000_000_000 == 0 => (1_000_000_000, "G"),
            n if n % 1_000_000 == 0 => (1_000_000, "M"),
            n if n % 1_000 == 0 => (1_000, "k"),
            _ => (1, ""),
        };
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

macro_rules! text {
    ($($name:ident: $types:tt, $pattern:literal, $hint:literal;)*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "pattern": $pattern, "description": $hint })
            }
        }
    )*};
}

text! {
    Rate: ["string", "integer"], "^ *[0-9.]+ *[kKMG]? *(bit|bit/s)*$", "bits per second, as 500k, 100M or 10G";
    ByteSize: ["string", "integer"], "^ *[0-9.]+ *(B|K|KiB|M|MiB)? *$", "bytes, as 1400, 64K or 1M";
    Loss: "string", "^ *[0-9.]+ *% *$", "a share in percent, as 1% or 0.5%";
    Width: "string", "^ *[0-9.]+ *% *$", "half of an interval over its median, as 5% or 2.5%";
    Reorder: "string", "^ *[0-9.]+ *% *$", "a share in percent, as 1% or 0.5%";
    Delay: "string", "^ *[0-9.]+ *(us|µs|ms|s) *$", "a delay with its unit, as 500us or 20ms";
    Span: "string", "^\\s*[0-9][0-9.\\s]*[a-zA-Zµ]", "a length of time with its unit, as 500ms, 3s or 1m";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_written() {
        assert_eq!("10G".parse(), Ok(Rate(10_000_000_000)));
        assert_eq!("2.5M".parse(), Ok(Rate(2_500_000)));
        assert_eq!("64K".parse(), Ok(ByteSize(65_536)));
        assert_eq!("500ms".parse(), Ok(Span(Duration::from_millis(500))));
        assert!("0".parse::<Rate>().unwrap_err().contains("carries nothing"));
        assert!("fast".parse::<Rate>().is_err());
        assert!("3".parse::<Span>().is_err());
        assert_eq!("0.5%".parse(), Ok(Loss(5_000)));
        assert_eq!(Loss(12_500).to_string(), "1.25%");
        assert!("1".parse::<Loss>().is_err() && "100%".parse::<Loss>().is_err());
        assert_eq!(Rate(1_500_000).to_string(), "1500k");
        assert_eq!("1.5ms".parse(), Ok(Delay(1_500)));
        assert_eq!("20 us".parse(), Ok(Delay(20)));
        assert_eq!(Delay(1_500).to_string(), "1500us");
        assert_eq!(
            (Delay(0).to_string(), Delay(20_000).to_string()),
            ("0ms".into(), "20ms".into())
        );
        assert!("20".parse::<Delay>().is_err() && "11s".parse::<Delay>().is_err());
        assert!("100%".parse::<Reorder>().unwrap_err().contains("overtake"));
    }
}
