//! `expect`: how much longer answers take under load, and what small packets cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::ByteSize;

/// How many times longer half of the answers take under load, in the first `rr` flow that has a load and its idle
/// one beside it; at least one of the two bounds is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowdownExpected {
    /// Smallest ratio, above 0.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<f64>,
    /// Largest ratio.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<f64>,
}

/// What a byte costs in datagrams of one size over what it costs in those of another, in processor time; at least one of
/// the two bounds is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostExpected {
    /// Payload bytes of the datagrams that it is about.
    pub size: ByteSize,
    /// Payload bytes of those that they are compared with.
    pub of: ByteSize,
    /// Smallest ratio, above 0.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<f64>,
    /// Largest ratio.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<f64>,
}
