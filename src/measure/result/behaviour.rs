//! What single packets and transfers came to: parts of a variant's result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one probe's packets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeResult {
    /// The probe's name.
    pub name: String,
    /// What was sent, in words.
    pub what: String,
    /// Packets sent.
    pub sent: u64,
    /// Those that the VM they were for received; 0 where they were for a host.
    pub delivered: u64,
    /// Those that any other VM received.
    pub elsewhere: u64,
    /// ICMP messages about them that the sender saw, by name: `protocol-unreachable`,
    /// `port-unreachable`, `fragmentation-needed`, or `icmp-TYPE-CODE`.
    pub answers: BTreeMap<String, u64>,
    /// The MTU that fragmentation-needed messages named.
    pub told: Option<u32>,
    /// Frames dropped meanwhile, by reason, at all edges; wrong outer UDP checksums, which the receiving
    /// host's UDP counts, are `bad_checksum`.
    pub drops: BTreeMap<String, u64>,
}

/// What a bulk TCP transfer between two VMs came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferResult {
    /// Whether the connection was made.
    pub connected: bool,
    /// Bytes to transfer.
    pub bytes: u64,
    /// Bytes that arrived within the time.
    pub delivered: u64,
    /// Seconds it took, or was given.
    pub seconds: f64,
    /// What left the sending host meanwhile.
    pub sends: SendResult,
    /// The longest time in which nothing arrived, in seconds: between the connection and the end.
    #[serde(default)]
    pub silence: f64,
    /// Payload bytes of the segments that the VM sent, at first and at last; absent where it sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<[u32; 2]>,
    /// Segments that the VM sent again.
    #[serde(default)]
    pub again: u64,
    /// When it did so, the first eight times, in seconds after its first byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<f64>,
    /// What the VM was told by ICMP meanwhile: an MTU, and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<(u32, u64)>,
    /// Bytes that had arrived by some moments, in seconds after the connection; at most 60 of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrived: Vec<(f64, u64)>,
}

/// What left a host's underlay interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendResult {
    /// Frames handed to the interface, super-frames as one.
    pub frames: u64,
    /// Packets that they are on a cable.
    pub packets: u64,
    /// Packets among them that decode as the variant's encapsulation.
    pub decoded: u64,
    /// Bytes of the largest frame handed to the interface.
    pub largest: u64,
    /// TCP connections opened to the tunnel's port.
    pub handshakes: u64,
}

/// Whether what VMs send can be read on the underlay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PayloadResult {
    /// Datagrams with a known payload that arrived at the other VM.
    pub delivered: u64,
    /// Packets that left the sending host with that payload in them.
    pub readable: u64,
    /// Bytes on the sending host's underlay in both directions, per byte of the VM's frames; whatever
    /// the tunnel exchanges beside them is in it.
    pub underlay_per_inner: Option<f64>,
}

/// One captured packet, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Anatomy {
    /// Its bytes from the outer Ethernet header on, in hexadecimal digits.
    pub frame: String,
    /// Its layers from the outside in.
    pub layers: Vec<AnatomyLayer>,
}

/// One layer of a packet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnatomyLayer {
    /// What it is.
    pub protocol: String,
    /// Its first byte in the frame.
    pub offset: usize,
    /// Its bytes.
    pub length: usize,
    /// Its fields by their standard names, in order.
    pub fields: Vec<(String, String)>,
}

/// Loss of one link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossResult {
    /// Share that the lab asks for, from 0 to 1.
    pub configured: f64,
    /// Packets that were offered to the link, from the first end to the second and back.
    pub offered: [u64; 2],
    /// Packets of these that were lost.
    pub lost: [u64; 2],
}

impl LossResult {
    /// Share of both directions together that was lost; 0 where nothing was offered.
    #[must_use]
    pub fn share(&self) -> f64 {
        super::link::share(self.lost, self.offered)
    }
}
