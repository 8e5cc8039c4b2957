//! Where each VM lives, with its address, MAC and port.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::PlanError;
use super::address::{mac_text, parse_mac, vm_mac};
use super::graph::Graph;
use super::name::Names;
use crate::lab::{Happening, Lab, Tenant, UNDERLAY_MAC, Vm};

/// What has a port in a tenant's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A VM.
    Vm,
    /// A bare machine of the segment with this number; its port is the gateway's.
    Machine(usize),
    /// A port of the router with this number.
    Router(usize),
}

/// The interfaces of a segment: at its gateway and at its switch.
#[derive(Debug)]
pub(super) struct Trunk {
    /// The gateway, as a node of the graph.
    pub gateway: usize,
    /// The trunk at the gateway.
    pub interface: String,
    /// The gateway's patch cable: the overlay's port, then the trunk's.
    pub patch: [String; 2],
    /// The machines' interfaces at the switch, in the order of the lab.
    pub ports: Vec<String>,
}

/// One VM, the same in all variants.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// Name in its tenant.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its host, as a node of the graph; a machine's gateway.
    pub host: usize,
    /// Address with the subnet's prefix length.
    pub address: Ipv4Net,
    /// MAC of its `eth0`.
    pub mac: String,
    /// MTU where it wants one of its own.
    pub mtu: Option<u32>,
    /// Interface of its port at the host.
    pub port: String,
    /// Other hosts that it moves to, and the interfaces of its ports there.
    pub spare: Vec<(usize, String)>,
}

/// First two bytes of every router port's MAC: no VM's derived MAC begins so.
const ROUTER_MAC: [u8; 2] = [0x06, 0x01];

/// The VMs of every tenant in the order of the lab, then its segments' machines and its routers'
/// ports; and the segments' interfaces.
///
/// # Errors
/// A VM on an unknown host, or an address or MAC that cannot be used.
pub(super) fn place(lab: &Lab, graph: &Graph) -> Result<(Vec<Vec<Placed>>, Vec<Trunk>), PlanError> {
    let hosts: HashMap<&str, usize> =
        graph.hosts().map(|host| (graph.nodes[host].name.as_str(), host)).collect();
    let mut ports: HashMap<usize, Names> = HashMap::new();
    let trunks = trunks(lab, &hosts, &mut ports)?;
    let mut all = Vec::with_capacity(lab.tenants.len());
    for (index, tenant) in lab.tenants.iter().enumerate() {
        let (members, kinds) = members(lab, tenant);
        let tenant = &Tenant { vms: members, ..tenant.clone() };
        let addresses = addresses(tenant, &kinds)?;
        let mut macs = HashSet::new();
        let mut placed = Vec::with_capacity(tenant.vms.len());
        for ((vm, kind), address) in tenant.vms.iter().zip(kinds).zip(addresses) {
            let host = *hosts.get(vm.host.as_str()).ok_or_else(|| PlanError::UnknownHost {
                vm: full_name(tenant, vm),
                host: vm.host.clone(),
            })?;
            let mac = match kind {
                Kind::Router(number) => router_mac(number, index),
                Kind::Vm | Kind::Machine(_) => mac(tenant, vm, address.addr())?,
            };
            if !macs.insert(mac.clone()) {
                let why = "another VM of the tenant has it; give it one of its own".to_owned();
                return Err(PlanError::Mac { vm: full_name(tenant, vm), mac, why });
            }
            let tenant_number = index + 1;
            let mut own = |letter: char| {
                let wanted = format!("{letter}{tenant_number}-{}", vm.name);
                let names = ports.entry(host).or_default();
                names.interface(&wanted, &format!("{letter}{tenant_number}_"))
            };
            let port = match kind {
                Kind::Vm => own('v'),
                Kind::Router(_) => own('r'),
                Kind::Machine(segment) => trunks[segment].patch[0].clone(),
            };
            let (name, mtu, spare) = (vm.name.clone(), vm.mtu, Vec::new());
            placed.push(Placed { name, kind, host, address, mac, mtu, port, spare });
        }
        all.push(placed);
    }
    for event in &lab.events {
        let Some(Happening::Move { vm, to }) = event.happening() else { continue };
        let host = *hosts
            .get(to)
            .ok_or_else(|| PlanError::UnknownHost { vm: vm.to_owned(), host: to.to_owned() })?;
        let tenants = lab.tenants.iter().zip(&mut all).enumerate();
        for (index, (tenant, placed)) in tenants {
            let Some(of) = placed
                .iter_mut()
                .find(|p| p.kind == Kind::Vm && format!("{}/{}", tenant.name, p.name) == vm)
            else {
                continue;
            };
            if of.host != host && of.spare.iter().all(|(known, _)| *known != host) {
                let number = index + 1;
                let wanted = (format!("v{number}-{}", of.name), format!("v{number}_"));
                let port = ports.entry(host).or_default().interface(&wanted.0, &wanted.1);
                of.spare.push((host, port));
            }
        }
    }
    Ok((all, trunks))
}

