//! The shape of a wiring on a page: what is folded into one box, in which layer it stands, and where.
//!
//! Data centres are layered, so hosts stand at the bottom and every switch one layer above the nearest
//! it leads to. Pure and of nobody: `draw` places plans with it, `report` the links of a result.

mod fold;
mod places;

pub use fold::Fold;
pub use places::{Places, places};

/// Nodes and cables without names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Whether each node is a host.
    pub hosts: Vec<bool>,
    /// The two nodes of each cable; a cable of a node that there is not is left out.
    pub links: Vec<[usize; 2]>,
}
