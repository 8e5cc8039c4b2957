//! From a VM's port towards the overlay.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::direct::{self, DirectLink};
use super::edge::{Edge, Underlay};
use super::outlet::Target;
use super::oversize::{self, Oversize};
use super::routes::{self, Routes};
use super::rx::{Received, RxBatch, Span, Tag};
use super::stt::{Outgoing, SttLink};
use super::tap::Port;
use super::tx::TxBatch;
use super::vnet::{self, VnetHeader};
use crate::encap::{DropReason, Inner, InnerKind, Offload, flow_label};
use crate::vswitch::{Counters, Direction, Location, Peer, PeerId, PortId, Verdict};
use crate::wire::ethernet::{self, ethertype};
use crate::wire::flow::{self, FrameMeta};
use crate::wire::ipv4::protocol;
use crate::wire::segment::segment;
use crate::wire::vlan;

/// Longest headers of a VM's frame that is segmented: Ethernet, IP, and TCP with options.
const MAX_HEADERS: usize = 192;
/// Longest tunnel header of any engine: Geneve with all its options.
const MAX_TUNNEL: usize = 272;
/// Most header bytes of one packet sent.
const HEADERS: usize = direct::LEN + MAX_HEADERS + MAX_TUNNEL;

/// One worker's buffers at work for one port.
struct Way<'a> {
    edge: &'a Edge,
    port: PortId,
    rx: &'a mut RxBatch,
    tx: &'a mut TxBatch,
    now: u64,
}

/// One frame or packet on its way.
struct Frame {
    kind: InnerKind,
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
    let count = match &edge.ports[port.0] {
        Port::Packet(socket) => rx.receive(socket.as_fd())?,
        Port::Tap(tap) => rx.read(tap)?,
    };
    let mut way = Way { edge, port, rx, tx, now };
    for i in 0..count {
        if let Err(reason) = way.frame(i) {
            way.counters().dropped(reason);
        }
    }
    way.flush();
    Ok(())
}

/// Parses a frame from a VM and refuses what an access port of tags does not take; a tunnel's
/// engine decides for itself whether it carries tagged frames.
fn accept(edge: &Edge, received: &Received, bytes: &[u8]) -> Result<FrameMeta, DropReason> {
    if received.truncated {
        return Err(DropReason::TooBig);
    }
    let meta = flow::frame(bytes, edge.seed)?;
    let tagged = received.tag.is_some() || meta.tags > 0;
    // STT's frames are untagged (draft-davie-stt-08 section 3.1.1); a router takes no tags.
    let access = edge.engine.encap().is_tag() && !edge.engine.stacks_tags()
        || edge.engine.header_len() == 0
        || edge.routes.is_some()
        || matches!(edge.underlay, Underlay::Stt(_));
    if tagged && access {
        return Err(DropReason::InnerTag);
    }
    Ok(meta)
}

/// Size of the packets that will be on the wire: a super-frame's segments.
fn packet_len(bytes: &[u8], vnet: VnetHeader, meta: &FrameMeta) -> usize {
    // Tags of the inner frame are beyond what the inner MTU allows for.
    let tags = usize::from(meta.tags) * vlan::LEN;
    let packet = if vnet.is_gso() {
        meta.payload - meta.l3 + usize::from(vnet.gso_size)
    } else {
        bytes.len().saturating_sub(meta.l3)
    };
    packet + tags
}

