//! What a lab file and a topology file say, as types.
//!
//! These types are the meaning of the files; `read` makes them from YAML and collects the
//! faults, the published JSON Schema is derived from them, and `plan` turns them into what
//! is built. All key names are an interface.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attacks::Attacks;
pub use super::bum::{CopyCount, TunnelCount};
use super::events::{Event, Watch};
pub use super::expected::{Expectation, Expected, RefusedExpected};
pub use super::flow::{Flow, RrFlow, Sizes, TcpFlow, Tool, UdpFlow};
use super::joined::{ComparedTopology, Router, Segment};
use super::many::Spread;
pub use super::outcome::{RatioExpected, Secrecy, SentChecksum, Transfer};
use super::probes::Probe;
use super::published::Published;
use super::rounds::Rounds;
pub use super::settings::{
    DscpMode, Ecmp, EcnMode, EngineSettings, GeneveOption, IpVersion, MtuMode, OuterDscp, OuterTtl,
    TtlMode,
};
pub use super::switches::{Accept, SwitchPort, SwitchSettings, VlanLearning, VlanRange};
pub use super::tables::{StrayExpected, TableExpected};
pub use super::topology::{Impaired, LinkFull, LinkSpec, Topology, default_mtu};
use super::units::{Delay, Loss, Rate, Span};
use crate::ids::{ContextId, Encap, GreKey, VlanId, Vni, Vsid};

/// One lab: what is built, who lives in it, what is tried and what must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// One line that says what the lab shows.
    pub title: String,
    /// A paragraph for the reader of the report.
    #[serde(default)]
    pub about: Option<String>,
    /// The wiring: a name from `topologies/`, a path to a file, or a topology written here.
    pub topology: TopologyRef,
    /// How tenants' frames travel between hosts.
    #[serde(default)]
    pub carrier: Carrier,
    /// Keys of `carrier` (or `mtu`, `loss` and `rate` of the topology) with a list of values each; all combinations are run, interleaved.
    #[serde(default)]
    pub compare: Compare,
    /// The tenants and their VMs.
    pub tenants: Vec<Tenant>,
    /// Routers between tenants.
    #[serde(default)]
    pub routers: Vec<Router>,
    /// VLAN segments behind gateways.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// The flows inside tenants.
    #[serde(default)]
    pub traffic: Vec<Flow>,
    /// What happens while traffic is watched, in the order of time.
    #[serde(default)]
    pub events: Vec<Event>,
    /// The traffic that is watched meanwhile.
    #[serde(default)]
    pub watch: Watch,
    /// How long routers take until they act on a link that changed, as a routing protocol would;
    /// 50 ms where absent.
    #[serde(default)]
    pub detection: Option<Span>,
    /// Crafted packets, counted at the far end.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// What is measured beside the flows.
    #[serde(default)]
    pub measure: Measure,
    /// What must hold; a lab fails when one does not.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// Which packets are written to `capture.pcapng` beside the report.
    #[serde(default)]
    pub capture: Option<Capture>,
    /// Figures that others published, to stand beside this lab's.
    #[serde(default)]
    pub published: Option<Published>,
    /// Seeds flow hashes, tokens and ids, so that the same lab gives the same plan.
    #[serde(default)]
    pub seed: u64,
}

/// Where a lab's topology is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
// A lab has one of these.
#[allow(clippy::large_enum_variant)]
pub enum TopologyRef {
    /// A name from `topologies/` or a path relative to the lab file.
    Named(String),
    /// Written in the lab itself.
    Inline(Topology),
}

