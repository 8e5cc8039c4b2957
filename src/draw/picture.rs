//! What is drawn of one variant, without a place yet.

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::{self, Lane};
use super::text::range;
use crate::lab::counted as count;
use crate::plan::{NodeKind, PortRole, Variant, VmPlan};
use crate::sketch::{Fold, Wiring};

/// One box: a node, or several that are folded.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its name, or the first and the last of several.
    pub label: String,
    /// How many there are, where several.
    pub note: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// 0 for hosts.
    pub layer: usize,
    /// Whether it is the spanning tree's root, or holds it.
    pub root: bool,
    /// Tenants' VMs at a host: the tenant's number and the text.
    pub pills: Vec<(usize, String)>,
}

/// MTU in bytes and rate in bits per second of a cable.
pub(super) type Kind = (u32, Option<u64>);

/// Cables between two boxes.
#[derive(Debug)]
pub(super) struct Wire {
    /// The boxes.
    pub ends: [usize; 2],
    /// How many cables.
    pub count: usize,
    /// How many of them have a blocked port, at either end.
    pub blocked: [usize; 2],
    /// Whether a host does not use it: a second link in an L2 fabric.
    pub idle: bool,
    /// What they are; that of the first of several.
    pub kind: Kind,
}

/// One variant.
#[derive(Debug)]
pub(super) struct Picture {
    pub shapes: Vec<Shape>,
    pub wires: Vec<Wire>,
    pub lanes: Vec<Lane>,
    /// Tenants that have no lane of their own.
    pub more_tenants: usize,
    /// For each pair of layers the MTUs and rates of the cables between them, with their number;
    /// folded ones counted too.
    pub kinds: BTreeMap<(usize, usize), BTreeMap<Kind, usize>>,
    /// Cables that spanning tree blocks.
    pub blocked: usize,
}

/// Which nodes are hosts, and what is joined with what.
fn wiring(variant: &Variant, index: &BTreeMap<&str, usize>) -> Wiring {
    let ends = variant.links.iter().filter_map(|cable| {
        let [a, b] = cable.ends.each_ref().map(|end| index.get(end.node.as_str()).copied());
        Some([a?, b?])
    });
    Wiring {
        hosts: variant.nodes.iter().map(|node| node.kind == NodeKind::Host).collect(),
        links: ends.collect(),
    }
}

/// Most pills under a host.
const PILLS: usize = 5;

impl Picture {
    pub(super) fn new(variant: &Variant) -> Picture {
        let tree = variant.spanning_tree();
        let roots: BTreeSet<&str> = tree.roots.iter().map(String::as_str).collect();
        let index: BTreeMap<&str, usize> =
            variant.nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
        let fold = Fold::new(&wiring(variant, &index));
        let of_host = |host: &str| index.get(host).map(|&node| fold.of[node]);
        let shapes = fold
            .members
            .iter()
            .zip(&fold.layers)
            .map(|(members, &layer)| {
                let names: Vec<&str> =
                    members.iter().map(|&n| variant.nodes[n].name.as_str()).collect();
                let kind = members.first().map_or(NodeKind::Host, |&n| variant.nodes[n].kind);
                let several = match kind {
                    NodeKind::Host => "hosts",
                    NodeKind::Switch => "switches",
                    NodeKind::Router => "routers",
                };
                let several = format!("{} {several}", names.len());
                Shape {
                    label: range(&names),
                    note: if names.len() > 1 { several } else { String::new() },
                    kind,
                    layer,
                    root: names.iter().any(|name| roots.contains(name)),
                    pills: Vec::new(),
                }
            })
            .collect();
        let mut picture = Picture {
            shapes,
            wires: Vec::new(),
            lanes: Vec::new(),
            more_tenants: 0,
            kinds: BTreeMap::new(),
            blocked: (0..variant.links.len()).filter(|&link| tree.blocks(link)).count(),
        };
        picture.wires(variant, &fold, &index, &tree.roles);
        picture.pills(variant, of_host);
        picture.segments(variant, of_host);
        (picture.lanes, picture.more_tenants) = lanes::of(variant, of_host);
        picture
    }

