//! The virtual switch at a host's edge: ports, per-tenant forwarding tables, flooding, counters.
//!
//! Like the engines it knows no socket and no clock: the datapath tells it who a frame is from
//! and what time it is, and it says where the frame goes. One switch serves one host; both
//! directions may use it from different threads at once.

mod counters;
mod fdb;
mod switch;

pub use counters::{Counters, Direction};
pub use fdb::{Fdb, Location};
pub use switch::{Network, NetworkConfig, Peer, PeerId, PortId, Switch, Verdict};