/// Everybody with a port in a tenant's network.
fn members(lab: &Lab, tenant: &Tenant) -> (Vec<Vm>, Vec<Kind>) {
    let vms = tenant.vms.iter().map(|vm| (vm.clone(), Kind::Vm));
    let segments = lab.segments.iter().enumerate().filter(|(_, s)| s.tenant == tenant.name);
    let machines = segments.flat_map(|(n, s)| s.vms().map(move |vm| (vm, Kind::Machine(n))));
    let routers =
        lab.routers.iter().enumerate().filter(|(_, router)| router.joins.contains(&tenant.name));
    let ports = routers.map(|(n, router)| {
        let (name, host) = (router.name.clone(), router.host.clone());
        (Vm { name, host, ip: None, mac: None, mtu: None }, Kind::Router(n))
    });
    vms.chain(machines).chain(ports).unzip()
}

/// The interfaces of all segments; those of one switch share a trunk.
fn trunks(
    lab: &Lab,
    hosts: &HashMap<&str, usize>,
    ports: &mut HashMap<usize, Names>,
) -> Result<Vec<Trunk>, PlanError> {
    let mut cables: HashMap<&str, String> = HashMap::new();
    let mut switches: HashMap<&str, Names> = HashMap::new();
    let mut trunks = Vec::with_capacity(lab.segments.len());
    for segment in &lab.segments {
        let gateway = *hosts.get(segment.gateway.as_str()).ok_or_else(|| {
            PlanError::UnknownHost { vm: segment.name.clone(), host: segment.gateway.clone() }
        })?;
        let names = ports.entry(gateway).or_default();
        let interface = cables
            .entry(&segment.switch)
            .or_insert_with(|| names.interface(&format!("to-{}", segment.switch), "trunk"))
            .clone();
        let patch = ["g", "p"]
            .map(|end| names.interface(&format!("{end}-{}", segment.name), &format!("{end}_")));
        let names = switches.entry(&segment.switch).or_insert_with(|| {
            let mut names = Names::default();
            names.interface("trunk", "trunk");
            names
        });
        let ports = segment.vms().map(|vm| names.interface(&vm.name, "port")).collect();
        trunks.push(Trunk { gateway, interface, patch, ports });
    }
    Ok(trunks)
}

/// The MAC of a router's port in the network of the tenant with this number.
fn router_mac(router: usize, tenant: usize) -> String {
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let ([a, b], [c, d]) = (number(router), number(tenant));
    mac_text([ROUTER_MAC[0], ROUTER_MAC[1], a, b, c, d])
}

/// Two VMs of different tenants that no network without encapsulation can tell apart, as
/// `(tenant, vm, tenant, vm, what both have)`.
pub(super) fn first_overlap(
    placed: &[Vec<Placed>],
) -> Option<(usize, &Placed, usize, &Placed, String)> {
    let mut seen: HashMap<String, (usize, &Placed)> = HashMap::new();
    for (tenant, vms) in placed.iter().enumerate() {
        for vm in vms {
            for what in [vm.address.addr().to_string(), vm.mac.clone()] {
                match seen.get(&what) {
                    Some(&(other, twin)) if other != tenant => {
                        return Some((other, twin, tenant, vm, what));
                    }
                    _ => seen.insert(what, (tenant, vm)),
                };
            }
        }
    }
    None
}

/// `tenant/vm`, as flows write it.
fn full_name(tenant: &Tenant, vm: &Vm) -> String {
    format!("{}/{}", tenant.name, vm.name)
}