    fn wires(
        &mut self,
        variant: &Variant,
        fold: &Fold,
        index: &BTreeMap<&str, usize>,
        roles: &[[PortRole; 2]],
    ) {
        let bridged = variant.nodes.iter().any(|node| node.kind == NodeKind::Switch);
        let mut used: BTreeSet<usize> = BTreeSet::new();
        let mut merged: BTreeMap<(usize, usize, bool), usize> = BTreeMap::new();
        for (cable, roles) in variant.links.iter().zip(roles) {
            let nodes = cable.ends.each_ref().map(|end| index.get(end.node.as_str()).copied());
            let [Some(a), Some(b)] = nodes else { continue };
            let again = [a, b].map(|n| {
                let first = variant.nodes[n].kind != NodeKind::Host || used.insert(n);
                bridged && !first
            });
            let idle = again.contains(&true);
            let mut ends = [fold.of[a], fold.of[b]];
            let kind = (cable.mtu, cable.rate);
            let mut layers = ends.map(|shape| fold.layers[shape]);
            layers.sort_unstable();
            let kinds = self.kinds.entry((layers[0], layers[1])).or_default();
            *kinds.entry(kind).or_default() += 1;
            if ends[0] == ends[1] {
                continue;
            }
            let mut blocked = roles.map(|role| usize::from(role == PortRole::Blocked));
            if ends[0] > ends[1] {
                ends.reverse();
                blocked.reverse();
            }
            let at = *merged.entry((ends[0], ends[1], idle)).or_insert_with(|| {
                self.wires.push(Wire { ends, count: 0, blocked: [0; 2], idle, kind });
                self.wires.len() - 1
            });
            let wire = &mut self.wires[at];
            wire.count += 1;
            for (sum, more) in wire.blocked.iter_mut().zip(blocked) {
                *sum += more;
            }
        }
    }

    /// VLAN segments at their gateways, each with its machines.
    fn segments(&mut self, variant: &Variant, of_host: impl Fn(&str) -> Option<usize>) {
        for segment in &variant.segments {
            let tenant = variant.tenants.iter().position(|t| t.name == segment.tenant);
            let (Some(shape), Some(tenant)) = (of_host(&segment.gateway), tenant) else { continue };
            let machines = variant.tenants[tenant].vms.iter();
            let machines = machines.filter(|vm| segment.holds(&vm.node));
            let pills = &mut self.shapes[shape].pills;
            pills.push((tenant, format!("VLAN {} {}", segment.vlan, segment.name)));
            let own: Vec<_> = machines.map(|vm| (tenant, format!("· {}", vm.name))).collect();
            match own.len() {
                0..=3 => pills.extend(own),
                more => pills.push((tenant, format!("· {}", count(more, "machine")))),
            }
        }
    }

    fn pills(&mut self, variant: &Variant, of_host: impl Fn(&str) -> Option<usize>) {
        let mut by_shape: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
        for (tenant, plan) in variant.tenants.iter().enumerate() {
            let behind = |vm: &VmPlan| variant.segments.iter().any(|s| s.holds(&vm.node));
            for vm in plan.vms.iter().filter(|vm| !behind(vm)) {
                let Some(shape) = of_host(&vm.host) else { continue };
                by_shape.entry((shape, tenant)).or_default().push(&vm.name);
            }
        }
        let mut left_out: BTreeMap<usize, usize> = BTreeMap::new();
        for ((shape, tenant), vms) in by_shape {
            let name = &variant.tenants[tenant].name;
            let pills = &mut self.shapes[shape].pills;
            if vms.len() > 3 || pills.len() + vms.len() > PILLS {
                if pills.len() < PILLS {
                    pills.push((tenant, format!("{name}: {}", count(vms.len(), "VM"))));
                } else {
                    *left_out.entry(shape).or_default() += vms.len();
                }
                continue;
            }
            pills.extend(vms.iter().map(|vm| (tenant, format!("{name}/{vm}"))));
        }
        for (shape, vms) in left_out {
            self.shapes[shape].pills.push((usize::MAX, format!("and {vms} more")));
        }
    }
}
