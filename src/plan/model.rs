//! What will be built, as pure data: every namespace, link, address, MTU, id and VTEP.
//!
//! A plan is deterministic (the same lab gives the same plan), serialises, and needs no
//! privilege. `netns` builds nodes and links from it, `testbed` the hosts' edges.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::joined::{RouterPlan, SegmentPlan};
use crate::ids::Encap;
use crate::lab::{
    Accept, Capture, Datapath, Ecmp, EngineSettings, Expectation, Fabric, Flow, Impaired,
    IpVersion, Learning, Measure, MtuMode, Probe, Published, VlanLearning,
};

/// A whole lab: its variants and what is done in each of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab's title.
    pub title: String,
    /// The lab's paragraph for readers.
    pub about: Option<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// The networks to build, the baselines included, in the order they are reported.
    pub variants: Vec<Variant>,
    /// Flows, each run in every variant that carries its tenant.
    pub flows: Vec<PlannedFlow>,
    /// What happens while traffic is watched.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Crafted packets.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// What else is measured.
    pub measure: Measure,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What is captured.
    pub capture: Option<Capture>,
    /// Figures of others, for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// One network carried in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Short unique name, e.g. `vxlan`, `plain-l3`, `vxlan-kernel`; the prefix of its namespaces' names.
    pub name: String,
    /// The encapsulation.
    pub encap: Encap,
    /// Resolved; never `Auto`.
    pub datapath: Datapath,
    /// Resolved; never `Auto`.
    pub fabric: Fabric,
    /// How hosts learn.
    pub learning: Learning,
    /// Destination port of UDP tunnels; the registered one where the lab names none.
    pub port: u16,
    /// Whether super-frames may cross the underlay whole.
    pub offloads: bool,
    /// Whether the switches of an L2 fabric run the spanning tree protocol.
    #[serde(default = "on")]
    pub stp: bool,
    /// IP version of the underlay.
    #[serde(default)]
    pub underlay: IpVersion,
    /// What becomes of tenants' packets above [`Variant::inner_mtu`].
    #[serde(default)]
    pub mtu_mode: MtuMode,
    /// What the engines are told.
    #[serde(default)]
    pub engine: EngineSettings,
    /// What routers choose among equal-cost paths by.
    #[serde(default)]
    pub ecmp: Ecmp,
    /// Point-to-point tunnels that have to be configured: one for each pair of hosts of each
    /// tenant where the encapsulation has such tunnels, 0 where one endpoint per host is enough.
    #[serde(default)]
    pub tunnels: u64,
    /// The tenant that no id was left for, where the lab expects that; those from it on are not carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// The variant without encapsulation on the same fabric that this one is compared with; `None` in a baseline, or where the lab wants none.
    pub baseline: Option<String>,
    /// Largest IP packet on the underlay, in bytes.
    pub underlay_mtu: u32,
    /// Largest inner IP packet that fits: `underlay_mtu` less the overhead.
    pub inner_mtu: u32,
    /// Bytes between the underlay MTU and the inner IP packet, or of the tag.
    pub overhead: u32,
    /// Hosts, switches or routers.
    pub nodes: Vec<Node>,
    /// Underlay cables.
    pub links: Vec<Link>,
    /// Tenants carried here (a plain path carries one only: it has nothing to keep two apart).
    pub tenants: Vec<TenantPlan>,
    /// The edge of each host that has VMs or a VTEP.
    pub edges: Vec<Edge>,
    /// Routers between tenants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<RouterPlan>,
    /// VLAN segments behind gateways; their machines are VMs of their tenants, at the gateway's port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentPlan>,
}

const fn on() -> bool {
    true
}

/// What a namespace stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A physical machine.
    Host,
    /// A bridge with spanning tree.
    Switch,
    /// A router with equal-cost multipath.
    Router,
}

/// One namespace of the underlay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Name in the topology, e.g. `leaf1`.
    pub name: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// Most MAC addresses that a switch learns; `None` sets no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_table: Option<u32>,
    /// Whether a switch of VLANs has one MAC table for all of them; `None` leaves it to what forwards here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan_learning: Option<VlanLearning>,
    /// Spanning-tree priority of a switch (multiples of 4096); the smallest becomes the root.
    pub stp_priority: Option<u16>,
    /// Routes, installed once all links are up.
    pub routes: Vec<Route>,
    /// Addresses on the loopback, e.g. the VTEP's where a host has several links.
    pub loopback: Vec<IpNet>,
    /// Where a router sends what is for a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub multicast: Vec<MulticastRoute>,
}

