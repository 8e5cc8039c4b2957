//! What joins networks: routers between tenants, and VLAN segments behind gateways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Lab, Vm};
use super::topology::Topology;
use crate::ids::VlanId;

/// A router VM: one interface in each of several tenant networks, and the kernel's forwarding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Name, unique among routers, segments' switches and nodes.
    pub name: String,
    /// The host it lives on.
    pub host: String,
    /// The tenants it joins, two or more; their VMs get routes to each other's subnets through it.
    pub joins: Vec<String>,
}

/// A VLAN segment behind a gateway: a switch of its own with bare machines, joined to a host by a
/// trunk, where its VLAN is bridged with a tenant's network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Name, unique among segments.
    pub name: String,
    /// The switch its machines are at; segments may share one, and its trunk.
    pub switch: String,
    /// The host that bridges it with the overlay.
    pub gateway: String,
    /// VLAN id of its frames on the trunk.
    pub vlan: VlanId,
    /// The tenant whose network it belongs to.
    pub tenant: String,
    /// Its machines: a name, or a map with more. They have addresses in the tenant's subnet, behind its VMs'.
    pub machines: Vec<MachineSpec>,
}

/// A bare machine of a segment: its name alone, or with more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MachineSpec {
    /// Everything else by default.
    Named(String),
    /// With fields of a VM.
    Full(Machine),
}

/// A bare machine with what is not the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name, unique in the tenant.
    pub name: String,
    /// As a VM's.
    #[serde(default)]
    pub ip: Option<std::net::IpAddr>,
    /// As a VM's.
    #[serde(default)]
    pub mac: Option<String>,
    /// As a VM's.
    #[serde(default)]
    pub mtu: Option<u32>,
}

impl Segment {
    /// Its machines as VMs at the gateway, which is where the overlay finds them.
    pub fn vms(&self) -> impl Iterator<Item = Vm> {
        self.machines.iter().map(|machine| {
            let machine = match machine {
                MachineSpec::Named(name) => Machine { name: name.clone(), ..Machine::default() },
                MachineSpec::Full(machine) => machine.clone(),
            };
            let Machine { name, ip, mac, mtu } = machine;
            Vm { name, host: self.gateway.clone(), ip, mac, mtu }
        })
    }
}

/// A wiring that is compared with others: a name from `topologies/` or a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ComparedTopology {
    /// As it is written.
    pub reference: String,
    /// What it is, once it has been read.
    pub topology: Option<Topology>,
}

impl From<String> for ComparedTopology {
    fn from(reference: String) -> Self {
        ComparedTopology { reference, topology: None }
    }
}

impl From<ComparedTopology> for String {
    fn from(compared: ComparedTopology) -> Self {
        compared.reference
    }
}

impl ComparedTopology {
    /// What it adds to the names of variants: the file's name without its ending. A point parts a
    /// variant's name from a node's, so it has none.
    #[must_use]
    pub fn label(&self) -> String {
        let path = std::path::Path::new(&self.reference);
        let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }
}

impl Lab {
    /// Everybody in a tenant's network: its VMs, then the machines of its segments.
    #[must_use]
    pub fn members(&self, tenant: &str) -> Vec<Vm> {
        let own = self.tenants.iter().filter(|t| t.name == tenant).flat_map(|t| t.vms.clone());
        let segments = self.segments.iter().filter(|s| s.tenant == tenant);
        own.chain(segments.flat_map(Segment::vms)).collect()
    }

    /// Whether a router joins two tenants.
    #[must_use]
    pub fn joined(&self, one: &str, other: &str) -> bool {
        let both = |joins: &[String]| [one, other].iter().all(|t| joins.iter().any(|j| j == t));
        self.routers.iter().any(|router| both(&router.joins))
    }
}

/// Whom reachability is between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reach {
    /// All VMs of a tenant.
    Within(Within),
    /// All VMs of one tenant, to all of another.
    Across(Across),
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Within {
    /// Tenant name.
    pub within: String,
}

/// Two tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Across {
    /// Tenant that sends.
    pub from: String,
    /// Tenant that is to be reached.
    pub to: String,
}

impl Reach {
    /// The two tenants, the same one twice within a tenant.
    #[must_use]
    pub fn ends(&self) -> (&str, &str) {
        match self {
            Reach::Within(Within { within }) => (within, within),
            Reach::Across(Across { from, to }) => (from, to),
        }
    }
}

/// A stream of broadcasts, and how often each leaves the sender's host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamExpected {
    /// `tenant/vm` that sends.
    pub from: String,
    /// Payload bits per second.
    pub rate: super::units::Rate,
    /// How long.
    #[serde(rename = "for")]
    pub span: super::units::Span,
    /// Packets on the sender's link for each broadcast.
    pub copies: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_is_called_after_its_file() {
        let label = |text: &str| ComparedTopology::from(text.to_owned()).label();
        assert_eq!(label("tree-2x2"), "tree-2x2");
        assert_eq!(label("../my/two.racks.yaml"), "two-racks");
    }

    #[test]
    fn machines_live_at_the_gateway() {
        let yaml = "{ name: old, switch: s, gateway: h4, vlan: 10, tenant: red, \
                    machines: [a, { name: b, ip: 10.0.0.9 }] }";
        let segment: Segment = serde_yaml::from_str(yaml).unwrap();
        let vms: Vec<Vm> = segment.vms().collect();
        assert!(vms.iter().all(|vm| vm.host == "h4"));
        assert_eq!((vms[0].name.as_str(), vms[0].ip), ("a", None));
        assert_eq!(vms[1].ip, Some("10.0.0.9".parse().unwrap()));
    }
}
