//! The ledger of an encrypted stream: an SSH connection, in which nobody can tell one frame from the next.
//!
//! What is seen are the VM's frames at its own port, and the segments of the connection with their
//! headers. What SSH puts around each frame is computed; it adds up only where that is right.

use std::collections::HashMap;

use super::read::named;
use super::{Dissect, Layer, way};
use crate::measure::Place;
use crate::measure::datagrams::Datagrams;
use crate::measure::ends::across;
use crate::measure::error::{MeasureError, within};
use crate::measure::result::{LedgerLayer, LedgerRow};
use crate::measure::segment::Segmenter;
use crate::measure::tap::{BUFFER, Tap, Watch};
use crate::plan::{Variant, VmPlan};
use crate::wire::{ipv4, ipv6, ssh, tcp};

/// Datagrams that are sent.
const COUNT: u64 = 200;
/// Bytes of their IP packets.
const INNER: u32 = 1000;
/// How often it is tried: the connection has messages of its own now and then, which are no frame's.
const TRIES: u32 = 3;
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 4 << 20;

/// Ends of a connection: addresses and ports as they stand in the headers.
type Connection = Vec<u8>;

/// What of one connection crossed one point.
#[derive(Debug, Default, Clone)]
struct Tally {
    /// How often each segment crossed, by sequence number and bytes.
    segments: HashMap<(u32, usize), u64>,
    packets: u64,
    handed: u64,
    outer: u64,
    payload: u64,
    /// Bytes of the payload that had crossed before.
    again: u64,
    next: Option<u32>,
    layers: Vec<LedgerLayer>,
}

/// Frames at a VM's port, and what SSH puts around them, computed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Frames {
    count: u64,
    bytes: u64,
    /// Type, channel and length of the messages that carry them.
    channel: u64,
    /// Length, padding and tag of the packets around these.
    packet: u64,
}

impl Frames {
    fn add(&mut self, bytes: usize) {
        let message = ssh::DATA_LEN + bytes;
        self.count += 1;
        self.bytes += bytes as u64;
        self.channel += ssh::DATA_LEN as u64;
        self.packet += (ssh::packet_len(message) - message) as u64;
    }
}

/// Sends datagrams between two VMs of `tenant` on different hosts, and weighs the SSH connection that
/// carries them at every hop. Tried up to three times until it adds up.
///
/// # Errors
/// No such tenant, all its VMs on one host, nothing arrived, or a call failed.
pub fn stream(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    dissect: Dissect<'_>,
) -> Result<Vec<LedgerRow>, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let mut rows = Vec::new();
    for _ in 0..TRIES {
        rows = once(place, variant, [from, to], dissect)?;
        if rows.iter().all(LedgerRow::adds_up) {
            break;
        }
    }
    Ok(rows)
}

fn once(
    place: &impl Place,
    variant: &Variant,
    [from, to]: [&VmPlan; 2],
    dissect: Dissect<'_>,
) -> Result<Vec<LedgerRow>, MeasureError> {
    let watch = |node: &str, interface: &str, outgoing| {
        let direction = if outgoing { Watch::Both } else { Watch::Incoming };
        within(place, &variant.namespace(node), &format!("watch `{interface}`"), || {
            Tap::open(interface, direction, ROOM)
        })
    };
    let inner = INNER.min(variant.inner_mtu).min(from.mtu).min(to.mtu);
    let mut datagrams = Datagrams::open(place, variant, [from, to], inner)?;
    datagrams.open_way()?;
    let ends = [watch(&from.node, "eth0", true)?, watch(&to.node, "eth0", false)?];
    let hops = way::hops(variant, &from.host, &to.host);
    let taps = hops.iter().map(|hop| {
        let out = watch(&hop.from.node, &hop.from.interface, true)?;
        Ok([out, watch(&hop.to.node, &hop.to.interface, false)?])
    });
    let taps = taps.collect::<Result<Vec<_>, MeasureError>>()?;
    // So few bytes wait in the taps until all of them have arrived.
    datagrams.run(COUNT, || Ok(()))?;
    let [sent, arrived] = [(&ends[0], true), (&ends[1], false)].map(|(tap, outgoing)| {
        let mut frames = Frames::default();
        each(tap, outgoing, |packet, _| frames.add(packet.len())).map(|missed| (frames, missed))
    });
    let ((sent, missed), (arrived, missed_there)) = (sent?, arrived?);
    let port = |vm: &VmPlan, place, frames: Frames, missed| LedgerRow {
        pass: "stream".to_owned(),
        hop: format!("{}/{}", vm.tenant, vm.name),
        place,
        frames: frames.count,
        packets: frames.count,
        handed: frames.count,
        inner: frames.bytes,
        outer: frames.bytes,
        missed,
        ..LedgerRow::default()
    };
    let mut rows = vec![port(from, 0, sent, missed)];
    let mut carrier: Option<Connection> = None;
    for (hop, [out, into]) in hops.iter().zip(&taps) {
        let mut seen: [HashMap<Connection, Tally>; 2] = Default::default();
        let mut missed = 0;
        for ((tap, outgoing), seen) in [(out, true), (into, false)].into_iter().zip(&mut seen) {
            missed += each(tap, outgoing, |packet, first| {
                note(seen, packet, &dissect(packet), ssh::PORT, first);
            })?;
        }
        // The connection of the tenant's tunnel is the one that the datagrams filled.
        let busiest = || seen[0].iter().max_by_key(|(_, t)| t.payload).map(|(c, _)| c.clone());
        carrier = carrier.or_else(busiest);
        let [out, into] = seen.map(|mut of| carrier.as_ref().and_then(|c| of.remove(c)));
        let Some(out) = out else { continue };
        let into = into.unwrap_or_default();
        let hop_name = format!("{} → {}", hop.from.node, hop.to.node);
        rows.push(row(hop_name, hop.place, &sent, &out, &into, missed));
    }
    if carrier.is_none() {
        let none = Tally::default();
        rows.push(row("no connection".to_owned(), 1, &sent, &none, &none, 0));
    }
    let last = hops.last().map_or(0, |hop| hop.place) + 1;
    rows.push(port(to, last, arrived, missed_there));
    Ok(rows)
}