/// How tenants' frames travel between hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Carrier {
    /// The encapsulation.
    pub encap: Encap,
    /// What moves the frames.
    pub datapath: Datapath,
    /// What the switches are: `l2` bridges with STP, `l3` routers with ECMP; `auto` takes `l2` for tags and `l3` for tunnels.
    pub fabric: Fabric,
    /// How hosts learn where a MAC lives.
    pub learning: Learning,
    /// Destination port of UDP tunnels, where not the registered one.
    pub port: Option<u16>,
    /// Whether super-frames may cross the underlay links whole; `off` puts every packet on the wire as it would be on a cable.
    pub offloads: Switchable,
    /// IP version of the underlay that tunnels run over.
    pub underlay: IpVersion,
    /// What becomes of tenants' packets that do not fit the underlay with their headers.
    pub mtu_mode: MtuMode,
    /// What the engines are told beyond the encapsulation's name.
    pub engine: EngineSettings,
    /// Another datapath on some hosts, by host name: two implementations of one protocol talking to each other.
    pub datapath_on: BTreeMap<String, Datapath>,
    /// The address that a host's tunnels start from, by host name, where not one of the plan's own.
    pub vtep: BTreeMap<String, IpAddr>,
    /// What routers choose among equal-cost paths by.
    pub ecmp: Ecmp,
}

impl Default for Carrier {
    fn default() -> Self {
        Carrier {
            encap: Encap::Vxlan,
            datapath: Datapath::Auto,
            fabric: Fabric::Auto,
            learning: Learning::Flood,
            port: None,
            offloads: Switchable::On,
            underlay: IpVersion::default(),
            mtu_mode: MtuMode::default(),
            engine: EngineSettings::default(),
            datapath_on: BTreeMap::new(),
            vtep: BTreeMap::new(),
            ecmp: Ecmp::default(),
        }
    }
}

/// What moves tenants' frames at the host's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datapath {
    /// Engines of this program.
    User,
    /// Linux's own tunnel devices and bridges.
    Kernel,
    /// `user` for every encapsulation, the kernel's forwarding for `none`.
    Auto,
}

/// What the fabric's switches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fabric {
    /// One broadcast domain of bridges with spanning tree.
    L2,
    /// Routers with equal-cost multipath.
    L3,
    /// `l2` for `vlan` and `qinq`, `l3` for everything else.
    Auto,
}

/// How hosts learn where a MAC lives and where unknown frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Learning {
    /// Flood to every VTEP of the tenant by head-end replication, and learn from what comes back.
    Flood,
    /// The plan fills the tables; unknown unicast is dropped.
    Static,
    /// As `flood`, but sent once, to an IP multicast group that stands for the tenant's id.
    Multicast,
}

impl Learning {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Learning::Flood => "flood",
            Learning::Static => "static",
            Learning::Multicast => "multicast",
        }
    }
}

/// A switch in the electrical sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switchable {
    /// On.
    On,
    /// Off.
    Off,
}

impl Switchable {
    /// As a part of a name: `offloads`, `no-offloads`.
    #[must_use]
    pub fn name(self, what: &str) -> String {
        match self {
            Switchable::On => what.to_owned(),
            Switchable::Off => format!("no-{what}"),
        }
    }
}

/// Values to compare; absent lists leave the key of `carrier` as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// Wirings: names from `topologies/`, or paths.
    pub topology: Vec<ComparedTopology>,
    /// Encapsulations.
    pub encap: Vec<Encap>,
    /// Datapaths.
    pub datapath: Vec<Datapath>,
    /// Underlay MTUs in bytes.
    pub mtu: Vec<u32>,
    /// Ways to learn.
    pub learning: Vec<Learning>,
    /// Addresses of each NVGRE endpoint.
    pub nve_addresses: Vec<u32>,
    /// UDP source ports of each VTEP.
    pub source_ports: Vec<u32>,
    /// What routers choose among equal-cost paths by.
    pub ecmp: Vec<Ecmp>,
    /// Settings of the engines, each a map as in `carrier.engine`.
    pub engine: Vec<EngineSettings>,
    /// What becomes of packets that do not fit.
    pub mtu_mode: Vec<MtuMode>,
    /// Loss of the links that name none of their own.
    pub loss: Vec<Loss>,
    /// Delay of the links that name none of their own.
    pub delay: Vec<Delay>,
    /// Rates of the topology.
    pub rate: Vec<Rate>,
    /// What the switches are.
    pub fabric: Vec<Fabric>,
    /// Whether super-frames may cross the underlay links whole.
    pub offloads: Vec<Switchable>,
    /// IP versions of the underlay.
    pub underlay: Vec<IpVersion>,
    /// Destination ports of UDP tunnels.
    pub port: Vec<u16>,
}

