//! Figures that others published, to stand beside a lab's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Rate;

/// A measurement of others. The first figure is what the others' ratios are to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where it was published: title and year.
    pub source: String,
    /// What a reader must know of it.
    #[serde(default)]
    pub note: Option<String>,
    /// Its figures.
    pub figures: Vec<PublishedFigure>,
}

/// One published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedFigure {
    /// What they measured, in their words.
    pub what: String,
    /// What they measured as throughput, in bit/s.
    pub throughput: Rate,
    /// What the receiving and the sending side's processors were busy with it, in percent of one, where they say so.
    #[serde(default)]
    pub cpu: Option<[f64; 2]>,
    /// The variant of this lab that stands beside it, where there is one.
    #[serde(default)]
    pub variant: Option<String>,
}
