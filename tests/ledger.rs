//! The byte ledger's bookkeeping on packets that tests make up: what is right adds up, and whatever is
//! done to a packet shows.

#[path = "support/layers.rs"]
mod layers;

use overlab::measure::ledger::{Book, Hop};
use overlab::measure::result::LedgerRow;
use overlab::wire::checksum;

const TOKEN: [u8; 16] = *b"a byte too many?";
const MAC: [u8; 6] = [2, 0xAA, 0, 0, 0, 1];
/// Packets of each way.
const PACKETS: u64 = 8;

/// An IPv4 header before `payload`.
fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    header.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = checksum::finish(checksum::sum(&header, 0)).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [&header, payload].concat()
}

fn udp(to: u16, payload: &[u8]) -> Vec<u8> {
    let [to, length] = [to, 8 + payload.len() as u16].map(u16::to_be_bytes);
    [&[0xC0, 0, to[0], to[1], length[0], length[1], 0, 0], payload].concat()
}

fn ethernet(source: [u8; 6], packet: &[u8]) -> Vec<u8> {
    [&[2, 0xAA, 0, 0, 0, 2][..], &source, &[8, 0], packet].concat()
}

/// The VM's frame: 14 + 20 + 8 + 16 + 8 and some more.
fn frame(number: u64) -> Vec<u8> {
    let payload = [&TOKEN[..], &number.to_be_bytes(), &[7; 100]].concat();
    ethernet(MAC, &ip(17, &udp(40_000, &payload)))
}

const HOST: [u8; 6] = [4; 6];

fn vxlan(frame: &[u8]) -> Vec<u8> {
    let inside = [&[8, 0, 0, 0, 0, 0, 9, 0][..], frame].concat();
    ethernet(HOST, &ip(17, &udp(4789, &inside)))
}

fn gre(frame: &[u8]) -> Vec<u8> {
    ethernet(HOST, &ip(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 9][..], &frame[14..]].concat()))
}

fn tagged(frame: &[u8], tags: &[[u8; 4]]) -> Vec<u8> {
    [&frame[..12], &tags.concat(), &frame[12..]].concat()
}

/// VM, one link between two hosts, VM. Points: the port, both ends of the link, the other port.
fn hops() -> [Hop; 3] {
    let hop = |hop: &str, place, from: Option<&str>, to: Option<&str>, out, into| Hop {
        hop: hop.into(),
        place,
        from: from.map(Into::into),
        to: to.map(Into::into),
        out,
        into,
    };
    [
        hop("red/vm1", 0, None, Some("h1"), 0, 0),
        hop("h1 → h2", 1, Some("h1"), Some("h2"), 1, 2),
        hop("red/vm2", 2, Some("h2"), None, 3, 3),
    ]
}

/// The rows when eight frames cross as `carried` makes them, and the third crosses as `third` does:
/// its packets at the near end of the link, and at the far end.
fn rows(
    carried: impl Fn(&[u8]) -> Vec<u8>,
    third: impl Fn(&[u8]) -> [Vec<Vec<u8>>; 2],
) -> Vec<LedgerRow> {
    let dissect = layers::dissect("none");
    let mut book = Book::new(&dissect, TOKEN, MAC, 4);
    for number in 0..PACKETS {
        let frame = frame(number);
        book.packet(0, &frame, true);
        let [near, far] = match number {
            3 => third(&carried(&frame)),
            _ => [vec![carried(&frame)], vec![carried(&frame)]],
        };
        for (point, packets) in [(1, &near), (2, &far)] {
            for packet in packets {
                book.packet(point, packet, true);
            }
        }
        if !far.is_empty() {
            book.packet(3, &frame, true);
        }
    }
    book.rows("datagrams", &hops())
}

fn untouched(packet: &[u8]) -> [Vec<Vec<u8>>; 2] {
    [vec![packet.to_vec()], vec![packet.to_vec()]]
}

fn headers(row: &LedgerRow) -> Vec<(&str, i64)> {
    row.layers.iter().map(|l| (l.name.as_str(), l.bytes / row.frames.cast_signed())).collect()
}

