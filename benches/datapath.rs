//! The parts of the user datapath that touch every byte or every packet: cutting a super-frame,
//! joining its segments again, and the switch's lookup.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overlab::datapath::user::coalesce::Coalescer;
use overlab::datapath::user::outlet::Outlet;
use overlab::datapath::user::rx::{RxBatch, RxKind, Span};
use overlab::datapath::user::tx::TxBatch;
use overlab::datapath::user::vnet::{self, VnetHeader};
use overlab::encap::DropReason;
use overlab::vswitch::{Counters, NetworkConfig, Peer, PeerId, PortId, Switch};
use overlab::wire::ethernet::Mac;
use overlab::wire::flow::{self, FrameMeta};
use overlab::wire::segment::segment;

/// Payload of a super-frame: 46 segments of an inner MTU of 1450 bytes.
const PAYLOAD: usize = 46 * 1410;
const MSS: u16 = 1410;

/// A TCP super-frame over IPv4: 54 bytes of headers. Its checksum is not looked at.
fn super_frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let [high, low] = u16::try_from(PAYLOAD + 40).map_or([0; 2], u16::to_be_bytes);
    frame.extend([0x45, 0, high, low, 0, 7, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([192, 168, 0, 1, 192, 168, 0, 2, 0x9C, 0x40, 0x14, 0x51]);
    frame.extend([0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend((0..PAYLOAD).map(|at| u8::try_from(at % 251).unwrap_or(0)));
    frame
}

const VNET: VnetHeader = VnetHeader {
    flags: vnet::NEEDS_CSUM,
    gso_type: vnet::GSO_TCPV4,
    hdr_len: 54,
    gso_size: MSS,
    csum_start: 34,
    csum_offset: 16,
};

fn cut(frame: &[u8], meta: &FrameMeta, mut each: impl FnMut(&[u8], &[u8])) {
    let done = VNET.cut(meta).and_then(|cut| {
        segment(frame, &cut, |headers, start, len| {
            each(headers, &frame[start..start + len]);
            Ok(())
        })
    });
    assert_eq!(done, Ok(PAYLOAD / usize::from(MSS)));
}

fn segmenting(c: &mut Criterion) {
    let frame = super_frame();
    let Ok(meta) = flow::frame(&frame, 0) else { return };
    let mut group = c.benchmark_group("datapath");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    group.bench_function("segment 46 x 1410", |b| {
        b.iter(|| {
            cut(black_box(&frame), &meta, |headers, payload| {
                black_box((headers, payload));
            });
        });
    });
    let mut rx = RxBatch::new(RxKind::Inet, 1);
    let mut spans: Vec<(Span, FrameMeta)> = Vec::new();
    cut(&frame, &meta, |headers, payload| {
        let whole = [headers, payload].concat();
        if let (Some(span), Ok(meta)) = (rx.stash(&whole), flow::frame(&whole, 0)) {
            spans.push((span, meta));
        }
    });
    let (mut tx, mut coalescer) = (TxBatch::new(), Coalescer::new(true));
    let (outlet, counters) = (Outlet::new(Vec::new(), false), Counters::default());
    group.bench_function("coalesce 46 x 1410", |b| {
        b.iter(|| {
            for (span, meta) in &spans {
                // No socket has this descriptor: sending fails at once.
                let joined = coalescer.push(-1, *span, meta, None, &rx, &mut tx);
                assert_eq!(joined, Ok(1));
            }
            coalescer.flush(&rx, &mut tx);
            tx.flush(&rx, &outlet, &counters, DropReason::PortFull);
        });
    });
}

fn lookup(c: &mut Criterion) {
    let peer = |n: u8| Peer::Vtep([10, 0, 0, n].into());
    let mac = |n: u16| {
        let [a, b] = n.to_be_bytes();
        Mac([2, 0, 0, 0, a, b])
    };
    let switch = Switch::new(&[NetworkConfig {
        id: 864,
        ports: 2,
        peers: vec![peer(2), peer(3)],
        fdb: (0..1000).map(|n| (mac(n), peer(2))).collect(),
        learning: true,
        mac_limit: 65_536,
    }]);
    let Some(network) = switch.network(864) else { return };
    let mut group = c.benchmark_group("switch");
    group.bench_function("from a port", |b| {
        let mut n = 0;
        b.iter(|| {
            n = (n + 1) % 1000;
            black_box(switch.from_port(PortId(0), mac(n), mac(2000), 1))
        });
    });
    group.bench_function("from a peer", |b| {
        let _ = switch.from_port(PortId(0), Mac::BROADCAST, mac(2000), 1);
        b.iter(|| black_box(switch.from_peer(network, PeerId(0), mac(2000), mac(7), 1)));
    });
}

criterion_group!(benches, segmenting, lookup);
criterion_main!(benches);
