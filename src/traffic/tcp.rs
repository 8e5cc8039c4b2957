//! Bulk TCP: one thread per socket, large writes, real reads, counted at the receiver.

use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::clocks::Clocks;
use super::ends::{Ends, PATIENCE};
use super::window::{Event, Mark, pass, ramp, started};
use super::{Carrier, TrafficError};
use crate::measure::Place;
use crate::measure::result::FlowRound;
use crate::measure::tap::length_of;

/// Bytes per write: enough that the system call costs little, small enough to stay in the cache.
const WRITE: usize = 128 * 1024;
/// Bytes per read at most.
const READ: usize = 256 * 1024;
/// How long no byte may arrive before the flow counts as dead.
const STALL: Duration = Duration::from_secs(2);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Most connections of one flow; each is two threads.
const MOST: u32 = 256;

struct Shared {
    stop: AtomicBool,
    /// One counter per stream, so that receivers do not share a cache line for each read.
    received: Vec<Counter>,
}

#[repr(align(128))]
#[derive(Default)]
struct Counter(AtomicU64);

impl Shared {
    fn bytes(&self) -> u64 {
        self.received.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
    }
}

/// Ends every thread of a flow when it goes out of scope, whatever the reason.
struct Ending<'a>(&'a Shared, &'a [(TcpStream, TcpStream)]);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        for stream in self.1.iter().flat_map(|(sender, receiver)| [sender, receiver]) {
            // An error means that it is closed already, which is what is wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Connections that are kept full.
pub struct Bulk<'a> {
    pairs: &'a [(TcpStream, TcpStream)],
    shared: &'a Shared,
    clocks: &'a Clocks,
    events: Receiver<Event>,
    /// Where they are received.
    address: SocketAddr,
}

/// Runs `streams` connections for a ramp-up and then `span`.
pub fn run(
    place: &impl Place,
    ends: &Ends,
    streams: u32,
    span: Duration,
    carrier: Carrier<'_>,
) -> Result<FlowRound, TrafficError> {
    kept_full(place, ends, streams, |bulk| {
        bulk.warm_up(span)?;
        bulk.measure(span, carrier)
    })
}

/// Opens `streams` connections, keeps them full while `work` runs, and gives what it gives.
pub fn kept_full<R>(
    place: &impl Place,
    ends: &Ends,
    streams: u32,
    work: impl FnOnce(&Bulk<'_>) -> Result<R, TrafficError>,
) -> Result<R, TrafficError> {
    if !(1..=MOST).contains(&streams) {
        let size = u64::from(streams);
        return Err(TrafficError::Size { what: "a bundle of streams", size, min: 1, max: 256 });
    }
    let listener = ends.listen(place)?;
    let address = listener.local_addr().unwrap_or_else(|_| ends.target());
    let pairs =
        (0..streams).map(|_| ends.connect(place, &listener)).collect::<Result<Vec<_>, _>>()?;
    drop(listener);
    let shared = Shared {
        stop: AtomicBool::new(false),
        received: pairs.iter().map(|_| Counter::default()).collect(),
    };
    let clocks = Clocks::default();
    std::thread::scope(|scope| {
        let ending = Ending(&shared, &pairs);
        let (tell, events) = channel();
        for ((sender, receiver), counter) in pairs.iter().zip(&shared.received) {
            let (tell_sender, tell_receiver) = (tell.clone(), tell.clone());
            let (stop, clocks) = (&shared.stop, &clocks);
            scope.spawn(move || {
                let _counted = clocks.sender.count();
                send(sender, stop, &tell_sender);
            });
            scope.spawn(move || {
                let _counted = clocks.receiver.count();
                receive(receiver, &counter.0, stop, &tell_receiver);
            });
        }
        let found =
            work(&Bulk { pairs: &pairs, shared: &shared, clocks: &clocks, events, address });
        drop(ending);
        found
    })
}

impl Bulk<'_> {
    /// Waits until bytes have arrived on every connection, and then for a ramp-up.
    pub fn warm_up(&self, span: Duration) -> Result<(), TrafficError> {
        if !started(&self.events, self.pairs.len(), PATIENCE)? {
            return Err(TrafficError::Silent { address: self.address, waited: PATIENCE });
        }
        pass(&self.events, ramp(span))
    }

    /// Lets it run for a while.
    pub fn wait(&self, span: Duration) -> Result<(), TrafficError> {
        pass(&self.events, span)
    }

    /// Payload bytes delivered so far.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    /// Whether all of them still run; why not, where one does not.
    pub fn sound(&self) -> Result<(), TrafficError> {
        self.events.try_iter().try_for_each(|event| match event {
            Event::Started => Ok(()),
            Event::Failed(error) => Err(error),
        })
    }

    fn retransmits(&self) -> u64 {
        self.pairs.iter().map(|(sender, _)| retransmitted(sender)).sum()
    }

    /// What is delivered within `span`.
    fn measure(&self, span: Duration, carrier: Carrier<'_>) -> Result<FlowRound, TrafficError> {
        let start = Mark::now(carrier, self.clocks)?;
        let (retransmits_before, before) = (self.retransmits(), self.bytes());
        let (mut left, mut seen, mut quiet) = (span, before, Duration::ZERO);
        while !left.is_zero() {
            let step = left.min(LOOK);
            pass(&self.events, step)?;
            left -= step;
            let now = self.bytes();
            quiet = if now == seen { quiet + step } else { Duration::ZERO };
            seen = now;
            if quiet >= STALL {
                let (address, bytes) = (self.address, now - before);
                return Err(TrafficError::Stalled { address, waited: STALL, bytes });
            }
        }
        let bytes = self.bytes() - before;
        let end = Mark::now(carrier, self.clocks)?;
        if bytes == 0 {
            return Err(TrafficError::Silent { address: self.address, waited: span });
        }
        let retransmits = self.retransmits().saturating_sub(retransmits_before);
        Ok(FlowRound { bytes, retransmits, ..start.round(&end) })
    }
}

fn send(mut stream: &TcpStream, stop: &AtomicBool, tell: &Sender<Event>) {
    let buffer = vec![0x5A_u8; WRITE];
    while !stop.load(Ordering::Relaxed) {
        match stream.write(&buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return fail(tell, stop, TrafficError::Broken { who: "the sender", source });
            }
        }
    }
}

fn receive(mut stream: &TcpStream, counter: &AtomicU64, stop: &AtomicBool, tell: &Sender<Event>) {
    let mut buffer = vec![0_u8; READ];
    let mut total = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return fail(tell, stop, TrafficError::Closed { who: "the receiver" }),
            Ok(read) => {
                if total == 0 {
                    // The coordinator is gone only when the flow is over.
                    let _ = tell.send(Event::Started);
                }
                total += read as u64;
                counter.store(total, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return fail(tell, stop, TrafficError::Broken { who: "the receiver", source });
            }
        }
    }
}

/// Tells of a failure, unless the flow is over and its sockets were shut on purpose.
fn fail(tell: &Sender<Event>, stop: &AtomicBool, error: TrafficError) {
    if !stop.load(Ordering::Relaxed) {
        let _ = tell.send(Event::Failed(error));
    }
}

/// Segments this connection has retransmitted (`tcpi_total_retrans`, tcp(7)); 0 where unknown.
fn retransmitted(stream: &TcpStream) -> u64 {
    // SAFETY: all-zero is a valid tcp_info; the kernel writes at most the length given.
    unsafe {
        let mut info: libc::tcp_info = zeroed();
        let mut length = length_of::<libc::tcp_info>();
        let status = libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        );
        if status == 0 { u64::from(info.tcpi_total_retrans) } else { 0 }
    }
}
