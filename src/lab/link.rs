//! What a lab expects of its links: that what was observed lies within bounds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Delay, Loss, Rate, Reorder};

/// Bounds of an observed figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "T: Deserialize<'de>"))]
#[schemars(rename = "BoundsOf{T}")]
pub struct Bounds<T> {
    /// Smallest.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<T>,
    /// Largest.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<T>,
}

/// What was observed of links, between whose ends; each in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkExpected {
    /// The link's name, `a-b`; absent means every link that is to do anything to packets.
    #[serde(default)]
    pub name: Option<String>,
    /// Median time that packets were under way.
    #[serde(default)]
    pub delay: Option<Bounds<Delay>>,
    /// Width of the range that the middle half of these times lies in: as much as `jitter` asks for.
    #[serde(default)]
    pub jitter: Option<Bounds<Delay>>,
    /// Share of the flows' packets that were lost, both directions together.
    #[serde(default)]
    pub loss: Option<Bounds<Loss>>,
    /// Share of packets that overtook others, both directions together.
    #[serde(default)]
    pub reorder: Option<Bounds<Reorder>>,
    /// Bits per second that passed when more were sent.
    #[serde(default)]
    pub rate: Option<Bounds<Rate>>,
}

impl LinkExpected {
    /// Whether it bounds nothing.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        let Self { name: _, delay, jitter, loss, reorder, rate } = self;
        delay.is_none() && jitter.is_none() && loss.is_none() && reorder.is_none() && rate.is_none()
    }
}
