//! Putting frames or datagrams together from pieces: STT segments and IP fragments.
//!
//! Bounded in memory, in number, in time and per source, so that nobody can fill it up or keep
//! others out: the oldest waits in vain first. A piece that overlaps one already here is dropped
//! (exact copies too), so no frame is ever completed with holes or overwritten.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use super::DropReason;

/// Longest frame or datagram.
const MAX_LEN: usize = 65_535;
/// Most stretches of bytes with gaps between them in one frame.
const MAX_RANGES: usize = 1024;

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes altogether.
    pub bytes: usize,
    /// Bytes of one source.
    pub bytes_per_source: usize,
    /// Frames altogether.
    pub frames: usize,
    /// How long a frame waits for its last piece.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 4 << 20,
            bytes_per_source: 1 << 20,
            frames: 256,
            timeout: Duration::from_secs(30),
        }
    }
}

/// One piece.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Where it belongs.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Bytes of the whole, where this piece tells.
    pub total: Option<usize>,
    /// TOS or traffic class byte of the packet that brought it.
    pub tos: u8,
}

/// What was put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// The first piece's TOS byte, marked CE where any piece was.
    pub tos: u8,
}

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// What is here: sorted, with gaps between.
    ranges: Vec<(usize, usize)>,
    total: Option<usize>,
    tos: u8,
    congested: bool,
    since: Duration,
}

/// Frames that wait for pieces, by source and `K`: whatever else names a frame.
#[derive(Debug)]
pub struct Reassembler<K> {
    limits: Limits,
    waiting: HashMap<(IpAddr, K), Partial>,
    bytes: usize,
    lost: u64,
}

impl<K: Copy + Eq + Hash> Reassembler<K> {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Reassembler { limits, waiting: HashMap::new(), bytes: 0, lost: 0 }
    }

    /// Frames given up since the start: [`DropReason::Incomplete`], each once.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Frames that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a piece at `now` (time since any fixed start); returns the whole once it is complete.
    ///
    /// # Errors
    /// Why this piece was not kept: [`DropReason::BadLength`], [`DropReason::Overlap`] or
    /// [`DropReason::ReassemblyFull`]. What was already here goes on waiting.
    pub fn push(
        &mut self,
        now: Duration,
        source: IpAddr,
        key: K,
        piece: &Piece<'_>,
    ) -> Result<Option<Whole>, DropReason> {
        self.expire(now);
        let name = (source, key);
        let end = piece.offset + piece.bytes.len();
        let known = self.waiting.get(&name);
        check(known, piece, end)?;
        let had = known.map_or(0, |partial| partial.bytes.len());
        let needed = piece.total.unwrap_or(end).max(end).max(had) - had;
        self.make_room(name, needed)?;
        let partial = self.waiting.entry(name).or_insert_with(|| Partial {
            bytes: Vec::new(),
            ranges: Vec::new(),
            total: None,
            tos: 0,
            congested: false,
            since: now,
        });
        partial.bytes.resize(had + needed, 0);
        self.bytes += needed;
        partial.total = partial.total.or(piece.total);
        if let Some(room) = partial.bytes.get_mut(piece.offset..end) {
            room.copy_from_slice(piece.bytes);
        }
        if piece.offset == 0 {
            partial.tos = piece.tos;
        }
        partial.congested |= piece.tos & super::ecn::MASK == super::ecn::CE;
        insert(&mut partial.ranges, (piece.offset, end));
        match (partial.total, partial.ranges.as_slice()) {
            (Some(total), [(0, end)]) if *end == total => Ok(self.take(name)),
            _ => Ok(None),
        }
    }

    /// Gives up what has waited too long; returns how many frames that were.
    pub fn expire(&mut self, now: Duration) -> usize {
        let before = self.waiting.len();
        let timeout = self.limits.timeout;
        self.waiting.retain(|_, partial| {
            let keep = now.saturating_sub(partial.since) < timeout;
            if !keep {
                self.bytes -= partial.bytes.len();
            }
            keep
        });
        let given_up = before - self.waiting.len();
        self.lost += given_up as u64;
        given_up
    }

    fn take(&mut self, name: (IpAddr, K)) -> Option<Whole> {
        let partial = self.waiting.remove(&name)?;
        self.bytes -= partial.bytes.len();
        let mark = if partial.congested { super::ecn::CE } else { 0 };
        Some(Whole { bytes: partial.bytes, tos: partial.tos | mark })
    }

    /// Gives up the oldest other frames, the source's own first, until `needed` bytes fit.
    fn make_room(&mut self, name: (IpAddr, K), needed: usize) -> Result<(), DropReason> {
        let own = |waiting: &HashMap<(IpAddr, K), Partial>| -> usize {
            let of_source = waiting.iter().filter(|((source, _), _)| *source == name.0);
            of_source.map(|(_, partial)| partial.bytes.len()).sum()
        };
        while own(&self.waiting) + needed > self.limits.bytes_per_source {
            self.give_up_oldest(name, true)?;
        }
        let one_more = usize::from(!self.waiting.contains_key(&name));
        while self.bytes + needed > self.limits.bytes
            || self.waiting.len() + one_more > self.limits.frames
        {
            self.give_up_oldest(name, false)?;
        }
        Ok(())
    }

    fn give_up_oldest(&mut self, but: (IpAddr, K), of_source: bool) -> Result<(), DropReason> {
        let others = self.waiting.iter().filter(|(name, _)| **name != but);
        let fitting = others.filter(|((source, _), _)| !of_source || *source == but.0);
        let oldest = fitting.min_by_key(|(_, partial)| partial.since).map(|(name, _)| *name);
        self.take(oldest.ok_or(DropReason::ReassemblyFull)?);
        self.lost += 1;
        Ok(())
    }
}