/// One tenant: its networks' ids, its subnet and its VMs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Name, unique in the lab.
    pub name: String,
    /// So many tenants like this one, called `NAME1` and up, with ids that count up. Absent once read.
    #[serde(default)]
    pub count: Option<u32>,
    /// VLAN id for `vlan`, the C-tag for `qinq`; numbered from 101 where absent.
    #[serde(default)]
    pub vid: Option<VlanId>,
    /// VNI for `vxlan` and `geneve`; numbered from 5001 where absent.
    #[serde(default)]
    pub vni: Option<Vni>,
    /// VSID for `nvgre`; numbered from 5001 where absent.
    #[serde(default)]
    pub vsid: Option<Vsid>,
    /// Key for `gre` and `gretap`; numbered from 5001 where absent.
    #[serde(default)]
    pub key: Option<GreKey>,
    /// Context id for `stt`; numbered from 5001 where absent.
    #[serde(default)]
    pub context: Option<ContextId>,
    /// IP multicast group of its BUM frames, with `learning: multicast`; derived from the id where absent.
    #[serde(default)]
    pub group: Option<IpAddr>,
    /// The tenant's IPv4 subnet; tenants may use the same one.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// The tenant's IPv6 subnet, where its VMs have IPv6 addresses too.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub subnet6: Option<Ipv6Net>,
    /// Another id at some hosts, by host name: a network whose ends do not agree.
    #[serde(default)]
    pub id_on: BTreeMap<String, u64>,
    /// The VMs, by name: the host each lives on, or a map with more. Addresses count up from `.1`
    /// in the order of the file.
    #[serde(default)]
    pub vms: Vec<Vm>,
    /// VMs that are spread over hosts instead; written out as `vms` once the topology is known.
    #[serde(skip)]
    #[schemars(skip)]
    pub spread: Option<Spread>,
}

/// One virtual machine. In a lab file `vms` is a map from the name to the host or to the other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    /// Name, unique in its tenant.
    pub name: String,
    /// The host it lives on.
    pub host: String,
    /// Address in the tenant's subnet, where not the next free one.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// MAC, where not derived from the address (equal addresses give equal MACs).
    #[serde(default)]
    pub mac: Option<String>,
    /// MTU of its `eth0` in bytes, where not the largest that fits the carrier.
    #[serde(default)]
    pub mtu: Option<u32>,
}

impl Datapath {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Datapath::User => "user",
            Datapath::Kernel => "kernel",
            Datapath::Auto => "auto",
        }
    }
}

impl Fabric {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Fabric::L2 => "l2",
            Fabric::L3 => "l3",
            Fabric::Auto => "auto",
        }
    }
}

/// What is measured beside the flows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// How many times each flow is run in each variant: a number, or until figures are sure enough.
    pub rounds: Rounds,
    /// Whether the plain path runs beside every variant as the baseline.
    pub baseline: bool,
    /// Whether bytes per packet are counted on the wire.
    pub overhead: bool,
    /// Rate of the shaped link on which overhead is felt as goodput; absent leaves it out.
    pub felt: Option<Rate>,
    /// Whether the largest packet that passes is searched for.
    pub mtu: bool,
    /// Whether leaks between tenants are tried.
    pub isolation: bool,
    /// Attacks that are tried when everything else is measured; absent means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attacks: Option<Attacks>,
    /// Ordered pairs of VMs that are tried to reach each other, where there are more; and a tenth as many
    /// of tenants that must not.
    pub sample: u32,
}

impl Default for Measure {
    fn default() -> Self {
        Measure {
            rounds: Rounds::Exactly(3),
            baseline: true,
            overhead: true,
            felt: None,
            mtu: true,
            isolation: true,
            attacks: None,
            sample: 2000,
        }
    }
}

/// Which packets are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Every host's underlay interface, both directions, segmented and with checksums finished as on a cable.
    Underlay,
}

impl Lab {
    /// Whether the lab expects an encapsulation to run out of ids.
    #[must_use]
    pub fn expects_refusal(&self, encap: Encap) -> bool {
        self.expect.iter().any(
            |expectation| matches!(&expectation.what, Expected::Refused(of) if of.encap == encap),
        )
    }
}
