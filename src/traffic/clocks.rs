//! Processor time of a flow's own threads, told apart by side.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::measure::cpu::ThreadClock;

/// Both sides of a flow.
#[derive(Debug, Default)]
pub struct Clocks {
    /// Senders or clients.
    pub sender: Side,
    /// Receivers or servers.
    pub receiver: Side,
}

/// The threads of one side.
#[derive(Debug, Default)]
pub struct Side(Mutex<Vec<Clock>>);

#[derive(Debug, Clone, Copy)]
enum Clock {
    Running(ThreadClock),
    /// What it had used when it ended.
    Ended(Duration),
}

/// A thread that is counted; dropped by it when it ends.
#[derive(Debug)]
pub struct Counted<'a> {
    side: &'a Side,
    at: usize,
}

impl Side {
    /// Counts the calling thread until it drops what this gives; `None` where the system has no such clocks.
    pub fn count(&self) -> Option<Counted<'_>> {
        let clock = ThreadClock::current().ok()?;
        let mut clocks = self.lock();
        clocks.push(Clock::Running(clock));
        Some(Counted { side: self, at: clocks.len() - 1 })
    }

    /// Processor time of all of them so far; `None` where none was ever counted.
    pub fn time(&self) -> Option<Duration> {
        // No thread ends while this is locked: its last time is noted under the lock.
        let clocks = self.lock();
        let time = |clock: &Clock| match clock {
            Clock::Running(clock) => clock.time().unwrap_or_default(),
            Clock::Ended(time) => *time,
        };
        (!clocks.is_empty()).then(|| clocks.iter().map(time).sum())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Clock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(clock) = self.side.lock().get_mut(self.at)
            && let Clock::Running(running) = clock
        {
            *clock = Clock::Ended(running.time().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(counted: &Side) {
        let _counted = counted.count();
        let before = counted.time().unwrap();
        while counted.time().unwrap() < before + Duration::from_millis(5) {}
    }

    #[test]
    fn threads_count_while_they_run_and_after_they_ended() {
        let side = Side::default();
        assert_eq!(side.time(), None);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| work(&side)).join().unwrap();
            }
        });
        let ended = side.time().unwrap();
        assert!(ended >= Duration::from_millis(10));
        assert_eq!(side.time(), Some(ended), "nobody runs any more");
    }
}