#[test]
fn what_is_right_adds_up_layer_by_layer() {
    let tag = |tpid: u8, other: u8| [tpid, other, 0, 9];
    type Carried<'c> = &'c dyn Fn(&[u8]) -> Vec<u8>;
    let cases: [(Carried<'_>, &[(&str, i64)]); 6] = [
        (&<[u8]>::to_vec, &[]),
        (&|f| tagged(f, &[tag(0x81, 0)]), &[("802.1Q", 4)]),
        (&|f| tagged(f, &[tag(0x88, 0xA8), tag(0x81, 0)]), &[("802.1ad", 4), ("802.1Q", 4)]),
        (&vxlan, &[("Ethernet", 14), ("IPv4", 20), ("UDP", 8), ("VXLAN", 8)]),
        (
            &|f| tagged(&vxlan(f), &[tag(0x81, 0)]),
            &[("Ethernet", 14), ("802.1Q", 4), ("IPv4", 20), ("UDP", 8), ("VXLAN", 8)],
        ),
        (&gre, &[("Ethernet", 14), ("IPv4", 20), ("GRE", 8), ("inner Ethernet", -14)]),
    ];
    for (carried, layers) in cases {
        let rows = rows(carried, untouched);
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(LedgerRow::adds_up), "{rows:?}");
        assert_eq!(headers(&rows[1]), layers);
        let each = frame(0).len() as u64;
        assert!(rows.iter().all(|row| row.inner == PACKETS * each && row.frames == PACKETS));
        let sum: i64 = layers.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(rows[1].outer, PACKETS * (each.cast_signed() + sum).cast_unsigned());
        assert!(rows.iter().all(|row| row.lost + row.lost_behind + row.doubled == 0));
    }
}

/// The link's row, which must not add up.
fn wrong(third: impl Fn(&[u8]) -> Vec<u8>) -> LedgerRow {
    for carried in [vxlan as fn(&[u8]) -> Vec<u8>, gre] {
        let at_both = rows(carried, |packet| [vec![third(packet)], vec![third(packet)]]);
        assert!(!at_both[1].adds_up(), "{:?}", at_both[1]);
        assert!(at_both[1].wrong.is_some());
        let far_only = rows(carried, |packet| [vec![packet.to_vec()], vec![third(packet)]]);
        assert!(!far_only[1].adds_up(), "the link changed it: {:?}", far_only[1]);
    }
    rows(vxlan, |packet| [vec![third(packet)], vec![third(packet)]]).remove(1)
}

#[test]
fn a_byte_too_many_or_too_few_is_a_difference() {
    let longer = wrong(|packet| [packet, &[0]].concat());
    assert_eq!((longer.difference(), longer.odd), (1, 2));
    let why = longer.wrong.unwrap();
    assert!(why.ends_with("+1 B"), "{why}");
    wrong(|packet| packet[..packet.len() - 1].to_vec());
}

#[test]
fn a_header_that_is_short_or_lies_cannot_be_read() {
    // Without four bytes of the tunnel's header, which the lengths around do not know of.
    let shorter = wrong(|packet| [&packet[..34], &packet[38..]].concat());
    assert!(shorter.unread > 0);
    // The outer IP header says that there is less than there is.
    wrong(|packet| {
        let mut packet = packet.to_vec();
        packet[17] -= 4;
        packet
    });
    // Header lengths that are none.
    wrong(|packet| {
        let mut packet = packet.to_vec();
        packet[14] = 0x44;
        packet
    });
}

#[test]
fn a_header_that_nobody_expects_is_named_or_unreadable_but_not_overlooked() {
    // A second tunnel around the first is headers, and they add up.
    let twice = rows(vxlan, |packet| [vec![vxlan(packet)], vec![vxlan(packet)]]);
    assert!(twice[1].adds_up());
    let extra = twice[1].headers() - PACKETS.cast_signed() * 50;
    assert_eq!(extra, 50, "one packet with a second VXLAN around it");
    // Four bytes between two headers that no header owns.
    wrong(|packet| [&packet[..34], &[0; 4], &packet[34..]].concat());
}

