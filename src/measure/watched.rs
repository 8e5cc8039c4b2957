//! Several interfaces watched at once, for frames that carry a mark.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::Place;
use super::ends::wait;
use super::error::{MeasureError, within};
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::Variant;

/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 1 << 20;

/// Taps in the order they were asked for.
pub struct Watched {
    pub taps: Vec<Tap>,
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
        let open = |(node, interface, watch): (&str, &str, Watch)| {
            let operation = format!("watch `{interface}`");
            within(place, &variant.namespace(node), &operation, || {
                Tap::open(interface, watch, ROOM)
            })
        };
        let taps = at.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Watched { taps, buffer: vec![0; BUFFER], segmenter: Segmenter::default() })
    }

    /// Takes in what has arrived anywhere.
    pub fn look(&mut self, mut seen: impl FnMut(&Sighting<'_>)) -> io::Result<()> {
        for (at, tap) in self.taps.iter().enumerate() {
            while let Some(frame) = tap.next(&mut self.buffer)? {
                let outgoing = frame.outgoing;
                self.segmenter.each(&frame, |packet| seen(&Sighting { at, outgoing, packet }));
            }
        }
        Ok(())
    }

    /// Waits for something to arrive, or for the deadline.
    pub fn wait(&self, deadline: Instant) -> io::Result<()> {
        let taps: Vec<_> = self.taps.iter().map(AsFd::as_fd).collect();
        wait(&taps, deadline)
    }
}
