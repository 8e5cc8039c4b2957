//! From the underlay to VMs' ports.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};

use super::coalesce::{Coalescer, pass};
use super::edge::{Edge, Underlay};
use super::rx::{Received, RxBatch, Span};
use super::tx::TxBatch;
use super::vnet;
use crate::encap::{DropReason, Outer};
use crate::vswitch::{Direction, Location, Peer, PeerId, PortId, Verdict};
use crate::wire::ethernet::ethertype;
use crate::wire::flow::{self, FrameMeta};
use crate::wire::{ipv4, ipv6};

/// Receives one batch from the underlay and delivers what may go to VMs.
///
/// # Errors
/// What the underlay's socket says.
pub fn from_underlay(
    edge: &Edge,
    rx: &mut RxBatch,
    tx: &mut TxBatch,
    coalescer: &mut Coalescer,
    now: u64,
) -> std::io::Result<()> {
    let counters = edge.switch.counters(Direction::Decap);
    match &edge.underlay {
        Underlay::Frame { nic } => {
            let count = rx.receive(nic.as_fd())?;
            for i in 0..count {
                if let Err(reason) = tagged(edge, i, rx, tx, now) {
                    counters.dropped(reason);
                }
            }
        }
        Underlay::Udp { receiver, .. } => {
            let count = rx.receive(receiver.as_fd())?;
            let mut last = None;
            for i in 0..count {
                let (received, message) = rx.message(i);
                let size = if received.gro_size > 0 { received.gro_size } else { message.len };
                let mut rest = message;
                while rest.len > 0 {
                    let datagram = rest.take(size);
                    rest = rest.skip(size);
                    let mut way = Way { edge, rx, tx, coalescer, now, last: &mut last };
                    if let Err(reason) = way.datagram(&received, datagram) {
                        counters.dropped(reason);
                    }
                }
            }
            coalescer.flush(rx, tx);
        }
    }
    tx.flush(rx, counters, DropReason::PortFull);
    Ok(())
}

/// A frame of the L2 fabric: its tag names the network; it goes on as it came, super-frames whole.
fn tagged(
    edge: &Edge,
    i: usize,
    rx: &RxBatch,
    tx: &mut TxBatch,
    now: u64,
) -> Result<(), DropReason> {
    let (received, span) = rx.message(i);
    let bytes = rx.bytes(span).ok_or(DropReason::Truncated)?;
    let meta = flow::frame(bytes, edge.seed)?;
    let network = if edge.engine.header_len() == 0 {
        // The plain path: everything untagged belongs to the one network.
        if received.tag.is_some() {
            return Err(DropReason::UnknownNetwork);
        }
        0
    } else {
        let Some(tag) = received.tag else {
            // Spanning tree and the host's own traffic: not for tenants.
            return Ok(());
        };
        let [a, b] = tag.tpid.to_be_bytes();
        let [c, d] = tag.tci.to_be_bytes();
        let [e, f] = meta.ethertype.to_be_bytes();
        edge.engine.decap(&[a, b, c, d, e, f], &OUTER_FABRIC)?.network
    };
    let network = edge.switch.network(network).ok_or(DropReason::UnknownNetwork)?;
    let peer = edge.switch.peer_of(Peer::Fabric).ok_or(DropReason::UnknownPeer)?;
    let verdict = edge.switch.from_peer(network, peer, meta.dst, meta.src, now);
    deliver(edge, verdict, &network.ports, span.len, |port| {
        let space = tx.header_space(vnet::LEN).ok_or(DropReason::PortFull)?;
        space.copy_from_slice(&received.vnet.to_bytes());
        tx.push_frame(edge.ports[port.0].as_raw_fd(), vnet::LEN, [span]);
        Ok(())
    })
}

/// A tag has no outer header.
const OUTER_FABRIC: Outer = Outer { source: IpAddr::V4(Ipv4Addr::UNSPECIFIED), tos: 0 };

