//! What every engine sends, as tshark reads it: every field of the tunnel header, of the outer
//! headers and of the inner packet, and every checksum.

use std::net::IpAddr;

use overlab::encap::stt::{Cut, segments};
use overlab::encap::{
    Engine, Envelope, Geneve, Gre, Inner, InnerKind, IpInIp, Nvgre, Offload, Qinq, SentOptions,
    Sequence, Stt, Transport, Vlan, Vxlan, VxlanGpe,
};
use overlab::wire::{checksum, ethernet, ipv4, ipv6, udp};

use crate::tshark::{self, Packet};
use crate::{Case, scratch};

/// Bytes of inner UDP payload in the packets of each row; odd ones check the padding of sums.
const SIZES: [usize; 4] = [1, 18, 255, 1400];
const SOURCE_PORT: u16 = 50_001;
const TTL: u8 = 61;
/// DSCP EF and ECT(0).
const TOS: u8 = 0xBA;

/// One encapsulation with its settings, and what tshark must show of each packet's tunnel header.
struct Row {
    name: &'static str,
    engine: Box<dyn Engine>,
    network: u64,
    inner: InnerKind,
    protocols: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

fn row(
    name: &'static str,
    engine: impl Engine + 'static,
    network: u64,
    inner: InnerKind,
    protocols: &'static str,
    fields: &'static [(&'static str, &'static str)],
) -> Row {
    Row { name, engine: Box::new(engine), network, inner, protocols, fields }
}

fn gre(ethernet: bool, keyed: bool, checksum: bool, sequence: bool) -> Gre {
    let sequence = sequence.then(Sequence::default);
    Gre { ethernet, keyed, checksum, sequence, strict: false }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use InnerKind::{Ethernet, Ipv4, Ipv6};
    let options = [[0x01, 0x02, 0x80, 0x01, 1, 2, 3, 4], [0xFF, 0xFF, 0x05, 0x01, 5, 6, 7, 8]].concat();
    let with_options = Geneve {
        options: SentOptions::new(options).expect("options that add up"),
        ..Geneve::default()
    };
    vec![
        row("vlan", Vlan { pcp: 5, ..Vlan::default() }, 4094, Ethernet, "vlan:ethertype:ip:udp:data",
            &[("vlan.id", "4094"), ("vlan.priority", "5"), ("vlan.dei", "0"), ("vlan.etype", "0x0800")]),
        row("qinq", Qinq { service: 5, pcp: 3 }, 100, Ethernet, "ieee8021ad:ethertype:vlan:ethertype:ip:udp:data",
            &[("ieee8021ad.id", "5"), ("ieee8021ad.priority", "3"), ("vlan.id", "100"), ("vlan.priority", "3"), ("vlan.etype", "0x0800")]),
        row("ipip", IpInIp::V4, 0, Ipv4, "ip:udp:data", &[]),
        row("6in4", IpInIp::V6, 0, Ipv6, "ipv6:udp:data", &[]),
        row("gre", gre(false, false, false, false), 0, Ipv4, "gre:ip:udp:data",
            &[("gre.flags_and_version", "0x0000"), ("gre.proto", "0x0800"), ("gre.key", ""), ("gre.sequence_number", ""), ("gre.checksum", "")]),
        row("gre_ipv6", gre(false, true, false, false), 0xDEAD_BEEF, Ipv6, "gre:ipv6:udp:data",
            &[("gre.flags_and_version", "0x2000"), ("gre.proto", "0x86dd"), ("gre.key", "0xdeadbeef")]),
        row("gre_all", gre(false, true, true, true), 7, Ipv4, "gre:ip:udp:data",
            &[("gre.flags_and_version", "0xb000"), ("gre.key", "0x00000007"), ("gre.sequence_number", "#"), ("gre.checksum.status", "1"), ("gre.offset", "0")]),
        row("gretap", gre(true, false, false, false), 0, Ethernet, "gre:eth:ethertype:ip:udp:data",
            &[("gre.flags_and_version", "0x0000"), ("gre.proto", "0x6558")]),
        row("gretap_all", gre(true, true, true, true), 0, Ethernet, "gre:eth:ethertype:ip:udp:data",
            &[("gre.flags_and_version", "0xb000"), ("gre.proto", "0x6558"), ("gre.key", "0x00000000"), ("gre.sequence_number", "#"), ("gre.checksum.status", "1")]),
        row("nvgre", Nvgre::default(), 0x12_3456, Ethernet, "gre:eth:ethertype:ip:udp:data",
            &[("gre.flags_and_version", "0x2000"), ("gre.proto", "0x6558"), ("gre.key", "0x1234565a"), ("gre.flags.checksum", "0"), ("gre.flags.sequence_number", "0")]),
        row("vxlan", Vxlan::default(), 0xAB_CDEF, Ethernet, "udp:vxlan:eth:ethertype:ip:udp:data",
            &[("vxlan.flags", "0x0800"), ("vxlan.vni", "11259375"), ("vxlan.gbp", "0"), ("vxlan.reserved8", "0")]),
        row("vxlan_gpe", VxlanGpe::default(), 1, Ipv6, "udp:ipv6:udp:data",
            &[("vxlan.ver", "0"), ("vxlan.i_bit", "1"), ("vxlan.p_bit", "1"), ("vxlan.o_bit", "0"), ("vxlan.next_proto", "2"), ("vxlan.vni", "1")]),
        row("geneve", Geneve::default(), 0xFF_FFFF, Ethernet, "udp:geneve:eth:ethertype:ip:udp:data",
            &[("geneve.version", "0"), ("geneve.flags", "0x00"), ("geneve.proto_type", "0x6558"), ("geneve.vni", "0xffffff"), ("geneve.reserved", "0x00"), ("geneve.option.class", "")]),
        row("geneve_options", with_options, 42, Ipv4, "udp:geneve:ip:udp:data",
            &[("geneve.flags.critical", "1"), ("geneve.flags.oam", "0"), ("geneve.proto_type", "0x0800"), ("geneve.vni", "0x00002a"),
              ("geneve.option.class", "0x0102;0xffff"), ("geneve.option.type", "0x80;0x05"), ("geneve.option.length", "16;8;8"),
              ("geneve.option.unknown.data", "01020304;05060708")]),
    ]
}

/// The addresses of both families that the outer headers bear.
fn outers() -> [(IpAddr, IpAddr); 2] {
    let pair = |a: &str, b: &str| (a.parse().expect("a"), b.parse().expect("b"));
    [pair("192.0.2.1", "192.0.2.2"), pair("2001:db8::1", "2001:db8::2")]
}

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (number, row) in rows().into_iter().enumerate() {
        all.push(Case {
            name: format!("emitted::{}", row.name),
            programs: &["tshark"],
            root: false,
            run: Box::new(move || check(&rows()[number])),
        });
    }
    for (name, run) in
        [("stt", stt as fn()), ("stt_offload", stt_offload), ("stt_checksums", stt_checksums)]
    {
        let name = format!("emitted::{name}");
        all.push(Case { name, programs: &["tshark"], root: false, run: Box::new(run) });
    }
    all
}

