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
    /// What kind of thing: `cut`, `restore`, `kill`, `revive` or `move`; empty in results of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
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
    /// Seconds from the beginning of the watched traffic to where that time began; absent in results of
    /// older versions, and where nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_from: Option<f64>,
    /// Milliseconds of the longest of those times that began with the event, at most 100 ms after it was
    /// brought about: a longer one that began later may be the machine's. Absent in results of older versions,
    /// and where nothing was sent then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once_ms: Option<f64>,
    /// Seconds from the beginning of the watched traffic to where that one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once_from: Option<f64>,
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

/// What was sent and what arrived between two VMs while events happened, in equal intervals of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineResult {
    /// The two VMs, `red/vm1→red/vm2`.
    pub watched: String,
    /// Milliseconds of one interval; the first begins with the watched traffic.
    pub interval_ms: f64,
    /// Datagrams from the first VM to the second.
    pub there: DirectionTimeline,
    /// Datagrams from the second VM to the first.
    pub back: DirectionTimeline,
    /// Bytes of the connection that arrived in each interval, from the first VM to the second.
    pub tcp_bytes: Vec<u64>,
}

/// Datagrams in one direction, by interval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionTimeline {
    /// Sent in each interval.
    pub sent: Vec<u32>,
    /// Arrived in each interval, by the time of arrival.
    pub arrived: Vec<u32>,
}

impl OutageResult {
    /// Milliseconds of the downtime that began with the event, and where it began in seconds; the
    /// longest of all where results are older.
    #[must_use]
    pub fn at_event(&self) -> (f64, Option<f64>) {
        match self.at_once_ms {
            Some(ms) => (ms, self.at_once_from),
            None => (self.downtime_ms, self.down_from),
        }
    }

    /// Milliseconds and beginning of a longer downtime that began later; `None` where there is none.
    #[must_use]
    pub fn later(&self) -> Option<(f64, f64)> {
        let longer = self.at_once_ms.is_some_and(|ms| self.downtime_ms > ms);
        Some((self.downtime_ms, self.down_from?)).filter(|_| longer)
    }
}

impl EventResult {
    /// As [`EventResult::downtime`], of what began with the event.
    #[must_use]
    pub fn downtime_at_event(&self) -> (f64, bool) {
        let longest = self.there.at_event().0.max(self.back.at_event().0);
        (longest, self.there.healed && self.back.healed)
    }

    /// The longer of the downtimes of both directions in milliseconds, and whether both healed.
    #[must_use]
    pub fn downtime(&self) -> (f64, bool) {
        let longest = self.there.downtime_ms.max(self.back.downtime_ms);
        (longest, self.there.healed && self.back.healed)
    }
}
