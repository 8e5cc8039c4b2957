//! What was carried and what was dropped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::encap::DropReason;

/// Counters of one direction at one host. Each direction is written by one thread mostly, so
/// the two live apart and their atomics stay uncontended.
#[derive(Debug)]
pub struct Counters {
    packets: AtomicU64,
    bytes: AtomicU64,
    drops: Vec<AtomicU64>,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a VM's port, into the overlay or to another port.
    Encap,
    /// From the underlay to VMs' ports.
    Decap,
}

impl Direction {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Encap => "encap",
            Direction::Decap => "decap",
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        let drops = DropReason::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Counters { packets: AtomicU64::new(0), bytes: AtomicU64::new(0), drops }
    }
}

impl Counters {
    /// Counts carried packets (a super-frame as the packets it becomes) and their inner bytes.
    pub fn carried(&self, packets: u64, bytes: u64) {
        self.packets.fetch_add(packets, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts one dropped frame.
    pub fn dropped(&self, reason: DropReason) {
        self.drops[reason as usize].fetch_add(1, Relaxed);
    }

    /// Packets and inner bytes carried so far.
    #[must_use]
    pub fn total(&self) -> (u64, u64) {
        (self.packets.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// Adds the drops so far to `sums`, by the reason's name; reasons that never occurred are left out.
    pub fn add_drops(&self, sums: &mut BTreeMap<String, u64>) {
        for (reason, count) in DropReason::ALL.iter().zip(&self.drops) {
            let count = count.load(Relaxed);
            if count > 0 {
                *sums.entry(reason.name().to_owned()).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_summed_by_name() {
        let counters = Counters::default();
        counters.dropped(DropReason::TooBig);
        counters.dropped(DropReason::TooBig);
        counters.carried(3, 4500);
        let mut sums = BTreeMap::from([("too_big".to_owned(), 1)]);
        counters.add_drops(&mut sums);
        assert_eq!(sums, BTreeMap::from([("too_big".to_owned(), 3)]));
        assert_eq!(counters.total(), (3, 4500));
    }
}
