//! From the underlay to VMs' ports.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::PoisonError;
use std::time::Duration;

use super::coalesce::{Coalescer, pass, unfinished};
use super::edge::{Edge, Underlay};
use super::routes::{self, Routes};
use super::rx::{Received, RxBatch, Span, Tag};
use super::stt::{self, SttLink};
use super::tx::TxBatch;
use super::vnet::{self, VnetHeader};
use crate::encap::{Decap, DropReason, InnerKind, Outer, Stt, ecn};
use crate::vswitch::{Counters, Direction, Location, Network, Peer, PeerId, PortId, Verdict};
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::flow::{self, FrameMeta};
use crate::wire::{ipv4, ipv6, stp, vlan};

/// Packets that the batch must have room for at any time: what a coalescer holds, and one more.
const ROOM: usize = 640;
/// Most header bytes of one packet sent, where it is not whole super-frames' headers.
const HEADERS: usize = 256;

/// Receives one batch from the underlay and delivers what may go to VMs.
///
/// # Errors
/// What the underlay's socket says.
pub fn from_underlay(
    edge: &Edge,
    socket: BorrowedFd<'_>,
    rx: &mut RxBatch,
    tx: &mut TxBatch,
    coalescer: &mut Coalescer,
    now: u64,
) -> std::io::Result<()> {
    let count = match &edge.underlay {
        Underlay::Ip { v4: true, .. } => rx.receive_nameless(socket)?,
        _ => rx.receive(socket)?,
    };
    let mut way = Way { edge, rx, tx, coalescer, now, last: None, verdict: None };
    for i in 0..count {
        way.message(i);
    }
    way.flush();
    Ok(())
}

/// A tag has no outer header.
const OUTER_FABRIC: Outer = Outer { source: IpAddr::V4(Ipv4Addr::UNSPECIFIED), tos: 0 };

/// One worker's buffers at work for one edge.
struct Way<'a> {
    edge: &'a Edge,
    rx: &'a mut RxBatch,
    tx: &'a mut TxBatch,
    coalescer: &'a mut Coalescer,
    now: u64,
    /// The last packet's outer source, and the peer it is.
    last: Option<(IpAddr, Option<PeerId>)>,
    /// The last frame's network, peer and addresses, and where it goes: within one batch the
    /// next one mostly goes there too.
    verdict: Option<(Asked, Verdict)>,
}

/// What the switch is asked about a frame: network, peer, destination, source.
type Asked = (u64, PeerId, Mac, Mac);

