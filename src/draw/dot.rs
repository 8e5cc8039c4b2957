//! The same for Graphviz: `dot -Tsvg`, or `neato` for what has no layers.

use std::fmt::Write as _;

use crate::lab::{Rate, point_to_point};
use crate::plan::{NodeKind, Plan, Variant};

/// The variants of a plan as clusters of one undirected graph in the DOT language; nothing is folded.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut out = format!("graph {} {{\n", quoted(&plan.title));
    out.push_str("  node [fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=9];\n");
    for variant in &plan.variants {
        cluster(&mut out, variant);
    }
    out.push_str("}\n");
    out
}

fn cluster(out: &mut String, variant: &Variant) {
    let name = |node: &str| quoted(&format!("{}.{node}", variant.name));
    let tree = variant.spanning_tree();
    let _ = writeln!(out, "  subgraph {} {{", quoted(&format!("cluster {}", variant.name)));
    let _ = writeln!(out, "    label={};", quoted(&variant.name));
    for node in &variant.nodes {
        let shape = match node.kind {
            NodeKind::Host => "box",
            NodeKind::Switch => "component",
            NodeKind::Router => "ellipse",
        };
        let mut vms = String::new();
        let behind = |node: &str| variant.segments.iter().any(|segment| segment.holds(node));
        for vm in variant.vms().filter(|vm| vm.host == node.name && !behind(&vm.node)) {
            let _ = write!(vms, "\n{}/{}", vm.tenant, vm.name);
        }
        let root = if tree.roots.contains(&node.name) { "\nroot" } else { "" };
        let label = quoted(&format!("{}{root}{vms}", node.name));
        let _ = writeln!(out, "    {} [shape={shape}, label={label}];", name(&node.name));
    }
    for (n, link) in variant.links.iter().enumerate() {
        let [a, b] = link.ends.each_ref().map(|end| name(&end.node));
        let rate = link.rate.map(|bits| format!("{}bit/s ", Rate(bits))).unwrap_or_default();
        let blocked = if tree.blocks(n) { ", style=dashed, color=red" } else { "" };
        let label = quoted(&format!("{rate}MTU {}", link.mtu));
        let _ = writeln!(out, "    {a} -- {b} [label={label}{blocked}];");
    }
    for segment in &variant.segments {
        let mut label = format!("{}\n{}, VLAN {}", segment.name, segment.tenant, segment.vlan);
        for vm in variant.vms().filter(|vm| segment.holds(&vm.node)) {
            let _ = write!(label, "\n{}/{}", vm.tenant, vm.name);
        }
        let own = name(&format!("segment {}", segment.name));
        let _ = writeln!(out, "    {own} [shape=box, style=rounded, label={}];", quoted(&label));
        let trunk = quoted(&format!("MTU {}", segment.mtu));
        let _ = writeln!(out, "    {} -- {own} [label={trunk}];", name(&segment.gateway));
    }
    tunnels(out, variant, name);
    out.push_str("  }\n");
}

/// Tunnels hold no node in its place.
fn tunnels(out: &mut String, variant: &Variant, name: impl Fn(&str) -> String) {
    let style = if point_to_point(variant.encap) { "solid" } else { "dashed" };
    for edge in &variant.edges {
        for network in &edge.networks {
            let later = variant.edges.iter().filter(|other| other.vtep > edge.vtep);
            for other in later.filter(|o| o.vtep.is_some_and(|v| network.peers.contains(&v))) {
                let label = quoted(&format!("{} {}", network.tenant, network.id));
                let (a, b) = (name(&edge.host), name(&other.host));
                let _ = writeln!(
                    out,
                    "    {a} -- {b} [label={label}, style={style}, color=blue, constraint=false];"
                );
            }
        }
    }
}

/// A quoted string of the DOT language; a line break is `\n` in it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
