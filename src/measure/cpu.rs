//! Processor time: of the whole machine, and of single threads.

use std::io;
use std::time::Duration;

/// Time all processors together have been busy since boot (`/proc/stat`, proc(5)).
///
/// User, nice, system, interrupt and soft-interrupt time; not idle, waiting for disks, or stolen
/// by a hypervisor. Counted by the kernel in ticks of usually 10 ms per processor. It covers
/// everything on the machine: generators, engines, the kernel's own work, and other programs.
///
/// # Errors
/// `/proc/stat` cannot be read or is not as expected.
pub fn machine_busy() -> io::Result<Duration> {
    busy(&std::fs::read_to_string("/proc/stat")?, ticks_per_second())
        .ok_or_else(|| io::Error::other("the first line of /proc/stat is not as expected"))
}

fn busy(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, interrupt, soft, ..] = fields[..] else { return None };
    let ticks = user + nice + system + interrupt + soft;
    Some(Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / ticks_per_second)))
}

/// Ticks of `/proc` in a second.
#[must_use]
pub fn ticks_per_second() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|ticks| *ticks > 0)
        .unwrap_or(100)
}

/// Processor time so far of what carries tenants' frames outside the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarrierTime {
    /// All threads or processes at the hosts' edges.
    pub edges: Duration,
    /// Of these, the threads that take frames from VMs to the underlay, and those that take them back; `None` where
    /// the same ones do both.
    pub ways: Option<[Duration; 2]>,
    /// This program's own switches of an L2 fabric; `None` where there are none.
    pub switches: Option<Duration>,
}

/// The processor time of one thread, readable from any other while it lives.
#[derive(Debug, Clone, Copy)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's clock.
    ///
    /// # Errors
    /// The system has no per-thread clocks.
    pub fn current() -> io::Result<ThreadClock> {
        let mut clock = 0;
        // SAFETY: the calling thread is alive; the clock id is written to a live local.
        match unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } {
            0 => Ok(ThreadClock(clock)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Processor time so far; `None` once the thread has ended.
    #[must_use]
    pub fn time(self) -> Option<Duration> {
        let clock = nix::time::ClockId::from_raw(self.0);
        nix::time::clock_gettime(clock).ok().map(Duration::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_leaves_idle_waiting_and_stolen_out() {
        let stat = "cpu  100 20 300 9999 888 40 50 777 0 0\ncpu0 1 2 3\n";
        assert_eq!(busy(stat, 100), Some(Duration::from_millis(5100)));
        assert_eq!(busy("cpu  100 20\n", 100), None);
    }

    #[test]
    fn a_thread_clock_counts_work_and_is_read_from_elsewhere() {
        let clock = ThreadClock::current().unwrap();
        let before = clock.time().unwrap();
        while clock.time().unwrap() < before + Duration::from_millis(5) {
            std::hint::black_box(before);
        }
        let seen = std::thread::spawn(move || clock.time().unwrap()).join().unwrap();
        assert!(seen >= before + Duration::from_millis(5));
    }
}