/// An inner packet with a UDP datagram inside, all checksums done.
fn inner(kind: InnerKind, size: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let mut datagram = vec![0; udp::LEN];
    let length = (udp::LEN + size) as u16;
    let mut header = udp::Header { src_port: 1000, dst_port: 2000, length, checksum: 0 };
    header.emit(&mut datagram).expect("room");
    datagram.extend(payload);
    let (four, six) = ((A4, B4), (A6, B6));
    let pseudo = match kind {
        InnerKind::Ipv6 => checksum::pseudo_v6(six.0, six.1, 17, length.into()),
        _ => checksum::pseudo_v4(four.0, four.1, 17, length.into()),
    };
    header.checksum = checksum::finish_udp(checksum::sum(&datagram, pseudo));
    header.emit(&mut datagram).expect("room");
    let mut ip = vec![0; if kind == InnerKind::Ipv6 { ipv6::LEN } else { ipv4::LEN }];
    match kind {
        InnerKind::Ipv6 => ipv6::Header {
            traffic_class: 0,
            flow_label: 0,
            payload_len: length,
            next_header: 17,
            hop_limit: 64,
            src: six.0,
            dst: six.1,
        }
        .emit(&mut ip),
        _ => ipv4::Header {
            header_len: ipv4::LEN,
            tos: 0,
            total_len: ipv4::LEN as u16 + length,
            id: 77,
            df: true,
            mf: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: 17,
            src: four.0,
            dst: four.1,
        }
        .emit(&mut ip),
    }
    .expect("room");
    let mut packet = Vec::new();
    if kind == InnerKind::Ethernet {
        packet.extend([2, 0, 0, 0, 0, 0x0B, 2, 0, 0, 0, 0, 0x0A, 8, 0]);
    }
    packet.extend(ip);
    packet.extend(datagram);
    packet
}

