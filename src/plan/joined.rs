//! What joins networks, planned: tenants' routers, and VLAN segments behind gateways.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::address::{parse_mac, vm_address6};
use super::axes::Choice;
use super::graph::Graph;
use super::place::{Kind, Placed, Trunk};
use super::{Route, Variant, VmPlan};
use crate::ids::Encap;
use crate::lab::{Lab, MtuMode};

/// A router VM: a namespace that forwards, with one port in each of several tenant networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterPlan {
    /// Name, which its namespace has too.
    pub name: String,
    /// Host name.
    pub host: String,
    /// Its ports, in the order of the lab.
    pub ports: Vec<RouterPort>,
}

/// One port of a router VM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterPort {
    /// The tenant whose network it is in.
    pub tenant: String,
    /// Interface in the router: `eth0` and up.
    pub interface: String,
    /// Interface in the host's namespace.
    pub port: String,
    /// Address with the subnet's prefix length: the gateway of the tenant's VMs.
    pub address: IpNet,
    /// IPv6 address, where the tenant has an IPv6 subnet.
    pub address6: Option<IpNet>,
    /// Link-local address beside it: what a router asks its neighbours from (RFC 4861 section 7.2.2),
    /// when it forwards for others.
    pub link_local: Option<IpNet>,
    /// MAC address.
    pub mac: String,
    /// MTU in bytes.
    pub mtu: u32,
}

/// A VLAN segment: bare machines at a switch, whose trunk leads to a gateway host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentPlan {
    /// Name.
    pub name: String,
    /// The tenant whose network it belongs to.
    pub tenant: String,
    /// VLAN id on the trunk.
    pub vlan: u16,
    /// The switch, which is its namespace too; segments may share one.
    pub switch: String,
    /// The host at the trunk's other end.
    pub gateway: String,
    /// Interface of the trunk at the gateway.
    pub trunk: String,
    /// Interface of the trunk at the switch.
    pub uplink: String,
    /// MTU of the trunk in bytes.
    pub mtu: u32,
    /// The gateway's patch cable between overlay and trunk: the overlay's port and the trunk's.
    pub patch: [String; 2],
    /// Its machines: namespace without the variant, and interface at the switch.
    pub machines: Vec<(String, String)>,
}

impl SegmentPlan {
    /// Whether a node, named without its variant, is one of its machines.
    #[must_use]
    pub fn holds(&self, node: &str) -> bool {
        self.machines.iter().any(|(machine, _)| machine == node)
    }
}

/// The routers of a variant. A plain path has none: nothing keeps the tenants that they join apart.
pub(super) fn routers(
    lab: &Lab,
    choice: &Choice,
    placed: &[Vec<Placed>],
    inner_mtu: u32,
    underlay_mtu: u32,
) -> Vec<RouterPlan> {
    if choice.encap == Encap::None {
        return Vec::new();
    }
    let lower = choice.carrier.mtu_mode == MtuMode::Lower;
    let mtu = if lower { inner_mtu } else { underlay_mtu };
    let all = || placed.iter().enumerate().flat_map(|(t, of)| of.iter().map(move |p| (t, p)));
    let port = |number: usize, name: &str| {
        let (tenant, placed) = all().find(|(tenant, placed)| {
            placed.kind == Kind::Router(number) && lab.tenants[*tenant].name == name
        })?;
        let of = &lab.tenants[tenant];
        let interface = |place| format!("eth{place}");
        let place = lab.routers[number].joins.iter().position(|join| join == name)?;
        let address6 = of.subnet6.and_then(|net| vm_address6(placed.address, net)).map(IpNet::V6);
        Some(RouterPort {
            tenant: name.to_owned(),
            interface: interface(place),
            port: placed.port.clone(),
            address: placed.address.into(),
            link_local: address6.and_then(|_| link_local(&placed.mac)),
            address6,
            mac: placed.mac.clone(),
            mtu,
        })
    };
    let planned = |(number, router): (usize, &crate::lab::Router)| RouterPlan {
        name: router.name.clone(),
        host: router.host.clone(),
        ports: router.joins.iter().filter_map(|name| port(number, name)).collect(),
    };
    lab.routers.iter().enumerate().map(planned).collect()
}

/// A link-local address that is as much the port's own as its MAC.
fn link_local(mac: &str) -> Option<IpNet> {
    let mac = parse_mac(mac)?.map(u16::from);
    let half = |n: usize| mac[n] << 8 | mac[n + 1];
    let address = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, half(0), half(2), half(4));
    Ipv6Net::new(address, 64).ok().map(IpNet::V6)
}

/// The segments of a variant. A plain path has none: there is no overlay to bridge.
pub(super) fn segments(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    placed: &[Vec<Placed>],
    trunks: &[Trunk],
    mtu: u32,
) -> Vec<SegmentPlan> {
    if choice.encap == Encap::None {
        return Vec::new();
    }
    let planned = |(number, segment): (usize, &crate::lab::Segment)| {
        let trunk = &trunks[number];
        let tenant = lab.tenants.iter().position(|t| t.name == segment.tenant).unwrap_or(0);
        let here = |vm: &&Placed| vm.kind == Kind::Machine(number);
        let names = placed[tenant].iter().filter(here).map(|vm| &vm.name);
        SegmentPlan {
            name: segment.name.clone(),
            tenant: segment.tenant.clone(),
            vlan: segment.vlan.value(),
            switch: segment.switch.clone(),
            gateway: graph.nodes[trunk.gateway].name.clone(),
            trunk: trunk.interface.clone(),
            uplink: "trunk".to_owned(),
            mtu,
            patch: trunk.patch.clone(),
            machines: names
                .zip(&trunk.ports)
                .map(|(name, port)| (format!("{}.{name}", segment.tenant), port.clone()))
                .collect(),
        }
    };
    lab.segments.iter().enumerate().map(planned).collect()
}

impl Variant {
    /// The segment that a VM is a bare machine of, and its interface at the switch.
    #[must_use]
    pub fn segment_of(&self, vm: &VmPlan) -> Option<(&SegmentPlan, &str)> {
        self.segments.iter().find_map(|segment| {
            let (_, port) = segment.machines.iter().find(|(node, _)| *node == vm.node)?;
            Some((segment, port.as_str()))
        })
    }

    /// The routes that a VM has beyond its own subnet: to what its tenant's routers join it with.
    #[must_use]
    pub fn routes_of(&self, vm: &VmPlan) -> Vec<Route> {
        let mut routes = Vec::new();
        for router in &self.routers {
            let Some(own) = router.ports.iter().find(|port| port.tenant == vm.tenant) else {
                continue;
            };
            for far in router.ports.iter().filter(|port| port.tenant != vm.tenant) {
                let mut way = |to: Option<IpNet>, via: Option<IpNet>| {
                    if let (Some(to), Some(via)) = (to, via) {
                        let via = vec![via.addr()];
                        routes.push(Route { to: to.trunc(), via, device: None });
                    }
                };
                way(Some(far.address), Some(own.address));
                way(far.address6, own.address6.filter(|_| vm.address6.is_some()));
            }
        }
        routes
    }
}
