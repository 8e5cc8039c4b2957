//! The byte ledger: frames of a VM weighed at every hop of their way, on the wire.
//!
//! A row of it says: so many bytes did the VM's own port see, so many did the headers have that were
//! found in the packets, and so many crossed the wire. The three come from different places, so
//! they can disagree; where they do, a packet is not what it is thought to be.
//!
//! `way` finds the links, `read` takes a packet apart by the layers it is told, `pieces` puts fragments
//! together, `book` adds up. What watches and sends is here and in `burst`.

mod book;
mod burst;
mod pieces;
mod read;
mod stream;
mod stt;
mod way;

use std::time::{Duration, Instant};

use super::Place;
use super::error::{MeasureError, within};
use super::result::LedgerRow;
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::ids::Encap;
use crate::plan::{LinkEnd, Variant, VmPlan};
pub use book::{Book, Place as Hop};
pub use burst::burst;
use read::tag;
pub use stream::stream;

/// Most interfaces of links that are watched; with more only the hosts' are.
const MOST: usize = 96;
/// How long what is still under way at the end is awaited at most, and between two looks at it.
const SETTLE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);
/// The interface of every VM.
const VM_PORT: &str = "eth0";
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 4 << 20;

/// A layer of a packet, as whoever takes it apart names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// What it is: `ethernet`, `vlan`, `ipv4`, ..
    pub protocol: &'static str,
    /// Its first byte in the packet.
    pub offset: usize,
    /// Its bytes.
    pub length: usize,
    /// Whether something is wrong with it.
    pub malformed: bool,
}

/// Takes a packet apart, from the outer Ethernet header inwards.
pub type Dissect<'d> = &'d dyn Fn(&[u8]) -> Vec<Layer>;

/// A header and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The name that people know it by.
    pub name: &'static str,
    /// Its bytes.
    pub length: usize,
}

impl Header {
    const fn of(name: &'static str, length: usize) -> Header {
        Header { name, length }
    }
}

/// An interface that is watched in one direction.
struct Point {
    tap: Tap,
    outgoing: bool,
    /// Whether it is a VM's port.
    vm: bool,
}

/// All points of the way from one VM to another, watched.
pub struct Watcher<'d> {
    points: Vec<Point>,
    hops: Vec<Hop>,
    book: Book<'d>,
    segmenter: Segmenter,
    buffer: Vec<u8>,
    /// Whether super-frames of VMs count as one frame, because the carrier takes them whole.
    uncut: bool,
    /// Interfaces between the hosts' links that are not watched, because there are too many.
    pub unwatched: usize,
}

impl<'d> Watcher<'d> {
    /// Watches the ports of both VMs and every link end on the ways between their hosts for frames
    /// with a token.
    ///
    /// # Errors
    /// An interface could not be watched.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        [from, to]: [&VmPlan; 2],
        token: [u8; 16],
        dissect: Dissect<'d>,
    ) -> Result<Watcher<'d>, MeasureError> {
        let mut ways = way::hops(variant, &from.host, &to.host);
        let all = ways.len() * 2;
        let last = ways.last().map_or(0, |hop| hop.place);
        if all > MOST {
            ways.retain(|hop| hop.place == 1 || hop.place == last);
        }
        let unwatched = all - ways.len() * 2;
        let mut points = Vec::new();
        let mut watch =
            |node: &str, interface: &str, outgoing, vm| -> Result<usize, MeasureError> {
                let direction = if outgoing { Watch::Both } else { Watch::Incoming };
                let tap = within(
                    place,
                    &variant.namespace(node),
                    &format!("watch `{interface}`"),
                    || Tap::open(interface, direction, ROOM),
                )?;
                points.push(Point { tap, outgoing, vm });
                Ok(points.len() - 1)
            };
        // What is not watched is one node for what goes in and comes out of it.
        let node = |end: &LinkEnd| {
            let host = [&from.host, &to.host].contains(&&end.node);
            Some(if unwatched > 0 && !host { "the fabric".to_owned() } else { end.node.clone() })
        };
        let port = watch(&from.node, VM_PORT, true, true)?;
        let mut hops = vec![Hop {
            hop: format!("{}/{}", from.tenant, from.name),
            place: 0,
            from: None,
            to: Some(from.host.clone()),
            out: port,
            into: port,
        }];
        for way in &ways {
            let out = watch(&way.from.node, &way.from.interface, true, false)?;
            let into = watch(&way.to.node, &way.to.interface, false, false)?;
            hops.push(Hop {
                hop: format!("{} → {}", way.from.node, way.to.node),
                place: way.place,
                from: node(way.from),
                to: node(way.to),
                out,
                into,
            });
        }
        let port = watch(&to.node, VM_PORT, false, true)?;
        hops.push(Hop {
            hop: format!("{}/{}", to.tenant, to.name),
            place: last + 1,
            from: Some(to.host.clone()),
            to: None,
            out: port,
            into: port,
        });
        let mac = mac(from)?;
        let book = Book::new(dissect, token, mac, points.len());
        let book = if variant.encap == Encap::Stt { book.in_segments(variant.port) } else { book };
        let buffer = vec![0; BUFFER];
        let (segmenter, uncut) = (Segmenter::default(), variant.encap == Encap::Stt);
        Ok(Watcher { points, hops, book, segmenter, buffer, uncut, unwatched })
    }

    /// Takes in what has crossed since the last call.
    ///
    /// # Errors
    /// An interface went away.
    pub fn look(&mut self) -> Result<(), MeasureError> {
        let system = |error| MeasureError::system("watch the way of a frame")(error);
        for (at, point) in self.points.iter().enumerate() {
            while let Some(frame) = point.tap.next(&mut self.buffer).map_err(system)? {
                if frame.outgoing != point.outgoing {
                    continue;
                }
                if self.uncut && point.vm {
                    self.book.packet(at, frame.bytes, true);
                    continue;
                }
                let (book, mut first) = (&mut self.book, true);
                self.segmenter.each(&frame, |packet| {
                    book.packet(at, packet, first);
                    first = false;
                });
            }
            let missed = point.tap.dropped().map_err(system)?;
            self.book.missed(at, missed.into());
        }
        Ok(())
    }

    /// The rows of what has crossed, once nothing moves any more. One point is looked at after the other, so
    /// that a segment which TCP sends again at the end would be seen at some of them only.
    ///
    /// # Errors
    /// As [`Watcher::look`].
    pub fn rows(&mut self, pass: &str) -> Result<Vec<LedgerRow>, MeasureError> {
        let deadline = Instant::now() + SETTLE;
        let mut quiet = 0;
        while quiet < 2 && Instant::now() < deadline {
            let before = self.book.entered();
            self.look()?;
            quiet = if self.book.entered() == before { quiet + 1 } else { 0 };
            std::thread::sleep(PAUSE);
        }
        Ok(self.book.rows(pass, &self.hops))
    }
}

fn mac(vm: &VmPlan) -> Result<[u8; 6], MeasureError> {
    let mac: Result<crate::wire::ethernet::Mac, _> = vm.mac.parse();
    mac.map(|mac| mac.0).map_err(|error| {
        let operation = format!("read the MAC `{}`", vm.mac);
        MeasureError::system(operation)(std::io::Error::other(error))
    })
}