const A4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 0, 0, 1);
const B4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 0, 0, 2);
const A6: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, 1);
const B6: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, 2);

/// The outer frame around what an engine wrote.
fn frame(row: &Row, (src, dst): (IpAddr, IpAddr), packet: &[u8]) -> Vec<u8> {
    let mut header = vec![0xA5; row.engine.header_len()];
    // The flow's low byte is what NVGRE takes for its FlowID.
    let told = Inner { kind: row.inner, parts: [packet, &[]], flow: 0x5A };
    row.engine.header(row.network, &told, &mut header).expect("a packet that may travel");
    let envelope = Envelope { tos: TOS, ttl: TTL, id: 0x1234, ..Envelope::new(src, dst) };
    let mut room = [0; 48];
    let len = match row.engine.transport() {
        Transport::Frame => return [&packet[..12], &header, &packet[12..]].concat(),
        Transport::Udp { port } => {
            envelope.write_udp((SOURCE_PORT, port), &[&header, packet], true, &mut room)
        }
        Transport::Ip { protocol } => {
            envelope.write_ip(protocol, header.len() + packet.len(), &mut room)
        }
        Transport::Stt { .. } => unreachable!("STT has cases of its own"),
    };
    let len = len.expect("room");
    [&ethernet_header(src), &room[..len], &header, packet].concat()
}

fn ethernet_header(src: IpAddr) -> Vec<u8> {
    let kind = if src.is_ipv4() { [8, 0] } else { [0x86, 0xDD] };
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kind].concat()
}

/// The fields of outer and inner headers that every packet is asked for.
const COMMON: [&str; 22] = [
    "frame.protocols",
    "frame.len",
    "eth.src",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.dsfield",
    "ip.len",
    "ip.flags.df",
    "ip.proto",
    "ip.id",
    "ip.checksum.status",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "ipv6.tclass",
    "ipv6.nxt",
    "udp.srcport",
    "udp.dstport",
    "udp.checksum.status",
    "data.len",
    "_ws.malformed",
];

fn check(row: &Row) {
    let folder = scratch();
    let file = folder.path().join("emitted.pcap");
    let tag = row.engine.transport() == Transport::Frame;
    let ends = &outers()[..if tag { 1 } else { 2 }];
    let sent: Vec<(usize, (IpAddr, IpAddr), Vec<u8>)> = ends
        .iter()
        .flat_map(|ends| {
            SIZES.map(|size| (size, *ends, frame(row, *ends, &inner(row.inner, size))))
        })
        .collect();
    tshark::write(&file, &sent.iter().map(|(_, _, frame)| frame.clone()).collect::<Vec<_>>());
    let own: Vec<&str> = row.fields.iter().map(|(name, _)| *name).collect();
    let packets = tshark::packets(&file, "", &[], &[&COMMON[..], &own].concat());
    assert_eq!(packets.len(), sent.len(), "packets read");
    for (number, (packet, (size, ends, frame))) in packets.iter().zip(&sent).enumerate() {
        let at = format!("{} packet {number}: {packet:#?}", row.name);
        for (field, wanted) in row.fields {
            // Sequence numbers count the packets.
            let wanted = if *wanted == "#" { number.to_string() } else { (*wanted).to_owned() };
            assert_eq!(packet[*field].join(";"), wanted, "{field} of {at}");
        }
        assert_eq!(packet["frame.len"], [frame.len().to_string()]);
        assert_eq!(packet["data.len"], [size.to_string()], "{at}");
        assert!(packet["_ws.malformed"].is_empty(), "{at}");
        all_checksums_good(packet, &at);
        if !tag {
            outer(row, packet, *ends, &at);
        }
        let stack = packet["frame.protocols"][0].clone();
        assert!(stack.ends_with(&format!(":{}", row.protocols)), "{at}");
    }
    println!("{} packets", packets.len());
}

/// 1 says "good"; anything else is bad, absent or not looked at.
fn all_checksums_good(packet: &Packet, at: &str) {
    for field in ["ip.checksum.status", "udp.checksum.status"] {
        assert!(packet[field].iter().all(|status| status == "1"), "{field} of {at}");
    }
    assert!(!packet["udp.checksum.status"].is_empty(), "no UDP in {at}");
}

