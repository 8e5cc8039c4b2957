//! Namespaces, netlink verbs, privileges and teardown.
//!
//! [`enter`] leaves the machine's namespaces for good; [`build`] makes a plan's nodes, links and
//! VMs there; [`Underlay::ready`] waits until they forward. Verbs are functions that make one
//! [`Request`] each; a [`Netlink`] socket in a namespace sends any number of them at once.

mod address;
mod build;
mod cable;
mod canary;
pub mod change;
mod configuration;
mod ecmp;
mod error;
mod event;
mod feature;
mod joined;
pub mod link;
mod many;
mod mroute;
mod namespaces;
mod nft;
mod ping;
mod privilege;
pub mod probe;
mod qdisc;
mod ready;
mod shelf;
mod silence;
mod socket;
pub mod sysctl;
mod vlans;
mod world;

pub use address::{FdbEntry, address, fdb, fdb_remote, fdb_static, forget, neighbour, route};
pub use build::{BRIDGE, PORT_MTU, Underlay, VM_INTERFACE, build, build_by};
pub use cable::{Cables, Impairer};
pub use configuration::configuration;
pub use error::{Error, Result};
pub use event::{LinkEvents, wait_any};
pub use feature::{Offloads, switch_off};
pub use mroute::forward;
pub use namespaces::Namespaces;
pub use nft::drop_ingress as drop_ingress_by_nftables;
pub use ping::ping;
pub use privilege::Privileges;
pub use qdisc::{Bucket, DropMethod, clsact, drop_filter, drop_ingress, tbf, unshape};
pub use socket::{Feature, Netlink, Request};
pub use vlans::{Switching, default_port, vids};
pub use world::{MOUNT_SOURCE, RUN_NETNS, World, enter};
