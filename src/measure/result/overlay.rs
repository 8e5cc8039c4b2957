//! What joins networks and what the underlay sees of them: parts of a variant's result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_zero;

/// What a lab's expectations of tenants' networks had measured; empty where it has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OverlayResult {
    /// Pairs of VMs of two tenants that reach each other, by `from → to`: `(reached, tried)`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub across: BTreeMap<String, (u32, u32)>,
    /// Tenants' addresses on the underlay, by tenant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sight: BTreeMap<String, SightResult>,
    /// Frames between a segment and the overlay, by segment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gateways: BTreeMap<String, GatewayResult>,
    /// Ways between VMs, as traceroute finds them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceResult>,
    /// How VMs are configured, by `tenant/vm`: one line for each setting.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub configurations: BTreeMap<String, Vec<String>>,
    /// Streams of broadcasts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamResult>,
}

impl OverlayResult {
    /// Whether nothing of it was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == OverlayResult::default()
    }
}

/// How often a tenant's addresses stand where the underlay looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SightResult {
    /// Packets looked at on all underlay links.
    pub packets: u64,
    /// Those of them in which something that a VM of the tenant sent was recognised: the proof
    /// that its traffic was there. 0 where the tunnel hides what is in it.
    pub carried: u64,
    /// Packets whose outermost Ethernet header has a MAC of one of its VMs.
    pub macs: u64,
    /// Packets whose outermost IP or ARP header has an address of one of its VMs.
    pub addresses: u64,
    /// Entries in the MAC tables of all switches.
    pub entries: u64,
    /// Those of them that are a MAC of one of its VMs.
    pub own_entries: u64,
    /// The first packet or entry with one, in words.
    pub example: Option<String>,
    /// Frames that came too fast to be looked at; there may be addresses in them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// What was seen of frames that cross a gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayResult {
    /// VLAN id on the trunk.
    pub vlan: u16,
    /// The tenant's id on the underlay.
    pub id: u64,
    /// Frames sent from the overlay to machines, and from machines to the overlay.
    pub sent: [u64; 2],
    /// Those that arrived.
    pub delivered: [u64; 2],
    /// On the trunk: with the segment's VLAN id, and with another or none.
    pub trunk: [u64; 2],
    /// On the underlay: with the tenant's id, and with another or none.
    pub underlay: [u64; 2],
    /// Frames that reached a VM or machine of another tenant.
    pub elsewhere: u64,
    /// Frames that came too fast to be looked at; they may have been where they must not be.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// The way between two VMs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceResult {
    /// `tenant/vm` that asked.
    pub from: String,
    /// `tenant/vm` that was asked for.
    pub to: String,
    /// Who answered, hop by hop; `*` where nobody did.
    pub hops: Vec<String>,
    /// Whether the last of them is the one asked for.
    pub reached: bool,
}

/// A stream of broadcasts and what it was on links.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamResult {
    /// `tenant/vm` that sent.
    pub from: String,
    /// Datagrams sent.
    pub sent: u64,
    /// Payload bytes of each.
    pub size: u64,
    /// Seconds from the first to the last, and the time of one.
    pub seconds: f64,
    /// VMs on other hosts.
    pub receivers: u64,
    /// Datagrams they received together.
    pub delivered: u64,
    /// Packets of the stream that left the sender's host.
    pub packets: u64,
    /// Their bytes, with all headers from Ethernet on.
    pub bytes: u64,
    /// Bytes on all underlay links together.
    pub bytes_on_links: u64,
    /// Frames that came too fast to be looked at; there may have been more copies.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}
