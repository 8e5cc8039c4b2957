//! From a VM's port towards the overlay.

use std::os::fd::{AsFd, AsRawFd};

use super::edge::{Edge, Underlay};
use super::rx::{Received, RxBatch, Span};
use super::segment::{MAX_HEADERS, finish_checksum, segment};
use super::tx::{Target, TxBatch};
use super::vnet::{self, VnetHeader};
use crate::encap::{DropReason, Inner, InnerKind};
use crate::vswitch::{Direction, Location, Peer, PeerId, PortId, Verdict};
use crate::wire::ethernet;
use crate::wire::flow::{self, FrameMeta};

/// Longest tunnel header of any engine: Geneve with all its options.
const MAX_TUNNEL: usize = 272;

/// One frame on its way.
struct Frame<'a> {
    edge: &'a Edge,
    span: Span,
    vnet: VnetHeader,
    meta: FrameMeta,
    network: u64,
}

/// Receives one batch from a port and sends on what may go.
///
/// # Errors
/// What the port's socket says.
pub fn from_port(
    edge: &Edge,
    port: PortId,
    rx: &mut RxBatch,
    tx: &mut TxBatch,
    now: u64,
) -> std::io::Result<()> {
    let counters = edge.switch.counters(Direction::Encap);
    let count = rx.receive(edge.ports[port.0].as_fd())?;
    for i in 0..count {
        if let Err(reason) = one_frame(edge, port, i, rx, tx, now) {
            counters.dropped(reason);
        }
    }
    tx.flush(rx, counters, DropReason::UnderlayFull);
    Ok(())
}

fn one_frame(
    edge: &Edge,
    port: PortId,
    i: usize,
    rx: &mut RxBatch,
    tx: &mut TxBatch,
    now: u64,
) -> Result<(), DropReason> {
    let (received, span) = rx.message(i);
    let meta = accept(edge, &received, rx.bytes(span).ok_or(DropReason::Truncated)?)?;
    let verdict = edge.switch.from_port(port, meta.dst, meta.src, now);
    let network = edge.switch.network_of(port);
    let mut frame = Frame { edge, span, vnet: received.vnet, meta, network: network.id };
    match verdict {
        Verdict::Drop(reason) => Err(reason),
        Verdict::To(Location::Port(to)) => frame.to_port(to, tx),
        Verdict::To(Location::Peer(peer)) => frame.to_peer(peer, rx, tx),
        Verdict::Flood => {
            for to in network.ports.iter().filter(|p| **p != port) {
                frame.to_port(*to, tx)?;
            }
            for peer in &network.peers {
                frame.to_peer(*peer, rx, tx)?;
            }
            Ok(())
        }
    }
}

/// Parses a frame from a VM and refuses what an access port does not take.
fn accept(edge: &Edge, received: &Received, bytes: &[u8]) -> Result<FrameMeta, DropReason> {
    if received.truncated {
        return Err(DropReason::TooBig);
    }
    let meta = flow::frame(bytes, edge.seed)?;
    if received.tag.is_some() || meta.tags > 0 {
        return Err(DropReason::InnerTag);
    }
    // The size of the packets that will be on the wire: a super-frame's segments.
    let packet = if received.vnet.is_gso() {
        meta.payload - meta.l3 + usize::from(received.vnet.gso_size)
    } else {
        bytes.len().saturating_sub(meta.l3)
    };
    if packet > edge.inner_mtu {
        return Err(DropReason::TooBig);
    }
    Ok(meta)
}

