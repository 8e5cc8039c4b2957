//! Every engine: what goes in comes out, and no bytes at all make it panic.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::receive::{Config, Protocol, Receiver, Verdict, receive_ssh};
use super::stt::{Cut, segments};
use super::testing::OUTER;
use super::{
    Engine, Envelope, Geneve, Gre, Inner, InnerKind, IpInIp, Limits, Nvgre, Offload, Qinq,
    SentOptions, Sequence, Stt, Transport, Vlan, Vxlan, VxlanGpe, segment, source_port, stt, trim,
};
use crate::ids::Encap;
use crate::wire::{flow, ipv4, ipv6, ssh, stp};

/// All engines with the ids they take and whether they carry Ethernet.
fn engines() -> Vec<(Box<dyn Engine>, std::ops::RangeInclusive<u64>, bool)> {
    let options = SentOptions::new([[1, 2, 0, 1, 9, 9, 9, 9]; 8].concat()).unwrap();
    let sequence = || Some(Sequence::default());
    let full = |ethernet| Gre {
        ethernet,
        keyed: true,
        checksum: true,
        sequence: sequence(),
        strict: true,
    };
    let (vni, key) = (0..=0xFF_FFFF, 0..=0xFFFF_FFFF);
    vec![
        (Box::new(Vlan::default()), 1..=4094, true),
        (Box::new(Qinq::default()), 1..=4094, true),
        (Box::new(IpInIp::V4), 0..=0, false),
        (Box::new(IpInIp::V6), 0..=0, false),
        (Box::new(Gre::default()), 0..=0, false),
        (Box::new(full(false)), key.clone(), false),
        (Box::new(Gre { ethernet: true, ..Gre::default() }), 0..=0, true),
        (Box::new(full(true)), key, true),
        (Box::new(Nvgre::default()), 0x1000..=0xFF_FFFE, true),
        (Box::new(Vxlan { strict: true, ..Vxlan::default() }), vni.clone(), true),
        (Box::new(VxlanGpe::default()), vni.clone(), true),
        (Box::new(VxlanGpe::default()), vni.clone(), false),
        (Box::new(Geneve::default()), vni.clone(), true),
        (Box::new(Geneve { options, ..Geneve::default() }), vni, false),
        (Box::new(Stt::default()), 0..=u64::MAX, true),
    ]
}

/// A frame or packet of this kind around a payload.
fn inner(kind: InnerKind, payload: &[u8]) -> Vec<u8> {
    let mut packet = match kind {
        InnerKind::Ethernet => vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x12, 0x34],
        InnerKind::Ipv4 => {
            let mut header = vec![0; ipv4::LEN];
            let fields = ipv4::Header {
                header_len: ipv4::LEN,
                tos: 0,
                total_len: u16::try_from(ipv4::LEN + payload.len()).unwrap(),
                id: 7,
                df: true,
                mf: false,
                fragment_offset: 0,
                ttl: 64,
                protocol: 253,
                src: [10, 0, 0, 1].into(),
                dst: [10, 0, 0, 2].into(),
            };
            fields.emit(&mut header).unwrap();
            header
        }
        InnerKind::Ipv6 => {
            let mut header = vec![0; ipv6::LEN];
            let fields = ipv6::Header {
                traffic_class: 0,
                flow_label: 0,
                payload_len: u16::try_from(payload.len()).unwrap(),
                next_header: 253,
                hop_limit: 64,
                src: "2001:db8::1".parse().unwrap(),
                dst: "2001:db8::2".parse().unwrap(),
            };
            fields.emit(&mut header).unwrap();
            header
        }
    };
    packet.extend(payload);
    packet
}

fn kinds(engine: &dyn Engine, ethernet: bool) -> &'static [InnerKind] {
    match (engine.transport(), ethernet) {
        (_, true) => &[InnerKind::Ethernet],
        (Transport::Ip { protocol: 4 }, _) => &[InnerKind::Ipv4],
        (Transport::Ip { protocol: 41 }, _) => &[InnerKind::Ipv6],
        _ => &[InnerKind::Ipv4, InnerKind::Ipv6],
    }
}

/// What the transport hands to the far engine.
fn carried(engine: &dyn Engine, header: &[u8], packet: &[u8]) -> Vec<u8> {
    let from = if engine.transport() == Transport::Frame { 12 } else { 0 };
    [header, &packet[from..]].concat()
}