fn deliver(
    edge: &Edge,
    verdict: Verdict,
    all: &[PortId],
    bytes: usize,
    mut to: impl FnMut(PortId) -> Result<(), DropReason>,
) -> Result<(), DropReason> {
    match verdict {
        Verdict::Drop(reason) => return Err(reason),
        Verdict::To(Location::Port(port)) => to(port)?,
        Verdict::To(Location::Peer(_)) => return Err(DropReason::SplitHorizon),
        Verdict::Flood => all.iter().try_for_each(|port| to(*port))?,
    }
    edge.switch.counters(Direction::Decap).carried(1, bytes as u64);
    Ok(())
}

/// The last datagram's outer source, and the peer it is.
type LastPeer = Option<(IpAddr, Option<PeerId>)>;

/// What a datagram needs on its way.
struct Way<'a> {
    edge: &'a Edge,
    rx: &'a mut RxBatch,
    tx: &'a mut TxBatch,
    coalescer: &'a mut Coalescer,
    now: u64,
    last: &'a mut LastPeer,
}

impl Way<'_> {
    fn datagram(&mut self, received: &Received, datagram: Span) -> Result<(), DropReason> {
        let edge = self.edge;
        let source = received.source.ok_or(DropReason::UnknownPeer)?;
        let bytes = self.rx.bytes(datagram).ok_or(DropReason::Truncated)?;
        let decap = edge.engine.decap(bytes, &Outer { source, tos: received.tos })?;
        let network = edge.switch.network(decap.network).ok_or(DropReason::UnknownNetwork)?;
        let peer = self.peer(source).ok_or(DropReason::UnknownPeer)?;
        let inner = datagram.skip(decap.offset);
        let bytes = self.rx.bytes(inner).ok_or(DropReason::Truncated)?;
        let mut meta = flow::frame(bytes, edge.seed)?;
        self.congestion(inner, received.tos, &mut meta)?;
        let verdict = edge.switch.from_peer(network, peer, meta.dst, meta.src, self.now);
        if let Verdict::To(Location::Port(port)) = verdict {
            let socket = edge.ports[port.0].as_raw_fd();
            self.coalescer.push(socket, inner, &meta, self.rx, self.tx);
            edge.switch.counters(Direction::Decap).carried(1, inner.len as u64);
            return Ok(());
        }
        deliver(edge, verdict, &network.ports, inner.len, |port| {
            pass(edge.ports[port.0].as_raw_fd(), inner, self.tx);
            Ok(())
        })
    }

    fn peer(&mut self, source: IpAddr) -> Option<PeerId> {
        match *self.last {
            Some((last, peer)) if last == source => peer,
            _ => {
                let peer = self.edge.switch.peer_of(Peer::Vtep(source));
                *self.last = Some((source, peer));
                peer
            }
        }
    }

    /// Carries a congestion mark of the underlay on into the inner packet (RFC 6040 section 4.2).
    fn congestion(&mut self, inner: Span, tos: u8, meta: &mut FrameMeta) -> Result<(), DropReason> {
        let ip = matches!(meta.ethertype, ethertype::IPV4 | ethertype::IPV6);
        if tos & 0b11 == 0 || !ip {
            return Ok(());
        }
        let mark = congestion_mark(meta.tos & 0b11, tos & 0b11)?;
        if mark == meta.tos & 0b11 {
            return Ok(());
        }
        meta.tos = meta.tos & !0b11 | mark;
        let packet = self.rx.bytes_mut(inner.skip(meta.l3)).ok_or(DropReason::Truncated)?;
        if meta.ethertype == ethertype::IPV4 {
            ipv4::set_tos(packet, meta.tos);
        } else {
            ipv6::set_traffic_class(packet, meta.tos);
        }
        Ok(())
    }
}

/// RFC 6040 figure 4: the inner mark after decapsulation, from the inner and the outer one.
fn congestion_mark(inner: u8, outer: u8) -> Result<u8, DropReason> {
    const NOT_ECT: u8 = 0b00;
    const ECT_1: u8 = 0b01;
    const ECT_0: u8 = 0b10;
    const CE: u8 = 0b11;
    match (inner, outer) {
        (NOT_ECT, CE) => Err(DropReason::EcnCongestion),
        (ECT_0 | ECT_1, CE) => Ok(CE),
        (ECT_0, ECT_1) => Ok(ECT_1),
        _ => Ok(inner),
    }
}
