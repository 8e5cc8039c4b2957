//! Expectations of broadcasts, of tunnels and of how flows spread: about what exists.

use std::collections::BTreeSet;

use super::Whole;
use super::flows::find_tenant;
use crate::ids::Encap;
use crate::lab::bum::TunnelCount;
use crate::lab::carriers::in_groups;

/// Links are two or more and each named once; the smallest part of n is at most 1/n.
pub(super) fn spread(whole: &Whole<'_>, links: &[String], at_least: Option<f64>, path: &str) {
    let list = format!("{path}.links");
    let mut seen = BTreeSet::new();
    for (n, link) in links.iter().enumerate() {
        if !seen.insert(link) {
            whole
                .sink
                .rule(&format!("{list}[{n}]"), format!("`{link}` stands in this list already"));
        }
    }
    if links.len() < 2 {
        whole.sink.rule(&list, "names fewer than two links; bytes spread over two or more");
        return;
    }
    let most = u32::try_from(links.len()).map_or(0.0, |n| 1.0 / f64::from(n));
    if let Some(part) = at_least.filter(|part| *part > most) {
        let message = format!(
            "the smallest part of {} links is at most {most:.3}, so {part} can never hold",
            links.len()
        );
        whole.sink.rule(&format!("{path}.at-least"), message);
    }
}

/// Tenants that exist.
pub(super) fn tunnels(whole: &Whole<'_>, count: &TunnelCount, path: &str) {
    if let TunnelCount::Each(each) = count {
        for name in each.keys() {
            find_tenant(whole, name, &format!("{path}.{name}"));
        }
    }
}

/// A tenant with VMs on two hosts, so that broadcasts have somewhere to go.
pub(super) fn tenant_on_hosts(whole: &Whole<'_>, within: &str, path: &str) {
    let Some(tenant) = find_tenant(whole, within, path) else { return };
    let hosts: BTreeSet<&str> = tenant.vms.iter().map(|vm| vm.host.as_str()).collect();
    if hosts.len() < 2 && whole.sink.clean("tenants") {
        let message = format!("all VMs of `{within}` are on one host; put one on another");
        whole.sink.rule(path, message);
    }
}

/// Two VMs of one tenant on two hosts, in encapsulations that learn MACs.
pub(super) fn walk(whole: &Whole<'_>, ends: [&String; 2], only: Option<Encap>, path: &str) {
    let mut found = Vec::new();
    for (end, key) in ends.into_iter().zip(["from", "to"]) {
        let path = format!("{path}.{key}");
        let Some((tenant, vm)) = end.split_once('/') else {
            whole.sink.rule(&path, format!("`{end}` is no VM; write `tenant/vm`"));
            return;
        };
        let Some(tenant) = find_tenant(whole, tenant, &path) else { return };
        let Some(vm) = tenant.vms.iter().find(|v| v.name == vm) else {
            whole.sink.rule(&path, format!("`{}` has no VM `{vm}`", tenant.name));
            return;
        };
        found.push((tenant, vm));
    }
    let [(tenant, from), (other, to)] = found.as_slice() else { return };
    if tenant.name != other.name || from.host == to.host {
        whole.sink.rule(path, "needs two VMs of one tenant on different hosts");
    }
    if whole.all_encaps_read()
        && let Some(encap) =
            only.map_or_else(|| whole.encaps(), |e| vec![e]).into_iter().find(|e| !in_groups(*e))
    {
        let message = format!(
            "{encap} has no such walk; there is one in gretap, vxlan, nvgre, stt and geneve"
        );
        whole.sink.rule(path, message);
    }
}
