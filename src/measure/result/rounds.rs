//! How sure figures are, and which rounds they rest on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FlowRound;

/// Where the true median of a figure lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end, in the unit of the figure.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability with which such an interval holds the median, if rounds are independent: 0.95, or less below six rounds
    /// (of a ratio of two medians then the least that it can be).
    pub level: f64,
    /// How it was found.
    pub method: IntervalMethod,
    /// Rounds it rests on.
    pub rounds: u64,
}

/// How an interval was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntervalMethod {
    /// Percentiles of resampled medians, from six rounds on.
    Bootstrap,
    /// Smallest to largest, with fewer rounds.
    Range,
}

/// What sets a round apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoundMark {
    /// Run first, before anything counted, so that caches, tables and windows are as in later rounds.
    WarmUp,
    /// Other programs or the hypervisor took more processor time than a quiet round has.
    Noisy,
}

impl FlowRound {
    /// Whether the round enters figures: it ended well and is not left out.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.error.is_none() && !self.left_out
    }
}

/// How many rounds a run had and why no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundsResult {
    /// Rounds begun, warm-up included.
    pub run: u32,
    /// Warm-up rounds among them.
    pub warm_up: u32,
    /// Measurements (one flow in one variant in one round) that were noisy.
    pub noisy: u32,
    /// All measurements.
    pub measurements: u32,
    /// Whether noisy measurements were left out: not where too few quiet ones were had, or where the lab asks for
    /// exactly so many rounds.
    pub noisy_left_out: bool,
    /// Half of an interval over its median that ends the run, where the lab says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// The widest at the end, of the figures that count for it; absent where one has fewer than six rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widest: Option<f64>,
    /// Why there were no more.
    pub ended: Ended,
}

/// Why a run had no more rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The lab asks for exactly so many.
    Exact,
    /// All intervals are as narrow as the lab asks for.
    Narrow,
    /// The lab allows no more.
    Most,
    /// The lab allows no more time.
    Limit,
    /// Interrupted.
    Interrupted,
}