#[test]
fn a_frame_that_the_vm_never_sent_is_found() {
    let other = vxlan(&frame(99));
    let row = rows(vxlan, |packet| {
        [vec![packet.to_vec(), other.clone()], vec![packet.to_vec(), other.clone()]]
    });
    assert!(!row[1].adds_up());
    assert_eq!(row[1].wrong.as_deref(), Some("a frame that the VM's port never saw"));
}

#[test]
fn losses_are_named_where_they_happen() {
    let on_link = rows(vxlan, |packet| [vec![packet.to_vec()], vec![]]);
    assert!(on_link.iter().all(LedgerRow::adds_up));
    let lost: Vec<_> = on_link.iter().map(|row| (row.frames, row.lost, row.lost_behind)).collect();
    assert_eq!(lost, [(8, 0, 0), (8, 1, 0), (7, 0, 0)]);
    let in_host = rows(vxlan, |_| [vec![], vec![]]);
    let lost: Vec<_> = in_host.iter().map(|row| (row.frames, row.lost, row.lost_behind)).collect();
    assert_eq!(lost, [(8, 0, 1), (7, 0, 0), (7, 0, 0)]);
}

#[test]
fn what_is_doubled_does_not_add_up() {
    let twice = |packet: &[u8]| vec![packet.to_vec(), packet.to_vec()];
    let on_link = rows(vxlan, |packet| [vec![packet.to_vec()], twice(packet)]);
    assert_eq!((on_link[1].doubled, on_link[1].adds_up()), (1, false));
    let in_host = rows(vxlan, |packet| [twice(packet), twice(packet)]);
    assert_eq!((in_host[1].doubled, in_host[1].difference()), (1, 0), "the bytes are all there");
    assert!(!in_host[1].adds_up());
}

#[test]
fn missed_packets_leave_no_row_that_adds_up() {
    let dissect = layers::dissect("none");
    let mut book = Book::new(&dissect, TOKEN, MAC, 4);
    book.packet(0, &frame(1), true);
    book.packet(1, &vxlan(&frame(1)), true);
    book.missed(2, 1);
    let rows = book.rows("datagrams", &hops());
    assert!(!rows[1].adds_up());
    assert_eq!(rows[1].wrong.as_deref(), Some("1 packets went by unread"));
}

#[test]
fn fragments_add_up_with_the_headers_they_repeat() {
    /// The two fragments of a packet with an outer IPv4 header, cut after 64 bytes of payload.
    fn fragments(packet: &[u8]) -> Vec<Vec<u8>> {
        let cut = |range: std::ops::Range<usize>, word: u16| {
            let mut part = [&packet[..34], &packet[34..][range]].concat();
            let length = (part.len() as u16 - 14).to_be_bytes();
            part[16..18].copy_from_slice(&length);
            part[20..22].copy_from_slice(&word.to_be_bytes());
            part
        };
        vec![cut(0..64, 0x2000), cut(64..packet.len() - 34, 8)]
    }
    let both = |packet: &[u8]| [fragments(packet), fragments(packet)];
    let rows = rows(vxlan, both);
    assert!(rows.iter().all(LedgerRow::adds_up), "{rows:?}");
    assert_eq!((rows[1].frames, rows[1].packets), (PACKETS, PACKETS + 1));
    let of = |name: &str| rows[1].layers.iter().find(|l| l.name == name).unwrap().count;
    assert_eq!([of("Ethernet"), of("IPv4"), of("UDP"), of("VXLAN")], [9, 9, 8, 8]);
    // One of them lost: the frame is, and what is left of it is in no sum.
    let lost = super_lost(fragments);
    assert_eq!((lost[1].lost, lost[1].difference()), (1, 0));
    // One of them longer than it says.
    let longer = |packet: &[u8]| {
        let mut parts = fragments(packet);
        parts[1].push(0);
        parts
    };
    let longer = rows_of(|packet| [longer(packet), longer(packet)]);
    assert_eq!((longer[1].difference(), longer[1].adds_up()), (1, false));
}

fn rows_of(third: impl Fn(&[u8]) -> [Vec<Vec<u8>>; 2]) -> Vec<LedgerRow> {
    rows(vxlan, third)
}

/// The second fragment is lost on the link.
fn super_lost(fragments: fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<LedgerRow> {
    rows_of(|packet| [fragments(packet), fragments(packet)[..1].to_vec()])
}
