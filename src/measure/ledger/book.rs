//! The bookkeeping: packets in, rows out. Pure, so that tests can feed it whatever they like.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::pieces::{Pieces, Whole};
use super::read::{Key, Token, entry, holds};
use super::stt::Segments;
use super::{Dissect, Layer};
use crate::measure::datagrams::UNCOUNTED;
use crate::measure::result::{LedgerLayer, LedgerRow};
use crate::wire::ethernet;

/// What carriers of IP packets leave out of the VM's frame.
const LEFT_OUT: &str = "inner Ethernet";

/// One hop and the points where it is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name in the rows.
    pub hop: String,
    /// Steps from the sending VM's port.
    pub place: u32,
    /// The node that it leads from; nothing for the sending VM's port.
    pub from: Option<String>,
    /// The node that it leads to; nothing for the receiving VM's port.
    pub to: Option<String>,
    /// The point where packets enter the hop.
    pub out: usize,
    /// The point where they come out of it; the same one for a VM's port.
    pub into: usize,
}

/// What of one frame crossed one point.
#[derive(Debug, Default)]
struct Crossing {
    frames: u64,
    outer: u64,
    headers: i64,
}

/// What was seen at one point: out of an interface, or into one.
#[derive(Debug, Default)]
struct Tally {
    crossings: HashMap<Key, Crossing>,
    packets: u64,
    handed: u64,
    layers: Vec<LedgerLayer>,
    unread: u64,
    missed: u64,
    pieces: Pieces,
    segments: Segments,
    /// Handed over, but not whole yet.
    waiting: u64,
    /// The first packet that could not be read.
    example: Option<String>,
}

/// The points of a way and what crossed them. Point 0 is the sending VM's port.
pub struct Book<'d> {
    dissect: Dissect<'d>,
    token: Token,
    mac: [u8; 6],
    /// The port of STT, whose frames come in segments.
    stt: Option<u16>,
    tallies: Vec<Tally>,
    /// Packets with the token so far, at all points.
    entered: u64,
}

impl<'d> Book<'d> {
    /// An empty book of so many points, for frames with a token from the VM with a MAC address.
    pub fn new(dissect: Dissect<'d>, token: Token, mac: [u8; 6], points: usize) -> Book<'d> {
        let tallies = (0..points).map(|_| Tally::default()).collect();
        Book { dissect, token, mac, stt: None, tallies, entered: 0 }
    }

    /// The same, where frames come in segments of STT to a port.
    #[must_use]
    pub fn in_segments(self, port: u16) -> Book<'d> {
        Book { stt: Some(port), ..self }
    }

    /// Takes in a packet as it crossed a point, as on a cable, tags in place; `first` where it is the
    /// first packet of what the kernel handed over. Packets without the token are not looked at.
    pub fn packet(&mut self, point: usize, packet: &[u8], first: bool) {
        let Some(tally) = self.tallies.get_mut(point) else { return };
        tally.waiting += u64::from(first);
        let whole = match self.stt {
            Some(port) if Segments::is_segment(packet, port) => tally.segments.take(packet, port),
            _ if Pieces::is_piece(packet) => tally.pieces.take(packet),
            _ if holds(packet, &self.token) => Some(Whole {
                packet: packet.to_vec(),
                pieces: 1,
                bytes: packet.len() as u64,
                headers: Vec::new(),
                inside: None,
            }),
            _ => {
                tally.waiting = 0;
                return;
            }
        };
        if let Some(whole) = whole {
            let handed = std::mem::take(&mut tally.waiting);
            if holds(&whole.packet, &self.token) {
                self.enter(point, &whole, handed);
            }
        }
    }

    /// Packets with the token so far, at all points together.
    #[must_use]
    pub fn entered(&self) -> u64 {
        self.entered
    }

    /// Notes packets that went by a point unseen.
    pub fn missed(&mut self, point: usize, packets: u64) {
        if let Some(tally) = self.tallies.get_mut(point) {
            tally.missed += packets;
        }
    }

    fn enter(&mut self, point: usize, whole: &Whole, handed: u64) {
        let Some(tally) = self.tallies.get_mut(point) else { return };
        let layers = layers(self.dissect, whole);
        let read = entry(&whole.packet, &layers, self.mac, &self.token);
        if read.as_ref().is_some_and(|entry| entry.key == Key::Datagram(UNCOUNTED)) {
            return;
        }
        self.entered += 1;
        tally.packets += whole.pieces;
        tally.handed += handed;
        let Some(entry) = read else {
            tally.unread += 1;
            tally.example.get_or_insert_with(|| {
                let names: Vec<_> = layers.iter().map(|layer| layer.protocol).collect();
                format!("a packet of {} B reads as {}", whole.bytes, names.join(", "))
            });
            return;
        };
        let around = entry.headers.iter().chain(&whole.headers);
        let around = around.map(|header| (header.name, signed(header.length as u64)));
        let left_out = (!entry.ethernet).then_some((LEFT_OUT, -signed(ethernet::LEN as u64)));
        let mut headers = 0;
        for (name, bytes) in around.chain(left_out) {
            headers += bytes;
            LedgerLayer::add(&mut tally.layers, name, bytes);
        }
        let crossing = tally.crossings.entry(entry.key).or_default();
        crossing.frames += 1;
        crossing.outer += whole.bytes;
        crossing.headers += headers;
    }

