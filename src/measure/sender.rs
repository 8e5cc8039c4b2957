//! What a VM's own port sees of the TCP that it sends: segments' sizes, what is sent again, and ICMP
//! that says what fits.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use super::probe::answer;
use super::result::TransferResult;
use super::tap::{BUFFER, Frame, Tap, Watch};
use crate::wire::layers::{Layer, behind, layers};
use crate::wire::tcp;

/// Frames sent again whose moments are kept.
const TRIES: usize = 8;
/// Last frames that the size of segments is taken from; the very last is shorter than full.
const RECENT: usize = 16;
/// Bytes of frames that may wait to be read.
const ROOM: usize = 32 << 20;

/// The port of a VM that sends.
pub struct Sender {
    tap: Tap,
    buffer: Vec<u8>,
    seen: Seen,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    /// When the first byte of data was sent.
    begun: Option<Duration>,
    /// The sequence number behind all data that was sent.
    next: Option<u32>,
    first: Option<u32>,
    recent: VecDeque<u32>,
    again: u64,
    tries: Vec<f64>,
    told: BTreeMap<u32, u64>,
}

impl Sender {
    /// Watches `interface` of the namespace that the calling thread is in.
    ///
    /// # Errors
    /// As [`Tap::open`].
    pub fn open(interface: &str) -> io::Result<Sender> {
        let tap = Tap::open(interface, Watch::Both, ROOM)?;
        Ok(Sender { tap, buffer: vec![0; BUFFER], seen: Seen::default() })
    }

    /// Takes in what has passed since the last call.
    ///
    /// # Errors
    /// The interface went away.
    pub fn look(&mut self) -> io::Result<()> {
        while let Some(frame) = self.tap.next(&mut self.buffer)? {
            self.seen.frame(&frame);
        }
        Ok(())
    }

    /// Puts what was seen into a result.
    pub fn tell(self, result: &mut TransferResult) {
        let Seen { first, recent, again, tries, told, .. } = self.seen;
        result.segments = first.zip(recent.into_iter().max()).map(|(first, last)| [first, last]);
        result.again = again;
        result.tries = tries;
        result.told = told.into_iter().collect();
    }
}

impl Seen {
    fn frame(&mut self, frame: &Frame<'_>) {
        if !frame.outgoing {
            if let Some(mtu) = answer::read(frame.bytes).and_then(|answer| answer.mtu) {
                *self.told.entry(mtu).or_default() += 1;
            }
            return;
        }
        let Some((sequence, payload)) = data(frame) else { return };
        let size = match frame.vnet.gso_size {
            0 => payload,
            size => payload.min(size.into()),
        };
        let begun = *self.begun.get_or_insert(frame.time);
        self.first.get_or_insert(size);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(size);
        // Sequence numbers wrap.
        let behind = self.next.map_or(0, |next| next.wrapping_sub(sequence).cast_signed());
        if let Ok(behind @ 1..) = u32::try_from(behind) {
            self.again += u64::from(behind.min(payload).div_ceil(size.max(1)));
            if self.tries.len() < TRIES {
                self.tries.push(frame.time.saturating_sub(begun).as_secs_f64());
            }
        }
        let end = sequence.wrapping_add(payload);
        if self.next.is_none_or(|next| end.wrapping_sub(next).cast_signed() > 0) {
            self.next = Some(end);
        }
    }
}

/// Sequence number and bytes of the data in a TCP frame, super-frames as one; `None` where it has none.
fn data(frame: &Frame<'_>) -> Option<(u32, u32)> {
    let at = layers(frame.bytes, None, None).into_iter().find_map(|layer| match layer {
        Layer::L4(at, crate::wire::ipv4::protocol::TCP) => Some(at),
        _ => None,
    })?;
    let header = tcp::Header::parse(frame.bytes.get(at..)?).ok()?;
    let start = behind(frame.bytes, at, true)?;
    let payload = u32::try_from(frame.length.checked_sub(start)?).ok()?;
    (payload > 0).then_some((header.seq, payload))
}

#[cfg(test)]
mod tests {
    use super::super::tap::Vnet;
    use super::*;

    /// Seen at a time in milliseconds: sequence number, bytes, and bytes of each segment.
    fn seen(frames: &[(u64, u32, usize, u16)]) -> Seen {
        let mut seen = Seen::default();
        for &(at, sequence, payload, gso_size) in frames {
            let mut bytes = vec![2; 12];
            bytes.extend([0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0]);
            bytes.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 0, 81]);
            bytes.extend(sequence.to_be_bytes());
            bytes.extend([0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
            bytes.resize(54 + payload, 0);
            let vnet = Vnet { gso_size, ..Vnet::default() };
            let time = Duration::from_millis(1000 + at);
            let length = bytes.len();
            seen.frame(&Frame { bytes: &bytes, length, vnet, vlan: None, outgoing: true, time });
        }
        seen
    }

    #[test]
    fn what_is_sent_again_is_counted_in_segments_with_its_moments() {
        let start = u32::MAX - 1000;
        let found = seen(&[
            (0, start, 0, 0),
            (0, start, 14_480, 1448),
            (5, start.wrapping_add(14_480), 1448, 0),
            (200, start, 1448, 0),
            (600, start, 1448, 0),
            (700, start.wrapping_add(14_480), 2812, 1406),
        ]);
        assert_eq!((found.again, found.first), (2 + 2, Some(1448)));
        assert_eq!(found.tries, [0.2, 0.6, 0.7]);
        assert_eq!(found.recent, [1448, 1448, 1448, 1448, 1406]);
        assert_eq!(found.next, Some(start.wrapping_add(14_480 + 2812)));
    }

    #[test]
    fn nothing_is_sent_again_where_everything_is_new() {
        let found = seen(&[(0, 1, 1000, 0), (1, 1001, 65_000, 1000), (2, 66_001, 7, 0)]);
        assert_eq!((found.again, found.tries.len()), (0, 0));
        assert_eq!(seen(&[(0, 1, 0, 0)]).first, None, "an acknowledgement is no data");
    }
}
