//! The threads that move frames.
//!
//! Each worker waits on its own epoll set. One direction of an edge is served by one worker, so
//! that frames of a flow stay in order, and the two directions by two workers where there are as
//! many: a stream is encapsulated on one processor and decapsulated on another wherever its
//! hosts are placed. No worker serves both directions, so that processor time can be told apart
//! by reading their clocks, at no cost to the packets.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

use super::coalesce::Coalescer;
use super::edge::Edge;
use super::rx::{RxBatch, RxKind};
use super::tx::TxBatch;
use super::{decap, encap};
use crate::encap::Transport;
use crate::system;
use crate::vswitch::PortId;

/// Most messages taken with one system call.
const BATCH: usize = 64;

/// What a worker listens to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A VM's port.
    Port(usize, PortId),
    /// One of an edge's sockets towards the underlay.
    Underlay(usize, usize),
}

/// One worker's share.
pub(super) struct Worker {
    edges: Arc<Vec<Edge>>,
    sources: Vec<Source>,
    epoll: Epoll,
    _stop: Arc<EventFd>,
    lost: Arc<EventFd>,
    started: Instant,
}

/// Event data that means "stop".
const STOP: u64 = u64::MAX;

impl Worker {
    /// Prepares a worker for these sources.
    pub fn new(
        edges: Arc<Vec<Edge>>,
        sources: Vec<Source>,
        (stop, lost): (Arc<EventFd>, Arc<EventFd>),
        started: Instant,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, source) in sources.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            match *source {
                Source::Port(edge, port) => epoll.add(&edges[edge].ports[port.0], event)?,
                Source::Underlay(edge, socket) => {
                    if let Some(fd) = edges[edge].receiver(socket) {
                        epoll.add(fd, event)?;
                    }
                }
            }
        }
        epoll.add(stop.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        Ok(Worker { edges, sources, epoll, _stop: stop, lost, started })
    }

    /// Listens no more to a device that was deleted under us (it would be ready for ever), and
    /// tells so.
    fn forget(&self, source: Source) {
        let Source::Port(edge, port) = source else { return };
        if let Err(error) = self.epoll.delete(&self.edges[edge].ports[port.0]) {
            tracing::debug!(%error, "a deleted device is not listened to");
        }
        if let Err(error) = self.lost.write(1) {
            tracing::error!(%error, "a deleted device cannot be told of");
        }
    }

    /// Moves frames until told to stop.
    pub fn run(self) {
        let mut packets = RxBatch::new(RxKind::Packet, BATCH);
        let mut datagrams = RxBatch::new(RxKind::Inet, BATCH);
        let mut coalescer = Coalescer::new(system::describes_udp_super_frames());
        let mut tx = TxBatch::new();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "a worker cannot wait for frames any more");
                    return;
                }
            };
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            for event in &events[..count] {
                if event.data() == STOP {
                    return;
                }
                let Some(source) =
                    usize::try_from(event.data()).ok().and_then(|i| self.sources.get(i))
                else {
                    continue;
                };
                let done = match *source {
                    Source::Port(edge, port) => {
                        encap::from_port(&self.edges[edge], port, &mut packets, &mut tx, now)
                    }
                    Source::Underlay(edge, socket) => {
                        let edge = &self.edges[edge];
                        let Some(socket) = edge.receiver(socket) else { continue };
                        let rx = match edge.engine.transport() {
                            Transport::Frame | Transport::Stt { .. } => &mut packets,
                            Transport::Udp { .. } | Transport::Ip { .. } => &mut datagrams,
                        };
                        decap::from_underlay(edge, socket, rx, &mut tx, &mut coalescer, now)
                    }
                };
                if let Err(error) = done {
                    if error.raw_os_error() == Some(libc::EBADFD) {
                        self.forget(*source);
                    }
                    // A link that goes down reports it once on each socket; frames flow again
                    // when it is back.
                    tracing::debug!(%error, ?source, "receive");
                }
            }
        }
    }
}
