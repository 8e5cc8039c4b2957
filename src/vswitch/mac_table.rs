//! A switch's MAC table: VLAN and MAC address to port (IEEE 802.1Q clause 8.8, independent learning).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::wire::ethernet::Mac;

type Table = HashMap<(u16, Mac), Entry, ahash::RandomState>;

#[derive(Debug)]
struct Entry {
    port: usize,
    /// Time of the last frame from it.
    seen: AtomicU64,
}

/// A table with ageing and a bound. Times are milliseconds of any steady clock.
///
/// Lookups and refreshes take a read lock, which threads share without waiting; only a new
/// address or one that moved takes the write lock.
#[derive(Debug)]
pub struct MacTable {
    table: RwLock<Table>,
    limit: usize,
    /// Until then entries age fast.
    hurry: AtomicU64,
    /// Age at which entries are forgotten meanwhile.
    short: AtomicU64,
}

impl MacTable {
    /// Age at which an address that sent nothing is forgotten (802.1Q table 8-6: 300 s).
    pub const AGEING_MS: u64 = 300_000;

    /// An empty table of at most `limit` entries.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        MacTable {
            table: RwLock::default(),
            limit,
            hurry: AtomicU64::new(0),
            short: AtomicU64::new(Self::AGEING_MS),
        }
    }

    /// The port behind which `mac` is in a VLAN, if that is known.
    #[must_use]
    pub fn lookup(&self, vid: u16, mac: Mac, now: u64) -> Option<usize> {
        let table = self.read();
        let entry = table.get(&(vid, mac))?;
        self.fresh(entry, now).then_some(entry.port)
    }

    /// Notes that a frame from `mac` came in by `port`. A full table learns nothing new.
    ///
    /// Returns whether the port may have that address: at most `most` are behind it at a time, and who
    /// is one too many is not learned.
    pub fn learn(&self, vid: u16, mac: Mac, port: usize, most: usize, now: u64) -> bool {
        let key = (vid, mac);
        if let Some(entry) = self.read().get(&key).filter(|entry| entry.port == port) {
            if entry.seen.load(Relaxed) != now {
                entry.seen.store(now, Relaxed);
            }
            return true;
        }
        let mut table = self.write();
        // Only ports with a limit are counted, each time: who is at its limit learns nothing else.
        let behind = |entry: &&Entry| entry.port == port && self.fresh(entry, now);
        if most != usize::MAX && table.values().filter(behind).count() >= most {
            return false;
        }
        if table.len() >= self.limit && !table.contains_key(&key) {
            table.retain(|_, entry| self.fresh(entry, now));
            if table.len() >= self.limit {
                return true;
            }
        }
        table.insert(key, Entry { port, seen: AtomicU64::new(now) });
        true
    }

    /// Forgets what is behind a port.
    pub fn forget_port(&self, port: usize) {
        self.write().retain(|_, entry| entry.port != port);
    }

    /// Until `until`, forgets what has sent nothing for `age` milliseconds: after a change of the
    /// topology addresses may be elsewhere (802.1D-2004 clause 7.9.2).
    pub fn hurry(&self, until: u64, age: u64) {
        self.short.store(age, Relaxed);
        self.hurry.fetch_max(until, Relaxed);
    }

    /// Entries that are not too old.
    #[must_use]
    pub fn entries(&self, now: u64) -> usize {
        self.read().values().filter(|entry| self.fresh(entry, now)).count()
    }

    fn fresh(&self, entry: &Entry, now: u64) -> bool {
        let hurry = now < self.hurry.load(Relaxed);
        let most = if hurry { self.short.load(Relaxed) } else { Self::AGEING_MS };
        now.saturating_sub(entry.seen.load(Relaxed)) < most
    }

    // No step leaves the table half-made, so one whose lock a panic poisoned is used on.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const ANY: usize = usize::MAX;

    #[test]
    fn learns_in_each_vlan_by_itself_moves_and_ages() {
        let table = MacTable::new(10);
        table.learn(101, A, 1, ANY, 0);
        table.learn(102, A, 2, ANY, 0);
        assert_eq!((table.lookup(101, A, 5), table.lookup(102, A, 5)), (Some(1), Some(2)));
        assert_eq!((table.lookup(103, A, 5), table.entries(5)), (None, 2));
        table.learn(101, A, 3, ANY, 10);
        assert_eq!(table.lookup(101, A, MacTable::AGEING_MS + 9), Some(3));
        assert_eq!(table.lookup(101, A, MacTable::AGEING_MS + 10), None);
        assert_eq!(table.entries(MacTable::AGEING_MS), 1);
    }

    #[test]
    fn a_full_table_keeps_what_it_knows_and_makes_room_by_age() {
        let table = MacTable::new(1);
        table.learn(1, A, 1, ANY, 0);
        table.learn(1, B, 2, ANY, 1);
        assert_eq!((table.lookup(1, A, 1), table.lookup(1, B, 1)), (Some(1), None));
        table.learn(1, A, 3, ANY, 2);
        assert_eq!(table.lookup(1, A, 2), Some(3), "who is known may move");
        table.learn(1, B, 2, ANY, MacTable::AGEING_MS + 2);
        assert_eq!(table.lookup(1, B, MacTable::AGEING_MS + 2), Some(2));
        assert_eq!(table.entries(MacTable::AGEING_MS + 2), 1);
    }

    #[test]
    fn a_port_at_its_limit_has_no_other_addresses() {
        let table = MacTable::new(10);
        assert!(table.learn(1, A, 1, 1, 0) && table.learn(1, A, 1, 1, 5));
        assert!(!table.learn(1, B, 1, 1, 5), "one too many");
        assert_eq!(table.lookup(1, B, 5), None);
        assert!(table.learn(1, B, 2, 1, 5), "another port");
        assert!(!table.learn(2, A, 1, 1, 5), "an entry for each VLAN");
        let later = MacTable::AGEING_MS + 5;
        assert!(table.learn(1, B, 1, 1, later), "who was there has been forgotten");
    }

    #[test]
    fn ports_are_forgotten_and_changes_hurry() {
        let table = MacTable::new(10);
        table.learn(1, A, 1, ANY, 0);
        table.learn(1, B, 2, ANY, 0);
        table.forget_port(1);
        assert_eq!((table.lookup(1, A, 0), table.lookup(1, B, 0)), (None, Some(2)));
        table.hurry(20_000, 8_000);
        assert_eq!((table.lookup(1, B, 7_999), table.lookup(1, B, 8_000)), (Some(2), None));
        assert_eq!(table.lookup(1, B, 20_000), Some(2), "no hurry any more");
    }
}
