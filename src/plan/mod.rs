//! What will be built, pure and printable.

mod model;

pub use model::*;