/// An outer Ethernet frame around what an engine made.
fn enveloped(engine: &dyn Engine, envelope: &Envelope, bytes: &[u8]) -> Vec<u8> {
    let mut out = [0; 48];
    let (headers, bytes) = match engine.transport() {
        Transport::Udp { port } => {
            let len = envelope.write_udp((source_port(7), port), &[bytes], true, &mut out).unwrap();
            (out[..len].to_vec(), bytes.to_vec())
        }
        Transport::Ip { protocol } => {
            let len = envelope.write_ip(protocol, bytes.len(), &mut out).unwrap();
            (out[..len].to_vec(), bytes.to_vec())
        }
        Transport::Stt { port } => {
            let (src, dst) = (envelope.src, envelope.dst);
            let src_port = source_port(7);
            let cut = Cut { src, dst, src_port, dst_port: port, frame_id: 1, size: 65_000 };
            let mut packet = Vec::new();
            segments(bytes, &cut, |header, part| packet = [header, part].concat()).unwrap();
            let len = envelope.write_ip(6, packet.len(), &mut out).unwrap();
            (out[..len].to_vec(), packet)
        }
        Transport::Frame => unreachable!("tags travel in the frame's own header"),
    };
    let kind = if envelope.src.is_ipv4() { [8, 0] } else { [0x86, 0xDD] };
    [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8][..], &kind, &headers, &bytes].concat()
}

