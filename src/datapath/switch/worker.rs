//! The threads that move frames between switches' ports. A port is served by one thread, so that
//! what came in by it leaves in order.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

use super::{Switch, forward};
use crate::datapath::user::rx::{RxBatch, RxKind};
use crate::datapath::user::tx::TxBatch;

/// Most frames taken with one system call.
const BATCH: usize = 64;
/// Event data that means "stop".
const STOP: u64 = u64::MAX;

/// One thread's share.
pub(super) struct Worker {
    switches: Arc<Vec<Switch>>,
    /// Switch and port.
    sources: Vec<(usize, usize)>,
    epoll: Epoll,
    /// Kept open as long as it is waited for.
    _stop: Arc<EventFd>,
    started: Instant,
}

impl Worker {
    /// Prepares a worker for these ports.
    pub fn new(
        switches: Arc<Vec<Switch>>,
        sources: Vec<(usize, usize)>,
        stop: Arc<EventFd>,
        started: Instant,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, (switch, port)) in sources.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            epoll.add(&switches[*switch].ports[*port], event)?;
        }
        epoll.add(stop.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        Ok(Worker { switches, sources, epoll, _stop: stop, started })
    }

    /// Moves frames until told to stop.
    pub fn run(self) {
        let mut rx = RxBatch::new(RxKind::Packet, BATCH);
        let mut tx = TxBatch::new();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "a switch cannot wait for frames any more");
                    return;
                }
            };
            let now = since(self.started);
            for event in &events[..count] {
                if event.data() == STOP {
                    return;
                }
                let source = usize::try_from(event.data()).ok().and_then(|i| self.sources.get(i));
                let Some((at, port)) = source.copied() else { continue };
                let Some(switch) = self.switches.get(at) else { continue };
                if let Err(error) = forward::from_port(switch, port, &mut rx, &mut tx, now) {
                    // A link that goes down reports it once; frames flow again when it is back.
                    tracing::debug!(%error, switch = switch.name, port, "receive");
                }
            }
        }
    }
}

/// Milliseconds since the start.
pub(super) fn since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
