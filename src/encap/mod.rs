//! The engines: bytes to bytes, one file per protocol, knowing no socket, clock or thread.
//!
//! An engine writes the header that goes between the transport below it and the inner packet,
//! and takes it off again. What carries the result (a UDP socket, a raw IP socket, an Ethernet
//! interface) is told by [`Transport`] and is the datapath's business; so the same engine serves
//! the testbed, `overlab endpoint`, the tests, the benchmarks and the fuzzers.

mod drop;
pub mod ecn;
mod engine;
mod inner;
mod overhead;
#[cfg(test)]
mod testing;
mod vlan;
mod vxlan;

pub use drop::DropReason;
pub use engine::{Decap, Engine, Inner, InnerKind, Outer, Transport};
pub use overhead::{Extras, overhead};
pub use vlan::Vlan;
pub use vxlan::Vxlan;
