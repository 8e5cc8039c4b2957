//! Figures that others published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measurement of others, as the lab has it. The first figure is what the others' ratios are to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedResult {
    /// Where it was published.
    pub source: String,
    /// What a reader must know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its figures.
    pub figures: Vec<PublishedFigureResult>,
}

/// One published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedFigureResult {
    /// What they measured.
    pub what: String,
    /// Throughput in bit/s.
    pub throughput: f64,
    /// Processor time of the receiving and of the sending side meanwhile, in percent of a processor; absent where
    /// it was not published, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<[f64; 2]>,
    /// The variant of this run that stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}
