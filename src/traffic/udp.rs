//! UDP datagrams at a rate, or as fast as they go: one thread sends batches, one receives.
//!
//! Every datagram begins with 12 bytes: a mark of the round and its phase (4), and a sequence
//! number (8). What counts is decided by the sender's phase, so sent and received are of the
//! same datagrams however long those were on the way.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::clocks::Clocks;
use super::ends::{Ends, PATIENCE};
use super::mmsg::Batch;
use super::window::{Event, Mark, pass, ramp, started};
use super::{Carrier, TrafficError};
use crate::measure::Place;
use crate::measure::result::FlowRound;

/// Bytes of mark and sequence number, and so the smallest payload.
const SMALLEST: u64 = 12;
/// Largest UDP payload in IPv4 (65,535 less 20 and 8).
const LARGEST: u64 = 65_507;
/// Datagrams per system call.
const BATCH: usize = 64;
/// Receive buffer asked for: some tens of milliseconds of a fast flow.
const ROOM: usize = 8 << 20;
/// Time between bursts of a paced flow.
const BURST: Duration = Duration::from_micros(500);
/// A paced sender that fell further behind than this does not catch up: a burst of that length
/// would measure queues and not the path.
const FORGIVEN: Duration = Duration::from_millis(10);
/// How long nothing may arrive after the sender is done before the receiver stops.
const QUIET: Duration = Duration::from_millis(100);
/// How long the receiver may take to empty its queue at most.
const DRAIN: Duration = Duration::from_secs(3);

const RAMP: u8 = 0;
const MEASURED: u8 = 1;
const END: u8 = 2;

struct Shared {
    phase: AtomicU8,
    sender_done: AtomicBool,
    stop: AtomicBool,
    /// Measured datagrams sent.
    sent: AtomicU64,
    /// Measured datagrams received, each counted once.
    received: AtomicU64,
    /// Those that came behind a later one.
    reordered: AtomicU64,
}

/// Ends both threads when it goes out of scope, whatever the reason.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Sends datagrams of `size` bytes at `rate` payload bits per second (as fast as they go where
/// absent) for a ramp-up and then `span`.
pub fn run(
    place: &impl Place,
    ends: &Ends,
    rate: Option<u64>,
    size: u64,
    span: Duration,
    carrier: Carrier<'_>,
) -> Result<FlowRound, TrafficError> {
    let length = usize::try_from(size).ok().filter(|_| (SMALLEST..=LARGEST).contains(&size));
    let length = length.ok_or(TrafficError::Size {
        what: "a datagram (12 bytes of it are its mark and sequence number)",
        size,
        min: SMALLEST,
        max: LARGEST,
    })?;
    let receiver = Ends::udp(place, &ends.to, ends.port, ROOM)?;
    let sender = Ends::udp(place, &ends.from, 0, 1 << 16)?;
    let connect = || {
        sender.connect(&ends.target().into())?;
        sender.set_write_timeout(Some(QUIET))?;
        receiver.set_read_timeout(Some(QUIET))
    };
    connect().map_err(TrafficError::socket("connect a UDP socket", &ends.from.namespace))?;

    let mark = rand::random::<u32>() & !0xFF;
    let clocks = Clocks::default();
    let shared = Shared {
        phase: AtomicU8::new(RAMP),
        sender_done: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
        reordered: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let ending = Ending(&shared);
        let (tell, events) = channel();
        let tell_sender = tell.clone();
        let (shared, clocks) = (&shared, &clocks);
        let pace = rate.map(|rate| per_datagram(length, rate));
        let sending = scope.spawn(move || {
            let _counted = clocks.sender.count();
            send(&sender, length, mark, pace, shared, &tell_sender);
            shared.sender_done.store(true, Ordering::Release);
        });
        let receiving = scope.spawn(move || {
            let _counted = clocks.receiver.count();
            receive(&receiver, length, mark, shared, &tell)
        });
        let round = measure((shared, clocks), &events, ends, length, span, carrier, || {
            // A worker that panicked left its counters behind; the panic shows when the scope ends.
            let _ = sending.join();
            receiving.join().ok().flatten()
        });
        drop(ending);
        round
    })
}

