//! Tenants: names and ids are their own, VMs live on hosts that exist.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::Whole;
use crate::ids::VlanId;
use crate::lab::model::Tenant;
use crate::lab::read::{Sink, suggestion};

pub(super) fn check(whole: &Whole<'_>) {
    let tenants = &whole.lab.tenants;
    names(tenants, whole.sink);
    ids(tenants, whole.sink);
    hosts(whole);
    vlan_has_room(whole);
}

fn names(tenants: &[Tenant], sink: &Sink<'_>) {
    let mut first = HashMap::new();
    for (n, tenant) in tenants.iter().enumerate().filter(|(_, t)| !t.name.is_empty()) {
        if let Some(earlier) = first.get(&tenant.name) {
            let message = format!(
                "`{}` is tenants[{}] already; every tenant needs a name of its own",
                tenant.name,
                sink.entry(*earlier)
            );
            sink.rule(&format!("tenants[{n}].name"), message);
        } else {
            first.insert(&tenant.name, n);
        }
    }
}

fn ids(tenants: &[Tenant], sink: &Sink<'_>) {
    unique(tenants, sink, "vid", |t| t.vid);
    unique(tenants, sink, "vni", |t| t.vni);
    unique(tenants, sink, "vsid", |t| t.vsid);
    unique(tenants, sink, "key", |t| t.key);
    unique(tenants, sink, "context", |t| t.context);
}

fn unique<T: Eq + Hash + Display>(
    tenants: &[Tenant],
    sink: &Sink<'_>,
    key: &str,
    id: impl Fn(&Tenant) -> Option<T>,
) {
    let mut first: HashMap<T, usize> = HashMap::new();
    for (n, tenant) in tenants.iter().enumerate() {
        let Some(value) = id(tenant) else { continue };
        if let Some(earlier) = first.get(&value) {
            let message = format!(
                "{value} is the {key} of tenants[{}] already; \
                 two tenants with one id are one network",
                sink.entry(*earlier)
            );
            sink.rule(&format!("tenants[{n}].{key}"), message);
        } else {
            first.insert(value, n);
        }
    }
}

fn hosts(whole: &Whole<'_>) {
    let Some(hosts) = &whole.hosts else { return };
    let known: std::collections::HashSet<&str> = hosts.iter().map(String::as_str).collect();
    let unknown = |host: &str| !host.is_empty() && !known.contains(host);
    let message = |host: &str| {
        format!(
            "the topology has no host `{host}`{}",
            suggestion(host, hosts.iter().map(String::as_str))
        )
    };
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        for vm in tenant.vms.iter().filter(|vm| unknown(&vm.host)) {
            let path = format!("tenants[{n}].vms.{}", vm.name);
            let inner = format!("{path}.host");
            let path = if whole.sink.has(&inner) { inner } else { path };
            whole.sink.rule(&path, message(&vm.host));
        }
    }
    for (n, tenant) in whole.lab.tenants.iter().enumerate() {
        for host in tenant.id_on.keys().filter(|host| unknown(host)) {
            whole.sink.rule(&format!("tenants[{n}].id_on.{host}"), message(host));
        }
    }
    for host in whole.lab.carrier.vtep.keys().filter(|host| unknown(host)) {
        whole.sink.rule(&format!("carrier.vtep.{host}"), message(host));
    }
    for host in whole.lab.carrier.datapath_on.keys().filter(|host| unknown(host)) {
        whole.sink.rule(&format!("carrier.datapath_on.{host}"), message(host));
    }
}

fn vlan_has_room(whole: &Whole<'_>) {
    let room = VlanId::MAX - VlanId::MIN + 1;
    let tenants = whole.lab.tenants.len() as u64;
    let refuses = |encap: &crate::ids::Encap| whole.lab.expects_refusal(*encap);
    let tag = whole.encaps().into_iter().find(|e| e.is_tag() && !refuses(e));
    if let Some(tag) = tag.filter(|_| tenants > room) {
        let path = format!("tenants[{room}]");
        let message = format!(
            "{tag} has no id left for a {}th tenant: 12 bits less two reserved ids are {room}; \
             an overlay has 24 bits or more. To show this, expect `refused: {{ encap: {tag}, tenants: {} }}`",
            room + 1,
            room + 1
        );
        whole.sink.rule(&path, message);
    }
}
