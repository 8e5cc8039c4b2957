//! The underlay's nodes as the result tells them.

use crate::measure::result::NodeResult;
use crate::plan::{NodeKind, Variant};

/// All of a variant, in the order of the topology.
pub(super) fn of(variant: &Variant) -> Vec<NodeResult> {
    let kind = |kind: NodeKind| match kind {
        NodeKind::Host => "host",
        NodeKind::Switch => "switch",
        NodeKind::Router => "router",
    };
    let nodes = variant.nodes.iter();
    nodes.map(|n| NodeResult { name: n.name.clone(), kind: kind(n.kind).to_owned() }).collect()
}