/// The outer IP and UDP headers.
fn outer(row: &Row, packet: &Packet, (src, dst): (IpAddr, IpAddr), at: &str) {
    let first = |field: &str| packet[field].first().map_or("", String::as_str);
    let (next, port) = match row.engine.transport() {
        Transport::Udp { port } => (17, Some(port)),
        Transport::Ip { protocol } => (protocol, None),
        _ => unreachable!("tags have no outer header"),
    };
    if src.is_ipv4() {
        let len: usize = first("ip.len").parse().expect("a length");
        assert_eq!(first("frame.len"), (len + ethernet::LEN).to_string(), "{at}");
        assert_eq!((first("ip.src"), first("ip.dst")), (&*src.to_string(), &*dst.to_string()));
        assert_eq!((first("ip.ttl"), first("ip.dsfield")), ("61", "0xba"), "{at}");
        assert_eq!((first("ip.flags.df"), first("ip.id")), ("1", "0x1234"), "{at}");
        assert_eq!(first("ip.proto"), next.to_string(), "{at}");
    } else {
        assert_eq!((first("ipv6.src"), first("ipv6.dst")), (&*src.to_string(), &*dst.to_string()));
        assert_eq!((first("ipv6.hlim"), first("ipv6.tclass")), ("61", "0x000000ba"), "{at}");
        assert_eq!(first("ipv6.nxt"), next.to_string(), "{at}");
    }
    if let Some(port) = port {
        assert_eq!(first("udp.srcport"), SOURCE_PORT.to_string(), "{at}");
        assert_eq!(first("udp.dstport"), port.to_string(), "{at}");
    }
}

/// Makes STT be tried before TCP.
const STT: [&str; 2] = ["ip.try_heuristic_first:TRUE", "ipv6.try_heuristic_first:TRUE"];

/// The packets of one STT frame.
fn stt_packets(
    (src, dst): (IpAddr, IpAddr),
    context: u64,
    packet: &[u8],
    offload: Option<&Offload>,
    frame_id: u32,
    size: usize,
) -> Vec<Vec<u8>> {
    let engine = Stt::default();
    let mut header = vec![0xA5; engine.header_len()];
    let told = Inner { kind: InnerKind::Ethernet, parts: [packet, &[]], flow: 1 };
    match offload {
        None => engine.header(context, &told, &mut header),
        Some(offload) => engine.header_offload(context, &told, offload, &mut header),
    }
    .expect("a frame that may travel");
    let whole = [&header, packet].concat();
    let cut = Cut { src, dst, src_port: SOURCE_PORT, dst_port: 7471, frame_id, size };
    let envelope = Envelope { tos: TOS, ttl: TTL, ..Envelope::new(src, dst) };
    let mut all = Vec::new();
    segments(&whole, &cut, |header, part| {
        let mut ip = [0; 40];
        let len = envelope.write_ip(6, header.len() + part.len(), &mut ip).expect("room");
        all.push([&ethernet_header(src), &ip[..len], header, part].concat());
    })
    .expect("a frame that can be cut");
    all
}

const STT_FIELDS: [&str; 24] = [
    "stt.stream_id",
    "stt.dport",
    "stt.pkt_len",
    "stt.seg_off",
    "stt.pkt_id",
    "stt.tcp.data_offset",
    "stt.tcp.flags",
    "stt.tcp.window",
    "stt.tcp.urg_ptr",
    "stt.version",
    "stt.flags",
    "stt.l4offset",
    "stt.reserved",
    "stt.mss",
    "stt.vlan",
    "stt.context_id",
    "stt.padding",
    "stt.reassembled.length",
    "stt.segment.error",
    "stt.segment.count",
    "frame.protocols",
    "ip.ttl",
    "data.len",
    "_ws.malformed",
];

