//! Where each VM lives, with its address, MAC and port.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::PlanError;
use super::address::{mac_text, parse_mac, vm_mac};
use super::graph::Graph;
use super::name::Names;
use crate::lab::{Happening, Lab, Tenant, UNDERLAY_MAC, Vm};

/// One VM, the same in all variants.
#[derive(Debug)]
pub(super) struct Placed {
    /// Name in its tenant.
    pub name: String,
    /// Its host, as a node of the graph.
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

/// The VMs of every tenant, in the order of the lab.
///
/// # Errors
/// A VM on an unknown host, or an address or MAC that cannot be used.
pub(super) fn place(lab: &Lab, graph: &Graph) -> Result<Vec<Vec<Placed>>, PlanError> {
    let hosts: HashMap<&str, usize> =
        graph.hosts().map(|host| (graph.nodes[host].name.as_str(), host)).collect();
    let mut ports: HashMap<usize, Names> = HashMap::new();
    let mut all = Vec::with_capacity(lab.tenants.len());
    for (index, tenant) in lab.tenants.iter().enumerate() {
        let addresses = addresses(tenant)?;
        let mut macs = HashSet::new();
        let mut placed = Vec::with_capacity(tenant.vms.len());
        for (vm, address) in tenant.vms.iter().zip(addresses) {
            let host = *hosts.get(vm.host.as_str()).ok_or_else(|| PlanError::UnknownHost {
                vm: full_name(tenant, vm),
                host: vm.host.clone(),
            })?;
            let mac = mac(tenant, vm, address.addr())?;
            if !macs.insert(mac.clone()) {
                let why = "another VM of the tenant has it; give it one of its own".to_owned();
                return Err(PlanError::Mac { vm: full_name(tenant, vm), mac, why });
            }
            let tenant_number = index + 1;
            let port = ports
                .entry(host)
                .or_default()
                .interface(&format!("v{tenant_number}-{}", vm.name), &format!("v{tenant_number}_"));
            let (name, spare) = (vm.name.clone(), Vec::new());
            placed.push(Placed { name, host, address, mac, mtu: vm.mtu, port, spare });
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
            let Some(of) = placed.iter_mut().find(|p| format!("{}/{}", tenant.name, p.name) == vm)
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
    Ok(all)
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
fn addresses(tenant: &Tenant) -> Result<Vec<Ipv4Net>, PlanError> {
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
    let mut free = subnet.hosts().filter(|address| !taken.contains(address));
    let mut next = |vm: &Vm| -> Option<Ipv4Addr> {
        match vm.ip {
            Some(IpAddr::V4(written)) => Some(written),
            _ => free.next(),
        }
    };
    tenant
        .vms
        .iter()
        .map(|vm| {
            next(vm).and_then(|address| Ipv4Net::new(address, subnet.prefix_len()).ok()).ok_or_else(
                || PlanError::SubnetFull {
                    tenant: tenant.name.clone(),
                    subnet: subnet.trunc(),
                    vms: tenant.vms.len(),
                },
            )
        })
        .collect()
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
        let texts: Vec<_> = addresses(&tenant).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.168.0.2/29", "192.168.0.6/29", "192.168.0.3/29", "192.168.0.1/29"]);
    }

    #[test]
    fn addresses_that_cannot_be_used_are_refused_with_the_reason() {
        let fault = |vms: &str| {
            let text = format!("{{ name: red, subnet: 192.168.0.0/30, vms: [{vms}] }}");
            addresses(&tenant(&text)).unwrap_err().to_string()
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
