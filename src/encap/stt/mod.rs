//! STT (draft-davie-stt-08): whole frames of up to 64 KB behind one header, cut into segments
//! that look like TCP's.
//!
//! The engine makes and reads frames; [`segments`] cuts them into packets, and a [`Receiver`]
//! puts them together again.

mod engine;
mod receiver;
mod segments;

pub use engine::Stt;
pub use receiver::{Frame, Receiver};
pub use segments::{Cut, pseudo, segments};
