//! Sequence numbers of GRE (RFC 2890 section 2.2).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::DropReason;

/// Flows remembered; packets of others pass unchecked.
const MAX_FLOWS: usize = 4096;

/// Counts what is sent, and checks what is received per source and key.
#[derive(Debug, Default)]
pub struct Sequence {
    next: AtomicU32,
    last: Mutex<HashMap<(IpAddr, u32), u32>>,
}

impl Sequence {
    /// As after `last` from this source with this key.
    #[must_use]
    pub fn resumed(source: IpAddr, key: u32, last: u32) -> Self {
        Sequence { next: AtomicU32::new(0), last: Mutex::new([((source, key), last)].into()) }
    }

    /// As a sender whose next packet has this number.
    #[must_use]
    pub fn starting(next: u32) -> Self {
        Sequence { next: AtomicU32::new(next), ..Sequence::default() }
    }

    /// The number for the next packet sent, from 0 up.
    pub(super) fn next(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Accepts a number that follows the last one, with or without a gap.
    ///
    /// # Errors
    /// [`DropReason::OutOfSequence`] for the last number and the 2^31 - 1 before it.
    pub(super) fn check(&self, source: IpAddr, key: u32, sequence: u32) -> Result<(), DropReason> {
        let mut flows = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = flows.contains_key(&(source, key));
        if !known && flows.len() >= MAX_FLOWS {
            return Ok(());
        }
        let last = flows.entry((source, key)).or_insert(u32::MAX);
        // A receiver that knows nothing starts at 2^32 - 1, but takes the first number it sees.
        if known && last.wrapping_sub(sequence) < 1 << 31 {
            return Err(DropReason::OutOfSequence);
        }
        *last = sequence;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = super::super::testing::OUTER.source;

    #[test]
    fn replays_are_dropped_and_gaps_pass() {
        let state = Sequence::default();
        let check = |key, sequence| state.check(PEER, key, sequence);
        for sequence in [0, 1, 5, 6, 0x8000_0005] {
            assert_eq!(check(7, sequence), Ok(()), "{sequence}");
        }
        for old in [0x8000_0005, 0x8000_0004, 6] {
            assert_eq!(check(7, old), Err(DropReason::OutOfSequence), "{old}");
        }
        assert_eq!(check(8, 6), Ok(()), "another key is another flow");
    }

    #[test]
    fn numbers_wrap() {
        let state = Sequence::resumed(PEER, 6, 0xFFFF_FFFD);
        for sequence in [0xFFFF_FFFE, 0xFFFF_FFFF, 0] {
            assert_eq!(state.check(PEER, 6, sequence), Ok(()));
        }
        assert_eq!(state.check(PEER, 6, 0xFFFF_FFFF), Err(DropReason::OutOfSequence));
    }

    #[test]
    fn the_state_is_bounded() {
        let state = Sequence::default();
        for key in 0..10_000 {
            assert_eq!(state.check(PEER, key, 1), Ok(()));
        }
        assert_eq!(state.last.lock().unwrap().len(), MAX_FLOWS);
    }

    #[test]
    fn the_first_number_sent_is_zero() {
        let state = Sequence::default();
        assert_eq!([state.next(), state.next()], [0, 1]);
        let late = Sequence::starting(u32::MAX);
        assert_eq!([late.next(), late.next()], [u32::MAX, 0]);
    }
}
