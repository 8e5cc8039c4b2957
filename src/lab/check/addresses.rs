//! Addresses: inside their subnet, and one VM each within a tenant. Other tenants may use the same ones.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::Whole;
use crate::lab::model::Tenant;
use crate::lab::read::Sink;

pub(super) fn check(whole: &Whole<'_>) {
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        if tenant.subnet != Ipv4Net::default() {
            room(tenant, n, whole.sink);
            inside(tenant, n, whole.sink);
        }
        ips(tenant, n, whole.sink);
        macs(tenant, n, whole.sink);
    }
}

fn room(tenant: &Tenant, n: usize, sink: &Sink<'_>) {
    let room = (1_u64 << (32 - tenant.subnet.prefix_len())) - 2;
    let vms = tenant.vms.len() as u64;
    if vms > room {
        // The longest prefix that has an address for every VM, the network and the broadcast.
        let needed = 32 - (vms + 1).ilog2() - 1;
        sink.rule(&format!("tenants[{n}].subnet"), format!(
            "`{}` has {room} addresses for hosts, and `{}` has {vms} VMs; a /{needed} is large enough",
            tenant.subnet, tenant.name
        ));
    }
}

fn inside(tenant: &Tenant, n: usize, sink: &Sink<'_>) {
    let net = tenant.subnet;
    for vm in &tenant.vms {
        let Some(IpAddr::V4(ip)) = vm.ip else { continue };
        let (first, last) = usable(net);
        let what = if !net.contains(&ip) {
            "is not in the tenant's subnet"
        } else if ip == net.network() {
            "is the network's own address in"
        } else if ip == net.broadcast() {
            "is the broadcast address of"
        } else {
            continue;
        };
        let path = format!("tenants[{n}].vms.{}.ip", vm.name);
        sink.rule(&path, format!("{ip} {what} `{net}`; hosts have {first} to {last}"));
    }
}

fn usable(net: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    (Ipv4Addr::from(u32::from(net.network()) + 1), Ipv4Addr::from(u32::from(net.broadcast()) - 1))
}

fn ips(tenant: &Tenant, n: usize, sink: &Sink<'_>) {
    let mut owner = HashMap::new();
    for vm in &tenant.vms {
        let Some(ip) = vm.ip else { continue };
        if let Some(other) = owner.insert(ip, &vm.name) {
            let path = format!("tenants[{n}].vms.{}.ip", vm.name);
            let why = format!("{ip} is the address of `{other}` already");
            sink.rule(&path, format!("{why}; VMs of one tenant need different ones"));
        }
    }
}

fn macs(tenant: &Tenant, n: usize, sink: &Sink<'_>) {
    let mut owner = HashMap::new();
    for vm in &tenant.vms {
        let Some(mac) = &vm.mac else { continue };
        if let Some(other) = owner.insert(mac, &vm.name) {
            let path = format!("tenants[{n}].vms.{}.mac", vm.name);
            sink.rule(
                &path,
                format!(
                    "{mac} is the MAC of `{other}` already; VMs of one tenant need different ones"
                ),
            );
        }
    }
}