impl Way<'_> {
    fn counters(&self) -> &Counters {
        self.edge.switch.counters(Direction::Encap)
    }

    fn flush(&mut self) {
        let counters = self.edge.switch.counters(Direction::Encap);
        self.tx.flush(self.rx, &self.edge.outlet, counters, DropReason::UnderlayFull);
    }

    /// Makes room for so many packets.
    fn room(&mut self, packets: usize) -> Result<(), DropReason> {
        if self.tx.has_room(packets, HEADERS) {
            return Ok(());
        }
        // Only hostile super-frames (thousands of segments of a few bytes) never fit.
        if !TxBatch::could_fit(packets, HEADERS) {
            return Err(DropReason::BadOffload);
        }
        self.flush();
        Ok(())
    }

    fn frame(&mut self, i: usize) -> Result<(), DropReason> {
        let edge = self.edge;
        let (mut received, mut span) = self.rx.message(i);
        let bytes = self.rx.bytes(span).ok_or(DropReason::Truncated)?;
        let mut meta = accept(edge, &received, bytes)?;
        if let Some(tag) = received.tag {
            span = self.put_back(tag, span)?;
            received.vnet = received.vnet.shifted(vlan::LEN as u16);
            meta = flow::frame(self.rx.bytes(span).ok_or(DropReason::Truncated)?, edge.seed)?;
        }
        let bytes = self.rx.bytes(span).ok_or(DropReason::Truncated)?;
        let size = packet_len(bytes, received.vnet, &meta);
        if size > edge.inner_mtu && edge.oversize != Oversize::Fragment {
            self.refuse(span);
            return Err(DropReason::TooBig);
        }
        let network = edge.switch.network_of(self.port);
        let vnet = received.vnet;
        let mut frame = Frame { kind: InnerKind::Ethernet, span, vnet, meta, network: network.id };
        if edge.tun().is_some() {
            let peer = *network.peers.first().ok_or(DropReason::UnknownDestination)?;
            return self.tunnel(&mut frame, peer);
        }
        if let Some(routes) = &edge.routes {
            return self.route(routes, &mut frame);
        }
        if meta.dst.is_group() && edge.neighbours.has(network.id) {
            let mut answer = [0; routes::MAX_ANSWER];
            if let Some(len) = edge.neighbours.answer(network.id, bytes, &mut answer) {
                self.room(1)?;
                self.reply(answer.get(..len).unwrap_or_default());
                return Ok(());
            }
        }
        match edge.switch.from_port(self.port, meta.dst, meta.src, self.now) {
            Verdict::Drop(reason) => Err(reason),
            Verdict::To(Location::Port(to)) => self.to_port(&frame, to),
            Verdict::To(Location::Peer(peer)) => self.to_peer(&mut frame, peer),
            Verdict::Flood => {
                // One copy that fails keeps none from the others.
                let from = self.port;
                for to in network.ports.iter().filter(|p| **p != from) {
                    let done = self.to_port(&frame, *to);
                    self.count_failure(done);
                }
                // What goes to ports refers to the same bytes, which `complete` finishes.
                if !network.flood.is_empty() && !frame.vnet.is_gso() && frame.vnet.needs_csum() {
                    self.flush();
                }
                for peer in &network.flood {
                    let done = self.to_peer(&mut frame, *peer);
                    self.count_failure(done);
                }
                Ok(())
            }
        }
    }

    /// Puts the tag that the kernel took out back into the frame, which grows into its headroom.
    fn put_back(&mut self, tag: Tag, span: Span) -> Result<Span, DropReason> {
        let grown = span.grow_front(vlan::LEN).ok_or(DropReason::Truncated)?;
        let bytes = self.rx.bytes_mut(grown).ok_or(DropReason::Truncated)?;
        if bytes.len() < vlan::OFFSET + vlan::LEN {
            return Err(DropReason::Truncated);
        }
        bytes.copy_within(vlan::LEN..vlan::LEN + vlan::OFFSET, 0);
        let place = bytes.get_mut(vlan::OFFSET..).ok_or(DropReason::Truncated)?;
        vlan::Tag::from_tci(tag.tpid, tag.tci).emit(place)?;
        Ok(grown)
    }

    fn count_failure(&self, done: Result<(), DropReason>) {
        if let Err(reason) = done {
            self.counters().dropped(reason);
        }
    }

    /// Tells the sender of a packet that is too large, where the edge does so.
    fn refuse(&mut self, span: Span) {
        if self.edge.oversize != Oversize::Notify || self.room(4).is_err() {
            return;
        }
        let mut message = [0; oversize::MAX_MESSAGE];
        let written = self.rx.bytes(span).and_then(|frame| {
            oversize::notification(frame, self.edge.inner_mtu, &mut message).ok()
        });
        if let Some(written) = written {
            self.reply(message.get(..written).unwrap_or_default());
        }
    }

    /// Sends a frame of our own to the VM.
    fn reply(&mut self, frame: &[u8]) {
        let len = vnet::LEN + frame.len();
        if let Some(space) = self.tx.header_space(len) {
            space[..vnet::LEN].fill(0);
            space[vnet::LEN..].copy_from_slice(frame);
            self.tx.push_frame(self.edge.ports[self.port.0].as_raw_fd(), len, []);
        }
    }

    /// As a router: answers for addresses it has routes to, forwards what is sent to it.
    fn route(&mut self, routes: &Routes, frame: &mut Frame) -> Result<(), DropReason> {
        let bytes = self.rx.bytes(frame.span).ok_or(DropReason::Truncated)?;
        // A port leads to one VM, so whatever MAC a packet is sent to, this router is meant.
        let ip = matches!(frame.meta.ethertype, ethertype::IPV4 | ethertype::IPV6);
        let asks = frame.meta.dst.is_group() || !ip;
        // Neighbours known already are asked for by unicast.
        if asks || frame.meta.ethertype == ethertype::IPV6 {
            let mut answer = [0; routes::MAX_ANSWER];
            match routes.answer(frame.network, self.port, bytes, &mut answer) {
                Err(DropReason::UnknownProtocol) if !asks => {}
                Err(DropReason::UnknownProtocol) if ip => return self.to_everyone(routes, frame),
                Err(reason) => return Err(reason),
                Ok(0) => return Ok(()),
                Ok(len) => {
                    self.room(1)?;
                    self.reply(answer.get(..len).unwrap_or_default());
                    return Ok(());
                }
            }
        }
        let bytes = self.rx.bytes_mut(frame.span).ok_or(DropReason::Truncated)?;
        let kind = frame.meta.ethertype;
        let packet = bytes.get_mut(ethernet::LEN..).ok_or(DropReason::Truncated)?;
        let (_, destination) = routes::addresses(kind, packet)?;
        let hop = routes.hop(frame.network, destination).ok_or(DropReason::UnknownDestination)?;
        routes::decrement(kind, packet)?;
        match hop.location {
            Location::Port(to) => {
                let header = ethernet::Header { dst: hop.mac, src: routes.mac, ethertype: kind };
                header.emit(bytes)?;
                self.to_port(frame, to)
            }
            Location::Peer(peer) => self.tunnel(frame, peer),
        }
    }

    /// A broadcast or multicast packet, to all VMs of the network where it passes them on. It is
    /// one hop like any other packet.
    fn to_everyone(&mut self, routes: &Routes, frame: &mut Frame) -> Result<(), DropReason> {
        let bytes = self.rx.bytes_mut(frame.span).ok_or(DropReason::Truncated)?;
        let kind = frame.meta.ethertype;
        let packet = bytes.get_mut(ethernet::LEN..).ok_or(DropReason::Truncated)?;
        let (_, destination) = routes::addresses(kind, packet)?;
        let dst = routes.to_all(frame.network, destination).ok_or(DropReason::UnknownProtocol)?;
        routes::decrement(kind, packet)?;
        ethernet::Header { dst, src: routes.mac, ethertype: kind }.emit(bytes)?;
        let (network, from) = (self.edge.switch.network_of(self.port), self.port);
        for to in network.ports.iter().filter(|port| **port != from) {
            let done = self.to_port(frame, *to);
            self.count_failure(done);
        }
        if !frame.vnet.is_gso() && frame.vnet.needs_csum() {
            self.flush();
        }
        self.strip(frame)?;
        for peer in &network.flood {
            let done = self.to_peer(frame, *peer);
            self.count_failure(done);
        }
        Ok(())
    }

    /// The packet of a frame, without its Ethernet header.
    fn tunnel(&mut self, frame: &mut Frame, peer: PeerId) -> Result<(), DropReason> {
        self.strip(frame)?;
        self.to_peer(frame, peer)
    }

    /// Takes the Ethernet header off.
    fn strip(&self, frame: &mut Frame) -> Result<(), DropReason> {
        frame.kind = match frame.meta.ethertype {
            ethertype::IPV4 => InnerKind::Ipv4,
            ethertype::IPV6 => InnerKind::Ipv6,
            _ => return Err(DropReason::UnknownProtocol),
        };
        frame.span = frame.span.skip(ethernet::LEN);
        let packet = self.rx.bytes(frame.span).ok_or(DropReason::Truncated)?;
        frame.meta = flow::packet(packet, self.edge.seed)?;
        frame.vnet = frame.vnet.without(ethernet::LEN as u16);
        Ok(())
    }

    /// To another VM of this host, as it came.
    fn to_port(&mut self, frame: &Frame, to: PortId) -> Result<(), DropReason> {
        self.room(1)?;
        let space = self.tx.header_space(vnet::LEN).ok_or(DropReason::PortFull)?;
        space.copy_from_slice(&frame.vnet.to_bytes());
        self.tx.push_frame(self.edge.ports[to.0].as_raw_fd(), vnet::LEN, [frame.span]);
        self.carried(frame);
        Ok(())
    }

    /// Counts a frame as the packets it stands for.
    fn carried(&self, frame: &Frame) {
        let packets = frame.vnet.packets(frame.span.len.saturating_sub(frame.meta.payload));
        self.counters().carried(packets, frame.span.len as u64);
    }

    fn to_peer(&mut self, frame: &mut Frame, peer: PeerId) -> Result<(), DropReason> {
        let delivery = &self.edge.delivery;
        let tos = delivery.outer_tos(Some(frame.meta.tos));
        let bytes = self.rx.bytes(frame.span).unwrap_or_default();
        let ttl = delivery.inherited_ttl(frame.meta.ethertype, frame.meta.l3, bytes).unwrap_or(0);
        let flow = frame.meta.flow as usize;
        let (near, far) = self.pair(flow, peer);
        // What has ports gets its label from the kernel, by them.
        let mut label = 0;
        let (socket, segments) = match &self.edge.underlay {
            Underlay::Frame { nic } => return self.to_fabric(frame, nic.as_raw_fd()),
            Underlay::Udp { senders, .. } => (&senders[flow % senders.len()], self.joins(frame)),
            Underlay::Ip { sockets, direct, .. } => {
                if let Some(link) = direct.get(near)
                    && let Some(exit) = self.directly(frame, link, (peer, far), (tos, ttl))
                {
                    return self.to_vtep(frame, exit);
                }
                label = flow_label(frame.meta.flow);
                (sockets.get(near).ok_or(DropReason::UnknownDestination)?, 1)
            }
            Underlay::Stt(link) => return self.to_stt(frame, link, peer, (tos, ttl)),
        };
        let segments = match self.edge.switch.peers()[peer.0] {
            Peer::Fabric => return Err(DropReason::UnknownDestination),
            Peer::Vtep(_) => segments,
            // Linux's routers forward nothing to groups that they would have to cut.
            Peer::Group(_) => 1,
        };
        let socket = socket.as_raw_fd();
        let (address, flow_label) = (Some(far), label);
        let target = Target { socket, address, tos, ttl, flow_label, segments };
        self.to_vtep(frame, Exit::Socket(target))
    }

    /// Which of our addresses a flow leaves from, and the place of the peer's address that it goes
    /// to: a flow stays on one pair (RFC 7637 section 4.3). What is for a group leaves from the
    /// first, where its distribution tree starts.
    fn pair(&self, flow: usize, peer: PeerId) -> (usize, usize) {
        let each = self.edge.far_addresses;
        let first = peer.0 * each;
        match self.edge.switch.peers()[peer.0] {
            Peer::Group(_) => (0, first),
            _ => (flow % each, first + flow / each % each),
        }
    }

    /// The way straight to the NIC, where a frame may take it.
    fn directly(
        &self,
        frame: &Frame,
        link: &DirectLink,
        (peer, far): (PeerId, usize),
        (tos, ttl): (u8, u8),
    ) -> Option<Exit> {
        let Peer::Vtep(_) = *self.edge.switch.peers().get(peer.0)? else { return None };
        let address = *self.edge.far.get(far)?;
        let bytes = self.rx.bytes(frame.span)?;
        let inner = packet_len(bytes, frame.vnet, &frame.meta) + frame.meta.l3;
        let largest = self.edge.engine.header_len() + inner;
        let ttl = if ttl == 0 { self.edge.delivery.fixed_ttl() } else { ttl };
        let headers = link.headers((far, address), largest, (tos, ttl), self.now)?;
        Some(Exit::Nic(link.socket(), headers))
    }

    /// Most datagrams in one message: the kernel joins none that it has to fragment.
    fn joins(&self, frame: &Frame) -> u16 {
        let bytes = self.rx.bytes(frame.span).unwrap_or_default();
        if packet_len(bytes, frame.vnet, &frame.meta) > self.edge.inner_mtu {
            return 1;
        }
        self.edge.outlet.segments()
    }

    /// As one frame, whole, with the engine's bytes behind the MAC addresses.
    fn to_fabric(&mut self, frame: &Frame, nic: i32) -> Result<(), DropReason> {
        const MACS: usize = 12;
        self.room(1)?;
        let engine = &self.edge.engine;
        let bytes = self.rx.bytes(frame.span).ok_or(DropReason::Truncated)?;
        let macs = bytes.get(..MACS).ok_or(DropReason::Truncated)?;
        let bare = self.edge.untagged == Some(frame.network);
        let tag = if bare { 0 } else { engine.header_len() };
        let len = vnet::LEN + MACS + tag;
        let space = self.tx.header_space(len).ok_or(DropReason::UnderlayFull)?;
        let shift = u16::try_from(tag).map_err(|_| DropReason::TooBig)?;
        space[..vnet::LEN].copy_from_slice(&frame.vnet.shifted(shift).to_bytes());
        space[vnet::LEN..vnet::LEN + MACS].copy_from_slice(macs);
        let inner = frame.inner([bytes, &[]]);
        if !bare {
            engine.header(frame.network, &inner, &mut space[vnet::LEN + MACS..])?;
        }
        self.tx.push_frame(nic, len, [frame.span.skip(MACS)]);
        self.carried(frame);
        Ok(())
    }

    /// As one super-frame, with the inner one's work left to the far end.
    fn to_stt(
        &mut self,
        frame: &mut Frame,
        link: &SttLink,
        peer: PeerId,
        (tos, ttl): (u8, u8),
    ) -> Result<(), DropReason> {
        self.room(1)?;
        let address =
            self.edge.switch.peers()[peer.0].address().ok_or(DropReason::UnknownDestination)?;
        let offload = frame.offload();
        if offload.is_none() {
            if frame.vnet.is_gso() {
                return Err(DropReason::BadOffload);
            }
            let bytes = self.rx.bytes_mut(frame.span).ok_or(DropReason::Truncated)?;
            frame.vnet.finish_checksum(bytes)?;
            frame.vnet = VnetHeader::default();
        }
        let bytes = self.rx.bytes(frame.span).ok_or(DropReason::Truncated)?;
        let headers = link.headers_len();
        let space = self.tx.header_space(headers).ok_or(DropReason::UnderlayFull)?;
        let (network, inner, peer) = (frame.network, frame.inner([bytes, &[]]), (peer.0, address));
        let out = Outgoing { network, inner, offload, tos, ttl, peer };
        link.headers(&*self.edge.engine, space, &out, self.now)?;
        self.tx.push_frame(link.socket(), headers, [frame.span]);
        self.carried(frame);
        Ok(())
    }

    /// As packets of the tunnel, one for each segment.
    fn to_vtep(&mut self, frame: &mut Frame, exit: Exit) -> Result<(), DropReason> {
        let engine = &self.edge.engine;
        let tunnel = engine.header_len();
        if !frame.vnet.is_gso() {
            self.room(1)?;
            let bytes = self.rx.bytes_mut(frame.span).ok_or(DropReason::Truncated)?;
            frame.vnet.finish_checksum(bytes)?;
            // Finished once; a flooded frame comes here for every peer.
            frame.vnet = VnetHeader::default();
            let inner = frame.inner([bytes, &[]]);
            exit.send(self.tx, (tunnel, 0), frame.span, |space| {
                engine.header(frame.network, &inner, space)
            })?;
            self.carried(frame);
            return Ok(());
        }
        self.room(frame.span.len / usize::from(frame.vnet.gso_size).max(1) + 2)?;
        let bytes = self.rx.bytes(frame.span).ok_or(DropReason::Truncated)?;
        let tx = &mut *self.tx;
        segment(bytes, &frame.vnet.cut(&frame.meta)?, |headers, start, len| {
            let payload = bytes.get(start..start + len).ok_or(DropReason::Truncated)?;
            let span = Span { start: frame.span.start + start, len };
            exit.send(tx, (tunnel, headers.len()), span, |space| {
                let (before, copy) =
                    space.split_at_mut_checked(tunnel).ok_or(DropReason::Truncated)?;
                copy.copy_from_slice(headers);
                engine.header(frame.network, &frame.inner([headers, payload]), before)
            })
        })?;
        self.carried(frame);
        Ok(())
    }
}

