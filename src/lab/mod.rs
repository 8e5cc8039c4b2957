//! Lab and topology files: what the user wrote, checked.

mod model;
mod units;

pub use model::*;
pub use units::{ByteSize, Rate, Span};
