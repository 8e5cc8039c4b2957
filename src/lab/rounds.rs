//! How many rounds a lab runs: exactly so many, or until figures are sure enough.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Span, Width};

const LIMIT: Duration = Duration::from_secs(120);

/// How many times each flow is run in each variant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Rounds {
    /// Exactly so many.
    Exactly(u32),
    /// Until intervals are narrow.
    Until(Until),
}

/// Rounds until intervals are narrow, after one to warm up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Until {
    /// The least that are run: six or more, since fewer give no interval of 95 %.
    pub min: u32,
    /// The most that are counted; noisy ones are repeated up to as often again.
    pub max: u32,
    /// Half of an interval over its median that is narrow enough.
    pub until: Width,
    /// Time for all rounds, after which none is begun once there are `min`.
    pub limit: Span,
}

impl Until {
    /// Rounds run before those that count.
    pub const WARM_UP: u32 = 1;
}

impl Default for Until {
    fn default() -> Self {
        Until { min: 6, max: 30, until: Width(50_000), limit: Span(LIMIT) }
    }
}

impl Rounds {
    /// Rounds that are run in any case, warm-up included.
    #[must_use]
    pub fn least(self) -> u32 {
        match self {
            Rounds::Exactly(rounds) => rounds,
            Rounds::Until(until) => until.min + Until::WARM_UP,
        }
    }

    /// In words, e.g. `3 rounds each`.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Rounds::Exactly(1) => "1 round each".to_owned(),
            Rounds::Exactly(rounds) => format!("{rounds} rounds each"),
            Rounds::Until(u) => {
                format!(
                    "{} to {} rounds each, until within {} or {} are over",
                    u.min, u.max, u.until, u.limit
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_ends_it() {
        assert_eq!(Rounds::Exactly(1).words(), "1 round each");
        let until = Until { limit: "1m".parse().unwrap(), ..Until::default() };
        assert_eq!(
            Rounds::Until(until).words(),
            "6 to 30 rounds each, until within 5% or 1m are over"
        );
        assert_eq!((Rounds::Until(until).least(), Rounds::Exactly(4).least()), (7, 4));
    }
}
