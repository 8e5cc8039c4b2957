//! Flows: between two VMs of one tenant.

use super::Whole;
use crate::lab::model::{Flow, Lab, Sizes, Tenant, UdpFlow};
use crate::lab::read::suggestion;

pub(super) fn check(whole: &Whole<'_>) {
    for (n, flow) in whole.lab.traffic.iter().enumerate() {
        let path = format!("traffic[{n}]");
        if let Flow::Together(flows) = flow {
            for (m, flow) in flows.iter().enumerate() {
                one(whole, flow, &format!("{path}.together[{m}]"));
            }
            together(whole, flows, &format!("{path}.together"));
        } else {
            one(whole, flow, &path);
        }
    }
}

fn one(whole: &Whole<'_>, flow: &Flow, path: &str) {
    let Some((from, to, _)) = flow.ends() else { return };
    let path = format!("{path}.{}", flow.kind());
    let tenants = [from, to].map(|end| end.split_once('/').map_or("", |(tenant, _)| tenant));
    if tenants[0] != tenants[1] && whole.lab.joined(tenants[0], tenants[1]) {
        end(whole, from, &format!("{path}.from"));
        end(whole, to, &format!("{path}.to"));
        return;
    }
    between(whole, [from, to], [&format!("{path}.from"), &format!("{path}.to")]);
}

/// Two VMs of one tenant.
pub(super) fn between(whole: &Whole<'_>, [from, to]: [&str; 2], [from_path, to_path]: [&str; 2]) {
    let known = [end(whole, from, from_path), end(whole, to, to_path)];
    let [Some(from_tenant), Some(to_tenant)] = known else { return };
    if from == to {
        whole.sink.rule(
            to_path,
            format!("`{to}` is where the flow comes from; name another VM of `{to_tenant}`"),
        );
    } else if from_tenant != to_tenant {
        let message = format!(
            "the flow comes from tenant `{from_tenant}`; tenants do not reach each other, \
             so name a VM of `{from_tenant}`"
        );
        whole.sink.rule(to_path, message);
    }
}

/// What runs at the same time begins and ends together, and comes to a sum of bytes.
fn together(whole: &Whole<'_>, flows: &[Flow], path: &str) {
    for (n, flow) in flows.iter().enumerate() {
        if matches!(flow, Flow::Udp(UdpFlow { size: Sizes::Each(_), .. })) {
            let message = "flows of a list of sizes run one after another, these at the same time; \
                           give it one size, or write a flow for each";
            whole.sink.rule(&format!("{path}[{n}].udp.size"), message);
        }
    }
    let mut spans = flows.iter().filter_map(Flow::ends).map(|(_, _, span)| span);
    let first = spans.next();
    if spans.any(|span| Some(span) != first) && whole.sink.clean(path) {
        let message = "these flows have different times; give all of them the same `for`";
        whole.sink.rule(path, message);
    }
    if flows.iter().all(|flow| matches!(flow, Flow::Rr(_))) && whole.sink.clean(path) {
        let message = "has no flow whose bytes can be added up; let at least one be tcp or udp";
        whole.sink.rule(path, message);
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
    let members = whole.lab.members(tenant);
    if members.iter().any(|v| v.name == vm) {
        return Some(&found.name);
    }
    if !found.vms.is_empty() {
        let near = suggestion(vm, members.iter().map(|v| v.name.as_str()));
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
