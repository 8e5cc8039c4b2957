//! What flows, transfers and packets must come to, as expectations say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What part of another variant's figure a flow must have: of its throughput, or of its processor time per byte. One
/// of the two bounds is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RatioExpected {
    /// Smallest ratio, above 0.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<f64>,
    /// Largest ratio.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<f64>,
    /// The variant it is compared with; the own plain path where absent.
    #[serde(default)]
    pub of: Option<String>,
}

/// What a bulk TCP transfer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// All of it arrives.
    Passes,
    /// The connection is made, and then no full segment arrives.
    Stalls,
}

/// Whether what VMs send can be read on the underlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Secrecy {
    /// Their payload stands in the underlay's packets.
    Readable,
    /// It arrives, and stands in no packet of the underlay.
    Hidden,
}

/// What a sender writes into the outer UDP checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SentChecksum {
    /// Zero: none.
    Zero,
    /// The right sum.
    Right,
}
