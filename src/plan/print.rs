//! A plan as people read it.

use std::collections::BTreeSet;
use std::fmt::Write;

use ipnet::IpNet;
use tabled::builder::Builder;
use tabled::settings::peaker::PriorityMax;
use tabled::settings::{Style, Width};

use super::{Link, NodeKind, Plan, Route, Variant};
use crate::ids::Encap;
use crate::lab::{Datapath, Fabric};

/// Columns that no line of a table goes beyond.
const COLUMNS: usize = 100;
/// Rows shown of one table; large topologies are in the JSON whole.
const ROWS: usize = 48;

/// The plan as JSON, indented.
///
/// # Errors
/// What the serialiser says; a plan holds nothing that JSON has no form for.
pub fn json(plan: &Plan) -> serde_json::Result<String> {
    serde_json::to_string_pretty(plan)
}

/// The plan as text: all variants side by side, then the network of each, the flows and the time.
#[must_use]
pub fn print(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.title);
    if let Some(about) = &plan.about {
        text += &wrapped(about);
    }
    section(&mut text, &format!("Variants ({}, interleaved)", plan.measure.rounds.words()));
    text += &variants(plan);
    section(&mut text, "Largest inner packet");
    let width = plan.variants.iter().map(|v| v.name.len()).max().unwrap_or_default();
    for variant in &plan.variants {
        let _ = writeln!(text, " {:width$}  {}", variant.name, variant.mtu_arithmetic());
    }
    for (index, variant) in plan.variants.iter().enumerate() {
        network(&mut text, variant, &plan.variants[..index]);
    }
    section(&mut text, "Flows");
    text += &flows(plan);
    let _ = writeln!(text, "\nExpected time: about {} s", plan.estimate().as_secs_f64().round());
    text
}

/// The words of a paragraph in lines of at most [`COLUMNS`].
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += width;
    }
    text.push('\n');
    text
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}");
}

fn variants(plan: &Plan) -> String {
    let head = [
        "variant", "datapath", "fabric", "MTU", "inner", "overhead", "baseline", "tenants",
        "netns", "routes",
    ];
    let rows = plan.variants.iter().map(|v| {
        let namespaces = v.nodes.len() + v.vms().count();
        let routes: usize = v.nodes.iter().map(|n| n.routes.len()).sum();
        [
            v.name.clone(),
            datapaths(v),
            fabric(v.fabric).into(),
            v.underlay_mtu.to_string(),
            v.inner_mtu.to_string(),
            format!("{} B", v.overhead),
            v.baseline.clone().unwrap_or_default(),
            v.tenants.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", "),
            namespaces.to_string(),
            routes.to_string(),
        ]
    });
    table(&head, rows)
}

/// The variant's datapath, or those of its hosts where they differ.
fn datapaths(variant: &Variant) -> String {
    let names: BTreeSet<&str> = variant.edges.iter().map(|e| datapath(e.datapath)).collect();
    if names.len() > 1 {
        names.into_iter().collect::<Vec<_>>().join(" + ")
    } else {
        datapath(variant.datapath).to_owned()
    }
}

fn network(text: &mut String, variant: &Variant, earlier: &[Variant]) {
    let encap = match variant.encap {
        Encap::None => "no encapsulation".to_owned(),
        encap if variant.port != 0 => format!("{encap} to port {}", variant.port),
        encap => encap.to_string(),
    };
    let stp = if variant.stp { "" } else { " without spanning tree" };
    let title = format!("{}: {encap}, {} fabric{stp}", variant.name, fabric(variant.fabric));
    section(text, &title);
    *text += &nodes(variant);
    match earlier.iter().find(|other| other.links == variant.links) {
        Some(other) => {
            let _ = writeln!(text, "\n The links are those of {}.\n", other.name);
        }
        None => {
            let _ = writeln!(text, "\n{}", links(&variant.links));
        }
    }
    *text += &vms(variant);
}

