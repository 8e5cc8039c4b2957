//! The result document: everything a run found out, and the only thing reports are drawn from.

mod attack;
mod behaviour;
mod cost;
mod events;
mod flow;
mod ledger;
mod lesson;
mod link;
mod new_tenant;
mod overlay;
mod published;
mod rounds;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bum::BroadcastResult;
use super::stray::StrayResult;
use super::tables::TableCount;
use super::walk::WalkResult;
pub use attack::{AttackResult, CounterResult, Evidence};
pub use behaviour::{
    Anatomy, AnatomyLayer, LossResult, PayloadResult, ProbeResult, SendResult, TransferResult,
};
pub use cost::{CostPart, CpuParts, FlowCost, PartCost};
pub use flow::{FlowResult, FlowRound, Latency, LoadResult, Spread};
pub use ledger::{LedgerLayer, LedgerRow};
pub use lesson::ClaimResult;
pub use link::{DelayResult, ObservedLink, RateResult, ReorderResult};

pub use overlay::{GatewayResult, OverlayResult, SightResult, StreamResult, TraceResult};
pub use published::{PublishedFigureResult, PublishedResult};
pub use rounds::{Ended, Interval, IntervalMethod, RoundMark, RoundsResult};

pub use events::{ConnectionResult, DirectionTimeline, EventResult, OutageResult, TimelineResult};
pub use new_tenant::{IdSpaceResult, NewTenantResult};

/// Version of the document's shape. A reader of this number reads every document of this number: fields that are added
/// may be absent (`serde(default)`), and readers pass over those that they do not know. The number is raised when a field
/// goes, gets another name, type or meaning, or has to be there; `tests/schema/result-2.txt` holds that.
pub const SCHEMA: &str = "overlab-result/2";

fn this_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "const": SCHEMA })
}

/// What one run of one lab found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("$id" = "urn:overlab:result:2"))]
pub struct RunResult {
    /// Always [`SCHEMA`] for documents of this version.
    #[schemars(schema_with = "this_schema")]
    pub schema: String,
    /// Version of the program.
    pub version: String,
    /// Commit that the program was built from, with `changed` where its files differed from it; `debug` of a build that is not
    /// optimised, whose figures are not to be compared with others.
    pub build: String,
    /// The lab's title.
    pub title: String,
    /// The lab's paragraph for readers.
    pub about: Option<String>,
    /// Path of the lab file as given.
    pub lab: String,
    /// 16 hexadecimal digits that are others as soon as the lab's file, or a topology that it names, is another one.
    pub lab_hash: String,
    /// Start, RFC 3339 with offset.
    pub started: String,
    /// Wall-clock seconds of the whole run.
    pub seconds: f64,
    /// Whether all rounds were run; false after an interruption.
    pub complete: bool,
    /// The lab's seed.
    pub seed: u64,
    /// The machine it ran on.
    pub machine: Machine,
    /// Seconds to build and to remove everything, and the number of namespaces.
    pub testbed: TestbedTimes,
    /// The networks compared, baselines included.
    pub variants: Vec<VariantResult>,
    /// What had to hold, and whether it did.
    pub expectations: Vec<Verdict>,
    /// The rows of the lesson that expectations are about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimResult>,
    /// What a reader must know to read the figures: what could not be measured and why.
    pub notes: Vec<String>,
    /// How many rounds there were and why no more; absent in results of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<RoundsResult>,
    /// Figures of others that the lab sets beside its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedResult>,
}

/// The machine a run was made on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Kernel release and architecture, e.g. `Linux 6.18.44 x86_64`.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Processors available.
    pub cpus: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Whether it ran in a user namespace of its own rather than as root.
    pub rootless: bool,
    /// Whether the processor says that it is a virtual machine's; absent where it says nothing of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<bool>,
    /// What sets the processors' frequency (cpufreq), e.g. `performance`; absent where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// Frequency of the first processor in MHz at the start; absent where it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mhz: Option<f64>,
    /// Processes running or waiting to run at the start, over 1, 5 and 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<[f64; 3]>,
    /// Kernel settings that speeds depend on, as the run's namespaces have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
}

/// How long the testbed took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedTimes {
    /// Namespaces built over all variants.
    pub namespaces: usize,
    /// Seconds until every namespace, link, address and engine stood.
    pub build_seconds: f64,
    /// Seconds until every link forwarded (spanning tree included).
    pub ready_seconds: f64,
    /// Seconds until all was gone.
    pub teardown_seconds: f64,
    /// Bytes by which the memory in use on the machine grew until all stood, other programs included.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Bytes of memory of the program itself then.
    #[serde(default)]
    pub resident_bytes: u64,
}