/// Addresses as written, and the next free ones from the start of the subnet for the others.
///
/// Routers' ports have the last free ones, where people look for a gateway.
fn addresses(tenant: &Tenant, kinds: &[Kind]) -> Result<Vec<Ipv4Net>, PlanError> {
    let subnet = tenant.subnet;
    let mut taken = HashSet::new();
    for vm in &tenant.vms {
        let Some(address) = vm.ip else { continue };
        let refuse = |why: String| PlanError::Address { vm: full_name(tenant, vm), address, why };
        let IpAddr::V4(v4) = address else {
            return Err(refuse("tenants have IPv4 subnets; write an IPv4 address".into()));
        };
        if !subnet.contains(&v4) {
            return Err(refuse(format!("it lies outside the tenant's subnet {}", subnet.trunc())));
        }
        let ends = [subnet.network(), subnet.broadcast()];
        if subnet.prefix_len() < 31 && ends.contains(&v4) {
            return Err(refuse(format!(
                "the first and the last address of {} belong to the subnet itself",
                subnet.trunc()
            )));
        }
        if !taken.insert(v4) {
            return Err(refuse("another VM of the tenant has it".into()));
        }
    }
    let routers = kinds.iter().filter(|kind| matches!(kind, Kind::Router(_))).count();
    let last =
        (1..subnet_end(subnet)).rev().map(|n| Ipv4Addr::from(u32::from(subnet.network()) + n));
    let last: Vec<Ipv4Addr> =
        last.filter(|address| !taken.contains(address)).take(routers).collect();
    let mut free = subnet.hosts().filter(|a| !taken.contains(a) && !last.contains(a));
    let mut last = last.iter().copied();
    let mut next = |vm: &Vm, kind: Kind| -> Option<Ipv4Addr> {
        match (kind, vm.ip) {
            (Kind::Router(_), _) => last.next(),
            (_, Some(IpAddr::V4(written))) => Some(written),
            _ => free.next(),
        }
    };
    tenant
        .vms
        .iter()
        .zip(kinds)
        .map(|(vm, kind)| {
            next(vm, *kind)
                .and_then(|address| Ipv4Net::new(address, subnet.prefix_len()).ok())
                .ok_or_else(|| PlanError::SubnetFull {
                    tenant: tenant.name.clone(),
                    subnet: subnet.trunc(),
                    vms: tenant.vms.len(),
                })
        })
        .collect()
}

/// The broadcast address, counted from the network's own.
fn subnet_end(subnet: Ipv4Net) -> u32 {
    u32::from(subnet.broadcast()) - u32::from(subnet.network())
}

fn mac(tenant: &Tenant, vm: &Vm, address: Ipv4Addr) -> Result<String, PlanError> {
    let Some(written) = &vm.mac else {
        return Ok(mac_text(vm_mac(address)));
    };
    let refuse = |why: &str| PlanError::Mac {
        vm: full_name(tenant, vm),
        mac: written.clone(),
        why: why.to_owned(),
    };
    let mac = parse_mac(written).ok_or_else(|| refuse("write six bytes as `06:00:c0:a8:00:01`"))?;
    if mac[0] & 1 != 0 || mac == [0; 6] {
        return Err(refuse("it is a group address or zero; make the first byte even, e.g. `06`"));
    }
    if mac[..2] == UNDERLAY_MAC {
        return Err(refuse("MACs that begin with 02:00 are the underlay's; begin with e.g. 06:00"));
    }
    Ok(mac_text(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(yaml: &str) -> Tenant {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn addresses_count_up_around_those_that_are_written() {
        let tenant = tenant(
            "{ name: red, subnet: 192.168.0.0/29, vms: [{ name: a, host: h1 },
               { name: b, host: h1, ip: 192.168.0.6 }, { name: c, host: h1 }, { name: d, host: h1, ip: 192.168.0.1 }] }",
        );
        let kinds = vec![Kind::Vm; tenant.vms.len()];
        let texts: Vec<_> =
            addresses(&tenant, &kinds).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.168.0.2/29", "192.168.0.6/29", "192.168.0.3/29", "192.168.0.1/29"]);
    }

    #[test]
    fn addresses_that_cannot_be_used_are_refused_with_the_reason() {
        let fault = |vms: &str| {
            let text = format!("{{ name: red, subnet: 192.168.0.0/30, vms: [{vms}] }}");
            let tenant = tenant(&text);
            addresses(&tenant, &vec![Kind::Vm; tenant.vms.len()]).unwrap_err().to_string()
        };
        assert!(fault("{ name: a, host: h1, ip: 10.0.0.1 }").contains("outside the tenant's"));
        assert!(fault("{ name: a, host: h1, ip: 192.168.0.3 }").contains("first and the last"));
        assert!(fault("{ name: a, host: h1, ip: 'fe80::1' }").contains("IPv4"));
        let three = "{ name: a, host: h }, { name: b, host: h }, { name: c, host: h }";
        assert!(fault(three).contains("too small for its 3 VMs"));
    }

    #[test]
    fn a_mac_is_derived_or_checked() {
        let mac_of = |text: &str| {
            let vm: Vm =
                serde_yaml::from_str(&format!("{{ name: a, host: h1, mac: '{text}' }}")).unwrap();
            let tenant = tenant("{ name: red, subnet: 10.0.0.0/24, vms: [] }");
            mac(&tenant, &vm, Ipv4Addr::new(10, 0, 0, 1)).map_err(|e| e.to_string())
        };
        assert_eq!(mac_of("0A:BC:00:00:00:01"), Ok("0a:bc:00:00:00:01".into()));
        assert!(mac_of("01:00:5e:00:00:01").unwrap_err().contains("group"));
        assert!(mac_of("02:00:00:00:00:01").unwrap_err().contains("underlay"));
        assert!(mac_of("nonsense").unwrap_err().contains("six bytes"));
    }
}
