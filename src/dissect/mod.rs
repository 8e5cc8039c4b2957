//! Taking packets apart: descriptions of all headers, the layers of a frame, and what a receiver
//! would make of it. Pure: bytes in, findings out.

pub mod capture;
pub mod field;
pub mod figure;
pub mod headers;
mod judge;
pub mod names;
pub mod render;
mod settings;
mod walk;

pub use judge::{Judge, Judged, delivered};
pub use settings::{KEYS, Settings};
pub use walk::{Layer, Start};
