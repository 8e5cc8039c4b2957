//! Counters, histograms, statistics, capture, isolation evidence, and the result document.
//!
//! `tap` and `segment` are the tools below: frames as the kernel holds them, what they
//! consist of, and the packets they are on a cable. Each other file measures one thing.

pub mod attack;
pub mod bum;
pub mod capture;
pub mod cpu;
mod datagrams;
mod ends;
mod error;
pub mod felt;
pub mod foreign;
pub mod gateway;
pub mod isolation;
pub mod latency;
pub mod ledger;
pub mod links;
mod machine;
pub mod mtu;
pub mod observe;
pub mod overhead;
mod pcapng;
mod place;
pub mod probe;
mod reach;
mod reno;
pub mod result;
pub mod sample;
pub mod segment;
mod sender;
pub mod sight;
pub mod snmp;
pub mod statistics;
pub mod stray;
pub mod stream;
pub mod tables;
pub mod tap;
pub mod told;
pub mod trace;
pub mod transfer;
pub mod walk;
mod watched;
pub mod wire;

pub use error::MeasureError;
pub use machine::{machine, memory_in_use, resident_memory};
pub use place::Place;
pub use reach::{across, reachable, reachable_of};
pub use reno::reno;

use std::collections::BTreeMap;

/// What was counted of each name since `before`, where there was any.
#[must_use]
pub fn since(
    mut now: BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    now.retain(|name, count| {
        *count = count.saturating_sub(before.get(name).copied().unwrap_or_default());
        *count > 0
    });
    now
}
