//! Bytes and packets as a cable would carry them, counted on an interface.

use std::io;

use super::error::{MeasureError, within};
use super::segment::{OnWire, on_wire};
use super::tap::{Frame, Tap, Watch};
use super::Place;

/// Bytes read of each frame: every header up to the innermost TCP options.
const HEADERS: usize = 512;
/// Bytes of frames that may wait to be read.
const ROOM: usize = 32 << 20;

/// What crossed an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Out of the interface.
    pub sent: OnWire,
    /// Into it.
    pub received: OnWire,
    /// Frames missed because they were not read fast enough; the totals then are too small.
    pub missed: u64,
}

/// Counts both directions of one interface, super-frames as the segments they will be. Bytes
/// include the Ethernet header and tags, not FCS, preamble and gap. Reads headers only.
#[derive(Debug)]
pub struct Meter {
    tap: Tap,
    buffer: Vec<u8>,
    totals: Totals,
}

impl Meter {
    /// Starts to count on `interface` of `namespace`.
    ///
    /// # Errors
    /// No such namespace or interface, or no right to packet sockets.
    pub fn open(
        place: &impl Place,
        namespace: &str,
        interface: &str,
    ) -> Result<Meter, MeasureError> {
        let tap = within(place, namespace, &format!("watch `{interface}`"), || {
            Tap::open(interface, Watch::Both, ROOM)
        })?;
        Ok(Meter { tap, buffer: vec![0; HEADERS], totals: Totals::default() })
    }

    /// Takes in what has crossed since the last call, for which `count` is true; call it often
    /// during fast flows.
    ///
    /// # Errors
    /// The interface went away.
    pub fn totals(&mut self, count: impl Fn(&Frame<'_>) -> bool) -> io::Result<Totals> {
        while let Some(frame) = self.tap.next(&mut self.buffer)? {
            if !count(&frame) {
                continue;
            }
            let size = on_wire(&frame);
            let totals =
                if frame.outgoing { &mut self.totals.sent } else { &mut self.totals.received };
            totals.packets += size.packets;
            totals.bytes += size.bytes;
        }
        self.totals.missed += u64::from(self.tap.dropped()?);
        Ok(self.totals)
    }
}