/// What was found in one variant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantResult {
    /// The variant's name.
    pub name: String,
    /// Encapsulation name; `none` for a plain path.
    pub encap: String,
    /// `user` or `kernel`.
    pub datapath: String,
    /// `l2` or `l3`.
    pub fabric: String,
    /// Name of the plain variant it is compared with; absent in a plain variant.
    pub baseline: Option<String>,
    /// Sizes.
    pub mtu: MtuResult,
    /// Flows, in the order of the lab.
    pub flows: Vec<FlowResult>,
    /// Leaks tried; absent where one tenant only is carried, or where it was not asked for.
    pub isolation: Option<IsolationResult>,
    /// Pairs of VMs of one tenant that reach each other, per tenant: `(reached, tried)`.
    pub reachable: BTreeMap<String, (u32, u32)>,
    /// Nodes of the underlay, in the order of the topology.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeResult>,
    /// Ordered pairs of VMs in all tenants together, where `reachable` is a sample of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable_of: Option<u64>,
    /// Underlay links, with what crossed them over all rounds of this variant's flows.
    pub links: Vec<LinkResult>,
    /// Frames the edges dropped, by reason, from when all links forwarded, but for the search for the largest packet.
    pub drops: BTreeMap<String, u64>,
    /// Tenants carried.
    #[serde(default)]
    pub tenants: usize,
    /// VMs of these; 0 in results of older versions.
    #[serde(default)]
    pub vms: usize,
    /// The place of the first tenant that no id was left for, from 1, and what was said of it; where the
    /// lab expects one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<(usize, String)>,
    /// Ids that there are for tenants; absent where packets name none, and in results of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<IdSpaceResult>,
    /// What one more tenant takes in configuration, counted in the plan; absent where no tenant can be told from
    /// another, and in results of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tenant: Option<NewTenantResult>,
    /// Crafted packets, in the order of the lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeResult>,
    /// A bulk transfer of full-sized segments; absent where it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferResult>,
    /// Whether payload can be read on the underlay; absent where bytes were not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadResult>,
    /// One captured packet; absent where bytes were not counted, or it cannot be told from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anatomy: Option<Anatomy>,
    /// What the VM's frames weighed at every hop of their way; empty where bytes were not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<LedgerRow>,
    /// Outer fragments that hosts made over the rounds; absent where they are to make none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragments: Option<u64>,
    /// Entries of MAC tables at the end: switches' and edges', by node.
    pub tables: BTreeMap<String, u64>,
    /// What forwards in an L2 fabric's switches (`bridge`, `vlan-bridge`: Linux's, without and with
    /// VLANs; `switch`: this program's); empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub switching: String,
    /// MAC tables while VMs began to speak; only where the lab expects something of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table_growth: Vec<TableCount>,
    /// Unicast frames at ports that they are not for, by tenant; only where the lab expects something of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strays: BTreeMap<String, StrayResult>,
    /// What hosts have to know of each other, by tenant; only where hosts have tunnels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tunnels: BTreeMap<String, TunnelResult>,
    /// What became of broadcasts, by tenant and kind of frame (`arp`, `broadcast`, `multicast`);
    /// only of tenants that the lab expects something of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub broadcasts: BTreeMap<String, BTreeMap<String, BroadcastResult>>,
    /// Attacks that were tried when everything else was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackResult>,
    /// What events came to, in the order in which they happened; one for each pair of VMs watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventResult>,
    /// The traffic that was watched meanwhile, one for each pair of VMs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<TimelineResult>,
    /// First packets between two VMs, step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub walks: Vec<WalkResult>,
    /// What was asked for and is not here, and why: it failed, is not possible, or the run was interrupted before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmeasured: BTreeMap<String, String>,
    /// What joins tenants' networks, and what the underlay sees of them.
    #[serde(default, skip_serializing_if = "OverlayResult::is_empty")]
    pub overlay: OverlayResult,
}

/// What the hosts of one tenant have to know of each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelResult {
    /// Hosts with VMs of the tenant, each with one endpoint.
    pub hosts: u64,
    /// Point-to-point tunnels, each between two hosts: n (n - 1) / 2, or 0 where one endpoint per host is enough.
    pub tunnels: u64,
    /// Entries over all hosts that name another host or a group: an end of a tunnel, or a place
    /// that broadcasts are sent to.
    pub entries: u64,
    /// The most of these at one host.
    pub entries_per_host: u64,
    /// Whether these are the plan's figures: the kernel's devices do the work and were not asked. Left
    /// out where running engines were counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub planned: bool,
}

