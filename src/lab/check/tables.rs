//! Expectations of MAC tables and of stray frames: about nodes and VMs that exist.

use std::collections::BTreeSet;

use super::Whole;
use super::flows::find_tenant;
use crate::lab::model::{StrayExpected, TableExpected};
use crate::lab::read::suggestion;

/// A node of the topology, and not more VMs than there are.
pub(super) fn tables(whole: &Whole<'_>, table: &TableExpected, path: &str) {
    if let (Some(topology), Some(_)) = (whole.topology, &whole.hosts) {
        let wiring = topology.wiring();
        let nodes: Vec<&str> =
            wiring.switches.iter().chain(&wiring.hosts).map(String::as_str).collect();
        if !nodes.contains(&table.node.as_str()) {
            let near = suggestion(&table.node, nodes.iter().copied());
            let message = format!("there is no node `{}`{near}", table.node);
            whole.sink.rule(&format!("{path}.node"), message);
        }
    }
    let vms: usize = whole.lab.tenants.iter().map(|tenant| tenant.vms.len()).sum();
    if let Some(wanted) = table.vms.filter(|_| whole.sink.clean("tenants"))
        && wanted as usize > vms
    {
        let message = format!("the lab has {vms} VMs, so {wanted} never speak");
        whole.sink.rule(&format!("{path}.vms"), message);
    }
    if let (Some(least), Some(most)) = (table.at_least, table.at_most)
        && least > most
    {
        let message = format!("at least {least} and at most {most} can never hold");
        whole.sink.rule(path, message);
    }
}

/// A tenant on two hosts at least, so that frames cross the fabric.
pub(super) fn stray(whole: &Whole<'_>, stray: &StrayExpected, path: &str) {
    let Some(tenant) = find_tenant(whole, &stray.within, path) else { return };
    let hosts: BTreeSet<&str> = tenant.vms.iter().map(|vm| vm.host.as_str()).collect();
    if hosts.len() < 2 && whole.sink.clean("tenants") {
        let message = format!("all VMs of `{}` are on one host; put one on another", stray.within);
        whole.sink.rule(path, message);
    }
}
