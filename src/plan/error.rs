//! Why a lab cannot be planned.

use std::net::IpAddr;

use ipnet::Ipv4Net;

use crate::ids::Encap;

/// Why a lab cannot be planned: the object, the reason, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Events without watched traffic.
    #[error(
        "events are watched between two VMs of a tenant, and none are named; write `watch: {{ ends: [red/vm1 -> red/vm2] }}`"
    )]
    NothingWatched,
    /// Nothing to plan.
    #[error(
        "the topology has no host; list some under `hosts`, or generate them with `leaf-spine`"
    )]
    NoHost,
    /// A generator or a list that asks for more than one machine emulates.
    #[error(
        "the topology has {count} {what}, more than the {max} that can be planned; make it smaller"
    )]
    TooLarge {
        /// `nodes` or `links`.
        what: &'static str,
        /// How many it asks for.
        count: u64,
        /// How many are allowed.
        max: u64,
    },
    /// Two nodes with one name.
    #[error("two nodes of the topology are called `{name}`; rename one")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// A cable to nowhere.
    #[error("link {a}-{b} ends at `{node}`, which is neither a host nor a switch of the topology")]
    UnknownNode {
        /// First end.
        a: String,
        /// Second end.
        b: String,
        /// The end that does not exist.
        node: String,
    },
    /// A cable from a node to itself.
    #[error("a link joins `{node}` to itself; give it two different ends")]
    SelfLink {
        /// The node.
        node: String,
    },
    /// A host without a NIC.
    #[error("host `{host}` has no link; join it to a switch, or leave it out")]
    NoLink {
        /// The host.
        host: String,
    },
    /// Two hosts that no path joins.
    #[error(
        "no path leads from host `{from}` to host `{to}`{hint}; add a link between their parts of the topology"
    )]
    Unreachable {
        /// Where paths start.
        from: String,
        /// What they do not reach.
        to: String,
        /// What restricts paths here, as a parenthesis; may be empty.
        hint: &'static str,
    },
    /// Tags need one broadcast domain.
    #[error(
        "`{encap}` lives in the Ethernet header and cannot cross routers; use `fabric: l2` (or leave `fabric` out), or a tunnel"
    )]
    TagOnRouters {
        /// The encapsulation.
        encap: Encap,
    },
    /// Several tenants on a plain path whose addresses are the same.
    #[error(
        "`encap: none` cannot carry {first} and {second} together: both use {what}, and nothing would keep them apart; use `vlan` or `vxlan`, or give the tenants different subnets"
    )]
    PlainOverlap {
        /// `tenant/vm`.
        first: String,
        /// `tenant/vm` of another tenant.
        second: String,
        /// The address or MAC both have.
        what: String,
    },
    /// A VM on a host that is not there.
    #[error("VM {vm} lives on host `{host}`, which the topology does not have")]
    UnknownHost {
        /// `tenant/vm`.
        vm: String,
        /// The host named.
        host: String,
    },
    /// A VM's address that cannot be used.
    #[error("VM {vm} cannot have the address {address}: {why}")]
    Address {
        /// `tenant/vm`.
        vm: String,
        /// The address.
        address: IpAddr,
        /// Why not.
        why: String,
    },
    /// More VMs than addresses.
    #[error("subnet {subnet} of tenant `{tenant}` is too small for its {vms} VMs; make it larger")]
    SubnetFull {
        /// Tenant name.
        tenant: String,
        /// Its subnet.
        subnet: Ipv4Net,
        /// VMs it has.
        vms: usize,
    },
    /// A VM's MAC that cannot be used.
    #[error("VM {vm} cannot have the MAC `{mac}`: {why}")]
    Mac {
        /// `tenant/vm`.
        vm: String,
        /// The MAC as written.
        mac: String,
        /// Why not.
        why: String,
    },
    /// Two tenants that no receiver could tell apart.
    #[error("tenants `{first}` and `{second}` both have {encap} id {id}; give one another id")]
    IdTaken {
        /// Tenant name.
        first: String,
        /// Tenant name.
        second: String,
        /// The encapsulation.
        encap: Encap,
        /// The id.
        id: u64,
    },
    /// More tenants than ids.
    #[error(
        "no {encap} id is left for tenant `{tenant}`: all from {min} to {max} are taken; use an encapsulation with wider ids"
    )]
    IdsExhausted {
        /// Tenant name.
        tenant: String,
        /// The encapsulation.
        encap: Encap,
        /// The smallest id.
        min: u64,
        /// The largest id.
        max: u64,
    },
    /// Several tenants where packets do not say whose they are.
    #[error(
        "{encap} packets do not say which tenant they are of, so it carries one tenant, not {tenants}; `gre` has keys"
    )]
    NoIds {
        /// The encapsulation.
        encap: Encap,
        /// How many tenants there are.
        tenants: usize,
    },
    /// IPv4 tenants in an encapsulation for IPv6.
    #[error("6in4 carries IPv6 only, and tenant `{tenant}` has no `subnet6`; add e.g. `fd00::/64`")]
    NoSubnet6 {
        /// Tenant name.
        tenant: String,
    },
    /// One MAC of several customers under one service tag.
    #[error(
        "bridges between the hosts learn MACs per service tag, and all tenants of `qinq` share one: {mac} is {first} and {second}; give one of them another `mac`, or put both on one host"
    )]
    SharedServiceTag {
        /// The MAC.
        mac: String,
        /// `tenant/vm on host`.
        first: String,
        /// `tenant/vm on host`, another host.
        second: String,
    },
    /// The tenants leave no room for the underlay's own addresses.
    #[error(
        "the tenants' subnets leave no private range free for the underlay's addresses (a /{prefix} is needed); make a subnet smaller, e.g. leave 10.255.0.0/16 free"
    )]
    NoRange {
        /// Prefix length wanted.
        prefix: u8,
    },
    /// More links in distribution trees than a router of Linux forwards multicast between.
    #[error(
        "router `{router}` would forward multicast between {ports} links, and Linux does between {max}; use `learning: flood`, or fewer hosts under it"
    )]
    MulticastPorts {
        /// The router.
        router: String,
        /// Links in trees.
        ports: usize,
        /// Most there can be.
        max: usize,
    },
    /// Members of a group that no tree joins.
    #[error(
        "no way leads through routers from the first link of host `{from}` to that of `{to}`, which groups are sent by; list their links to switches first, or use `learning: flood`"
    )]
    NoTree {
        /// Where the tree starts.
        from: String,
        /// What it does not reach.
        to: String,
    },
    /// An expectation of a variant that is not there.
    #[error("an expectation is about the variant `{name}`; the lab has {known}")]
    NoVariant {
        /// The name as written.
        name: String,
        /// Those there are.
        known: String,
    },
    /// An expectation of a link that is not there.
    #[error("an expectation is about the link `{name}`; the topology has {known}")]
    NoLinkCalled {
        /// The name as written.
        name: String,
        /// Those there are.
        known: String,
    },
    /// An underlay MTU out of range or with no room for an inner packet.
    #[error(
        "an underlay MTU of {mtu} leaves {inner} bytes to an inner packet in variant `{variant}`; both must lie between 68 (RFC 791) and 65535"
    )]
    UnderlayMtu {
        /// Variant name.
        variant: String,
        /// Underlay MTU.
        mtu: u32,
        /// Inner MTU.
        inner: u32,
    },
    /// A VM's own MTU that does not fit.
    #[error(
        "VM {vm} wants an MTU of {mtu}, but in variant `{variant}` {inner} bytes fit ({arithmetic}); lower it, leave it out, or raise the underlay's `mtu`"
    )]
    VmMtu {
        /// `tenant/vm`.
        vm: String,
        /// What it wants.
        mtu: u32,
        /// Variant name.
        variant: String,
        /// What fits.
        inner: u32,
        /// How that is computed.
        arithmetic: String,
    },
    /// An end of a flow that is no VM.
    #[error("flow `{flow}`: `{end}` is no VM of this lab; write `tenant/vm`")]
    FlowEnd {
        /// The flow's label.
        flow: String,
        /// The end as written.
        end: String,
    },
    /// A flow between two tenants.
    #[error("flow `{flow}` joins two tenants, which the network keeps apart; keep it in one")]
    FlowAcross {
        /// The flow's label.
        flow: String,
    },
}