/// Calls `see` with every packet that crossed a tap in one direction, and whether it is the first of
/// what the kernel handed over; gives how many were missed.
fn each(tap: &Tap, outgoing: bool, mut see: impl FnMut(&[u8], bool)) -> Result<u64, MeasureError> {
    let system = |error| MeasureError::system("watch the way of a stream")(error);
    let (mut segmenter, mut buffer) = (Segmenter::default(), vec![0; BUFFER]);
    while let Some(frame) = tap.next(&mut buffer).map_err(system)? {
        let mut first = true;
        if frame.outgoing == outgoing {
            segmenter.each(&frame, |packet| see(packet, std::mem::take(&mut first)));
        }
    }
    tap.dropped().map(u64::from).map_err(system)
}

/// Notes a packet of the tunnel's port.
fn note(
    seen: &mut HashMap<Connection, Tally>,
    packet: &[u8],
    layers: &[Layer],
    port: u16,
    first: bool,
) {
    let is_ip = |layer: &&Layer| matches!(layer.protocol, "ipv4" | "ipv6");
    let Some(at) = layers.iter().position(|layer| layer.protocol == "tcp") else { return };
    let Some(ip) = layers.get(..at).and_then(|outer| outer.iter().rfind(is_ip)) else { return };
    let Some(segment) = layers.get(at).and_then(|tcp| packet.get(tcp.offset..)) else { return };
    let Ok(header) = tcp::Header::parse(segment) else { return };
    if header.src_port != port && header.dst_port != port {
        return;
    }
    let Some(head) = packet.get(ip.offset..) else { return };
    let (addresses, length) = if ip.protocol == "ipv4" {
        let Ok(ip) = ipv4::Header::parse(head) else { return };
        ([ip.src.octets(), ip.dst.octets()].concat(), usize::from(ip.total_len))
    } else {
        let Ok(ip) = ipv6::Header::parse(head) else { return };
        ([ip.src.octets(), ip.dst.octets()].concat(), ipv6::LEN + usize::from(ip.payload_len))
    };
    let ports = [header.src_port.to_be_bytes(), header.dst_port.to_be_bytes()].concat();
    let tally = seen.entry([addresses, ports].concat()).or_default();
    let start = layers.get(at).map_or(0, |tcp| tcp.offset + tcp.length);
    let payload = (ip.offset + length).saturating_sub(start);
    tally.packets += 1;
    tally.handed += u64::from(first);
    tally.outer += packet.len() as u64;
    tally.payload += payload as u64;
    for header in named(packet, layers.get(..=at).unwrap_or_default()) {
        LedgerLayer::add(&mut tally.layers, header.name, i64::try_from(header.length).unwrap_or(0));
    }
    if payload > 0 {
        *tally.segments.entry((header.seq, payload)).or_default() += 1;
        let end = header.seq.wrapping_add(u32::try_from(payload).unwrap_or(0));
        let behind = tally.next.map_or(0, |next| next.wrapping_sub(header.seq).cast_signed());
        let again = usize::try_from(behind).unwrap_or(0).min(payload);
        tally.again += again as u64;
        if again < payload {
            tally.next = Some(end);
        }
    }
}

