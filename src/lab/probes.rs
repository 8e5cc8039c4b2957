//! Crafted packets of a lab, and what must become of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::VlanId;

/// Packets made by hand, sent in every variant that can carry them and counted at the far end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Name, unique in the lab.
    pub name: String,
    /// What is sent.
    #[serde(flatten)]
    pub packet: Crafted,
    /// How many are sent.
    #[serde(default = "ten")]
    pub count: u32,
}

const fn ten() -> u32 {
    10
}

/// Where a crafted packet starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Crafted {
    /// A tunnel packet of the variant's encapsulation, sent from a host's underlay address.
    Outer(OuterPacket),
    /// A frame sent by a VM.
    Inner(InnerPacket),
}

/// A tunnel packet, as the sending host's edge would send it but for what is said here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OuterPacket {
    /// Sending host.
    pub from: String,
    /// The VM it is for as `tenant/vm`, or a host for a packet of the first tenant to nobody there.
    pub to: String,
    /// The outer UDP checksum, or that of GRE where it has one; right where absent. GRE's is not zero, which would be
    /// a sum like any other.
    #[serde(default)]
    pub checksum: Option<Checksum>,
    /// VLAN id of a tag on the inner frame.
    #[serde(default)]
    pub tag: Option<VlanId>,
    /// Sends frames with this VLAN id on the fabric instead, reserved ones too; in variants of `vlan` only.
    #[serde(default)]
    pub vid: Option<u16>,
    /// GRE sequence number of the first packet; the others count up from it.
    #[serde(default)]
    pub sequence: Option<u32>,
}

/// A frame of a VM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InnerPacket {
    /// Sending VM, `tenant/vm`.
    pub from: String,
    /// The VM where it is counted, `tenant/vm`, and which it is addressed to unless `cast` says otherwise.
    pub to: String,
    /// VLAN id of a tag on the frame.
    #[serde(default)]
    pub tag: Option<VlanId>,
    /// Whom it is addressed to.
    #[serde(default)]
    pub cast: Cast,
    /// `EtherType` of a frame that holds no IP packet, e.g. 0x88B5, which IEEE 802 keeps for
    /// experiments; absent means a UDP datagram.
    #[serde(default)]
    pub ethertype: Option<u16>,
}

/// What stands in the checksum of a crafted packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// Zero: the sender made none.
    Zero,
    /// The right sum.
    Right,
    /// Another number.
    Wrong,
}

/// Whom a VM's crafted frame is addressed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cast {
    /// The receiving VM.
    #[default]
    Unicast,
    /// Everyone.
    Broadcast,
    /// A link-local group.
    Multicast,
}

/// What must have become of a probe; of the three at least one is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeExpected {
    /// The probe's name.
    pub name: String,
    /// Exactly so many of them reach the VM.
    #[serde(default)]
    pub delivered: Option<u32>,
    /// None reaches the VM, and all of them are counted as dropped for this reason.
    #[serde(default)]
    pub dropped: Option<String>,
    /// None reaches the VM, and the sender sees at least one such answer (hosts limit how many they send).
    #[serde(default)]
    pub answered: Option<Answer>,
}

/// How a host without such a tunnel answers a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// ICMP protocol unreachable (RFC 792: type 3, code 2) or ICMPv6 unknown next header (RFC 4443: type 4, code 1).
    ProtocolUnreachable,
    /// ICMP port unreachable (type 3, code 3; ICMPv6: type 1, code 4).
    PortUnreachable,
    /// Either of the two: Linux answers the protocols it has a module for by port unreachable.
    Unreachable,
    /// ICMP fragmentation needed (type 3, code 4) or ICMPv6 packet too big (type 2).
    FragmentationNeeded,
}

impl Answer {
    /// The name in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Answer::ProtocolUnreachable => "protocol-unreachable",
            Answer::PortUnreachable => "port-unreachable",
            Answer::Unreachable => "unreachable",
            Answer::FragmentationNeeded => "fragmentation-needed",
        }
    }

    /// Whether an answer of this name is one.
    #[must_use]
    pub fn covers(self, name: &str) -> bool {
        name == self.name()
            || self == Answer::Unreachable
                && (Answer::ProtocolUnreachable.covers(name)
                    || Answer::PortUnreachable.covers(name))
    }
}

impl Probe {
    /// The sender and the receiver as they are written.
    #[must_use]
    pub fn ends(&self) -> (&str, &str) {
        match &self.packet {
            Crafted::Outer(packet) => (&packet.from, &packet.to),
            Crafted::Inner(packet) => (&packet.from, &packet.to),
        }
    }
}
