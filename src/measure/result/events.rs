//! What events did to the traffic that was watched meanwhile: part of a variant's result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one event did to the traffic between two VMs, until the next event or the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventResult {
    /// Its number in the lab, from 1.
    pub number: u32,
    /// The name that the lab gives to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What happened, in words.
    pub what: String,
    /// The two VMs, `red/vm1→red/vm2`.
    pub watched: String,
    /// Seconds from the beginning of the watched traffic to the event.
    pub at: f64,
    /// Milliseconds that bringing it about took.
    pub took_ms: f64,
    /// Seconds until the next event, or the end.
    pub seconds: f64,
    /// Datagrams from the first VM to the second.
    pub there: OutageResult,
    /// Datagrams from the second VM to the first.
    pub back: OutageResult,
    /// The connection that sends from the first VM to the second.
    pub tcp: ConnectionResult,
    /// Milliseconds of the longest gap of any flow in the quiet time before the first event: what
    /// this machine's own hesitation looks like.
    pub quiet_ms: f64,
    /// Routes that were added, replaced or removed by the testbed's routing.
    #[serde(default)]
    pub routes_changed: u64,
}

/// What datagrams in one direction felt of an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutageResult {
    /// Flows, each with a source port of its own, so that equal-cost paths are all used.
    pub flows: u32,
    /// Flows that lost datagrams.
    pub flows_hit: u32,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that never arrived.
    pub lost: u64,
    /// Milliseconds of the longest time in which a flow sent and nothing of it arrived.
    pub downtime_ms: f64,
    /// Whether every flow arrived again.
    pub healed: bool,
}

/// What a TCP connection felt of an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionResult {
    /// Whether what was sent after the event arrived before the next one, or before the end.
    pub survived: bool,
    /// Milliseconds of the longest time in which nothing new arrived.
    pub gap_ms: f64,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Why the connection ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl EventResult {
    /// The longer of the downtimes of both directions in milliseconds, and whether both healed.
    #[must_use]
    pub fn downtime(&self) -> (f64, bool) {
        let longest = self.there.downtime_ms.max(self.back.downtime_ms);
        (longest, self.there.healed && self.back.healed)
    }
}
