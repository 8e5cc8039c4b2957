//! What links were observed to do to packets, beside what they are to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was observed of one link between its two ends. Pairs are from the first end to the second,
/// and back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedLink {
    /// What delays, loses and reorders: `netem` of the kernel, or `relay` of this program; empty
    /// where the link only has a rate.
    pub by: String,
    /// Whether what it does at random is the same in every run with the lab's seed.
    pub seeded: bool,
    /// How long packets were under way; absent where the link only has a rate.
    pub delay: Option<DelayResult>,
    /// How many overtook others, where the lab wants some to.
    pub reorder: Option<ReorderResult>,
    /// What passed when more was sent, where the link has a rate.
    pub rate: Option<RateResult>,
    /// Frames that were dropped because too many waited or came at once, over all rounds of this variant's flows.
    pub overflowed: u64,
}

/// How long probes were under way, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DelayResult {
    /// What the lab asks for.
    pub configured: f64,
    /// By how much that is to be shorter or longer: uniformly, so that half of the probes are to lie
    /// within a range of this width.
    pub jitter: f64,
    /// Probes sent each way; on a link that reorders, trains of probes, whose first ones count here.
    pub sent: [u64; 2],
    /// Probes of these that arrived.
    pub arrived: [u64; 2],
    /// Median of those that were not sent ahead of others.
    pub median: [f64; 2],
    /// Width of the range that the middle half of them lies in (interquartile range).
    pub spread: [f64; 2],
    /// The quickest of them.
    pub min: [f64; 2],
    /// The slowest.
    pub max: [f64; 2],
    /// Probes that arrived after one that was sent later, on a link that is not to reorder.
    pub out_of_order: [u64; 2],
}

/// Probes that overtook others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReorderResult {
    /// Share that the lab asks for, from 0 to 1.
    pub configured: f64,
    /// Probes that arrived and could have overtaken one right before them, each way.
    pub arrived: [u64; 2],
    /// Those of them that arrived before one that was sent earlier in their train.
    pub overtook: [u64; 2],
}

/// Bits per second of Ethernet frames, without FCS, preamble and gap.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateResult {
    /// What the lab asks for.
    pub configured: f64,
    /// What passed each way while more was sent.
    pub observed: [f64; 2],
}

impl ReorderResult {
    /// Share of both directions together that overtook others; 0 where nothing arrived.
    #[must_use]
    pub fn share(&self) -> f64 {
        share(self.overtook, self.arrived)
    }
}

/// One pair over another, both directions together.
pub(super) fn share(part: [u64; 2], whole: [u64; 2]) -> f64 {
    let sum = |pair: [u64; 2]| pair[0].saturating_add(pair[1]);
    if sum(whole) == 0 { 0.0 } else { sum(part) as f64 / sum(whole) as f64 }
}
