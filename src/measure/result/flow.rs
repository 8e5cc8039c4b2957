//! What came of a flow, round by round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CpuParts, FlowCost, Interval, RoundMark};

/// One flow in one variant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowResult {
    /// The flow's label, equal in all variants.
    pub label: String,
    /// `tcp`, `udp` or `rr`.
    pub kind: String,
    /// Label of what it is part of, where it runs at the same time as others; their sum stands
    /// before them under that label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// One entry per round.
    pub rounds: Vec<FlowRound>,
    /// The figure to compare (bit/s for `tcp` and `udp`, transactions/s for `rr`) over the rounds.
    pub rate: Spread,
    /// `rate` over the plain path's of the same round; absent in a plain variant.
    pub ratio: Option<Spread>,
    /// CPU seconds of the whole machine per gigabyte (10^9 bytes) delivered.
    pub cpu_per_gb: Option<Spread>,
    /// CPU seconds of the engines' threads per gigabyte delivered; absent in the kernel datapath.
    pub engine_cpu_per_gb: Option<Spread>,
    /// What a packet and a gigabyte cost in processor time, by who pays, for `tcp` and `udp` that run alone
    /// and for sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<FlowCost>,
    /// Round-trip latency over all rounds, for `rr`.
    pub latency: Option<Latency>,
    /// Payload bytes of a datagram, or of a request and of a response; absent of `tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The load beside it; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadResult>,
    /// Datagrams delivered per second, for `udp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_rate: Option<Spread>,
    /// How sure the median of `packet_rate` is; absent of one round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_rate_interval: Option<Interval>,
    /// How sure the median of `rate` is; absent of one round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_interval: Option<Interval>,
    /// How sure the median of `ratio` is; absent in a plain variant and of one round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio_interval: Option<Interval>,
}

/// Bulk TCP that ran beside a flow of requests and responses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    /// Connections, all in the direction of the requests.
    pub streams: u32,
    /// Payload bits that they delivered per second.
    pub rate: Spread,
    /// Label of the flow that is the same without load; absent where the lab has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<String>,
}

/// One round of one flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowRound {
    /// Seconds measured.
    pub seconds: f64,
    /// Payload bytes delivered to the receiver.
    pub bytes: u64,
    /// Datagrams or transactions sent.
    pub sent: u64,
    /// Datagrams or transactions delivered.
    pub received: u64,
    /// TCP segments retransmitted.
    pub retransmits: u64,
    /// Datagrams that came behind a later one of the flow.
    #[serde(default)]
    pub reordered: u64,
    /// Payload bytes that the load beside it delivered meanwhile; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_bytes: Option<u64>,
    /// CPU seconds of the whole machine meanwhile.
    pub cpu_seconds: f64,
    /// CPU seconds of the engines' threads meanwhile.
    pub engine_seconds: f64,
    /// CPU seconds by who took them; absent in results of older versions, and where other flows share in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuParts>,
    /// Why the flow failed; its figures are then 0 and it does not enter the medians.
    pub error: Option<String>,
    /// What sets this round apart from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<RoundMark>,
    /// Whether the round is left out of all figures because of its mark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// Processor time that other programs and the hypervisor took meanwhile, as a share of the
    /// machine's; absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<f64>,
}

/// Minimum, median and maximum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

/// Round-trip latency in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Round trips measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Points of the distribution function: `(microseconds, share of round trips at most that)`.
    pub cdf: Vec<(f64, f64)>,
}

impl Spread {
    /// The spread of some figures; `None` of none. Figures that are not finite are left out.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|f| f.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Spread { min, median, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_takes_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
        assert_eq!(Spread::of([f64::NAN]), None);
    }
}