fn nodes(variant: &Variant) -> String {
    let routed = variant.fabric == Fabric::L3;
    let loopback = if variant.encap == Encap::None { "loopback" } else { "loopback = VTEP" };
    let head =
        ["node", "is", "STP priority", loopback, "VTEP", "routes", "datapath", "tenant networks"];
    let rows = variant.nodes.iter().map(|node| {
        let edge = variant.edges.iter().find(|e| e.host == node.name);
        let networks = edge.iter().flat_map(|e| &e.networks).map(|network| {
            match (network.id, network.peers.len()) {
                (0, _) => network.tenant.clone(),
                (id, 0) => format!("{} {id}", network.tenant),
                (id, 1) => format!("{} {id} (1 peer)", network.tenant),
                (id, peers) => format!("{} {id} ({peers} peers)", network.tenant),
            }
        });
        let bridged_vtep = edge.and_then(|e| e.vtep).filter(|_| !routed);
        [
            node.name.clone(),
            kind(node.kind).to_owned(),
            node.stp_priority.map(|p| p.to_string()).unwrap_or_default(),
            addresses(&node.loopback),
            bridged_vtep.map(|v| v.to_string()).unwrap_or_default(),
            routes(&node.routes),
            edge.map(|e| datapath(e.datapath).to_owned()).unwrap_or_default(),
            networks.collect::<Vec<_>>().join(", "),
        ]
    });
    table(&head, rows)
}

fn addresses(addresses: &[IpNet]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The number of routes, and how many of them have several next hops.
fn routes(routes: &[Route]) -> String {
    let several = routes.iter().filter(|r| r.via.len() > 1).count();
    match (routes.len(), several) {
        (0, _) => String::new(),
        (all, 0) => all.to_string(),
        (all, several) => format!("{all} ({several} ECMP)"),
    }
}

fn links(links: &[Link]) -> String {
    let head = ["link", "interface", "address", "peer's interface", "address", "MTU", "rate"];
    let rows = links.iter().map(|link| {
        let [a, b] = &link.ends;
        [
            link.name.clone(),
            a.interface.clone(),
            addresses(&a.addresses),
            b.interface.clone(),
            addresses(&b.addresses),
            link.mtu.to_string(),
            pace(link),
        ]
    });
    table(&head, rows)
}

/// Its rate, and what else it does to packets.
fn pace(link: &Link) -> String {
    let rate = link.rate.map(|bits| crate::lab::Rate(bits).to_string());
    let rate = rate.unwrap_or_else(|| "unlimited".into());
    if link.impaired.any() { format!("{rate}, {}", link.impaired) } else { rate }
}

fn vms(variant: &Variant) -> String {
    let head = ["tenant", "id", "VM", "host", "port", "address", "MAC", "MTU"];
    let rows = variant.tenants.iter().flat_map(|tenant| {
        tenant.vms.iter().map(|vm| {
            [
                tenant.name.clone(),
                if tenant.id == 0 { "-".into() } else { tenant.id.to_string() },
                vm.name.clone(),
                vm.host.clone(),
                vm.port.clone(),
                vm.address.to_string(),
                vm.mac.clone(),
                vm.mtu.to_string(),
            ]
        })
    });
    table(&head, rows)
}

fn flows(plan: &Plan) -> String {
    let head = ["flow", "time per round", "in"];
    let rows = plan.flows.iter().map(|flow| {
        let carried = plan.variants.iter().filter(|v| flow.ends(v).is_some());
        let names: Vec<_> = carried.map(|v| v.name.as_str()).collect();
        [
            flow.label.clone(),
            humantime::format_duration(flow.span).to_string(),
            if names.len() == plan.variants.len() {
                "all variants".into()
            } else {
                names.join(", ")
            },
        ]
    });
    table(&head, rows)
}

const fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Host => "host",
        NodeKind::Switch => "switch",
        NodeKind::Router => "router",
    }
}

const fn datapath(datapath: Datapath) -> &'static str {
    match datapath {
        Datapath::User => "user",
        Datapath::Kernel => "kernel",
        Datapath::Auto => "auto",
    }
}

const fn fabric(fabric: Fabric) -> &'static str {
    match fabric {
        Fabric::L2 => "L2",
        Fabric::L3 => "L3",
        Fabric::Auto => "auto",
    }
}

/// A table without the columns that are empty in all rows; nothing for no rows.
fn table<const N: usize>(head: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let used: Vec<usize> = (0..N).filter(|&c| rows.iter().any(|r| !r[c].is_empty())).collect();
    let mut builder = Builder::with_capacity(rows.len() + 1, used.len());
    builder.push_record(used.iter().map(|&c| head[c]));
    for row in rows.iter().take(ROWS) {
        builder.push_record(used.iter().map(|&c| row[c].as_str()));
    }
    let mut table = builder.build();
    let fit = Width::wrap(COLUMNS).keep_words(true).priority(PriorityMax::left());
    table.with(Style::psql()).with(fit);
    let mut text = format!("{table}\n");
    if rows.len() > ROWS {
        let _ = writeln!(text, " ... and {} more (all are in the JSON)", rows.len() - ROWS);
    }
    text
}
