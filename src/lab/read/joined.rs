//! `routers` and `segments`, and what is expected of them and of what the underlay sees.

use super::At;
use super::expect::bounded;
use super::names::{NODES, SEGMENTS, TENANTS, VMS};
use super::tenant::{address, mac};
use super::tree::Kind;
use crate::ids::VlanId;
use crate::lab::joined::{
    Across, ComparedTopology, Machine, MachineSpec, Reach, Router, Segment, StreamExpected, Within,
};
use crate::lab::limits::{COPIES, COUNT, HOPS, VM_MTU};
use crate::lab::model::Expected;

pub(super) fn routers(at: &At<'_>) -> Vec<Router> {
    let items = at.list("a list of routers").unwrap_or_default();
    items.iter().map(router).collect()
}

fn router(at: &At<'_>) -> Router {
    let example = "a router, e.g. `{ name: r1, host: h2, joins: [web, db] }`";
    let fields = at.fields(example, &["name", "host", "joins"]);
    let need = |key, wanted| fields.as_ref().and_then(|f| f.need(key, wanted));
    let host = "the host it lives on";
    let joins = need("joins", "the tenants it joins, e.g. `[web, db]`")
        .and_then(|at| at.list("a list of tenants, e.g. `[web, db]`"));
    Router {
        name: need("name", "the router's name, e.g. `r1`")
            .and_then(|at| at.name(NODES))
            .unwrap_or_default(),
        host: need("host", host).and_then(|at| at.text(host)).unwrap_or_default(),
        joins: joins
            .unwrap_or_default()
            .iter()
            .map(|at| at.text("a tenant's name").unwrap_or_default())
            .collect(),
    }
}

pub(super) fn segments(at: &At<'_>) -> Vec<Segment> {
    let items = at.list("a list of VLAN segments").unwrap_or_default();
    // One that could not be read keeps its place in the list, without names.
    items.iter().filter_map(segment).collect()
}

fn segment(at: &At<'_>) -> Option<Segment> {
    let example = "a segment, e.g. `{ name: old, switch: seg1, gateway: h4, vlan: 10, tenant: red, \
                   machines: [server1] }`";
    let keys = ["name", "switch", "gateway", "vlan", "tenant", "machines"];
    let Some(fields) = at.fields(example, &keys) else {
        let (name, switch, gateway, tenant, machines) = Default::default();
        let vlan = VlanId::try_from(VlanId::MIN).ok()?;
        return Some(Segment { name, switch, gateway, vlan, tenant, machines });
    };
    let name = fields.need("name", "the segment's name").and_then(|at| at.name(SEGMENTS));
    let switch = fields.need("switch", "the switch its machines are at");
    let switch = switch.and_then(|at| at.name(NODES));
    let host = "the host that bridges it with the overlay";
    let gateway = fields.need("gateway", host).and_then(|at| at.text(host));
    let vlan = fields.need("vlan", "the VLAN id on the trunk").and_then(|at| at.id("VLAN id"));
    let vlan = vlan.or_else(|| VlanId::try_from(VlanId::MIN).ok());
    let tenant = fields.need("tenant", "the tenant whose network it belongs to");
    let tenant = tenant.and_then(|at| at.name(TENANTS));
    let list = "a list of machines, e.g. `[server1, server2]`";
    let machines = fields.need("machines", list);
    let items = machines.as_ref().and_then(|at| at.list(list)).unwrap_or_default();
    if let Some(at) = machines.filter(|at| items.is_empty() && at.sink.clean(&at.path)) {
        at.wrong("is empty; a segment needs at least one machine");
    }
    Some(Segment {
        name: name.unwrap_or_default(),
        switch: switch.unwrap_or_default(),
        gateway: gateway.unwrap_or_default(),
        vlan: vlan?,
        tenant: tenant.unwrap_or_default(),
        machines: items.iter().map(machine).collect(),
    })
}

fn machine(at: &At<'_>) -> MachineSpec {
    if !matches!(at.node.kind, Kind::Map(_)) {
        return MachineSpec::Named(at.name(VMS).unwrap_or_default());
    }
    let fields = at.fields("a machine", &["name", "ip", "mac", "mtu"]);
    let get = |key| fields.as_ref().and_then(|f| f.get(key));
    let name = fields.as_ref().and_then(|f| f.need("name", "the machine's name"));
    MachineSpec::Full(Machine {
        name: name.and_then(|at| at.name(VMS)).unwrap_or_default(),
        ip: get("ip").and_then(|at| address(&at)),
        mac: get("mac").and_then(|at| mac(&at)),
        mtu: get("mtu").and_then(|at| at.number("MTU of a machine", &VM_MTU)),
    })
}

