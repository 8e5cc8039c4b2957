//! The virtual switch at a host's edge: ports, per-tenant forwarding tables, flooding, counters.
//!
//! Like the engines it knows no socket and no clock: the datapath tells it who a frame is from
//! and what time it is, and it says where the frame goes. One switch serves one host; both
//! directions may use it from different threads at once.
//!
//! [`Bridge`] is a switch of the fabric, where the kernel's bridge cannot be it: VLANs by port, and a
//! MAC table with a bound.

mod bridge;
mod counters;
mod fdb;
mod mac_table;
mod switch;

pub use bridge::{Acceptable, Admitted, Bridge, Decision, PortConfig, PortState, RawTag, VidSet};
pub use counters::{Counters, Direction};
pub use fdb::{Fdb, Location};
pub use mac_table::MacTable;
pub use switch::{Network, NetworkConfig, Peer, PeerId, PortId, Switch, Verdict};
