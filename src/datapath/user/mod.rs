//! Engines of this program between sockets.
//!
//! A VM's frames are read from the host's end of its veth by a packet socket, with the offload
//! metadata its stack gave them, and leave through sockets of the host's namespace: UDP for
//! VXLAN, a packet socket for VLAN tags and the plain path. A few worker threads serve all edges
//! by epoll; batches and the kernel's segmentation offloads keep the system calls few.

pub mod coalesce;
mod decap;
mod direct;
mod edge;
mod encap;
mod extras;
mod groups;
mod neighbours;
mod nexthop;
pub mod outlet;
mod oversize;
mod routes;
pub mod rx;
#[cfg(test)]
mod samples;
pub(super) mod sockets;
mod stt;
mod tap;
pub mod tx;
pub mod vnet;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

pub use edge::{Edge, EdgeConfig};
pub use extras::Extras;
pub use oversize::Oversize;
pub use routes::{RouteConfig, Via};
pub use tap::{Tap, mtu, rename, up};

use crate::vswitch::{Direction, PortId};
use worker::{Source, Worker};

/// Running engines: a few threads that serve the edges of one variant.
#[derive(Debug)]
pub struct UserDatapath {
    edges: Arc<Vec<Edge>>,
    stop: Arc<EventFd>,
    lost: Arc<EventFd>,
    /// Each with the one direction that it serves.
    workers: Vec<(Direction, JoinHandle<()>)>,
}

impl UserDatapath {
    /// Starts as many workers as there are processors (an even number, at least 2, at most one per
    /// direction of each edge) and serves the edges.
    ///
    /// # Errors
    /// What the system says when a thread or an epoll set cannot be made.
    pub fn start(edges: Vec<Edge>) -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        // Even, so that every worker serves one direction only, and its time is that direction's.
        let count = processors.next_multiple_of(2).clamp(2, 2 * edges.len().max(1));
        let mut shares = vec![Vec::new(); count];
        for (index, edge) in edges.iter().enumerate() {
            let share = &mut shares[2 * index % count];
            share.extend((0..edge.ports.len()).map(|p| Source::Port(index, PortId(p))));
            let sockets = 0..edge.receivers();
            let share = &mut shares[(2 * index + 1) % count];
            share.extend(sockets.map(|s| Source::Underlay(index, s)));
        }
        let edges = Arc::new(edges);
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let started = Instant::now();
        let lost = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?);
        let mut datapath = UserDatapath { edges, stop, lost, workers: Vec::new() };
        for (index, share) in shares.into_iter().enumerate() {
            let edges = Arc::clone(&datapath.edges);
            let told = (Arc::clone(&datapath.stop), Arc::clone(&datapath.lost));
            let worker = Worker::new(edges, share, told, started)?;
            let direction = if index % 2 == 0 { Direction::Encap } else { Direction::Decap };
            let thread = std::thread::Builder::new().name(format!("{}-{index}", direction.name()));
            datapath.workers.push((direction, thread.spawn(move || worker.run())?));
        }
        Ok(datapath)
    }

    /// Lets every packet leave by itself from now on, or joined where that is possible: kernels that
    /// cannot describe joined datagrams to a packet socket hide them from whoever watches.
    pub fn single_packets(&self, single: bool) {
        for edge in self.edges.iter() {
            edge.outlet.single_packets(single);
        }
    }

    /// The edge of a host, by the name it was configured with.
    #[must_use]
    pub fn edge(&self, host: &str) -> Option<&Edge> {
        self.edges.iter().find(|edge| edge.host == host)
    }

    /// Becomes readable once a TAP or TUN device was deleted under its edge.
    #[must_use]
    pub fn lost(&self) -> BorrowedFd<'_> {
        self.lost.as_fd()
    }

    /// CPU time that all workers have used so far.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.workers.iter().filter_map(|(_, thread)| thread_cpu(thread)).sum()
    }

    /// CPU time that the workers of one direction have used so far.
    #[must_use]
    pub fn cpu_of(&self, direction: Direction) -> Duration {
        let workers = self.workers.iter().filter(|(serves, _)| *serves == direction);
        workers.filter_map(|(_, thread)| thread_cpu(thread)).sum()
    }

    /// Frames dropped so far over all edges and both directions, by reason.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for edge in self.edges.iter() {
            for direction in [Direction::Encap, Direction::Decap] {
                edge.switch.counters(direction).add_drops(&mut sums);
            }
        }
        sums
    }

    /// Packets and inner bytes carried so far over all edges in one direction.
    #[must_use]
    pub fn carried(&self, direction: Direction) -> (u64, u64) {
        let each = self.edges.iter().map(|edge| edge.switch.counters(direction).total());
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Frames dropped so far over all edges in one direction, by reason.
    #[must_use]
    pub fn dropped(&self, direction: Direction) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for edge in self.edges.iter() {
            edge.switch.counters(direction).add_drops(&mut sums);
        }
        sums
    }

    /// MAC addresses each edge's tables hold, by host.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<String, u64> {
        self.edges.iter().map(|e| (e.host.clone(), e.switch.fdb_entries() as u64)).collect()
    }
}

impl Drop for UserDatapath {
    fn drop(&mut self) {
        // The event stays readable, so every worker sees it.
        if let Err(error) = self.stop.write(1) {
            tracing::error!(%error, "cannot tell the workers to stop");
            return;
        }
        for (_, worker) in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        if let Some(edges) = Arc::into_inner(std::mem::take(&mut self.edges)) {
            close_at_once(sockets_of(edges));
        }
    }
}

fn sockets_of(edges: Vec<Edge>) -> Vec<Box<dyn Send>> {
    let mut sockets: Vec<Box<dyn Send>> = Vec::new();
    for edge in edges {
        sockets.push(Box::new(edge.underlay));
        sockets.push(Box::new(edge.groups));
        sockets.extend(edge.ports.into_iter().map(|port| Box::new(port) as Box<dyn Send>));
    }
    sockets
}

/// Closes sockets from several threads: the kernel waits for every packet socket until no processor
/// can still be handing it a frame (about 10 ms), and such waits overlap.
pub(super) fn close_at_once(mut sockets: Vec<Box<dyn Send>>) {
    const THREADS: usize = 32;
    let share = sockets.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        while !sockets.is_empty() {
            let some = sockets.split_off(sockets.len().saturating_sub(share));
            scope.spawn(move || drop(some));
        }
    });
}

/// CPU time of another thread of this process.
pub(super) fn thread_cpu(thread: &JoinHandle<()>) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: the thread was not joined, so its pthread id is valid; the clock id is written to a
    // local.
    let found = unsafe { libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) };
    if found != 0 {
        return None;
    }
    let time = nix::time::clock_gettime(nix::time::ClockId::from_raw(clock)).ok()?;
    Some(Duration::from(time))
}
