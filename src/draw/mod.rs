//! A plan as a picture: the underlay in layers, and every tenant's network above it.
//!
//! [`svg`] draws all variants of a plan below each other in one self-contained file, [`dot`] writes
//! them for Graphviz. Pure functions of a [`Plan`]; nothing is measured or built. The shapes of
//! data centres are layered, so the layout is: hosts at the bottom, every switch one layer above
//! the nearest it leads to. What would not fit a page is folded into boxes that say how many.

mod dot;
mod lanes;
mod layout;
mod picture;
mod style;
mod svg;
mod text;

use crate::plan::Plan;

pub use dot::dot;

/// The variants of a plan as one SVG document, readable on light and on dark pages.
#[must_use]
pub fn svg(plan: &Plan) -> String {
    svg::document(&plan.title, &plan.variants)
}