/// Frames of one and of several segments, in both families.
fn stt() {
    let folder = scratch();
    let file = folder.path().join("stt.pcap");
    let context = 0x1122_3344_5566_7788;
    let mut number = 0u32;
    for ends in outers() {
        let overhead = if ends.0.is_ipv4() { 40 } else { 60 };
        // None with a last segment of 20 bytes or less, which tshark 4.0 takes for complete before.
        for bytes in [1usize, 1500, 5000, 60_000] {
            number += 1;
            let packet = inner(InnerKind::Ethernet, bytes);
            let size = 1500 - overhead;
            let sent = stt_packets(ends, context, &packet, None, 0xABC0_0000 + number, size);
            tshark::write(&file, &sent);
            let read = tshark::packets(&file, "stt", &STT, &STT_FIELDS);
            assert_eq!(read.len(), sent.len(), "segments of {bytes} bytes");
            assert_eq!(read.len(), (packet.len() + 18).div_ceil(size));
            for (at, segment) in read.iter().enumerate() {
                let last = at + 1 == read.len();
                let flags = if last { "0x0018" } else { "0x0010" };
                let wanted = [
                    ("stt.stream_id", format!("0x{SOURCE_PORT:04x}")),
                    ("stt.dport", "7471".to_owned()),
                    ("stt.pkt_len", (packet.len() + 18).to_string()),
                    ("stt.seg_off", (at * size).to_string()),
                    ("stt.pkt_id", format!("0x{:08x}", 0xABC0_0000 + number)),
                    ("stt.tcp.data_offset", "20".to_owned()),
                    ("stt.tcp.flags", flags.to_owned()),
                    ("stt.tcp.window", "0".to_owned()),
                    ("stt.tcp.urg_ptr", "0".to_owned()),
                    ("_ws.malformed", String::new()),
                    ("stt.segment.error", String::new()),
                ];
                for (field, wanted) in wanted {
                    assert_eq!(segment[field].join(";"), wanted, "{field} of {segment:#?}");
                }
            }
            // The frame header and all that is inside are shown with the segment that completes it.
            let whole = read.last().expect("a segment");
            assert_eq!(whole["stt.context_id"], ["0x1122334455667788"], "{whole:#?}");
            for (field, wanted) in [
                ("stt.version", "0"),
                ("stt.flags", "0x00"),
                ("stt.l4offset", "0"),
                ("stt.reserved", "0x00"),
                ("stt.mss", "0"),
                ("stt.vlan", "0x0000"),
                ("stt.padding", "0x0000"),
            ] {
                assert_eq!(whole[field].join(";"), wanted, "{field} of {whole:#?}");
            }
            assert_eq!(whole["data.len"], [bytes.to_string()]);
            let stack = &whole["frame.protocols"][0];
            assert!(stack.ends_with(":stt:eth:ethertype:ip:udp:data"), "{stack}");
        }
    }
}

/// A TCP super-frame whose checksum and segmentation are left to the far end.
fn stt_offload() {
    let folder = scratch();
    let file = folder.path().join("stt.pcap");
    // The packet's own protocol is rewritten to TCP: 34 is where Ethernet and IPv4 end.
    let mut packet = inner(InnerKind::Ethernet, 3000);
    packet[14 + 9] = 6;
    let offload = Offload { ipv4: true, tcp: true, l4: 34, mss: 1388 };
    let sent = stt_packets(outers()[0], 9, &packet, Some(&offload), 5, 1460);
    tshark::write(&file, &sent);
    let fields =
        ["stt.flags", "stt.l4offset", "stt.mss", "stt.mss_bad.expert", "stt.l4offset_bad.expert"];
    let read = tshark::packets(&file, "stt.context_id", &STT, &fields);
    let [whole] = &read[..] else { panic!("one frame, not {read:#?}") };
    // TCP, IPv4 and checksum partial: T 08, V 04, P 02.
    assert_eq!(whole["stt.flags"], ["0x0e"]);
    assert_eq!((&*whole["stt.l4offset"][0], &*whole["stt.mss"][0]), ("34", "1388"));
    assert!(whole["stt.mss_bad.expert"].is_empty() && whole["stt.l4offset_bad.expert"].is_empty());
}

/// The segments' checksums, as the plain TCP dissector sees them: the one for STT compares with
/// the wrong value.
fn stt_checksums() {
    let folder = scratch();
    let file = folder.path().join("stt.pcap");
    let packet = inner(InnerKind::Ethernet, 5001);
    let mut sent: Vec<Vec<u8>> =
        outers().iter().flat_map(|ends| stt_packets(*ends, 9, &packet, None, 5, 1400)).collect();
    let good = sent.len();
    let mut damaged = sent[0].clone();
    damaged[60] ^= 1;
    sent.push(damaged);
    tshark::write(&file, &sent);
    let read = tshark::packets(&file, "tcp", &[], &["tcp.checksum.status", "tcp.dstport"]);
    let status: Vec<&str> = read.iter().map(|p| &*p["tcp.checksum.status"][0]).collect();
    assert_eq!(status[..good], vec!["1"; good]);
    assert_eq!(status[good..], ["0"], "tshark does look at them");
    assert!(read.iter().all(|packet| packet["tcp.dstport"] == ["7471"]));
}
