//! Several interfaces watched at once, for frames that carry a mark.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Place;
use super::ends::wait;
use super::error::{MeasureError, within};
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::Variant;

/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 2 << 20;

/// How long something is awaited.
#[derive(Clone, Copy)]
pub struct Patience {
    /// At most.
    pub most: Duration,
    /// What else may come is awaited so long once all is there that should be.
    pub grace: Duration,
}

/// Taps in the order they were asked for.
#[derive(Debug)]
pub struct Watched {
    taps: Vec<Tap>,
    /// Namespaces, by tap.
    places: Vec<String>,
    buffer: Vec<u8>,
    segmenter: Segmenter,
}

/// One packet as it was seen.
pub struct Sighting<'a> {
    /// Which of the taps.
    pub at: usize,
    /// Whether it left through the interface rather than entered.
    pub outgoing: bool,
    /// The packet as on a cable, tags in place.
    pub packet: &'a [u8],
}

impl Watched {
    /// Opens a tap at each interface: node, name, direction.
    pub fn open<'a>(
        place: &impl Place,
        variant: &Variant,
        at: impl IntoIterator<Item = (&'a str, &'a str, Watch)>,
    ) -> Result<Watched, MeasureError> {
        let (mut taps, mut places) = (Vec::new(), Vec::new());
        for (node, interface, watch) in at {
            let (namespace, operation) = (variant.namespace(node), format!("watch `{interface}`"));
            taps.push(within(place, &namespace, &operation, || Tap::open(interface, watch, ROOM))?);
            places.push(namespace);
        }
        let (buffer, segmenter) = (vec![0; BUFFER], Segmenter::default());
        Ok(Watched { taps, places, buffer, segmenter })
    }

    /// Sends one complete frame out of an interface; `what` it is in words.
    pub fn send(&self, at: usize, frame: &[u8], what: &str) -> Result<(), MeasureError> {
        let sent = self.taps.get(at).ok_or(io::ErrorKind::NotFound.into());
        sent.and_then(|tap| tap.send(frame)).map_err(|source| MeasureError::Namespace {
            operation: format!("send a {what}"),
            namespace: self.places.get(at).cloned().unwrap_or_default(),
            source,
        })
    }

    /// Takes in what has arrived anywhere.
    pub fn look(&mut self, mut seen: impl FnMut(&Sighting<'_>)) -> Result<(), MeasureError> {
        for (at, tap) in self.taps.iter().enumerate() {
            while let Some(frame) = tap.next(&mut self.buffer).map_err(system)? {
                let outgoing = frame.outgoing;
                self.segmenter.each(&frame, |packet| seen(&Sighting { at, outgoing, packet }));
            }
        }
        Ok(())
    }

    /// Waits for something to arrive, or for the deadline.
    pub fn wait(&self, deadline: Instant) -> Result<(), MeasureError> {
        let taps: Vec<_> = self.taps.iter().map(AsFd::as_fd).collect();
        wait(&taps, deadline).map_err(system)
    }

    /// Takes in what arrives until `done`, and what comes for a moment after that; no longer than patience lasts.
    pub fn settle<S>(
        &mut self,
        patience: Patience,
        state: &mut S,
        mut take: impl FnMut(&mut S, &Sighting<'_>),
        done: impl Fn(&S) -> bool,
    ) -> Result<(), MeasureError> {
        let deadline = Instant::now() + patience.most;
        let mut end = deadline;
        while Instant::now() < end {
            self.wait(end)?;
            self.look(|seen| take(state, seen))?;
            if end == deadline && done(state) {
                end = deadline.min(Instant::now() + patience.grace);
            }
        }
        Ok(())
    }

    /// Frames that nobody looked at since the last call: they came too fast, or the kernel could not
    /// describe them. Who says that something was not there must say so.
    pub fn missed(&self) -> Result<u64, MeasureError> {
        let each = self.taps.iter().map(|tap| tap.dropped().map(u64::from).map_err(system));
        each.sum()
    }
}

fn system(source: io::Error) -> MeasureError {
    MeasureError::system("watch interfaces")(source)
}
