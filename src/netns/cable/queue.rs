//! What waits for its moment: the earliest first, and in the order of arrival what is due together.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Things with the moment each is due, in nanoseconds.
#[derive(Debug)]
pub struct TimerQueue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    /// Number of the next one, which keeps equal moments in order.
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: u64,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (u64, u64) {
        (self.due, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> TimerQueue<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        TimerQueue { heap: BinaryHeap::new(), next: 0 }
    }

    /// Lets something wait.
    pub fn push(&mut self, due: u64, what: T) {
        self.heap.push(Reverse(Entry { due, number: self.next, what }));
        self.next = self.next.wrapping_add(1);
    }

    /// The moment the first is due.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.0.due)
    }

    /// The first, where it is due by now.
    pub fn pop(&mut self, now: u64) -> Option<T> {
        if self.first()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_nothing_before_its_moment() {
        let mut queue = TimerQueue::new();
        for (due, what) in [(30, 'c'), (10, 'a'), (20, 'b')] {
            queue.push(due, what);
        }
        assert_eq!((queue.first(), queue.pop(9)), (Some(10), None));
        assert_eq!((queue.pop(20), queue.pop(20), queue.pop(20)), (Some('a'), Some('b'), None));
        assert_eq!((queue.pop(31), queue.first(), queue.pop(u64::MAX)), (Some('c'), None, None));
    }

    #[test]
    fn what_is_due_together_keeps_its_order() {
        let mut queue = TimerQueue::new();
        for n in 0..1000 {
            queue.push(n % 3, n);
        }
        let mut last = [None; 3];
        while let Some(n) = queue.pop(2) {
            let due = usize::try_from(n % 3).unwrap();
            assert!(last[due].is_none_or(|before| before < n));
            assert!(last[due + 1..].iter().all(Option::is_none), "a later one came before");
            last[due] = Some(n);
        }
        assert_eq!(last, [Some(999), Some(997), Some(998)]);
    }
}