fn measure(
    (shared, clocks): (&Shared, &Clocks),
    events: &Receiver<Event>,
    ends: &Ends,
    length: usize,
    span: Duration,
    carrier: Carrier<'_>,
    drained: impl FnOnce() -> Option<Instant>,
) -> Result<FlowRound, TrafficError> {
    if !started(events, 1, PATIENCE)? {
        return Err(TrafficError::Silent { address: ends.target(), waited: PATIENCE });
    }
    pass(events, ramp(span))?;
    let start = Mark::now(carrier, clocks)?;
    let begun = Instant::now();
    shared.phase.store(MEASURED, Ordering::Relaxed);
    pass(events, span)?;
    shared.phase.store(END, Ordering::Relaxed);
    let over = begun.elapsed();
    let end = Mark::now(carrier, clocks)?;
    let last = drained();
    let (sent, received) =
        (shared.sent.load(Ordering::Relaxed), shared.received.load(Ordering::Relaxed));
    if received == 0 {
        return Err(TrafficError::Silent { address: ends.target(), waited: span });
    }
    // The queue at the receiver may outlast the window: its time counts, as its datagrams do.
    let seconds = last.map_or(over, |last| last.duration_since(begun)).max(over).as_secs_f64();
    let reordered = shared.reordered.load(Ordering::Relaxed);
    let bytes = received * length as u64;
    Ok(FlowRound { seconds, bytes, sent, received, reordered, ..start.round(&end) })
}

/// Time one datagram takes at `rate` bits per second.
fn per_datagram(length: usize, rate: u64) -> Duration {
    let nanoseconds = (length as u128) * 8 * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(1))
}

/// When the datagrams of a paced flow are due.
struct Pacer {
    each: Duration,
    next: Instant,
}

impl Pacer {
    /// Waits until something is due, and gives how many datagrams at most [`BATCH`] are.
    fn due(&mut self) -> usize {
        let mut now = Instant::now();
        if self.next > now {
            std::thread::sleep((self.next - now).max(BURST));
            now = Instant::now();
        }
        if now.duration_since(self.next) > FORGIVEN.max(self.each) {
            self.next = now;
        }
        let late = now.duration_since(self.next).as_nanos();
        let due = late / self.each.as_nanos() + 1;
        usize::try_from(due).unwrap_or(BATCH).min(BATCH)
    }

    fn sent(&mut self, count: usize) {
        self.next += self.each * u32::try_from(count).unwrap_or(u32::MAX);
    }
}

fn send(
    socket: &Socket,
    length: usize,
    mark: u32,
    pace: Option<Duration>,
    shared: &Shared,
    tell: &Sender<Event>,
) {
    let mut batch = Batch::new(BATCH, length);
    let mut pacer = pace.map(|each| Pacer { each, next: Instant::now() });
    let mut sequence = 0_u64;
    let mut measured = 0_u64;
    while !shared.stop.load(Ordering::Relaxed) {
        let due = pacer.as_mut().map_or(BATCH, Pacer::due);
        let phase = shared.phase.load(Ordering::Relaxed);
        if phase == END {
            break;
        }
        for (number, datagram) in (sequence..).zip(batch.datagrams_mut().take(due)) {
            write_head(datagram, mark | u32::from(phase), number);
        }
        let sent = match batch.send(socket, due) {
            Ok(sent) => sent,
            Err(error) if passing(&error) => 0,
            Err(source) => {
                let _ =
                    tell.send(Event::Failed(TrafficError::Broken { who: "the sender", source }));
                break;
            }
        };
        sequence += sent as u64;
        if phase == MEASURED {
            measured += sent as u64;
            shared.sent.store(measured, Ordering::Relaxed);
        }
        if let Some(pacer) = &mut pacer {
            pacer.sent(sent);
        }
    }
}

/// Whether a send may be tried again: interrupted, or a queue below was full.
fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
        || error.raw_os_error() == Some(libc::ENOBUFS)
}

fn write_head(datagram: &mut [u8], mark: u32, sequence: u64) {
    if let Some((head, _)) = datagram.split_first_chunk_mut::<12>() {
        head[..4].copy_from_slice(&mark.to_be_bytes());
        head[4..].copy_from_slice(&sequence.to_be_bytes());
    }
}

