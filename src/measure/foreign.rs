//! How much of the machine other programs take while something is measured.
//!
//! Counted are other processes' processor time (`/proc/PID/stat`, proc(5)), what a hypervisor took
//! (`steal` of `/proc/stat`), and user time of the machine that belongs to no process seen here, such as that of other
//! containers. What others let the kernel do on its own threads or in interrupts cannot be told from our
//! packets and is left out, so this is a lower bound.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

/// Part of the machine's time from which a measurement is noisy.
pub const NOISY: f64 = 0.15;
/// User time that belongs to nobody is believed from this part on: ticks are coarse (10 ms).
const UNSEEN: f64 = 0.10;
/// Kernel threads: `PF_KTHREAD` of `include/linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Processor time so far, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    at: Instant,
    /// User time of the machine.
    user: u64,
    /// Time the hypervisor gave to others.
    steal: u64,
    /// User time of this process and what it started.
    ours: u64,
    /// User time of other processes, and with system time.
    others: [u64; 2],
}

impl Load {
    /// Reads all of it: some microseconds for each process of the machine.
    ///
    /// # Errors
    /// `/proc` cannot be read or is not as expected.
    pub fn now() -> io::Result<Load> {
        let at = Instant::now();
        let (user, steal) = machine(&std::fs::read_to_string("/proc/stat")?)
            .ok_or_else(|| io::Error::other("the first line of /proc/stat is not as expected"))?;
        let mut processes = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process that ended meanwhile has left its time with its parent.
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            processes.extend(process(&stat).map(|found| (pid, found)));
        }
        let (ours, others) = split(&processes, std::process::id());
        Ok(Load { at, user, steal, ours, others })
    }

    /// What others took since then, as a share of all processors' time.
    #[must_use]
    pub fn foreign_since(&self, then: &Load, processors: usize, ticks_per_second: u64) -> f64 {
        let span = self.at.duration_since(then.at).as_secs_f64();
        let share = |ticks: u64| {
            ticks as f64 / ticks_per_second as f64 / processors.max(1) as f64 / span.max(1e-3)
        };
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let others = since(self.others[1], then.others[1]) + since(self.steal, then.steal);
        let seen = since(self.ours, then.ours) + since(self.others[0], then.others[0]);
        let unseen = share(since(self.user, then.user).saturating_sub(seen));
        share(others) + if unseen > UNSEEN { unseen } else { 0.0 }
    }
}

/// User (with nice) and stolen ticks of the machine.
fn machine(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let &[user, nice, ..] = fields.as_slice() else { return None };
    Some((user + nice, fields.get(7).copied().unwrap_or_default()))
}

/// One process: its parent, and ticks of user and of all time, ended children's included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    user: u64,
    all: u64,
}

/// `None` for kernel threads and what is not as expected.
fn process(stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let own = |at: usize| number(at).unwrap_or_default();
    (number(6)? & KERNEL_THREAD == 0).then_some(())?;
    let (user, system) = (number(11)? + own(13), number(12)? + own(14));
    Some(Process { parent: fields.get(1)?.parse().ok()?, user, all: user + system })
}

/// User ticks of `me` and all below it, and user and all ticks of all others.
fn split(processes: &HashMap<u32, Process>, me: u32) -> (u64, [u64; 2]) {
    let below_me = |mut pid: u32| {
        // Parents never form a circle; the bound is for what changed while it was read.
        for _ in 0..64 {
            match processes.get(&pid) {
                _ if pid == me => return true,
                Some(process) => pid = process.parent,
                None => return false,
            }
        }
        false
    };
    processes.iter().fold((0, [0, 0]), |(ours, [user, all]), (pid, process)| {
        if below_me(*pid) {
            (ours + process.user, [user, all])
        } else {
            (ours, [user + process.user, all + process.all])
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "42 (a) b 7) S 1 42 42 0 -1 4194560 9 9 0 0 100 20 3 4 20 0 1 0 9 9 9";
        assert_eq!(process(stat), Some(Process { parent: 1, user: 103, all: 127 }));
        let kernel = "15 (ksoftirqd/0) S 2 0 0 0 -1 69238848 0 0 0 0 0 99 0 0 20 0 1 0 9 0 0";
        assert_eq!(process(kernel), None);
        assert_eq!(process("garbage"), None);
        assert_eq!(machine("cpu  100 20 300 9 8 7 6 5 0 0\n"), Some((120, 5)));
        assert_eq!(machine("cpu0 1"), None);
    }

    #[test]
    fn children_are_ours_and_others_are_not() {
        let of = |parent, user, all| Process { parent, user, all };
        let processes = HashMap::from([
            (1, of(0, 1, 2)),
            (10, of(1, 10, 20)),
            (11, of(10, 100, 200)),
            (12, of(11, 1000, 2000)),
            (20, of(1, 5, 50)),
        ]);
        assert_eq!(split(&processes, 10), (1110, [6, 52]));
    }

    #[test]
    fn foreign_time_is_what_is_not_ours() {
        let at = Instant::now();
        let then = Load { at, user: 1000, steal: 0, ours: 500, others: [500, 600] };
        let later = |user, steal, ours, others| Load {
            at: at + Duration::from_secs(1),
            user,
            steal,
            ours,
            others,
        };
        // Two processors, 100 ticks a second: 200 ticks are all there is.
        let share = |now: Load| now.foreign_since(&then, 2, 100);
        let near = |share: f64, wanted: f64| (share - wanted).abs() < 1e-9;
        assert!(near(share(later(1100, 0, 600, [500, 600])), 0.0), "all of it was ours");
        assert!(near(share(later(1150, 0, 600, [550, 660])), 0.3), "60 ticks of others");
        assert!(near(share(later(1000, 20, 500, [500, 600])), 0.1), "the hypervisor's");
        assert!(near(share(later(1040, 0, 500, [500, 600])), 0.2), "somebody's who is not seen");
        assert!(near(share(later(1010, 0, 500, [500, 600])), 0.0), "ticks are coarse");
    }

    #[test]
    fn this_machine_can_be_read() {
        let load = Load::now().unwrap();
        assert!(load.others[1] >= load.others[0]);
    }
}
