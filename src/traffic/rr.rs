//! Request and response over one TCP connection, one outstanding, every round trip recorded.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::clocks::Clocks;
use super::ends::{Ends, PATIENCE};
use super::window::{Mark, ramp};
use super::{Carrier, TrafficError};
use crate::measure::Place;
use crate::measure::latency;
use crate::measure::result::FlowRound;

/// Largest request, in bytes.
const LARGEST: u64 = 1 << 20;
/// How long one answer may take before the flow counts as dead.
const ANSWER: Duration = Duration::from_secs(2);

/// Ends the server's thread when the client is done, whatever the reason.
struct Ending<'a>(&'a TcpStream);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        // An error means that it is closed already, which is what is wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Sends requests of `size` bytes and awaits as many back, for a ramp-up and then `span`. `load` tells
/// the bytes that have been delivered beside it so far, where that is what it is about.
pub fn run(
    place: &impl Place,
    ends: &Ends,
    size: u64,
    span: Duration,
    carrier: Carrier<'_>,
    load: Option<&dyn Fn() -> u64>,
) -> Result<(FlowRound, Histogram<u64>), TrafficError> {
    let length = usize::try_from(size).ok().filter(|_| (1..=LARGEST).contains(&size));
    let length =
        length.ok_or(TrafficError::Size { what: "a request", size, min: 1, max: LARGEST })?;
    let listener = ends.listen(place)?;
    let (client, server) = ends.connect(place, &listener)?;
    drop(listener);
    let prepare = |stream: &TcpStream, patience| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))
    };
    prepare(&client, ANSWER)
        .map_err(TrafficError::socket("set TCP_NODELAY", &ends.from.namespace))?;
    prepare(&server, PATIENCE)
        .map_err(TrafficError::socket("set TCP_NODELAY", &ends.to.namespace))?;
    let clocks = Clocks::default();
    std::thread::scope(|scope| {
        let ending = Ending(&server);
        let served = &server;
        let clocks = &clocks;
        scope.spawn(move || {
            let _counted = clocks.receiver.count();
            serve(served, length);
        });
        let found = ask(&client, length, span, (carrier, clocks), load);
        drop(ending);
        found
    })
}

/// Echoes until the connection ends; an error shows at the client as a missing answer.
fn serve(mut stream: &TcpStream, length: usize) {
    let mut buffer = vec![0_u8; length];
    while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&buffer).is_ok() {}
}

fn ask(
    stream: &TcpStream,
    length: usize,
    span: Duration,
    (carrier, clocks): (Carrier<'_>, &Clocks),
    load: Option<&dyn Fn() -> u64>,
) -> Result<(FlowRound, Histogram<u64>), TrafficError> {
    let _counted = clocks.sender.count();
    let mut buffer = vec![0xA5_u8; length];
    let mut histogram = latency::histogram()?;
    let ramped = Instant::now() + ramp(span);
    while Instant::now() < ramped {
        once(stream, &mut buffer)?;
    }
    let start = Mark::now(carrier, clocks)?;
    let loaded = load.map(|bytes| bytes());
    let begun = Instant::now();
    let mut asked = begun;
    while asked - begun < span {
        once(stream, &mut buffer)?;
        let answered = Instant::now();
        let nanoseconds = u64::try_from((answered - asked).as_nanos()).unwrap_or(u64::MAX);
        histogram.saturating_record(nanoseconds);
        asked = answered;
    }
    let load_bytes = load.zip(loaded).map(|(bytes, before)| bytes().saturating_sub(before));
    let end = Mark::now(carrier, clocks)?;
    let count = histogram.len();
    let bytes = count * length as u64;
    let (sent, received) = (count, count);
    Ok((FlowRound { bytes, sent, received, load_bytes, ..start.round(&end) }, histogram))
}

fn once(mut stream: &TcpStream, buffer: &mut [u8]) -> Result<(), TrafficError> {
    let broken = |source: io::Error| {
        let source = match source.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {ANSWER:?}"))
            }
            _ => source,
        };
        TrafficError::Broken { who: "the client", source }
    };
    stream.write_all(buffer).map_err(broken)?;
    stream.read_exact(buffer).map_err(broken)
}