    /// The rows of these hops, in their order; of links that nothing crossed there is none.
    #[must_use]
    pub fn rows(&self, pass: &str, places: &[Place]) -> Vec<LedgerRow> {
        let each = places.iter().filter_map(|place| Some((place, self.row(pass, place)?)));
        let mut rows: Vec<(&Place, LedgerRow)> = each.collect();
        let nodes: BTreeSet<&String> = places.iter().filter_map(|p| p.to.as_ref()).collect();
        for node in nodes {
            let points = |of: fn(&Place) -> (Option<&String>, usize)| {
                let here = places.iter().map(of).filter(|(name, _)| *name == Some(node));
                frames(here.filter_map(|(_, point)| self.tallies.get(point)))
            };
            let came = points(|place| (place.to.as_ref(), place.into));
            let left = points(|place| (place.from.as_ref(), place.out));
            let (lost, doubled) = apart(&came, &left);
            if let Some((_, row)) = rows.iter_mut().find(|(p, _)| p.to.as_ref() == Some(node)) {
                row.lost_behind += lost;
            }
            if let Some((_, row)) = rows.iter_mut().find(|(p, _)| p.from.as_ref() == Some(node)) {
                row.doubled += doubled;
            }
        }
        rows.into_iter().map(|(_, row)| LedgerRow { wrong: told(&row), ..row }).collect()
    }

    fn row(&self, pass: &str, place: &Place) -> Option<LedgerRow> {
        let (out, into) = (self.tallies.get(place.out)?, self.tallies.get(place.into)?);
        let link = place.out != place.into;
        if link && out.packets + into.packets + out.missed + into.missed == 0 {
            return None;
        }
        let mut row = LedgerRow {
            pass: pass.to_owned(),
            hop: place.hop.clone(),
            place: place.place,
            packets: out.packets,
            handed: out.handed,
            layers: out.layers.clone(),
            unread: out.unread,
            missed: out.missed,
            ..LedgerRow::default()
        };
        for (key, crossing) in &out.crossings {
            row.frames += crossing.frames;
            row.outer += crossing.outer;
            row.inner += self.inner(*key).unwrap_or(0) * crossing.frames;
        }
        let mut odd = self.odd(out);
        let mut example = out.example.clone();
        if link {
            row.unread += into.unread;
            row.missed += into.missed;
            (row.lost, row.doubled) = apart(&frames([out]), &frames([into]));
            odd.extend(self.odd(into));
            example = example.or_else(|| into.example.clone());
        }
        row.odd = odd.len() as u64;
        row.wrong = example.or_else(|| odd.into_iter().min());
        Some(row)
    }

    /// Bytes of a frame as the VM's own port saw it.
    fn inner(&self, key: Key) -> Option<u64> {
        let crossing = self.tallies.first()?.crossings.get(&key)?;
        crossing.outer.checked_div(crossing.frames)
    }

    /// What is wrong with the sums of single frames, one line for each that does not add up.
    fn odd(&self, tally: &Tally) -> Vec<String> {
        let each =
            tally.crossings.iter().filter_map(|(key, Crossing { frames, outer, headers })| {
                let Some(inner) = self.inner(*key) else {
                    return Some("a frame that the VM's port never saw".to_owned());
                };
                let sum = signed(inner * frames).saturating_add(*headers);
                let off = signed(*outer).saturating_sub(sum);
                (off != 0).then(|| {
                format!(
                    "{inner} B of a frame and {headers} B of headers, but {outer} B on the wire: \
                     {off:+} B"
                )
            })
            });
        each.collect()
    }
}

/// The layers of a packet, and of the frame inside where that has to be taken apart by itself.
fn layers(dissect: Dissect<'_>, whole: &Whole) -> Vec<Layer> {
    let Some((first, inside)) = whole.inside else { return dissect(&whole.packet) };
    let part = |range: Range<usize>| whole.packet.get(range).unwrap_or_default();
    let mut layers = dissect(part(0..first));
    layers.retain(|layer| layer.offset < inside);
    let within = dissect(part(inside..whole.packet.len())).into_iter();
    layers.extend(within.map(|layer| Layer { offset: layer.offset + inside, ..layer }));
    layers
}

/// How often each frame was seen at some points together.
fn frames<'t>(tallies: impl IntoIterator<Item = &'t Tally>) -> HashMap<Key, u64> {
    let mut frames = HashMap::new();
    for (key, crossing) in tallies.into_iter().flat_map(|tally| &tally.crossings) {
        *frames.entry(*key).or_default() += crossing.frames;
    }
    frames
}

/// Frames that went in and did not come out, and those that came out and had not gone in.
fn apart(into: &HashMap<Key, u64>, out: &HashMap<Key, u64>) -> (u64, u64) {
    let beyond = |a: &HashMap<Key, u64>, b: &HashMap<Key, u64>| {
        let each = a.iter().map(|(key, n)| n.saturating_sub(b.get(key).copied().unwrap_or(0)));
        each.sum::<u64>()
    };
    (beyond(into, out), beyond(out, into))
}

/// What is wrong with a row, in words.
fn told(row: &LedgerRow) -> Option<String> {
    row.wrong.clone().or_else(|| match row {
        _ if row.missed > 0 => Some(format!("{} packets went by unread", row.missed)),
        _ if row.doubled > 0 => Some(format!("{} frames came out more often than in", row.doubled)),
        _ => None,
    })
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
