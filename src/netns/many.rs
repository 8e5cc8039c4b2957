//! Work on many namespaces from several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::error::Result;

/// Most threads that build: beyond a few they wait for the kernel's one lock for interfaces.
const THREADS: usize = 8;

/// Works on many items from several threads, which may change their namespace, and returns what
/// came of each, in order. Panics are passed on.
///
/// # Errors
/// The first error in the order of the items, as far as they were worked on.
pub(super) fn many<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let count = items.len();
    let items: Vec<Mutex<Option<T>>> =
        items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let mut done = Vec::new();
        while !failed.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(at) else { break };
            let item = item.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(item) = item else { continue };
            let result = work(item);
            failed.fetch_or(result.is_err(), Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut done = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(count)).map(|_| scope.spawn(worker)).collect();
        for thread in workers {
            match thread.join() {
                Ok(some) => done.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
