//! Lab and topology files: what the user wrote, checked.
//!
//! [`load`] reads a lab and its topology and returns either both or [`Faults`]: everything that
//! is wrong in them at once, each with file, line, column and YAML path, and what would be right.

mod attacks;
mod bum;
mod carriers;
mod check;
mod cost;
mod events;
mod expected;
mod fault;
mod fingerprint;
mod flow;
mod joined;
pub mod lesson;
mod limits;
mod link;
mod load;
mod many;
mod model;
mod outcome;
mod outer;
mod probes;
mod published;
mod read;
mod rounds;
mod schema;
mod settings;
mod shipped;
mod switches;
mod tables;
pub mod topology;
mod units;

pub use attacks::{All, Attack, AttackExpected, Attacker, Attacks};
pub use carriers::{
    KERNEL, fabric, has_ids, in_groups, in_udp, inner_mtu, overhead, point_to_point,
};
pub use cost::{CostExpected, SlowdownExpected};
pub use events::{
    DETECTION, DowntimeExpected, Event, Happening, SurvivalExpected, Watch, find_event,
    watched_pair,
};
pub use fault::{Fault, Faults, counted};
pub use joined::{
    Across, ComparedTopology, Machine, MachineSpec, Reach, Router, Segment, StreamExpected, Within,
};
pub(crate) use limits::UNDERLAY_MAC;
pub use link::{Bounds, LinkExpected};
pub use load::{
    FileKind, Loaded, bridged, kind_of, load, load_topology, named_topology, read_str,
    read_topology_str,
};
pub use many::Spread;
pub use model::*;
pub use probes::{Answer, Cast, Checksum, Crafted, InnerPacket, OuterPacket, Probe, ProbeExpected};
pub use published::{Published, PublishedFigure};
pub use rounds::{Rounds, Until};
pub use schema::schema;
pub use units::{ByteSize, Delay, Loss, Rate, Reorder, Span, Width};
