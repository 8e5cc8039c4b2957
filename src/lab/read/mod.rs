//! From YAML to the model: a hand-written reader that goes on after a fault.
//!
//! A derived `Deserialize` stops at the first wrong value; here every function returns what it
//! could read and leaves what it could not with the [`Sink`]. A value that could not be read is
//! replaced by one that no later rule objects to, and rules say nothing about a path that
//! already has a fault, so that one mistake is reported once.

mod at;
mod attacks;
mod bum;
mod carrier;
mod cost;
mod engine;
mod events;
mod expect;
mod joined;
mod lab;
mod link;
mod names;
mod probes;
mod published;
mod rounds;
mod shape;
mod sink;
mod switches;
mod tables;
mod tenant;
mod topology;
mod traffic;
mod tree;

pub(super) use at::At;
pub(super) use lab::lab;
pub(super) use names::{distance, suggestion};
pub(super) use sink::{Sink, below};
pub(super) use topology::topology;
pub(super) use tree::{Kind, Node};
