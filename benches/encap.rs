//! Every engine's header written and taken off, at four packet sizes, and what they rest on.
//!
//! Bytes per second are those of the packets that pass: an engine touches the payload only where
//! a checksum covers it, so for most of them the time per packet is what tells.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use overlab::encap::{
    Engine, Geneve, Gre, Inner, InnerKind, IpInIp, Nvgre, Outer, Qinq, Stt, Transport, Vlan, Vxlan,
    VxlanGpe,
};
use overlab::wire::{checksum, flow, ipv4, ipv6};

const OUTER: Outer = Outer { source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), tos: 0 };
const SIZES: [usize; 4] = [64, 512, 1500, 65_535];

fn engines() -> Vec<(&'static str, Box<dyn Engine>, InnerKind)> {
    let ethernet = InnerKind::Ethernet;
    vec![
        ("vlan", Box::new(Vlan::default()), ethernet),
        ("qinq", Box::new(Qinq::default()), ethernet),
        ("ipip", Box::new(IpInIp::V4), InnerKind::Ipv4),
        ("6in4", Box::new(IpInIp::V6), InnerKind::Ipv6),
        ("gre", Box::new(Gre { keyed: true, ..Gre::default() }), InnerKind::Ipv4),
        (
            "gre-csum",
            Box::new(Gre { keyed: true, checksum: true, ..Gre::default() }),
            InnerKind::Ipv4,
        ),
        ("gretap", Box::new(Gre { keyed: true, ethernet: true, ..Gre::default() }), ethernet),
        ("vxlan", Box::new(Vxlan::default()), ethernet),
        ("vxlan-gpe", Box::new(VxlanGpe::default()), ethernet),
        ("nvgre", Box::new(Nvgre::default()), ethernet),
        ("stt", Box::new(Stt::default()), ethernet),
        ("geneve", Box::new(Geneve::default()), ethernet),
    ]
}

/// A packet of `size` bytes, less where a length field holds less.
fn packet(kind: InnerKind, size: usize) -> Vec<u8> {
    let bytes = match kind {
        InnerKind::Ethernet => size.min(65_535 - 18),
        _ => size,
    };
    let mut packet = vec![0x5A; bytes];
    let length = u16::try_from(bytes).unwrap();
    match kind {
        InnerKind::Ethernet => {
            packet[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x12, 0x34]);
        }
        InnerKind::Ipv4 => {
            let header = ipv4::Header {
                header_len: ipv4::LEN,
                tos: 0,
                total_len: length,
                id: 1,
                df: true,
                mf: false,
                fragment_offset: 0,
                ttl: 64,
                protocol: 17,
                src: Ipv4Addr::new(10, 0, 0, 1),
                dst: Ipv4Addr::new(10, 0, 0, 2),
            };
            header.emit(&mut packet).unwrap();
        }
        InnerKind::Ipv6 => {
            let header = ipv6::Header {
                traffic_class: 0,
                flow_label: 0,
                payload_len: length - 40,
                next_header: 17,
                hop_limit: 64,
                src: "2001:db8::1".parse().unwrap(),
                dst: "2001:db8::2".parse().unwrap(),
            };
            header.emit(&mut packet).unwrap();
        }
    }
    packet
}

fn network(name: &str) -> u64 {
    if matches!(name, "ipip" | "6in4") { 0 } else { 100 + u64::from(name == "nvgre") * 0x1000 }
}

fn encap(c: &mut Criterion) {
    let mut group = c.benchmark_group("encap");
    for (name, engine, kind) in engines() {
        for size in SIZES {
            let packet = packet(kind, size);
            let (front, back) = packet.split_at(54);
            let inner = Inner { kind, parts: [front, back], flow: 7 };
            let mut out = [0; 64];
            group.throughput(Throughput::Bytes(packet.len() as u64));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| engine.header(black_box(network(name)), black_box(&inner), &mut out));
            });
        }
    }
    group.finish();
}

fn decap(c: &mut Criterion) {
    let mut group = c.benchmark_group("decap");
    for (name, engine, kind) in engines() {
        for size in SIZES {
            let packet = packet(kind, size);
            let mut bytes = vec![0; engine.header_len()];
            let inner = Inner { kind, parts: [&packet, &[]], flow: 7 };
            engine.header(network(name), &inner, &mut bytes).unwrap();
            let from = if engine.transport() == Transport::Frame { 12 } else { 0 };
            bytes.extend(&packet[from..]);
            assert!(engine.decap(&bytes, &OUTER).is_ok());
            group.throughput(Throughput::Bytes(packet.len() as u64));
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| engine.decap(black_box(&bytes), black_box(&OUTER)));
            });
        }
    }
    group.finish();
}

fn wire(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    for size in SIZES {
        let bytes = vec![0x5A; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("checksum", size), |b| {
            b.iter(|| checksum::sum(black_box(&bytes), 0));
        });
    }
    for (name, kind) in [("flow-ipv4", InnerKind::Ipv4), ("flow-ipv6", InnerKind::Ipv6)] {
        let packet = packet(kind, 1500);
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |b| b.iter(|| flow::packet(black_box(&packet), 7)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(std::time::Duration::from_millis(400))
        .warm_up_time(std::time::Duration::from_millis(100))
        .sample_size(20);
    targets = encap, decap, wire
}
criterion_main!(benches);
