//! Traffic that is watched while something happens: small datagrams both ways between two VMs, and
//! one TCP connection that keeps sending.
//!
//! Eight flows with source ports of their own go each way, so that all equal-cost paths are used.
//! Every datagram's time of sending and, by the kernel's own stamp, of arrival is kept; the worker
//! that reads them may be late without harm. What came of an event is computed afterwards.

mod datagrams;
mod outage;
mod stream;
mod timeline;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

pub use outage::{connection, outage, quiet};
pub use timeline::timeline;

use super::TrafficError;
use super::ends::Ends;
use crate::measure::Place;
use crate::plan::{Pair, Variant};
use datagrams::Datagrams;
use stream::Stream;

/// Flows each way.
pub const FLOWS: u32 = 8;
/// Time between the sender's bursts.
const TICK: Duration = Duration::from_millis(2);
/// Datagrams each way in a burst: 1,000 a second.
const BURST: u32 = 2;
/// Bursts from one look at the receivers to the next.
const LOOK: u64 = 10;
/// Bursts from one write on the connection to the next.
const WRITE: u64 = 5;
/// How long what is still on its way is waited for at the end.
const DRAIN: Duration = Duration::from_millis(300);
/// A sender that fell further behind than this does not catch up.
const FORGIVEN: Duration = Duration::from_millis(20);
/// First port of the first pair; each pair has [`PORTS`].
const FIRST_PORT: u16 = 7000;
const PORTS: u16 = 16;

/// Times of one flow's datagrams by sequence number, from the beginning of the watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowLog {
    /// When each was sent.
    pub sent: Vec<Duration>,
    /// When it arrived; `None` where it never did.
    pub arrived: Vec<Option<Duration>>,
}

/// What a connection did: times from the beginning of the watch, and bytes in all by then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamLog {
    /// Written by the sender.
    pub written: Vec<(Duration, u64)>,
    /// Read by the receiver.
    pub read: Vec<(Duration, u64)>,
    /// Why it ended, where it did.
    pub error: Option<String>,
}

/// All that was seen between two VMs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Datagrams from the first VM to the second.
    pub there: Vec<FlowLog>,
    /// Datagrams from the second to the first.
    pub back: Vec<FlowLog>,
    /// The connection from the first to the second.
    pub tcp: StreamLog,
}

/// Open sockets between two VMs, ready to send.
#[derive(Debug)]
pub struct Watched {
    datagrams: Datagrams,
    stream: Stream,
}

impl Watched {
    /// Opens everything and connects; `number` tells the pairs of one variant apart.
    ///
    /// # Errors
    /// A VM that is not carried, a socket that cannot be opened, or a connection that is not made.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        pair: &Pair,
        number: u16,
    ) -> Result<Watched, TrafficError> {
        let port = FIRST_PORT.saturating_add(number.saturating_mul(PORTS));
        let ends = Ends::between(variant, &pair.tenant, [&pair.from, &pair.to], port)?;
        let stream = Stream::open(place, &ends)?;
        Ok(Watched { datagrams: Datagrams::open(place, &ends)?, stream })
    }

    /// Sends and receives for `span` from `origin` on, or until `stop` is true, and waits a little
    /// for what is on its way.
    #[must_use]
    pub fn run(mut self, origin: Origin, span: Duration, stop: &AtomicBool) -> Log {
        let mut tick = 0_u64;
        let mut due = Duration::ZERO;
        loop {
            let now = origin.elapsed();
            if now >= span || stop.load(Relaxed) {
                break;
            }
            if now < due {
                std::thread::sleep(due.saturating_sub(now));
                continue;
            }
            self.datagrams.send(origin, BURST);
            if tick.is_multiple_of(WRITE) {
                self.stream.write(origin);
            }
            self.stream.read(origin);
            if tick.is_multiple_of(LOOK) {
                self.datagrams.receive(origin);
            }
            tick += 1;
            due += TICK;
            if now.saturating_sub(due) > FORGIVEN {
                due = now;
            }
        }
        let end = origin.elapsed() + DRAIN;
        while origin.elapsed() < end && !stop.load(Relaxed) {
            std::thread::sleep(TICK);
            self.datagrams.receive(origin);
            self.stream.read(origin);
        }
        let (there, back) = self.datagrams.into_logs();
        Log { there, back, tcp: self.stream.into_log() }
    }
}

/// The beginning of a watch.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// What goes on is paced by this clock, which nobody sets.
    clock: Instant,
    /// The kernel's stamps are of this one.
    wall: SystemTime,
}

impl Origin {
    /// It begins now.
    #[must_use]
    pub fn now() -> Origin {
        Origin { clock: Instant::now(), wall: SystemTime::now() }
    }

    /// Time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.clock.elapsed()
    }

    /// When the kernel stamped something; a stamp from before is of the beginning.
    #[must_use]
    pub fn at(self, stamp: SystemTime) -> Duration {
        stamp.duration_since(self.wall).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_though_the_clock_was_set_back() {
        let hour = Duration::from_secs(3600);
        let origin = Origin { clock: Instant::now(), wall: SystemTime::now() + hour };
        std::thread::sleep(Duration::from_millis(2));
        assert!(origin.elapsed() >= Duration::from_millis(2));
        assert_eq!(origin.at(SystemTime::now()), Duration::ZERO);
        assert_eq!(origin.at(origin.wall + hour), hour);
    }
}
