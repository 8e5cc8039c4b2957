//! The one thread that serves all impaired cables: it passes frames from each end to the other when
//! their moment has come, and takes the carrier from an end whose other end has lost it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};

use super::carrier::Carriers;
use super::queue::TimerQueue;
use super::way::{Fate, Way};
use crate::lab::Impaired;
use crate::measure::tap::{BUFFER, Frame, Tap};

/// Most frames taken from one end, and most sent, before the other ends have their turn.
const BATCH: usize = 64;
/// Bytes that may wait in one direction: half a second of 1 Gbit/s.
const ROOM: usize = 64 << 20;
/// A frame that the kernel took note of longer ago than this was held up by the clock being set.
const LONGEST_AGO: u64 = 1_000_000_000;
const SECOND: u64 = 1_000_000_000;

const TIMER: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;
const LINKS: u64 = u64::MAX - 2;

/// What the thread is told; `reply` says that it is done.
pub(super) enum Command {
    /// Treat the frames of a cable like this from now on.
    Impair { cable: usize, impaired: Impaired, seed: u64, reply: Sender<()> },
    /// Tell how many frames of a cable were dropped for want of room.
    Overflowed { cable: usize, reply: Sender<u64> },
    /// End.
    Stop,
}

/// One end of a cable, and what becomes of frames that arrive at it.
struct End {
    tap: Tap,
    way: Way,
    /// Bytes that wait to leave at the other end.
    waiting: usize,
    /// Frames dropped because of that, or because they came too fast.
    overflowed: u64,
}

pub(super) struct Worker {
    /// Ends of cable n are at 2n and 2n + 1; none where the kernel does the rest.
    ends: Vec<End>,
    /// Frames with their virtio-net header, and the end that they arrived at.
    queue: TimerQueue<(usize, Vec<u8>)>,
    carriers: Carriers,
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    epoll: Epoll,
    timer: TimerFd,
    /// What the timer is set to; 0 is not at all.
    set_to: u64,
}

fn clock(clock: Clock) -> u64 {
    let nanoseconds = |time: TimeSpec| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
        seconds.saturating_mul(SECOND) + u64::try_from(time.tv_nsec()).unwrap_or_default()
    };
    // These clocks exist on every Linux.
    clock_gettime(clock).map(nanoseconds).unwrap_or_default()
}

/// When a frame arrived, on the clock that timers use: the kernel noted it on the wall clock.
fn arrival(frame: &Frame<'_>, now: u64, wall: u64) -> u64 {
    let noted = u64::try_from(frame.time.as_nanos()).unwrap_or_default();
    if noted.abs_diff(wall) < LONGEST_AGO { (now + noted).saturating_sub(wall) } else { now }
}

impl Worker {
    pub fn new(
        taps: Vec<Tap>,
        carriers: Carriers,
        commands: Receiver<Command>,
        wake: Arc<EventFd>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let watch = |descriptor: BorrowedFd<'_>, data| {
            epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, data))
        };
        for (at, tap) in taps.iter().enumerate() {
            watch(tap.as_fd(), at as u64)?;
        }
        watch(timer.as_fd(), TIMER)?;
        watch(wake.as_fd(), WAKE)?;
        watch(carriers.as_fd(), LINKS)?;
        let end = |tap| End { tap, way: Way::clear(), waiting: 0, overflowed: 0 };
        let ends = taps.into_iter().map(end).collect();
        let queue = TimerQueue::new();
        Ok(Worker { ends, queue, carriers, commands, wake, epoll, timer, set_to: 0 })
    }

    /// Serves the cables until told to stop.
    pub fn run(mut self) {
        self.carriers.follow();
        let mut events = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "cables cannot be served any more");
                    return;
                }
            };
            for event in &events[..count] {
                match event.data() {
                    // What is due is sent below whatever woke us.
                    TIMER => drop(self.timer.wait()),
                    WAKE => {
                        let _ = self.wake.read();
                        if self.obey() {
                            return;
                        }
                    }
                    LINKS => self.carriers.follow(),
                    end => {
                        if let Ok(end) = usize::try_from(end) {
                            self.receive(end, &mut buffer);
                        }
                    }
                }
            }
            self.send();
            self.set_timer();
        }
    }

    /// Does what was asked for; whether that is to end.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return true,
                Command::Impair { cable, impaired, seed, reply } => {
                    for side in 0..2 {
                        if let Some(end) = self.ends.get_mut(2 * cable + side) {
                            end.way.impair(impaired, super::seed_of(seed, side));
                        }
                    }
                    // Nobody need listen.
                    let _ = reply.send(());
                }
                Command::Overflowed { cable, reply } => {
                    let ends = self.ends.iter_mut().skip(2 * cable).take(2);
                    let each = ends.map(|end| {
                        let missed = end.tap.dropped().unwrap_or_default();
                        end.overflowed += u64::from(missed);
                        end.overflowed
                    });
                    let _ = reply.send(each.sum());
                }
            }
        }
        false
    }

    fn receive(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(end) = self.ends.get_mut(at) else { return };
        // In this order: held up in between, the thread makes a frame late, never early.
        let wall = clock(Clock::CLOCK_REALTIME);
        let now = clock(Clock::CLOCK_MONOTONIC);
        for _ in 0..BATCH {
            let frame = match end.tap.next(buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    // Its interface was set down, which is told once; frames come again when it is up.
                    tracing::debug!(%error, "an end of a cable");
                    return;
                }
            };
            let arrived = arrival(&frame, now, wall);
            let due = match end.way.fate(arrived) {
                Fate::Lost => continue,
                Fate::Ahead => arrived,
                Fate::At(due) => due,
            };
            let bytes = frame.described();
            if end.waiting + bytes.len() > ROOM {
                end.overflowed += 1;
                continue;
            }
            end.waiting += bytes.len();
            self.queue.push(due, (at, bytes));
        }
    }

    fn send(&mut self) {
        let now = clock(Clock::CLOCK_MONOTONIC);
        for _ in 0..BATCH {
            let Some((from, bytes)) = self.queue.pop(now) else { return };
            if let Some(end) = self.ends.get_mut(from) {
                end.waiting = end.waiting.saturating_sub(bytes.len());
            }
            let Some(end) = self.ends.get(from ^ 1) else { continue };
            match end.tap.send_described(&bytes) {
                Ok(()) => {}
                Err(error)
                    if error.raw_os_error() == Some(libc::ENOBUFS)
                        || error.kind() == io::ErrorKind::WouldBlock =>
                {
                    self.ends[from].overflowed += 1;
                }
                // As on a cable that somebody pulled out.
                Err(error) => tracing::debug!(%error, "a frame does not leave a cable"),
            }
        }
    }

    fn set_timer(&mut self) {
        let Some(due) = self.queue.first() else { return };
        // Zero would stop it; one that has passed fires at once, also where it was set before.
        let due = due.max(1);
        let at = TimeSpec::new((due / SECOND).cast_signed(), (due % SECOND).cast_signed());
        if due == self.set_to && due > clock(Clock::CLOCK_MONOTONIC) {
            return;
        }
        self.set_to = due;
        let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
        if let Err(error) = self.timer.set(Expiration::OneShot(at), absolute) {
            tracing::error!(%error, "the moment at which a frame is due cannot be waited for");
        }
    }
}
