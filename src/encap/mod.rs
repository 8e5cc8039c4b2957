//! The engines: bytes to bytes, one file per protocol, knowing no socket, clock or thread.
//!
//! An engine writes the header that goes between the transport below it and the inner packet,
//! and takes it off again. What carries the result (a UDP socket, a raw IP socket, an Ethernet
//! interface) is told by [`Transport`] and is the datapath's business; so the same engine serves
//! the testbed, `overlab endpoint`, the tests, the benchmarks and the fuzzers.

mod delivery;
mod drop;
pub mod ecn;
mod engine;
mod envelope;
mod geneve;
mod gre;
mod inner;
mod ipip;
mod nvgre;
mod offload;
mod overhead;
mod plain;
mod qinq;
mod reassembly;
pub mod receive;
#[cfg(test)]
mod roundtrip;
mod sequence;
pub mod stt;
#[cfg(test)]
mod testing;
mod vlan;
mod vxlan;
mod vxlan_gpe;

pub use delivery::{Delivery, HOPS, Ttl};
pub use drop::DropReason;
pub use engine::{Decap, Engine, Inner, InnerKind, Offload, Outer, Transport};
pub use envelope::Envelope;
pub use geneve::{Geneve, SentOptions};
pub use gre::Gre;
pub use inner::trim;
pub use ipip::IpInIp;
pub use nvgre::Nvgre;
pub use offload::{finish_checksum, segment};
pub use overhead::{Extras, headers, overhead};
pub use plain::Plain;
pub use qinq::Qinq;
pub use reassembly::{Limits, Piece, Reassembler, Whole};
pub use sequence::Sequence;
pub use stt::Stt;
pub use vlan::Vlan;
pub use vxlan::Vxlan;
pub use vxlan_gpe::VxlanGpe;

/// The outer source port for a flow: in the dynamic range, from the flow's hash (RFC 7348 section 5).
#[must_use]
pub const fn source_port(flow: u32) -> u16 {
    0xC000 | (flow >> 18) as u16
}

/// The outer IPv6 flow label for a flow, from its hash (RFC 6438 section 3), in the half of the
/// labels that nobody has to lease (Linux `flowlabel_state_ranges`).
#[must_use]
pub const fn flow_label(flow: u32) -> u32 {
    0x8_0000 | flow >> 13
}