pub(super) fn compared(at: &At<'_>) -> Option<ComparedTopology> {
    at.text("a name from `topologies/`, or a path").map(ComparedTopology::from)
}

/// `{ within: red }`, or `{ from: web, to: db }`.
pub(super) fn reach(at: &At<'_>) -> Option<Reach> {
    let wanted = "a tenant's name";
    let example = "a map, e.g. `{ within: red }` or `{ from: web, to: db }`";
    let fields = at.fields(example, &["within", "from", "to"])?;
    let text = |key| fields.get(key).and_then(|at| at.text(wanted));
    let given = |key| fields.get(key).is_some();
    match (given("within"), given("from"), given("to")) {
        (true, false, false) => Some(Reach::Within(Within { within: text("within")? })),
        (false, true, true) => Some(Reach::Across(Across { from: text("from")?, to: text("to")? })),
        _ => {
            if at.sink.clean(&at.path) {
                at.wrong("names either one tenant with `within`, or two with `from` and `to`");
            }
            None
        }
    }
}

/// The expectations of this file; `None` for a kind that is none of them.
pub(super) fn expected(kind: &str, at: &At<'_>) -> Option<Expected> {
    let ends = "a VM, `tenant/vm`";
    match kind {
        "reachable" => Some(Expected::Reachable(reach(at)?)),
        "unreachable" => Some(Expected::Unreachable(reach(at)?)),
        "blind" => Some(Expected::Blind(tenants(at)?)),
        "seen" => Some(Expected::Seen(tenants(at)?)),
        "gateway" => Some(Expected::Gateway(at.text("the name of a segment")?)),
        "entries" => {
            let entries = at.entries("a map from tenants to numbers, e.g. `{ red: 3 }`")?;
            let number = |at: At<'_>| at.number("number of entries", &COUNT).map(u64::from);
            let each = entries.into_iter().filter_map(|(name, at)| Some((name, number(at)?)));
            Some(Expected::Entries(each.collect()))
        }
        "reordered" => {
            let keys = ["at-least", "at-most"];
            let fields = at.fields("a map, e.g. `{ at-most: 0 }`", &keys)?;
            let count = |key| {
                let at = fields.get(key)?;
                at.number("number of datagrams", &(0..=u32::MAX)).map(u64::from)
            };
            let (at_least, at_most) = (count("at-least"), count("at-most"));
            bounded(at, at_least.is_some() || at_most.is_some())?;
            Some(Expected::Reordered { at_least, at_most })
        }
        "hops" => {
            let example = "a map, e.g. `{ from: red/vm1, to: red/vm2, count: 1 }`";
            let fields = at.fields(example, &["from", "to", "count"])?;
            let count = fields.need("count", "the number of hops, e.g. `1`");
            let end = |key| fields.need(key, ends).and_then(|at| at.text(ends));
            let (from, to) = (end("from"), end("to"));
            let count = count.and_then(|at| at.number("number of hops", &HOPS));
            Some(Expected::Hops { from: from?, to: to?, count: count? })
        }
        "unaware" => {
            let fields = at.fields("a map, e.g. `{ within: red }`", &["within", "of"])?;
            let within = fields.need("within", "a tenant's name")?.text("a tenant's name")?;
            let of = fields.get("of").and_then(|at| at.text("the name of a variant"));
            Some(Expected::Unaware { within, of })
        }
        "stream" => {
            let example = "a map, e.g. `{ from: red/vm1, rate: 1.5M, for: 1s, copies: 3 }`";
            let fields = at.fields(example, &["from", "rate", "for", "copies"])?;
            let from = fields.need("from", ends).and_then(|at| at.text(ends));
            let rate = fields.need("rate", "payload bits per second, e.g. `1.5M`");
            let rate = rate.and_then(|at| at.parsed("a rate, e.g. `1.5M`"));
            let span = fields.need("for", "how long, e.g. `1s`");
            let span = span.and_then(|at| at.parsed("a time, e.g. `1s`"));
            let copies = fields.need("copies", "packets for each broadcast, e.g. `3`");
            let copies = copies.and_then(|at| at.number("number of copies", &COPIES));
            let (rate, span) = (rate?, span?);
            Some(Expected::Stream(StreamExpected {
                from: from?,
                rate,
                span,
                copies: copies?.into(),
            }))
        }
        _ => None,
    }
}

fn tenants(at: &At<'_>) -> Option<Vec<String>> {
    let items = at.list("a list of tenants, e.g. `[red, blue]`")?;
    if items.is_empty() {
        at.wrong("is empty; name the tenants whose addresses are looked for, e.g. `[red]`");
    }
    Some(items.iter().map(|at| at.text("a tenant's name").unwrap_or_default()).collect())
}