/// How a tunnel's packets leave.
#[derive(Clone, Copy)]
enum Exit {
    /// Through a UDP or raw socket.
    Socket(Target),
    /// Through a packet socket, with these headers.
    Nic(RawFd, direct::Headers),
}

impl Exit {
    /// Adds one packet: headers of these lengths (the tunnel's, the inner packet's), which `write`
    /// is given room for, and payload.
    #[inline]
    fn send(
        &self,
        tx: &mut TxBatch,
        (tunnel, inner): (usize, usize),
        payload: Span,
        write: impl FnOnce(&mut [u8]) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let headers = tunnel + inner;
        match self {
            Exit::Socket(target) => {
                write(tx.header_space(headers).ok_or(DropReason::UnderlayFull)?)?;
                tx.push_datagram(*target, headers, payload);
            }
            Exit::Nic(socket, outer) => {
                let all = direct::LEN + headers;
                let space = tx.header_space(all).ok_or(DropReason::UnderlayFull)?;
                outer.write(space, headers + payload.len)?;
                write(space.get_mut(direct::LEN..).ok_or(DropReason::Truncated)?)?;
                tx.push_frame(*socket, all, [payload]);
            }
        }
        Ok(())
    }
}

impl Frame {
    /// The work that its metadata leave, where STT can say it.
    fn offload(&self) -> Option<Offload> {
        let tcp = self.meta.protocol == protocol::TCP;
        let known = self.meta.l4 != 0 && (tcp || self.meta.protocol == protocol::UDP);
        let usual = self.vnet.needs_csum() && usize::from(self.vnet.csum_start) == self.meta.l4;
        (known && usual).then(|| Offload {
            ipv4: self.meta.ethertype == ethertype::IPV4,
            tcp,
            l4: self.meta.l4,
            mss: if self.vnet.is_gso() { self.vnet.gso_size } else { 0 },
        })
    }

    fn inner<'a>(&self, parts: [&'a [u8]; 2]) -> Inner<'a> {
        Inner { kind: self.kind, parts, flow: self.meta.flow }
    }
}