/// A router's part of the way from one source to all members of a group (`(S, G)` of RFC 7761).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MulticastRoute {
    /// The source's address.
    pub source: IpAddr,
    /// The group.
    pub group: IpAddr,
    /// The interface that it comes in by; what comes in by another is dropped.
    pub from: String,
    /// The interfaces that it leaves by.
    pub to: Vec<String>,
}

/// One route; several next hops make it ECMP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Destination prefix.
    pub to: IpNet,
    /// Gateways, each on a link of the node. Empty with `device` for a route to a port.
    pub via: Vec<IpAddr>,
    /// The device, for a route with no gateway (a VM behind a routed port).
    pub device: Option<String>,
}

/// One end of a cable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkEnd {
    /// Node name.
    pub node: String,
    /// Interface name, unique in the node, at most 15 bytes.
    pub interface: String,
    /// MAC address.
    pub mac: String,
    /// Addresses; none on a switch port.
    pub addresses: Vec<IpNet>,
    /// VLANs of a switch's port where it is told; `None` lets all VLANs of the variant pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlans: Option<PortVlans>,
    /// Most MAC addresses behind a switch's port; frames from others are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_limit: Option<u32>,
}

/// The VLANs of one switch port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlans {
    /// VLANs that pass with their tag, each from a first to a last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tagged: Vec<(u16, u16)>,
    /// The VLAN whose frames have no tag on the cable; without one, frames without tag are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untagged: Option<u16>,
    /// Which of its frames it takes.
    #[serde(default, skip_serializing_if = "Accept::is_all")]
    pub accept: Accept,
}

/// One underlay cable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// `a-b`, unique.
    pub name: String,
    /// The two ends.
    pub ends: [LinkEnd; 2],
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Bits per second each way; `None` is unlimited.
    pub rate: Option<u64>,
    /// What else it does to packets.
    #[serde(default)]
    pub impaired: Impaired,
    /// Seeds what it does at random.
    #[serde(default)]
    pub seed: u64,
}

/// One tenant in one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantPlan {
    /// Name.
    pub name: String,
    /// The id on the wire: VID, VNI, VSID, key or context id; 0 where the encapsulation has none.
    pub id: u64,
    /// Its VMs.
    pub vms: Vec<VmPlan>,
}

/// One VM: a namespace with one `eth0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VmPlan {
    /// Name in its tenant.
    pub name: String,
    /// Its tenant's name.
    pub tenant: String,
    /// Host name.
    pub host: String,
    /// Namespace name without the variant: `tenant.vm`.
    pub node: String,
    /// Interface of its port in the host's namespace, at most 15 bytes.
    pub port: String,
    /// Address with the subnet's prefix length: IPv6 in an encapsulation that carries nothing else.
    pub address: IpNet,
    /// IPv6 address beside an IPv4 one, where the tenant has an IPv6 subnet.
    #[serde(default)]
    pub address6: Option<IpNet>,
    /// MAC of its `eth0`.
    pub mac: String,
    /// MTU of its `eth0`.
    pub mtu: u32,
}

/// A host's edge: where VMs' ports meet the underlay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Host name.
    pub host: String,
    /// Resolved datapath of this host; never `Auto`.
    pub datapath: Datapath,
    /// Interface towards the fabric.
    pub nic: String,
    /// Address that tunnels start from; `None` for tags and the plain path.
    pub vtep: Option<IpAddr>,
    /// Further addresses of the same endpoint (RFC 7637 section 4.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_addresses: Vec<IpAddr>,
    /// The VLAN that this host sends and receives without tag: its switch port's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untagged: Option<u16>,
    /// Tenants present here.
    pub networks: Vec<EdgeNetwork>,
}

