//! What must hold: the kinds of expectation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attacks::AttackExpected;
use super::bum::{CopyCount, TunnelCount};
use super::cost::{CostExpected, SlowdownExpected};
use super::events::{DowntimeExpected, SurvivalExpected};
use super::joined::{Reach, StreamExpected};
use super::link::LinkExpected;
use super::outcome::{RatioExpected, Secrecy, SentChecksum, Transfer};
use super::probes::ProbeExpected;
use super::tables::{StrayExpected, TableExpected};
use crate::ids::Encap;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What must hold.
    #[serde(flatten)]
    pub what: Expected,
    /// Only in variants of this encapsulation; absent means in all.
    #[serde(default, rename = "in")]
    pub only: Option<Encap>,
    /// Only in the variant of this name, e.g. `gretap-csum`; absent means in all.
    #[serde(default)]
    pub variant: Option<String>,
    /// The row of the lesson it proves, e.g. `C1`.
    #[serde(default)]
    pub claim: Option<String>,
    /// What the lesson has wrong, in a sentence, if this holds; goes with `claim`.
    #[serde(default)]
    pub contradicts: Option<String>,
}

/// Where an encapsulation's ids run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedExpected {
    /// The encapsulation.
    pub encap: Encap,
    /// How many tenants are one too many.
    pub tenants: u32,
}

/// The kinds of expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// Every VM of the tenant reaches every other one, or every one of another tenant.
    Reachable(Reach),
    /// No VM of the tenant reaches another one, or one of another tenant.
    Unreachable(Reach),
    /// No packet on the underlay has a MAC or IP address of these tenants' VMs in its outermost
    /// headers, and no switch's table one of their MACs.
    Blind(Vec<String>),
    /// Packets on the underlay and tables of switches have MACs of these tenants' VMs.
    Seen(Vec<String>),
    /// Frames of both directions carry this segment's VLAN id on its trunk and the tenant's id on
    /// the underlay, and no other.
    Gateway(String),
    /// So many hops lie between two VMs, by traceroute; 1 is no router in between.
    Hops {
        /// `tenant/vm` that asks.
        from: String,
        /// `tenant/vm` that is asked for.
        to: String,
        /// Hops, the receiver being the last.
        count: u32,
    },
    /// VMs of the tenant are configured as in another variant, but for the MTU.
    Unaware {
        /// Tenant name.
        within: String,
        /// The other variant; absent means the plain path.
        #[serde(default)]
        of: Option<String>,
    },
    /// Entries that the host with the most of them has to have for a tenant: the other ends of its
    /// tunnels, or the places that it sends broadcasts to.
    Entries(BTreeMap<String, u64>),
    /// What a stream of broadcasts costs on the sender's link.
    Stream(StreamExpected),
    /// Datagrams of UDP flows that arrive behind a later one of the same flow, over all rounds.
    Reordered {
        /// Fewest.
        #[serde(default, rename = "at-least")]
        at_least: Option<u64>,
        /// Most.
        #[serde(default, rename = "at-most")]
        at_most: Option<u64>,
    },
    /// Engines dropped at least so many frames, by reason.
    Drops(BTreeMap<String, u64>),
    /// No probe of one of these tenants reaches another.
    Isolated(Vec<String>),
    /// Bytes each packet grows by: computed and counted must both equal it.
    Overhead(u32),
    /// Largest inner IP packet that passes, in bytes.
    Mtu(u32),
    /// What part of another variant's throughput the first TCP flow has, by the median over the rounds.
    Throughput(RatioExpected),
    /// What part of another variant's processor time per byte the first TCP flow takes, by the median over the
    /// rounds.
    Cpu(RatioExpected),
    /// What part of the ceiling that the headers leave of a shaped link's rate one TCP stream gets as goodput.
    Goodput {
        /// Smallest part.
        #[serde(default, rename = "at-least")]
        at_least: Option<f64>,
        /// Largest part.
        #[serde(default, rename = "at-most")]
        at_most: Option<f64>,
    },
    /// Packets in which a frame that fills the VM's MTU crosses each link of the underlay; 1 where nothing
    /// fragments it.
    Pieces(u32),
    /// Segments that the sender of the first TCP flow sent again, over all rounds.
    Retransmits {
        /// Fewest.
        #[serde(default, rename = "at-least")]
        at_least: Option<u32>,
        /// Most.
        #[serde(default, rename = "at-most")]
        at_most: Option<u32>,
    },
    /// The smallest part that one of these links has of all bytes that cross them, in the
    /// direction that carried more, lies within these bounds.
    Spread {
        /// Names of two or more links.
        links: Vec<String>,
        /// Smallest part, up to 1 over the number of links.
        #[serde(default, rename = "at-least")]
        at_least: Option<f64>,
        /// Largest part.
        #[serde(default, rename = "at-most")]
        at_most: Option<f64>,
    },
    /// Point-to-point tunnels that have to be configured.
    Tunnels(TunnelCount),
    /// Packets that leave the sender's host for one broadcast.
    Copies(CopyCount),
    /// Every broadcast and multicast of a VM of the tenant reaches all its other VMs.
    Broadcast {
        /// Tenant name.
        within: String,
    },
    /// No broadcast and no multicast of a VM of the tenant reaches a VM on another host, and unicast does.
    #[serde(rename = "no-broadcast")]
    NoBroadcast {
        /// Tenant name.
        within: String,
    },
    /// The first packet between two VMs goes the way of flood and learn (RFC 7348 section 4.1), step by step.
    Walk {
        /// `tenant/vm` that sends.
        from: String,
        /// `tenant/vm` that is asked for and answers.
        to: String,
    },
    /// Whether an attack succeeds.
    Attack(AttackExpected),
    /// An encapsulation has ids for fewer tenants than the lab has: which one is the first that it
    /// refuses. Its variants carry those before it.
    Refused(RefusedExpected),
    /// What became of a probe.
    Probe(ProbeExpected),
    /// A packet too large for the underlay is answered with this MTU, in every IP version of the tenant.
    Told(u32),
    /// What a bulk TCP transfer between VMs of full-sized segments comes to.
    Transfer(Transfer),
    /// What VMs send and the headers around it are the bytes on the wire, at every hop; always `true`.
    Ledger(bool),
    /// Whether what VMs send can be read on the underlay.
    Payload(Secrecy),
    /// One send of at least so many bytes leaves the sending host during a bulk transfer.
    #[serde(rename = "large_send")]
    LargeSend {
        /// Bytes of the largest frame handed to the host's interface.
        #[serde(rename = "at-least")]
        at_least: u32,
    },
    /// TCP connections that are opened on the underlay to the tunnel's port during a bulk transfer.
    Handshakes(u32),
    /// What the outer UDP checksum of the packets that are sent is.
    Checksum(SentChecksum),
    /// What was observed of links, within bounds.
    Link(LinkExpected),
    /// Entries in a switch's or host's MAC table.
    Tables(TableExpected),
    /// Unicast frames of a tenant that are seen at ports they are not for.
    Stray(StrayExpected),
    /// How long nothing passes after an event.
    Downtime(DowntimeExpected),
    /// Whether connections carry on after an event.
    Survives(SurvivalExpected),
    /// How many times longer answers take under load.
    Slowdown(SlowdownExpected),
    /// What a byte costs in small packets over what it costs in large ones.
    Cost(CostExpected),
    /// Share of the first UDP flow's datagrams that arrive.
    Delivered {
        /// Smallest share.
        #[serde(default, rename = "at-least")]
        at_least: Option<f64>,
        /// Largest share.
        #[serde(default, rename = "at-most")]
        at_most: Option<f64>,
    },
}