/// The receiver for an engine.
fn receiver(engine: &dyn Engine, ethernet: bool) -> Receiver {
    let mut config = Config::new(match engine.encap() {
        Encap::Ipip => Protocol::Ipip,
        Encap::SixInFour => Protocol::SixInFour,
        Encap::Gre => Protocol::Gre,
        Encap::Gretap => Protocol::Gretap,
        Encap::Nvgre => Protocol::Nvgre,
        Encap::Vxlan if engine.transport() == (Transport::Udp { port: 4789 }) => Protocol::Vxlan,
        Encap::Vxlan => Protocol::VxlanGpe,
        Encap::Geneve => Protocol::Geneve,
        Encap::Stt => Protocol::Stt,
        other => unreachable!("{other} has no envelope"),
    });
    config.keyed = engine.header_len() > 4 && (engine.encap() == Encap::Gre || ethernet);
    Receiver::new(config)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(
        payload in vec(any::<u8>(), 0..2000),
        id in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        flow in any::<u32>(),
    ) {
        for (engine, ids, ethernet) in engines() {
            let width = (ids.end() - ids.start()).saturating_add(1);
            let network = ids.start() + id % width;
            for kind in kinds(&*engine, ethernet) {
                let packet = inner(*kind, &payload);
                let least = packet.len() - payload.len();
                let (front, back) = packet.split_at(least + cut.index(payload.len() + 1));
                let mut header = vec![0xA5; engine.header_len()];
                let told = Inner { kind: *kind, parts: [front, back], flow };
                engine.header(network, &told, &mut header).unwrap();
                let bytes = carried(&*engine, &header, &packet);
                let decap = engine.decap(&bytes, &OUTER).unwrap();
                prop_assert_eq!((decap.network, decap.kind), (network, *kind));
                prop_assert_eq!(decap.offset, header.len());
                let from = if engine.transport() == Transport::Frame { 12 } else { 0 };
                prop_assert_eq!(&bytes[decap.offset..], &packet[from..]);
            }
        }
    }

    #[test]
    fn outer_frames_of_both_families_are_received_whole(
        payload in vec(any::<u8>(), 0..1500),
        id in any::<u64>(),
        tos in any::<u8>(),
    ) {
        let four = Envelope::new(OUTER.source, std::net::Ipv4Addr::new(192, 0, 2, 2).into());
        let [src, dst] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
        for (engine, ids, ethernet) in engines() {
            if engine.transport() == Transport::Frame {
                continue;
            }
            let network = ids.start() + id % (ids.end() - ids.start()).saturating_add(1);
            let kind = kinds(&*engine, ethernet)[0];
            let packet = inner(kind, &payload);
            for envelope in [four, Envelope::new(src, dst)] {
                let mut header = vec![0; engine.header_len()];
                let told = Inner { kind, parts: [&packet, &[]], flow: 0 };
                engine.header(network, &told, &mut header).unwrap();
                // Not-ECT or ECT: the inner packet is not capable, CE would be dropped.
                let envelope = Envelope { tos: tos & 0xFE, ..envelope };
                let bytes = carried(&*engine, &header, &packet);
                let mut frame = enveloped(&*engine, &envelope, &bytes);
                frame.extend([0xEE; 9]);
                let mut receiver = receiver(&*engine, ethernet);
                match receiver.receive(Duration::ZERO, &frame) {
                    Verdict::Decap(got) => {
                        prop_assert_eq!((got.network, got.kind), (network, kind));
                        prop_assert_eq!(&got.carried, &packet);
                        prop_assert_eq!(&got.delivered, &packet);
                    }
                    other => prop_assert!(false, "{:?}: {other:?}", engine.encap()),
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_an_engine_panic(bytes in vec(any::<u8>(), 0..200), at in 0..60usize) {
        for (engine, ids, ethernet) in engines() {
            let _ = engine.decap(&bytes, &OUTER);
            let _ = engine.offload(&bytes);
            // A right header with damage gets further in than noise does.
            let packet = inner(kinds(&*engine, ethernet)[0], &bytes);
            let mut header = vec![0; engine.header_len()];
            let told = Inner { kind: kinds(&*engine, ethernet)[0], parts: [&packet, &[]], flow: 0 };
            engine.header(*ids.start(), &told, &mut header).unwrap();
            let mut damaged = carried(&*engine, &header, &packet);
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= bytes.first().copied().unwrap_or(1);
            }
            if let Ok(decap) = engine.decap(&damaged, &OUTER) {
                prop_assert!(decap.offset <= damaged.len());
                let _ = trim(decap.kind, &damaged[decap.offset..]);
            }
        }
    }

    #[test]
    fn no_frame_makes_a_receiver_panic(
        bytes in vec(any::<u8>(), 0..300),
        ip in prop::sample::select(vec![4u8, 6, 17, 41, 47, 44, 60]),
    ) {
        use Protocol::{
            Geneve, Gre, Gretap, Ipip, Nvgre, Qinq, SixInFour, Stp, Stt, Vlan, Vxlan, VxlanGpe,
        };
        for protocol in [Vlan, Qinq, Stp, Ipip, SixInFour, Gre, Gretap, Nvgre, Vxlan, VxlanGpe, Geneve, Stt] {
            let mut config = Config::new(protocol);
            config.verify_udp = false;
            let mut receiver = Receiver::new(config);
            receiver.receive(Duration::ZERO, &bytes);
            let mut frame = inner(InnerKind::Ethernet, &inner(InnerKind::Ipv4, &bytes));
            frame[12..14].copy_from_slice(&[8, 0]);
            frame[23] = ip;
            let sum = u16::from_be_bytes([frame[24], frame[25]]).wrapping_sub(u16::from(ip)).wrapping_add(253);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
            receiver.receive(Duration::ZERO, &frame);
        }
        for mode in 0..3 {
            let _ = receive_ssh(&bytes, mode);
        }
        let _ = (flow::frame(&bytes, 1), flow::packet(&bytes, 1));
        let _ = (stp::Bpdu::parse(&bytes), ssh::Message::parse(&bytes));
    }

    #[test]
    fn frames_survive_their_segments_in_any_order(
        frame in vec(any::<u8>(), 18..6000),
        size in 1..1500usize,
        order in any::<u64>(),
    ) {
        let size = size.max(frame.len() / 500);
        let (src, dst) = (OUTER.source, std::net::Ipv4Addr::LOCALHOST.into());
        let cut = Cut { src, dst, src_port: 50_000, dst_port: 7471, frame_id: 9, size };
        let mut packets = Vec::new();
        segments(&frame, &cut, |header, part| packets.push([header, part].concat())).unwrap();
        packets.sort_by_key(|packet| {
            let offset = u64::from(u16::from_be_bytes([packet[6], packet[7]]));
            (offset + 1).wrapping_mul(order | 1).rotate_left(17)
        });
        let mut receiver = stt::Receiver::new(7471, Limits::default());
        let mut frames = Vec::new();
        for packet in &packets {
            let whole = receiver.push(Duration::ZERO, (src, dst), 0, packet).unwrap();
            frames.extend(whole.map(|whole| whole.bytes.into_owned()));
        }
        prop_assert_eq!(frames, vec![frame]);
    }

    #[test]
    fn a_super_frame_is_the_sum_of_its_packets(len in 0..5000usize, mss in 1..2000u16) {
        let frame = super::testing::super_frame(len);
        let offload = Offload { ipv4: true, tcp: true, l4: 34, mss };
        let mut payload: Vec<u8> = Vec::new();
        let count = segment(&frame, &offload, |_, part| payload.extend(part)).unwrap();
        prop_assert_eq!(count, len.div_ceil(usize::from(mss)).max(1));
        prop_assert_eq!(&payload, &frame[54..]);
    }
}