/// One tenant network at one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeNetwork {
    /// Tenant name.
    pub tenant: String,
    /// The id on the wire, as in [`TenantPlan::id`], or another where this host is to disagree.
    pub id: u64,
    /// Port interfaces of its VMs here.
    pub ports: Vec<String>,
    /// Ports of VMs that move here later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<SparePort>,
    /// The other hosts' VTEPs that have VMs of this tenant: where BUM frames are replicated to.
    pub peers: Vec<IpAddr>,
    /// The IP multicast group of the tenant's BUM frames, where they are not replicated here.
    #[serde(default)]
    pub group: Option<IpAddr>,
    /// MAC to VTEP, for static learning (empty otherwise).
    pub fdb: Vec<(String, IpAddr)>,
}

/// A port that stands empty until a VM moves to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparePort {
    /// The VM's name in its tenant.
    pub vm: String,
    /// Interface name in the host's namespace, at most 15 bytes.
    pub port: String,
}

impl EdgeNetwork {
    /// All ports, those that stand empty at first behind the others.
    pub fn all_ports(&self) -> impl Iterator<Item = &String> {
        self.ports.iter().chain(self.spare.iter().map(|spare| &spare.port))
    }
}

/// The least window of bulk TCP that is carried inside a TCP connection. Its slow start overruns the tunnel's queue,
/// and when what is sent again is lost as well, nothing passes until a retransmission timeout is over: 0.2 s and more, and
/// twice that the next time (RFC 6298). A window must hold many of these, or it shows one and nothing else.
const STREAM_IN_STREAM: Duration = Duration::from_secs(2);

/// One flow with its ends resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedFlow {
    /// Unique label for reports, e.g. `tcp red/vm1→red/vm2`, `tcp x4 …`, `udp 64 B …`, `rr …`.
    pub label: String,
    /// Tenant of the sender, and of the receiver unless `to_tenant` says otherwise.
    pub tenant: String,
    /// VM name of the sender or client.
    pub from: String,
    /// VM name of the receiver or server.
    pub to: String,
    /// The receiver's tenant, where it is another one that a router joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_tenant: Option<String>,
    /// Time per round.
    pub span: Duration,
    /// The flow as written.
    pub flow: Flow,
    /// Label of the flows that it runs together with, which follow each other in the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
}

impl PlannedFlow {
    /// Time measured per round in a variant: the flow's own, and for bulk TCP inside SSH no less than
    /// [`STREAM_IN_STREAM`].
    #[must_use]
    pub fn window(&self, variant: &Variant) -> Duration {
        let bulk = matches!(self.flow, Flow::Tcp(_) | Flow::Together(_));
        let least = if bulk && variant.encap == Encap::Ssh { STREAM_IN_STREAM } else { self.span };
        self.span.max(least)
    }

    /// The two VMs, where a variant has both.
    #[must_use]
    pub fn ends<'v>(&self, variant: &'v Variant) -> Option<[&'v VmPlan; 2]> {
        let far = self.to_tenant.as_ref().unwrap_or(&self.tenant);
        Some([variant.vm(&self.tenant, &self.from)?, variant.vm(far, &self.to)?])
    }
}

/// A tenant that an encapsulation has no id for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its place among the lab's tenants, from 1.
    pub number: usize,
    /// What is said of it.
    pub message: String,
}

impl Variant {
    /// The namespace name of a node or VM of this variant.
    #[must_use]
    pub fn namespace(&self, node: &str) -> String {
        format!("{}.{node}", self.name)
    }

    /// The VM called `vm` of `tenant`, where this variant carries the tenant.
    #[must_use]
    pub fn vm(&self, tenant: &str, vm: &str) -> Option<&VmPlan> {
        self.tenants.iter().find(|t| t.name == tenant)?.vms.iter().find(|v| v.name == vm)
    }

    /// The interface name of a VM's port at a host, where it is or moves to.
    #[must_use]
    pub fn port_at<'v>(&'v self, vm: &'v VmPlan, host: &str) -> Option<&'v str> {
        if vm.host == host {
            return Some(&vm.port);
        }
        let edge = self.edges.iter().find(|edge| edge.host == host)?;
        let network = edge.networks.iter().find(|network| network.tenant == vm.tenant)?;
        network.spare.iter().find(|spare| spare.vm == vm.name).map(|spare| spare.port.as_str())
    }

    /// All VMs.
    pub fn vms(&self) -> impl Iterator<Item = &VmPlan> {
        self.tenants.iter().flat_map(|t| &t.vms)
    }
}