/// Whether a piece fits what is known of its frame.
fn check(known: Option<&Partial>, piece: &Piece<'_>, end: usize) -> Result<(), DropReason> {
    let total = known.and_then(|partial| partial.total).or(piece.total);
    let contradicts = piece.total.is_some() && total != piece.total;
    if piece.bytes.is_empty() || end > total.unwrap_or(MAX_LEN).min(MAX_LEN) || contradicts {
        return Err(DropReason::BadLength);
    }
    let ranges = known.map_or(&[][..], |partial| &partial.ranges);
    if ranges.iter().any(|(from, to)| *from < end && piece.offset < *to) {
        return Err(DropReason::Overlap);
    }
    // The last piece may not tell of an end before bytes that are already here.
    if total.is_some_and(|total| ranges.last().is_some_and(|(_, to)| *to > total)) {
        return Err(DropReason::BadLength);
    }
    if ranges.len() >= MAX_RANGES { Err(DropReason::ReassemblyFull) } else { Ok(()) }
}

/// Adds a stretch that overlaps none, and joins neighbours.
fn insert(ranges: &mut Vec<(usize, usize)>, new: (usize, usize)) {
    let at = ranges.partition_point(|(from, _)| *from < new.0);
    ranges.insert(at, new);
    ranges.dedup_by(|next, previous| {
        let joins = previous.1 == next.0;
        if joins {
            previous.1 = next.1;
        }
        joins
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const T0: Duration = Duration::ZERO;

    fn piece(offset: usize, bytes: &[u8], total: Option<usize>) -> Piece<'_> {
        Piece { offset, bytes, total, tos: 0 }
    }

    fn small() -> Reassembler<u32> {
        Reassembler::new(Limits {
            bytes: 1000,
            bytes_per_source: 600,
            frames: 4,
            timeout: Duration::from_secs(30),
        })
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let data: Vec<u8> = (0..100).collect();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut state = small();
            let mut done = None;
            for part in order {
                assert_eq!(done, None);
                let bytes = &data[part * 25..part * 25 + 25];
                done = state.push(T0, A, 1, &piece(part * 25, bytes, Some(100))).unwrap();
            }
            assert_eq!(done.map(|whole| whole.bytes), Some(data.clone()));
            assert_eq!((state.waiting(), state.bytes, state.lost()), (0, 0, 0));
        }
    }

    #[test]
    fn the_end_may_be_told_by_the_last_piece_alone() {
        let mut state = small();
        assert_eq!(state.push(T0, A, 1, &piece(8, &[2; 8], None)), Ok(None));
        assert_eq!(state.push(T0, A, 1, &piece(16, &[3; 3], Some(19))), Ok(None));
        let whole = state.push(T0, A, 1, &piece(0, &[1; 8], None)).unwrap().unwrap();
        assert_eq!(whole.bytes, [&[1; 8][..], &[2; 8], &[3; 3]].concat());
    }

    #[test]
    fn overlaps_copies_and_overruns_are_dropped_and_the_rest_waits_on() {
        let mut state = small();
        let mut push = |piece| state.push(T0, A, 1, &piece);
        assert_eq!(push(piece(10, &[1; 10], Some(30))), Ok(None));
        for (offset, len) in [(10, 10), (5, 6), (19, 2), (0, 30), (12, 3)] {
            let refused = push(piece(offset, &[9; 30][..len], Some(30)));
            assert_eq!(refused, Err(DropReason::Overlap), "{offset}+{len}");
        }
        assert_eq!(push(piece(25, &[1; 6], Some(30))), Err(DropReason::BadLength));
        assert_eq!(push(piece(20, &[], Some(30))), Err(DropReason::BadLength));
        assert_eq!(push(piece(20, &[1; 5], Some(31))), Err(DropReason::BadLength));
        assert_eq!(push(piece(0, &[1; 10], None)), Ok(None));
        assert!(push(piece(20, &[1; 10], Some(30))).unwrap().is_some());
    }

    #[test]
    fn an_end_before_what_is_here_is_refused() {
        let mut state = small();
        state.push(T0, A, 1, &piece(16, &[1; 8], None)).unwrap();
        let early = state.push(T0, A, 1, &piece(0, &[1; 8], Some(8)));
        assert_eq!(early, Err(DropReason::BadLength));
        let beyond = state.push(T0, A, 2, &piece(65_535, &[1], None));
        assert_eq!(beyond, Err(DropReason::BadLength));
    }

    #[test]
    fn one_source_cannot_take_the_room_of_another() {
        let mut state = small();
        state.push(T0, B, 1, &piece(0, &[1; 100], Some(200))).unwrap();
        for key in 0..20 {
            let at = Duration::from_secs(1) + Duration::from_millis(key.into());
            state.push(at, A, key, &piece(0, &[1; 100], Some(300))).unwrap();
        }
        assert_eq!((state.waiting(), state.lost()), (3, 18));
        assert!(state.push(T0, B, 1, &piece(100, &[1; 100], Some(200))).unwrap().is_some());
        let huge = state.push(T0, A, 99, &piece(0, &[1], Some(601)));
        assert_eq!(huge, Err(DropReason::ReassemblyFull));
    }

    #[test]
    fn number_and_time_are_bounded() {
        let mut state = small();
        for key in 0..5 {
            state.push(Duration::from_secs(key.into()), A, key, &piece(0, &[1], Some(2))).unwrap();
        }
        assert_eq!((state.waiting(), state.lost()), (4, 1));
        assert_eq!(state.expire(Duration::from_secs(32)), 2);
        assert_eq!((state.waiting(), state.lost()), (2, 3));
        let late = state.push(Duration::from_secs(60), A, 4, &piece(1, &[1], Some(2)));
        assert_eq!(late, Ok(None), "the first half is gone");
        assert_eq!(state.bytes, 2);
    }

    #[test]
    fn a_mark_on_any_piece_marks_the_whole() {
        for marked in 0..2 {
            let mut state = small();
            let tos = |part| if part == marked { 0xBB } else { 0xBA };
            state.push(T0, A, 1, &Piece { tos: tos(1), ..piece(1, &[1], Some(2)) }).unwrap();
            let whole = state.push(T0, A, 1, &Piece { tos: tos(0), ..piece(0, &[0], Some(2)) });
            assert_eq!(whole.unwrap().unwrap().tos, 0xBB);
        }
    }
}
