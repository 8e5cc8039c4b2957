//! Processor time by who took it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FlowRound, Spread};

/// CPU seconds of one round by who took them. What the kernel does on a thread's time is that thread's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuParts {
    /// Threads of the sending generator, or of the client; absent where iperf3 generates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<f64>,
    /// Threads of the receiving one, or of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<f64>,
    /// Threads of our engines that take frames from VMs to the underlay; absent where none of ours do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encap: Option<f64>,
    /// Threads of our engines that take packets from the underlay to VMs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decap: Option<f64>,
    /// Threads of our own switches of an L2 fabric; absent where the kernel's bridges forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switches: Option<f64>,
    /// Other programs, as the round's `foreign` tells; absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<f64>,
}

/// Who takes processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CostPart {
    /// The generator that sends.
    Sender,
    /// Our engines, from VMs to the underlay.
    Encapsulate,
    /// Our engines, from the underlay to VMs.
    Decapsulate,
    /// What carries both ways in the same processes: OpenSSH.
    Tunnel,
    /// Our own switches.
    Switches,
    /// The generator that receives.
    Receiver,
    /// The machine less all of these and other programs: the kernel beside their threads, and this program's
    /// other ones.
    Rest,
    /// All of these: the machine less other programs.
    All,
}

impl CostPart {
    /// All of them, on the way of a packet.
    pub const ALL: [CostPart; 8] = [
        CostPart::Sender,
        CostPart::Encapsulate,
        CostPart::Decapsulate,
        CostPart::Tunnel,
        CostPart::Switches,
        CostPart::Receiver,
        CostPart::Rest,
        CostPart::All,
    ];

    /// The name used in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CostPart::Sender => "sender",
            CostPart::Encapsulate => "encapsulate",
            CostPart::Decapsulate => "decapsulate",
            CostPart::Tunnel => "tunnel",
            CostPart::Switches => "switches",
            CostPart::Receiver => "receiver",
            CostPart::Rest => "rest",
            CostPart::All => "all",
        }
    }

    /// CPU seconds of this part in a round; `None` where there is no such part, or it is not known.
    #[must_use]
    pub fn seconds(self, round: &FlowRound) -> Option<f64> {
        let parts = round.cpu?;
        let ways = parts.encap.or(parts.decap);
        let tunnel = Some(round.engine_seconds).filter(|s| ways.is_none() && *s > 0.0);
        let known =
            [parts.sender, parts.encap, parts.decap, tunnel, parts.switches, parts.receiver];
        let known: f64 = known.into_iter().flatten().sum();
        // The machine's time is counted in ticks, the threads' to the nanosecond.
        let rest = (round.cpu_seconds - known - parts.others.unwrap_or_default()).max(0.0);
        match self {
            CostPart::Sender => parts.sender,
            CostPart::Encapsulate => parts.encap,
            CostPart::Decapsulate => parts.decap,
            CostPart::Tunnel => tunnel,
            CostPart::Switches => parts.switches,
            CostPart::Receiver => parts.receiver,
            CostPart::Rest => Some(rest),
            CostPart::All => Some(known + rest),
        }
    }
}

/// What a flow costs in processor time, by who pays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowCost {
    /// Payload bytes of a packet, as a cable would carry it: of a TCP segment, a datagram or a fragment of one;
    /// absent of flows that run together and differ in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_bytes: Option<f64>,
    /// Each part, in the order of [`CostPart::ALL`]; those that there are not are left out.
    pub parts: Vec<PartCost>,
}

/// What one part of the way costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartCost {
    /// Who.
    pub part: CostPart,
    /// CPU seconds per gigabyte (10^9 bytes) delivered.
    pub per_gb: Spread,
    /// Nanoseconds per packet delivered; absent where `packet_bytes` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_packet: Option<Spread>,
}

impl FlowCost {
    /// What a part costs.
    #[must_use]
    pub fn part(&self, part: CostPart) -> Option<&PartCost> {
        self.parts.iter().find(|cost| cost.part == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_what_nobody_else_took() {
        let parts = CpuParts {
            sender: Some(1.0),
            receiver: Some(0.5),
            encap: Some(0.25),
            decap: Some(0.25),
            switches: None,
            others: Some(0.25),
        };
        let round = FlowRound {
            cpu_seconds: 2.75,
            engine_seconds: 0.5,
            cpu: Some(parts),
            ..FlowRound::default()
        };
        let of = |part: CostPart, round: &FlowRound| part.seconds(round);
        assert_eq!(of(CostPart::Rest, &round), Some(0.5));
        assert_eq!((of(CostPart::Tunnel, &round), of(CostPart::Switches, &round)), (None, None));
        let coarse = FlowRound { cpu_seconds: 1.9, ..round.clone() };
        assert_eq!(of(CostPart::Rest, &coarse), Some(0.0), "ticks are coarse");
        assert_eq!((of(CostPart::All, &round), of(CostPart::All, &coarse)), (Some(2.5), Some(2.0)));
        let ssh = CpuParts { encap: None, decap: None, ..parts };
        let ssh = FlowRound { cpu: Some(ssh), ..round };
        assert_eq!((of(CostPart::Tunnel, &ssh), of(CostPart::Rest, &ssh)), (Some(0.5), Some(0.5)));
        assert_eq!(of(CostPart::Rest, &FlowRound::default()), None, "of an older result");
    }
}
