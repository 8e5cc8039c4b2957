//! The hot path of the engines, and of the datapath around them, allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use overlab::datapath::user::coalesce::Coalescer;
use overlab::datapath::user::outlet::{Outlet, Target};
use overlab::datapath::user::rx::{RxBatch, RxKind, Span};
use overlab::datapath::user::tx::TxBatch;
use overlab::datapath::user::vnet::{self, VnetHeader};
use overlab::encap::{
    DropReason, Engine, Geneve, Gre, Inner, InnerKind, IpInIp, Limits, Nvgre, Outer, Qinq,
    Sequence, Stt, Transport, Vlan, Vxlan, VxlanGpe, ecn, stt,
};
use overlab::vswitch::Counters;
use overlab::wire::flow;
use overlab::wire::segment::segment;

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

/// IPv6 and UDP.
const PACKET6: [u8; 52] = [
    0x60, 0x20, 0, 0, 0, 12, 17, 64, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20,
    1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 2, 0, 12, 0x12, 0x34, 1, 2, 3, 4,
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
        (Box::new(IpInIp::V6), 0, InnerKind::Ipv6),
        (Box::new(full(false)), 100, InnerKind::Ipv4),
        (Box::new(full(true)), 100, InnerKind::Ethernet),
        (Box::new(Nvgre::default()), 0x5000, InnerKind::Ethernet),
        (Box::new(Vxlan::default()), 100, InnerKind::Ethernet),
        (Box::new(VxlanGpe::default()), 100, InnerKind::Ipv4),
        (Box::new(Geneve::default()), 100, InnerKind::Ethernet),
        (Box::new(Stt::default()), 100, InnerKind::Ethernet),
    ];
    for (engine, network, kind) in &engines {
        let mut packet = match kind {
            InnerKind::Ethernet => FRAME.to_vec(),
            InnerKind::Ipv4 => FRAME[14..].to_vec(),
            InnerKind::Ipv6 => PACKET6.to_vec(),
        };
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

/// A TCP super-frame of `payload` bytes over IPv4, its checksum left to be finished.
fn super_frame(payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let [high, low] = u16::try_from(payload + 40).unwrap().to_be_bytes();
    frame.extend([0x45, 0, high, low, 0, 7, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([192, 168, 0, 1, 192, 168, 0, 2, 0x9C, 0x40, 0x14, 0x51]);
    frame.extend([0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.resize(frame.len() + payload, 0x5A);
    frame
}

/// A super-frame cut, sent as datagrams of a tunnel, received, joined and passed on.
#[test]
fn the_datapath_allocates_nothing_per_batch() {
    const SEGMENT: u16 = 1000;
    let vnet = VnetHeader {
        flags: vnet::NEEDS_CSUM,
        gso_type: vnet::GSO_TCPV4,
        hdr_len: 54,
        gso_size: SEGMENT,
        csum_start: 34,
        csum_offset: 16,
    };
    let frame = super_frame(10 * usize::from(SEGMENT));
    let [sender, receiver] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let outlet = Outlet::new(vec![receiver.local_addr().unwrap().into()], true);
    let target = Target {
        socket: sender.as_raw_fd(),
        address: Some(0),
        tos: 2,
        ttl: 0,
        flow_label: 0,
        segments: 64,
    };
    let [mut from_vm, mut from_peer] = [(); 2].map(|()| RxBatch::new(RxKind::Inet, 16));
    let (mut tx, mut coalescer) = (TxBatch::new(), Coalescer::new(true));
    let counters = Counters::default();
    let engine = Vxlan::default();
    let mut run = || {
        from_vm.clear_stash();
        let span = from_vm.stash(&frame).unwrap();
        let meta = flow::frame(&frame, 7).unwrap();
        segment::<DropReason>(&frame, &vnet.cut(&meta)?, |headers, start, len| {
            let inner = Inner {
                kind: InnerKind::Ethernet,
                parts: [headers, &frame[start..start + len]],
                flow: meta.flow,
            };
            let space = tx.header_space(8 + headers.len()).unwrap();
            space[8..].copy_from_slice(headers);
            engine.header(100, &inner, space)?;
            let payload = Span { start: span.start + start, len };
            tx.push_datagram(target, 8 + headers.len(), payload);
            Ok(())
        })?;
        tx.flush(&from_vm, &outlet, &counters, DropReason::UnderlayFull);
        let mut joined = 0;
        while joined < 10 {
            let mut poll =
                libc::pollfd { fd: receiver.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 5000) }, 1, "nothing arrived");
            for i in 0..from_peer.receive(receiver.as_fd()).unwrap() {
                let (_, span) = from_peer.message(i);
                let decap = engine.decap(from_peer.bytes(span).unwrap(), &OUTER)?;
                let inner = span.skip(decap.offset);
                let meta = flow::frame(from_peer.bytes(inner).unwrap(), 7)?;
                joined += coalescer.push(-1, inner, &meta, None, &from_peer, &mut tx)?;
            }
            coalescer.flush(&from_peer, &mut tx);
            // No socket has this descriptor: sending fails at once.
            tx.flush(&from_peer, &outlet, &counters, DropReason::PortFull);
        }
        Ok::<u64, DropReason>(joined)
    };
    // The first batch may make room in what is used again.
    assert_eq!(run(), Ok(10));
    let count = allocations(|| (0..100).for_each(|_| assert_eq!(run(), Ok(10))));
    assert_eq!(count, 0);
}
