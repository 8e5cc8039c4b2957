//! Taking packets apart: descriptions of all headers, the layers of a frame, and what a receiver
//! would make of it. Pure: bytes in, findings out.

pub mod field;
pub mod figure;
pub mod headers;
pub mod names;
