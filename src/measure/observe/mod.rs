//! What links do to packets, observed from outside: frames of our own sent at one end of a link and
//! received at the other, both with packet sockets on the nodes' own interfaces.
//!
//! A frame goes to the group of the nearest bridge (IEEE 802.1Q table 8-1), which no bridge
//! forwards or learns from, with the `EtherType` for experiments (IEEE 802 clause 9.2.4), so that
//! nobody else takes notice of it. Times of arrival are the kernel's.

mod arrivals;
mod delay;
mod rate;

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use delay::{Observed, delays};
pub use rate::rates;

use super::Place;
use super::error::{MeasureError, within};
use super::tap::{Tap, Watch};
use crate::plan::{Link, Variant};

const NEAREST_BRIDGE: [u8; 6] = [0x01, 0x80, 0xC2, 0x00, 0x00, 0x0E];
const EXPERIMENT: [u8; 2] = [0x88, 0xB5];
/// MACs, `EtherType`, token, number.
const HEAD: usize = 12 + 2 + 16 + 4;
/// Least bytes of an Ethernet frame without FCS.
const SHORTEST: usize = 60;
/// Bytes of frames not yet read.
const ROOM: usize = 8 << 20;

/// Both ends of a link.
struct Ends {
    taps: [Tap; 2],
    /// A frame to be sent at each end, but for its number.
    frames: [Vec<u8>; 2],
}

impl Ends {
    /// Opens them, with frames of so many bytes.
    fn open(
        place: &impl Place,
        variant: &Variant,
        link: &Link,
        length: usize,
    ) -> Result<Ends, MeasureError> {
        let token: [u8; 16] = rand::random();
        let open = |side: usize| {
            let end = &link.ends[side];
            let operation = format!("watch `{}`", end.interface);
            within(place, &variant.namespace(&end.node), &operation, || {
                Tap::open(&end.interface, Watch::Incoming, ROOM)
            })
        };
        let frame = |side: usize| {
            let mut frame = NEAREST_BRIDGE.to_vec();
            let mac = link.ends[side].mac.split(':').map(|byte| u8::from_str_radix(byte, 16));
            frame.extend(mac.map(Result::unwrap_or_default));
            frame.extend(EXPERIMENT);
            frame.extend(token);
            frame.resize(length.max(SHORTEST), 0);
            frame
        };
        Ok(Ends { taps: [open(0)?, open(1)?], frames: [frame(0), frame(1)] })
    }

    /// Sends the frame of this number at one end, at the time that is returned; `None` where the
    /// queue there is full.
    fn send(&mut self, side: usize, number: u32) -> io::Result<Option<Duration>> {
        let frame = &mut self.frames[side];
        if let Some(place) = frame.get_mut(HEAD - 4..HEAD) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let now = wall();
        match self.taps[side].send(frame) {
            Ok(()) => Ok(Some(now)),
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    || error.raw_os_error() == Some(libc::ENOBUFS) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what has arrived at an end: numbers of frames that the other end sent, with the times.
    fn receive(
        &self,
        side: usize,
        buffer: &mut [u8],
        mut take: impl FnMut(u32, Duration),
    ) -> io::Result<()> {
        let token = 14..HEAD - 4;
        while let Some(frame) = self.taps[side].next(buffer)? {
            let ours = frame.bytes.get(12..14) == Some(&EXPERIMENT[..])
                && frame.bytes.get(token.clone()) == self.frames[1 - side].get(token.clone());
            let number = frame.bytes.get(HEAD - 4..HEAD).and_then(|n| n.try_into().ok());
            if let Some(number) = number.filter(|_| ours) {
                take(u32::from_be_bytes(number), frame.time);
            }
        }
        Ok(())
    }
}

/// Time since the epoch, as the kernel notes it on frames.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