impl Frame<'_> {
    /// To another VM of this host, as it came.
    fn to_port(&self, to: PortId, tx: &mut TxBatch) -> Result<(), DropReason> {
        let space = tx.header_space(vnet::LEN).ok_or(DropReason::PortFull)?;
        space.copy_from_slice(&self.vnet.to_bytes());
        tx.push_frame(self.edge.ports[to.0].as_raw_fd(), vnet::LEN, [self.span]);
        self.carried(1);
        Ok(())
    }

    fn carried(&self, packets: u64) {
        self.edge.switch.counters(Direction::Encap).carried(packets, self.span.len as u64);
    }

    fn to_peer(&mut self, peer: PeerId, rx: &mut RxBatch, tx: &mut TxBatch) -> Result<(), DropReason> {
        match &self.edge.underlay {
            Underlay::Frame { nic } => self.to_fabric(nic.as_raw_fd(), rx, tx),
            Underlay::Udp { senders, .. } => {
                let Peer::Vtep(_) = self.edge.switch.peers()[peer.0] else {
                    return Err(DropReason::UnknownDestination);
                };
                let sender = &senders[self.meta.flow as usize % senders.len()];
                let target = Target {
                    socket: sender.as_raw_fd(),
                    address: Some(peer.0),
                    // RFC 6040 section 4.1, normal mode: the inner code point goes out as it is;
                    // DSCP by the pipe model (RFC 2983): 0.
                    tos: self.meta.tos & 0b11,
                };
                self.to_vtep(target, rx, tx)
            }
        }
    }

    /// As one frame, whole, with the engine's bytes behind the MAC addresses.
    fn to_fabric(&self, nic: i32, rx: &RxBatch, tx: &mut TxBatch) -> Result<(), DropReason> {
        const MACS: usize = 12;
        let engine = &self.edge.engine;
        let bytes = rx.bytes(self.span).ok_or(DropReason::Truncated)?;
        let macs = bytes.get(..MACS).ok_or(DropReason::Truncated)?;
        let tag = engine.header_len();
        let len = vnet::LEN + MACS + tag;
        let space = tx.header_space(len).ok_or(DropReason::UnderlayFull)?;
        let shift = u16::try_from(tag).map_err(|_| DropReason::TooBig)?;
        space[..vnet::LEN].copy_from_slice(&self.vnet.shifted(shift).to_bytes());
        space[vnet::LEN..vnet::LEN + MACS].copy_from_slice(macs);
        let inner = self.inner([bytes, &[]]);
        engine.header(self.network, &inner, &mut space[vnet::LEN + MACS..])?;
        tx.push_frame(nic, len, [self.span.skip(MACS)]);
        self.carried(1);
        Ok(())
    }

    /// As datagrams, one for each segment.
    fn to_vtep(
        &mut self,
        target: Target,
        rx: &mut RxBatch,
        tx: &mut TxBatch,
    ) -> Result<(), DropReason> {
        let engine = &self.edge.engine;
        let tunnel = engine.header_len();
        if !self.vnet.is_gso() {
            let bytes = rx.bytes_mut(self.span).ok_or(DropReason::Truncated)?;
            finish_checksum(bytes, self.vnet)?;
            // Finished once; a flooded frame comes here for every peer.
            self.vnet = VnetHeader::default();
            let space = tx.header_space(tunnel).ok_or(DropReason::UnderlayFull)?;
            engine.header(self.network, &self.inner([bytes, &[]]), space)?;
            tx.push_datagram(target, tunnel, self.span);
            self.carried(1);
            return Ok(());
        }
        let bytes = rx.bytes(self.span).ok_or(DropReason::Truncated)?;
        let segments = bytes.len() / usize::from(self.vnet.gso_size).max(1) + 2;
        if !tx.has_room(segments * (MAX_HEADERS + MAX_TUNNEL), 2 * segments) {
            // The arena and the piece list hold a batch of whole super-frames many times over;
            // only hostile ones (thousands of one-byte segments) come here.
            return Err(DropReason::UnderlayFull);
        }
        let mut packets = 0;
        segment(bytes, self.vnet, &self.meta, |headers, start, len| {
            let total = tunnel + headers.len();
            let space = tx.header_space(total).ok_or(DropReason::UnderlayFull)?;
            let payload = bytes.get(start..start + len).ok_or(DropReason::Truncated)?;
            let (before, copy) = space.split_at_mut(tunnel);
            copy.copy_from_slice(headers);
            engine.header(self.network, &self.inner([headers, payload]), before)?;
            let payload = Span { start: self.span.start + start, len };
            tx.push_datagram(target, total, payload);
            packets += 1;
            Ok(())
        })?;
        self.carried(packets);
        Ok(())
    }

    fn inner<'a>(&self, parts: [&'a [u8]; 2]) -> Inner<'a> {
        debug_assert!(parts[0].len() >= ethernet::LEN);
        Inner { kind: InnerKind::Ethernet, parts, flow: self.meta.flow }
    }
}