fn read_head(datagram: &[u8]) -> Option<(u32, u64)> {
    let (mark, rest) = datagram.split_first_chunk::<4>()?;
    let sequence = rest.first_chunk::<8>()?;
    Some((u32::from_be_bytes(*mark), u64::from_be_bytes(*sequence)))
}

/// Tells duplicates of the last few thousand datagrams from first copies.
struct Seen(Vec<u64>);

impl Seen {
    const SLOTS: usize = 1 << 13;

    fn new() -> Seen {
        Seen(vec![u64::MAX; Self::SLOTS])
    }

    /// Whether this is the first copy.
    fn first(&mut self, sequence: u64) -> bool {
        let slot = usize::try_from(sequence).unwrap_or(0) % Self::SLOTS;
        match self.0.get_mut(slot) {
            Some(last) if *last == sequence => false,
            Some(last) => {
                *last = sequence;
                true
            }
            None => true,
        }
    }
}

/// Tells datagrams that come behind a later one.
#[derive(Default)]
struct Order(Option<u64>);

impl Order {
    /// Whether a later one came before.
    fn late(&mut self, sequence: u64) -> bool {
        let late = self.0.is_some_and(|newest| sequence < newest);
        self.0 = self.0.max(Some(sequence));
        late
    }
}

/// Counts until the sender is done and the queue is empty; gives when the last one counted came.
fn receive(
    socket: &Socket,
    length: usize,
    mark: u32,
    shared: &Shared,
    tell: &Sender<Event>,
) -> Option<Instant> {
    let mut batch = Batch::new(BATCH, length);
    let mut seen = Seen::new();
    let (mut begun, mut received, mut last) = (false, 0_u64, None);
    let mut order = Order::default();
    let mut give_up: Option<Instant> = None;
    while !shared.stop.load(Ordering::Relaxed) && give_up.is_none_or(|at| Instant::now() < at) {
        let done = shared.sender_done.load(Ordering::Acquire);
        if done && give_up.is_none() {
            give_up = Some(Instant::now() + DRAIN);
        }
        let count = match batch.receive(socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !done => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(source) => {
                let error = TrafficError::Broken { who: "the receiver", source };
                let _ = tell.send(Event::Failed(error));
                break;
            }
        };
        let before = received;
        for (found, sequence) in batch.received(count).filter_map(read_head) {
            if found & !0xFF != mark {
                continue;
            }
            if !begun {
                begun = true;
                let _ = tell.send(Event::Started);
            }
            if found & 0xFF == u32::from(MEASURED) && seen.first(sequence) {
                received += 1;
                if order.late(sequence) {
                    shared.reordered.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if received != before {
            shared.received.store(received, Ordering::Relaxed);
            last = Some(Instant::now());
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_survive_and_short_ones_are_refused() {
        let mut datagram = [0; 20];
        write_head(&mut datagram, 0xABCD_EF01, 1 << 40);
        assert_eq!(read_head(&datagram), Some((0xABCD_EF01, 1 << 40)));
        assert_eq!(read_head(&datagram[..11]), None);
    }

    #[test]
    fn copies_are_counted_once() {
        let mut seen = Seen::new();
        assert!(seen.first(0) && seen.first(1) && !seen.first(0) && !seen.first(1));
        assert!(seen.first(Seen::SLOTS as u64));
    }

    #[test]
    fn only_what_comes_behind_a_later_one_is_late() {
        let mut order = Order::default();
        let late: Vec<u64> = [0, 1, 4, 2, 3, 5, 7].into_iter().filter(|n| order.late(*n)).collect();
        assert_eq!(late, [2, 3], "and not what follows a loss");
    }

    #[test]
    fn pacing_gives_what_is_due_and_forgives_a_long_pause() {
        assert_eq!(per_datagram(1250, 10_000_000), Duration::from_millis(1));
        let each = Duration::from_millis(1);
        let ago = |time| Instant::now().checked_sub(time).unwrap();
        let mut late = Pacer { each, next: ago(Duration::from_millis(5)) };
        assert!((6..=BATCH).contains(&late.due()));
        let mut stopped = Pacer { each, next: ago(Duration::from_secs(60)) };
        assert_eq!(stopped.due(), 1);
    }
}