fn row(
    hop: String,
    place: u32,
    sent: &Frames,
    out: &Tally,
    into: &Tally,
    missed: u64,
) -> LedgerRow {
    let beyond = |a: &Tally, b: &Tally| {
        let each = a.segments.iter();
        each.map(|(key, n)| n.saturating_sub(b.segments.get(key).copied().unwrap_or(0))).sum()
    };
    let mut layers = out.layers.clone();
    let computed = [("SSH packet", sent.packet), ("SSH channel", sent.channel)];
    let again = ("sent again", out.again);
    for (name, bytes) in computed.into_iter().chain((out.again > 0).then_some(again)) {
        layers.push(LedgerLayer {
            name: name.to_owned(),
            count: sent.count,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            computed: name != "sent again",
        });
    }
    let row = LedgerRow {
        pass: "stream".to_owned(),
        hop,
        place,
        frames: sent.count,
        packets: out.packets,
        handed: out.handed,
        inner: sent.bytes,
        layers,
        outer: out.outer,
        lost: beyond(out, into),
        doubled: beyond(into, out),
        missed,
        ..LedgerRow::default()
    };
    let wrong = (row.difference() != 0).then(|| {
        format!(
            "{} B of frames are {} B of the connection's payload, where {} B were computed",
            sent.bytes,
            out.payload - out.again,
            sent.bytes + sent.channel + sent.packet
        )
    });
    LedgerRow { wrong, ..row }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of a connection to port 22 at `seq`, and its layers.
    fn segment(seq: u32, payload: usize) -> (Vec<u8>, Vec<Layer>) {
        let mut packet = vec![2; 12];
        packet.extend([0x08, 0x00, 0x45, 0]);
        packet.extend((40 + payload as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0xC0, 0, 0, 22]);
        packet.extend(seq.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        packet.extend(vec![0; payload]);
        let layer = |protocol, offset, length| Layer { protocol, offset, length, malformed: false };
        let layers = vec![layer("ethernet", 0, 14), layer("ipv4", 14, 20), layer("tcp", 34, 20)];
        (packet, layers)
    }

    fn tally(segments: &[(u32, usize)]) -> Tally {
        let mut seen = HashMap::new();
        for (seq, payload) in segments {
            let (packet, layers) = segment(*seq, *payload);
            note(&mut seen, &packet, &layers, 22, true);
        }
        assert_eq!(seen.len(), 1);
        seen.into_values().next().unwrap()
    }

    /// Two frames of 1014 bytes.
    fn two() -> Frames {
        let mut frames = Frames::default();
        frames.add(1014);
        frames.add(1014);
        frames
    }

    #[test]
    fn a_stream_adds_up_whatever_its_segments() {
        // 4 + 8 * 129 + 16 bytes each: 1 padding length, 9, 1014, 8 padding.
        let message = 4 + 1032 + 16;
        assert_eq!(two().bytes + two().channel + two().packet, 2 * message as u64);
        for cuts in [vec![message, message], vec![2 * message], vec![1448, 2 * message - 1448, 0]] {
            let mut at = u32::MAX - 100;
            let mut segments = Vec::new();
            for cut in cuts {
                segments.push((at, cut));
                at = at.wrapping_add(cut as u32);
            }
            let whole = tally(&segments);
            let row = row("a → b".into(), 1, &two(), &whole, &whole, 0);
            assert!(row.adds_up(), "{row:?}");
            assert_eq!(row.packets, segments.len() as u64);
        }
    }

    #[test]
    fn a_message_too_many_or_a_byte_too_few_does_not_add_up() {
        for (payload, off) in [(2 * 1052 + 44, 44), (2 * 1052 - 1, -1)] {
            let other = tally(&[(1, payload)]);
            let row = row("a → b".into(), 1, &two(), &other, &other, 0);
            assert!(!row.adds_up());
            assert_eq!(row.difference(), off);
            assert!(row.wrong.unwrap().contains("2104 B were computed"));
        }
    }

    #[test]
    fn what_is_sent_again_is_named_and_what_is_lost_too() {
        let (once, twice) = ([(1, 1052), (1053, 1052)], [(1, 1052), (1, 1052), (1053, 1052)]);
        let row = row("a → b".into(), 1, &two(), &tally(&twice), &tally(&once), 0);
        assert!(row.adds_up(), "{row:?}");
        assert_eq!(row.layers.last().unwrap().name, "sent again");
        assert_eq!((row.layers.last().unwrap().bytes, row.lost, row.doubled), (1052, 1, 0));
    }

    #[test]
    fn other_ports_are_not_looked_at() {
        let (packet, layers) = segment(1, 10);
        let mut seen = HashMap::new();
        note(&mut seen, &packet, &layers, 2222, true);
        note(&mut seen, &packet, &layers[..2], 22, true);
        assert!(seen.is_empty());
    }
}
