//! The same answers as plain numbers, for spreadsheets and scripts.

use super::super::figures::{fabric_links, shares};
use super::super::number::real;
use super::rows::{USED, broadcast_tenant, fullest, worst};
use crate::measure::result::VariantResult;

/// Name, unit and figure; those that a variant has.
#[must_use]
pub fn figures(v: &VariantResult) -> Vec<(&'static str, &'static str, f64)> {
    let mut out = Vec::new();
    let mut add = |name, unit, figure: Option<f64>| {
        out.extend(figure.filter(|f| f.is_finite()).map(|f| (name, unit, f)));
    };
    add("tenants_possible", "1", v.ids.as_ref().map(|ids| ids.usable));
    let fabric = fabric_links(v);
    let shares = shares(&fabric);
    let most = shares.iter().copied().reduce(f64::max);
    let links = |n: usize| most.map(|_| real(n as u64));
    add("fabric_links", "1", links(fabric.len()));
    add("fabric_links_used", "1", links(shares.iter().filter(|share| **share >= USED).count()));
    add("fabric_links_blocked", "1", links(fabric.iter().filter(|link| link.blocked).count()));
    add("fabric_link_busiest_share", "1", most);
    let entries = |kind| fullest(v, kind).map(|(_, entries)| real(entries));
    add("mac_table_switch_most", "1", entries("switch"));
    add("mac_table_host_most", "1", entries("host").filter(|entries| *entries > 0.0));
    add("downtime_moved_vm", "ms", worst(v, &["move"]).map(|event| event.downtime_at_event().0));
    add("downtime_cut", "ms", worst(v, &["cut", "kill"]).map(|event| event.downtime_at_event().0));
    let tenant = broadcast_tenant(&[v]).and_then(|tenant| v.broadcasts.get(tenant));
    let broadcast = tenant.and_then(|kinds| kinds.get("broadcast"));
    add("broadcast_packets_from_host", "1", broadcast.map(|b| b.copies.median));
    add("broadcast_packets_on_links", "1", broadcast.map(|b| b.on_links));
    add("broadcast_bytes_on_links", "B", broadcast.map(|b| b.bytes_on_links));
    let new = v.new_tenant.as_ref();
    add("new_tenant_nodes", "1", new.map(|new| real(new.nodes())));
    add("new_tenant_entries", "1", new.map(|new| real(new.entries())));
    add("new_tenant_switch_entries", "1", new.map(|new| real(new.switch_entries)));
    out
}
