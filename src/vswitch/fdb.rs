//! A tenant's forwarding table: MAC address to where it lives.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{PeerId, PortId};
use crate::wire::ethernet::Mac;

type Table = std::collections::HashMap<Mac, Entry, ahash::RandomState>;

/// Where a MAC address lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// Behind a VM's port of this host.
    Port(PortId),
    /// Behind a peer in the overlay.
    Peer(PeerId),
}

#[derive(Debug)]
struct Entry {
    location: Location,
    /// Time of the last frame from it; `STATIC` never ages.
    seen: AtomicU64,
}

const STATIC: u64 = u64::MAX;

/// Whether a frame may come from this address: neither a group nor all zero.
#[must_use]
pub fn is_source(mac: Mac) -> bool {
    !mac.is_group() && mac != Mac::ZERO
}

/// A forwarding table with ageing and a bound.
///
/// Lookups and refreshes take a read lock, which two threads share without waiting; only a new
/// address or one that moved takes the write lock.
#[derive(Debug)]
pub struct Fdb {
    table: RwLock<Table>,
    limit: usize,
}

impl Fdb {
    /// Milliseconds after which an address that sent nothing is forgotten (IEEE 802.1Q: 300 s).
    pub const AGEING_MS: u64 = 300_000;

    /// An empty table of at most `limit` entries.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Fdb { table: RwLock::default(), limit }
    }

    /// Adds an entry that never ages and never moves.
    pub fn insert_static(&self, mac: Mac, location: Location) {
        let entry = Entry { location, seen: AtomicU64::new(STATIC) };
        self.write().insert(mac, entry);
    }

    /// Where `mac` lives, if that is known at `now` (milliseconds of any steady clock).
    #[must_use]
    pub fn lookup(&self, mac: Mac, now: u64) -> Option<Location> {
        let table = self.read();
        let entry = table.get(&mac)?;
        let seen = entry.seen.load(Relaxed);
        (seen == STATIC || now.saturating_sub(seen) < Self::AGEING_MS).then_some(entry.location)
    }

    /// Notes that a frame from `mac` came from `location`. Addresses that cannot be sources are
    /// never learned; a full table learns nothing new, so unknown unicast floods (RFC 7348 section 3.3).
    pub fn learn(&self, mac: Mac, location: Location, now: u64) {
        if !is_source(mac) {
            return;
        }
        if let Some(entry) = self.read().get(&mac) {
            let seen = entry.seen.load(Relaxed);
            if seen == STATIC {
                return;
            }
            if entry.location == location {
                if seen != now {
                    entry.seen.store(now, Relaxed);
                }
                return;
            }
        }
        let mut table = self.write();
        if table.len() >= self.limit && !table.contains_key(&mac) {
            table.retain(|_, e| {
                let seen = e.seen.load(Relaxed);
                seen == STATIC || now.saturating_sub(seen) < Self::AGEING_MS
            });
            if table.len() >= self.limit {
                return;
            }
        }
        table.insert(mac, Entry { location, seen: AtomicU64::new(now) });
    }

    /// Entries held, aged ones included until they are swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // A panic while the lock was held leaves a whole table behind (no step of `learn` can leave
    // it half-made), so a poisoned lock is used on.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const HERE: Location = Location::Port(PortId(0));
    const THERE: Location = Location::Peer(PeerId(3));

    #[test]
    fn learns_moves_and_ages() {
        let fdb = Fdb::new(10);
        assert_eq!(fdb.lookup(A, 0), None);
        fdb.learn(A, HERE, 0);
        assert_eq!(fdb.lookup(A, Fdb::AGEING_MS - 1), Some(HERE));
        assert_eq!(fdb.lookup(A, Fdb::AGEING_MS), None);
        fdb.learn(A, THERE, 5);
        assert_eq!(fdb.lookup(A, Fdb::AGEING_MS + 4), Some(THERE));
        assert_eq!(fdb.len(), 1);
    }

    #[test]
    fn group_and_zero_addresses_are_not_learned() {
        let fdb = Fdb::new(10);
        fdb.learn(Mac([0xFF; 6]), HERE, 0);
        fdb.learn(Mac([0; 6]), HERE, 0);
        assert!(fdb.is_empty());
    }

    #[test]
    fn a_full_table_keeps_what_it_knows_and_makes_room_by_age() {
        let fdb = Fdb::new(1);
        fdb.learn(A, HERE, 0);
        fdb.learn(B, THERE, 1);
        assert_eq!((fdb.lookup(A, 1), fdb.lookup(B, 1)), (Some(HERE), None));
        fdb.learn(B, THERE, Fdb::AGEING_MS + 1);
        assert_eq!(fdb.lookup(B, Fdb::AGEING_MS + 1), Some(THERE));
        assert_eq!(fdb.len(), 1);
    }

    #[test]
    fn static_entries_stay() {
        let fdb = Fdb::new(2);
        fdb.insert_static(A, THERE);
        fdb.learn(A, HERE, 1);
        assert_eq!(fdb.lookup(A, u64::MAX), Some(THERE));
    }
}
