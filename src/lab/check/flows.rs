//! Flows: between two VMs of one tenant.

use super::Whole;
use crate::lab::model::{Flow, Lab, Tenant};
use crate::lab::read::suggestion;

pub(super) fn check(whole: &Whole<'_>) {
    for (n, flow) in whole.lab.traffic.iter().enumerate() {
        let (kind, from, to) = match flow {
            Flow::Tcp(f) => ("tcp", &f.from, &f.to),
            Flow::Udp(f) => ("udp", &f.from, &f.to),
            Flow::Rr(f) => ("rr", &f.from, &f.to),
        };
        let path = format!("traffic[{n}].{kind}");
        let known =
            [end(whole, from, &format!("{path}.from")), end(whole, to, &format!("{path}.to"))];
        let [Some(from_tenant), Some(to_tenant)] = known else { continue };
        if from == to {
            whole.sink.rule(
                &format!("{path}.to"),
                format!("`{to}` is where the flow comes from; name another VM of `{to_tenant}`"),
            );
        } else if from_tenant != to_tenant {
            let message = format!(
                "the flow comes from tenant `{from_tenant}`; tenants do not reach each other, \
                 so name a VM of `{from_tenant}`"
            );
            whole.sink.rule(&format!("{path}.to"), message);
        }
    }
}

/// The tenant of one end of a flow, where the end exists.
pub(super) fn end<'a>(whole: &Whole<'a>, end: &str, path: &str) -> Option<&'a str> {
    // An end that was not read, or tenants that were not.
    if end.is_empty() {
        return None;
    }
    let Some((tenant, vm)) = end.split_once('/') else {
        whole
            .sink
            .rule(path, format!("`{end}` names no VM; write `tenant/vm`{}", example(whole.lab)));
        return None;
    };
    let found = find_tenant(whole, tenant, path)?;
    if found.vms.iter().any(|v| v.name == vm) {
        return Some(&found.name);
    }
    if !found.vms.is_empty() {
        let near = suggestion(vm, found.vms.iter().map(|v| v.name.as_str()));
        whole.sink.rule(path, format!("tenant `{tenant}` has no VM `{vm}`{near}"));
    }
    None
}

fn example(lab: &Lab) -> String {
    let first = lab.tenants.iter().find_map(|t| Some((&t.name, &t.vms.first()?.name)));
    first.map_or_else(String::new, |(tenant, vm)| format!(", e.g. `{tenant}/{vm}`"))
}

/// The tenant of a name; a fault where there is none for certain.
pub(super) fn find_tenant<'a>(whole: &Whole<'a>, name: &str, path: &str) -> Option<&'a Tenant> {
    let tenants = &whole.lab.tenants;
    let found = tenants.iter().find(|t| t.name == name);
    let all_read = !tenants.is_empty() && tenants.iter().all(|t| !t.name.is_empty());
    if found.is_none() && all_read {
        let near = suggestion(name, tenants.iter().map(|t| t.name.as_str()));
        whole.sink.rule(path, format!("there is no tenant `{name}`{near}"));
    }
    found
}