/// Sizes and overhead of one variant, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MtuResult {
    /// Largest IP packet on the underlay.
    pub underlay: u32,
    /// Largest inner IP packet by arithmetic.
    pub inner: u32,
    /// Largest inner IP packet that really passed; absent where not probed.
    pub probed: Option<u32>,
    /// Bytes added per packet, from the formats.
    pub overhead_computed: u32,
    /// The headers that these are the bytes of, outermost first; empty where nothing is added, or where it is not one number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderResult>,
    /// Bytes added per packet, counted on the underlay; absent where not counted.
    pub overhead_counted: Option<f64>,
    /// Packets the count rests on.
    pub counted_packets: u64,
    /// Frames dropped at the edges by the search for the largest packet; not in the variant's `drops`.
    #[serde(default)]
    pub dropped_by_search: u64,
    /// What a VM that sends packets of the underlay's MTU is told to send instead, by IP version
    /// (`ipv4`, `ipv6`); 0 where it was told nothing. Empty where VMs have a smaller MTU.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, u32>,
    /// Goodput over the rate of a shaped link, by arithmetic; absent where not felt.
    pub goodput_ceiling: Option<f64>,
    /// Goodput over the rate of a shaped link, measured: the median over parts of one TCP stream's time (over all of it in
    /// results of older versions); absent where not felt.
    pub goodput_felt: Option<f64>,
    /// How sure it is; absent in results of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodput_interval: Option<Interval>,
}

/// One header that an encapsulation adds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderResult {
    /// Its name, e.g. `IPv4`; the `Ethernet` of a tunnel is the inner frame's.
    pub name: String,
    /// Its bytes.
    pub bytes: u32,
}

/// What came of trying to leak.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IsolationResult {
    /// Ordered pairs of tenants tried.
    #[serde(default)]
    pub tenant_pairs: u64,
    /// All ordered pairs of tenants; more than were tried where those are a sample.
    #[serde(default)]
    pub tenant_pairs_of: u64,
    /// Probe frames sent that another tenant must not see.
    pub probes: u64,
    /// Probe frames seen by another tenant's VM, or bare on a host's underlay port.
    pub leaks: u64,
    /// Probe frames the own tenant should have seen (the control: the network was alive).
    pub expected_own: u64,
    /// Probe frames the own tenant did see.
    pub delivered_own: u64,
    /// The same by tenant: `(delivered, expected)`; empty in results of older versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, (u64, u64)>,
    /// By ordered pair and kind of frame.
    pub pairs: Vec<IsolationPair>,
    /// One line per leak, at most 20: which frame, where seen.
    pub evidence: Vec<String>,
    /// Frames that came too fast to be looked at; there may be leaks among them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// Probes from one tenant towards another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IsolationPair {
    /// Sending tenant.
    pub from: String,
    /// Watched tenant.
    pub to: String,
    /// `unicast`, `unknown`, `broadcast`, `multicast`, `arp` or `nd`.
    pub kind: String,
    /// Frames sent.
    pub probes: u64,
    /// Frames seen where they must not be.
    pub leaks: u64,
    /// Deliveries of these frames within the sending tenant, which is the control.
    #[serde(default)]
    pub own_delivered: u64,
    /// Deliveries that there should have been.
    #[serde(default)]
    pub own_expected: u64,
}

/// One node of the underlay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeResult {
    /// Its name.
    pub name: String,
    /// `host`, `switch` or `router`.
    pub kind: String,
}

/// What crossed one underlay link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkResult {
    /// The link's name.
    pub name: String,
    /// Its two nodes.
    pub ends: [String; 2],
    /// Bytes from the first end to the second, and back (interface counters).
    pub bytes: [u64; 2],
    /// Packets likewise; a super-frame counts once.
    pub packets: [u64; 2],
    /// Whether spanning tree blocks it.
    pub blocked: bool,
    /// What it lost, where the lab wants loss, over all rounds of this variant's flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossResult>,
    /// What was observed of it, where it is to do anything to packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedLink>,
}

/// Whether something that must hold did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What had to hold, in words.
    pub what: String,
    /// The row of the lesson it proves.
    pub claim: Option<String>,
    /// What the lesson has wrong, where this held and goes against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradicts: Option<String>,
    /// The variant it was checked in.
    pub variant: String,
    /// Whether it held.
    pub held: bool,
    /// What theory says, with its unit; absent where there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<String>,
    /// What was measured, with its unit; absent where there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// What else belongs to the figures, or why there are none.
    pub detail: String,
}

impl Verdict {
    /// The figures and what belongs to them on one line: `theory 50 B, measured 50.00 B; over ..`.
    #[must_use]
    pub fn figures(&self) -> String {
        let mut line = Vec::new();
        line.extend(self.theory.as_ref().map(|theory| format!("theory {theory}")));
        line.extend(self.measured.as_ref().map(|measured| format!("measured {measured}")));
        let figures = line.join(", ");
        match (figures.as_str(), self.detail.as_str()) {
            ("", detail) => detail.to_owned(),
            (_, "") => figures,
            (_, detail) => format!("{figures}; {detail}"),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_verdict_stand_side_by_side() {
        let mut verdict = Verdict { detail: "over 9 packets".into(), ..Verdict::default() };
        assert_eq!(verdict.figures(), "over 9 packets");
        (verdict.theory, verdict.measured) = (Some("50 B".into()), Some("54 B".into()));
        assert_eq!(verdict.figures(), "theory 50 B, measured 54 B; over 9 packets");
        verdict.detail.clear();
        assert_eq!(verdict.figures(), "theory 50 B, measured 54 B");
    }
}
