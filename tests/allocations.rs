//! The engines' hot path allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use overlab::encap::{
    Engine, Geneve, Gre, Inner, InnerKind, IpInIp, Limits, Nvgre, Outer, Qinq, Sequence, Stt,
    Transport, Vlan, Vxlan, VxlanGpe, ecn, stt,
};
use overlab::wire::flow;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local
// cell with a constant initialiser and no destructor, which never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

/// Ethernet, IPv4 and UDP.
const FRAME: [u8; 46] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 2, 0, 32, 0, 0, 0x40, 0, 64, 17, 0x26, 0xC9,
    10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 12, 0, 0, 1, 2, 3, 4,
];

const OUTER: Outer = Outer { source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), tos: 3 };

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0u8; 100]))), 1);
}

#[test]
fn no_engine_allocates_per_packet() {
    let sequence = || Some(Sequence::default());
    let full = |ethernet| Gre {
        ethernet,
        keyed: true,
        checksum: true,
        sequence: sequence(),
        strict: false,
    };
    let engines: Vec<(Box<dyn Engine>, u64, InnerKind)> = vec![
        (Box::new(Vlan::default()), 100, InnerKind::Ethernet),
        (Box::new(Qinq::default()), 100, InnerKind::Ethernet),
        (Box::new(IpInIp::V4), 0, InnerKind::Ipv4),
        (Box::new(full(false)), 100, InnerKind::Ipv4),
        (Box::new(full(true)), 100, InnerKind::Ethernet),
        (Box::new(Nvgre::default()), 0x5000, InnerKind::Ethernet),
        (Box::new(Vxlan::default()), 100, InnerKind::Ethernet),
        (Box::new(VxlanGpe::default()), 100, InnerKind::Ipv4),
        (Box::new(Geneve::default()), 100, InnerKind::Ethernet),
        (Box::new(Stt::default()), 100, InnerKind::Ethernet),
    ];
    for (engine, network, kind) in &engines {
        let mut packet =
            if *kind == InnerKind::Ethernet { FRAME.to_vec() } else { FRAME[14..].to_vec() };
        let mut bytes = [0; 128];
        let mut run = || {
            let meta = match kind {
                InnerKind::Ethernet => flow::frame(&packet, 7).unwrap(),
                _ => flow::packet(&packet, 7).unwrap(),
            };
            let inner = Inner { kind: *kind, parts: [&packet, &[]], flow: meta.flow };
            let header = engine.header_len();
            engine.header(*network, &inner, &mut bytes).unwrap();
            let from = if engine.transport() == Transport::Frame { 12 } else { 0 };
            let len = header + packet.len() - from;
            bytes[header..len].copy_from_slice(&packet[from..]);
            let decap = engine.decap(&bytes[..len], &OUTER).unwrap();
            assert_eq!((decap.network, decap.kind), (*network, *kind));
            ecn::decap(*kind, &mut packet, OUTER.tos, ecn::Dscp::Pipe(0)).unwrap();
        };
        // The first packet of a flow may make room for its sequence number.
        run();
        let count = allocations(|| (0..1000).for_each(|_| run()));
        assert_eq!(count, 0, "{:?}", engine.encap());
    }
}

#[test]
fn a_frame_in_one_segment_is_taken_without_allocation() {
    let addresses = (OUTER.source, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));
    let cut = stt::Cut {
        src: addresses.0,
        dst: addresses.1,
        src_port: 50_000,
        dst_port: 7471,
        frame_id: 1,
        size: 1460,
    };
    let mut packet = [0; 120];
    stt::segments(&[7; 100], &cut, |header, part| {
        packet[..20].copy_from_slice(header);
        packet[20..].copy_from_slice(part);
    })
    .unwrap();
    let mut receiver = stt::Receiver::new(7471, Limits::default());
    let count = allocations(|| {
        for _ in 0..1000 {
            let frame = receiver.push(Duration::ZERO, addresses, 0, &packet).unwrap().unwrap();
            assert_eq!(frame.bytes.len(), 100);
        }
    });
    assert_eq!(count, 0);
}