impl Way<'_> {
    fn counters(&self) -> &Counters {
        self.edge.switch.counters(Direction::Decap)
    }

    fn flush(&mut self) {
        self.coalescer.flush(self.rx, self.tx);
        let counters = self.edge.switch.counters(Direction::Decap);
        self.tx.flush(self.rx, &self.edge.outlet, counters, DropReason::PortFull);
    }

    fn room(&mut self) {
        if !self.tx.has_room(ROOM, HEADERS) {
            self.flush();
        }
    }

    fn count_failure(&self, done: Result<(), DropReason>) {
        if let Err(reason) = done {
            self.counters().dropped(reason);
        }
    }

    /// Takes what one message holds.
    fn message(&mut self, i: usize) {
        let (received, message) = self.rx.message(i);
        if received.truncated {
            self.counters().dropped(DropReason::TooBig);
            return;
        }
        match &self.edge.underlay {
            Underlay::Frame { .. } => {
                let done = self.tagged(&received, message);
                self.count_failure(done);
            }
            Underlay::Udp { .. } => {
                let size = if received.gro_size > 0 { received.gro_size } else { message.len };
                let mut rest = message;
                while rest.len > 0 {
                    let done = self.packet(&received, received.tos, rest.take(size));
                    self.count_failure(done);
                    rest = rest.skip(size);
                }
            }
            Underlay::Ip { .. } => {
                let done = self.behind_ip(&received, message);
                self.count_failure(done);
            }
            Underlay::Stt(link) => {
                let done = self.behind_ethernet(link, &received, message);
                self.count_failure(done);
            }
        }
    }

    /// What a raw socket gives: over IPv4 the header first, over IPv6 not.
    fn behind_ip(&mut self, received: &Received, message: Span) -> Result<(), DropReason> {
        if received.source.is_some() {
            return self.packet(received, received.tos, message);
        }
        let header = ipv4::Header::parse(self.rx.bytes(message).ok_or(DropReason::Truncated)?)?;
        let received = Received { source: Some(header.src.into()), ..*received };
        self.packet(&received, header.tos, message.skip(header.header_len))
    }

    /// A segment of STT, or a whole frame of it that nobody cut.
    fn behind_ethernet(
        &mut self,
        link: &SttLink,
        received: &Received,
        message: Span,
    ) -> Result<(), DropReason> {
        let bytes = self.rx.bytes(message).ok_or(DropReason::Truncated)?;
        let incoming = stt::incoming(bytes)?;
        if !link.takes(incoming.destination) {
            return Err(DropReason::NotForUs);
        }
        let source = incoming.source;
        let unfinished = received.vnet.needs_csum();
        if let (Some(at), true) = (incoming.whole, unfinished) {
            // Never on a cable: nothing to verify.
            let end = incoming.segment.0 + incoming.segment.1;
            return self.stt_frame(source, incoming.tos, message.take(end).skip(at));
        }
        if unfinished {
            let bytes = self.rx.bytes_mut(message).ok_or(DropReason::Truncated)?;
            received.vnet.finish_checksum(bytes)?;
        }
        let segment = message.skip(incoming.segment.0).take(incoming.segment.1);
        let bytes = self.rx.bytes(segment).ok_or(DropReason::Truncated)?;
        let mut waiting = link.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = waiting.lost();
        let now = Duration::from_millis(self.now);
        let ends = (source, incoming.destination);
        let done = waiting.push(now, ends, incoming.tos, bytes);
        let (whole, tos) = match done? {
            None => (None, 0),
            Some(frame) => match frame.bytes {
                // The end of this one segment.
                Cow::Borrowed(all) => {
                    (Some(Ok(segment.skip(segment.len.saturating_sub(all.len())))), frame.tos)
                }
                Cow::Owned(all) => (Some(Err(all)), frame.tos),
            },
        };
        for _ in lost..waiting.lost() {
            self.counters().dropped(DropReason::Incomplete);
        }
        drop(waiting);
        match whole {
            None => Ok(()),
            Some(Ok(span)) => self.stt_frame(source, tos, span),
            Some(Err(all)) => {
                let span = self.stash(&all)?;
                self.stt_frame(source, tos, span)
            }
        }
    }

    /// Keeps a frame that was put together beside the messages.
    fn stash(&mut self, frame: &[u8]) -> Result<Span, DropReason> {
        if let Some(span) = self.rx.stash(frame) {
            return Ok(span);
        }
        self.flush();
        self.rx.clear_stash();
        self.rx.stash(frame).ok_or(DropReason::ReassemblyFull)
    }

    /// A whole STT frame.
    fn stt_frame(&mut self, source: IpAddr, tos: u8, frame: Span) -> Result<(), DropReason> {
        let edge = self.edge;
        let bytes = self.rx.bytes(frame).ok_or(DropReason::Truncated)?;
        let decap = edge.engine.decap(bytes, &Outer { source, tos })?;
        // A port takes no tagged frames, and one whose tag is left out would be another VLAN's.
        if Stt::tag(bytes)?.is_some() {
            return Err(DropReason::InnerTag);
        }
        let offload = edge.engine.offload(bytes)?;
        let peer = self.peer(source).ok_or(DropReason::UnknownPeer)?;
        let network = edge.switch.network(decap.network).ok_or(DropReason::UnknownNetwork)?;
        let inner = frame.skip(decap.offset);
        let mut meta = flow::frame(self.rx.bytes(inner).ok_or(DropReason::Truncated)?, edge.seed)?;
        self.congestion(inner, tos, &mut meta)?;
        let vnet = match &offload {
            Some(offload) => stt::metadata(offload, meta.payload, inner.len)?,
            None => VnetHeader::default(),
        };
        let verdict = edge.switch.from_peer(network, peer, meta.dst, meta.src, self.now);
        let packets = vnet.packets(inner.len.saturating_sub(meta.payload));
        self.deliver(verdict, network, packets, inner, |way, port| {
            pass(port, inner, vnet, way.tx);
            Ok(())
        })
    }

    /// A frame of the L2 fabric: its tag names the network; it goes on as it came, super-frames whole.
    fn tagged(&mut self, received: &Received, span: Span) -> Result<(), DropReason> {
        let edge = self.edge;
        let (mut span, mut vnet) = (span, received.vnet);
        let network = if let (None, Some(own)) = (received.tag, edge.untagged) {
            let bytes = self.rx.bytes(span).ok_or(DropReason::Truncated)?;
            if bytes.get(..6).is_some_and(|dst| dst == stp::GROUP.0) {
                return Ok(());
            }
            own
        } else if edge.engine.header_len() == 0 {
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
            let decap = edge.engine.decap(&self.tags(tag, span)?, &OUTER_FABRIC)?;
            // The kernel took out one tag; the others are still in the frame.
            let inside = decap.offset.saturating_sub(vlan::LEN);
            if inside > 0 {
                let bytes = self.rx.bytes_mut(span).ok_or(DropReason::Truncated)?;
                bytes.copy_within(..vlan::OFFSET, inside);
                span = span.skip(inside);
                vnet = vnet.without(u16::try_from(inside).unwrap_or(0));
            }
            decap.network
        };
        let meta = flow::frame(self.rx.bytes(span).ok_or(DropReason::Truncated)?, edge.seed)?;
        let network = edge.switch.network(network).ok_or(DropReason::UnknownNetwork)?;
        let peer = edge.switch.peer_of(Peer::Fabric).ok_or(DropReason::UnknownPeer)?;
        let verdict = edge.switch.from_peer(network, peer, meta.dst, meta.src, self.now);
        let packets = vnet.packets(span.len.saturating_sub(meta.payload));
        self.deliver(verdict, network, packets, span, |way, port| {
            let space = way.tx.header_space(vnet::LEN).ok_or(DropReason::PortFull)?;
            space.copy_from_slice(&vnet.to_bytes());
            way.tx.push_frame(port, vnet::LEN, [span]);
            Ok(())
        })
    }

    /// What stood behind the MAC addresses: the tag that the kernel took out, and what follows it,
    /// up to the `EtherType` behind a second tag.
    fn tags(&self, tag: Tag, span: Span) -> Result<[u8; 2 * vlan::LEN + 2], DropReason> {
        let frame = self.rx.bytes(span).ok_or(DropReason::Truncated)?;
        let [a, b] = tag.tpid.to_be_bytes();
        let [c, d] = tag.tci.to_be_bytes();
        let mut all = [a, b, c, d, 0, 0, 0, 0, 0, 0];
        let behind = frame.get(vlan::OFFSET..).unwrap_or_default();
        for (to, from) in all[vlan::LEN..].iter_mut().zip(behind) {
            *to = *from;
        }
        Ok(all)
    }

    /// Sends to the ports that a verdict names; one that fails keeps none from the others.
    fn deliver(
        &mut self,
        verdict: Verdict,
        network: &Network,
        packets: u64,
        span: Span,
        mut to: impl FnMut(&mut Self, RawFd) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let one;
        let ports: &[PortId] = match verdict {
            Verdict::Drop(reason) => return Err(reason),
            Verdict::To(Location::Peer(_)) => return Err(DropReason::SplitHorizon),
            Verdict::To(Location::Port(port)) => {
                one = [port];
                &one
            }
            Verdict::Flood => &network.ports,
        };
        for port in ports {
            self.room();
            match to(self, self.edge.ports[port.0].as_raw_fd()) {
                Ok(()) => self.counters().carried(packets, span.len as u64),
                Err(reason) => self.counters().dropped(reason),
            }
        }
        Ok(())
    }

    /// One packet of a tunnel, its outer IP and UDP headers taken off.
    fn packet(&mut self, received: &Received, tos: u8, packet: Span) -> Result<(), DropReason> {
        let edge = self.edge;
        let source = received.source.ok_or(DropReason::UnknownPeer)?;
        let bytes = self.rx.bytes(packet).ok_or(DropReason::Truncated)?;
        let decap = edge.engine.decap(bytes, &Outer { source, tos })?;
        let peer = self.peer(source).ok_or(DropReason::UnknownPeer)?;
        self.inner(&decap, peer, tos, packet.skip(decap.offset))
    }

    /// What was inside.
    fn inner(
        &mut self,
        decap: &Decap,
        peer: PeerId,
        tos: u8,
        inner: Span,
    ) -> Result<(), DropReason> {
        let edge = self.edge;
        let network = edge.switch.network(decap.network).ok_or(DropReason::UnknownNetwork)?;
        match (decap.kind, &edge.routes) {
            (InnerKind::Ethernet, None) => {}
            (InnerKind::Ipv4 | InnerKind::Ipv6, Some(routes)) => {
                return self.routed(routes, decap, peer, tos, inner);
            }
            _ => return Err(DropReason::UnknownProtocol),
        }
        let mut meta = flow::frame(self.rx.bytes(inner).ok_or(DropReason::Truncated)?, edge.seed)?;
        self.congestion(inner, tos, &mut meta)?;
        let verdict = self.verdict(network, peer, &meta);
        if let Verdict::To(Location::Port(port)) = verdict {
            return self.to_port(port, inner, &meta);
        }
        let bytes = self.rx.bytes(inner).ok_or(DropReason::Truncated)?;
        let vnet = unfinished(bytes, &meta, edge.unfinished_up_to())?;
        self.deliver(verdict, network, 1, inner, |way, port| {
            pass(port, inner, vnet, way.tx);
            Ok(())
        })
    }

    /// An IP packet for a VM here: an Ethernet header is put before it, into the buffer's headroom.
    fn routed(
        &mut self,
        routes: &Routes,
        decap: &Decap,
        peer: PeerId,
        tos: u8,
        inner: Span,
    ) -> Result<(), DropReason> {
        let kind = if decap.kind == InnerKind::Ipv4 { ethertype::IPV4 } else { ethertype::IPV6 };
        if let Some(port) = self.edge.tun() {
            return self.to_routed(port, Mac::ZERO, kind, tos, inner);
        }
        let packet = self.rx.bytes(inner).ok_or(DropReason::Truncated)?;
        let (source, destination) = routes::addresses(kind, packet)?;
        let from = routes.hop(decap.network, source).ok_or(DropReason::BadSource)?;
        if from.location != Location::Peer(peer) {
            return Err(DropReason::BadSource);
        }
        if let Some(mac) = routes.to_all(decap.network, destination) {
            let network = self.edge.switch.network(decap.network);
            for port in &network.ok_or(DropReason::UnknownNetwork)?.ports {
                let done = self.to_routed(*port, mac, kind, tos, inner);
                self.count_failure(done);
            }
            return Ok(());
        }
        let hop = routes.hop(decap.network, destination).ok_or(DropReason::UnknownDestination)?;
        let Location::Port(port) = hop.location else { return Err(DropReason::SplitHorizon) };
        self.to_routed(port, hop.mac, kind, tos, inner)
    }

    /// To one VM, behind an Ethernet header.
    fn to_routed(
        &mut self,
        port: PortId,
        dst: Mac,
        kind: u16,
        tos: u8,
        inner: Span,
    ) -> Result<(), DropReason> {
        let src = self.edge.routes.as_ref().map_or(Mac::ZERO, |routes| routes.mac);
        let frame = inner.grow_front(ethernet::LEN).ok_or(DropReason::Truncated)?;
        let bytes = self.rx.bytes_mut(frame).ok_or(DropReason::Truncated)?;
        ethernet::Header { dst, src, ethertype: kind }.emit(bytes)?;
        let mut meta = flow::frame(bytes, self.edge.seed)?;
        self.congestion(frame, tos, &mut meta)?;
        self.to_port(port, frame, &meta)
    }

    /// To one VM, joined with its neighbours of the same flow.
    fn to_port(&mut self, port: PortId, frame: Span, meta: &FrameMeta) -> Result<(), DropReason> {
        self.room();
        let socket = self.edge.ports[port.0].as_raw_fd();
        let limit = self.edge.unfinished_up_to();
        let packets = self.coalescer.push(socket, frame, meta, limit, self.rx, self.tx)?;
        self.counters().carried(packets, frame.len as u64);
        Ok(())
    }

    fn verdict(&mut self, network: &Network, peer: PeerId, meta: &FrameMeta) -> Verdict {
        let asked = (network.id, peer, meta.dst, meta.src);
        match self.verdict {
            Some((last, verdict)) if last == asked => verdict,
            _ => {
                let switch = &self.edge.switch;
                let verdict = switch.from_peer(network, peer, meta.dst, meta.src, self.now);
                self.verdict = Some((asked, verdict));
                verdict
            }
        }
    }

    fn peer(&mut self, source: IpAddr) -> Option<PeerId> {
        match self.last {
            Some((last, peer)) if last == source => peer,
            _ => {
                let peer = self.edge.switch.peer_of(Peer::Vtep(source));
                self.last = Some((source, peer));
                peer
            }
        }
    }

    /// Carries the underlay's congestion mark (RFC 6040 section 4.2) and, in the uniform model, its
    /// service class (RFC 2983) on into the inner packet.
    fn congestion(&mut self, inner: Span, tos: u8, meta: &mut FrameMeta) -> Result<(), DropReason> {
        let ip = matches!(meta.ethertype, ethertype::IPV4 | ethertype::IPV6);
        let dscp = self.edge.delivery.dscp;
        if !ip || tos & ecn::MASK == ecn::NOT_ECT && dscp != ecn::Dscp::Uniform {
            return Ok(());
        }
        let Some(tos) = ecn::changed_tos(meta.tos, tos, dscp)? else {
            return Ok(());
        };
        meta.tos = tos;
        let packet = self.rx.bytes_mut(inner.skip(meta.l3)).ok_or(DropReason::Truncated)?;
        if meta.ethertype == ethertype::IPV4 {
            ipv4::set_tos(packet, tos);
        } else {
            ipv6::set_traffic_class(packet, tos);
        }
        Ok(())
    }
}
