//! STT's way to and from the fabric: a packet socket that hands the kernel one pseudo-TCP
//! super-frame.
//!
//! The frame goes out with TCP segmentation left to be done, which is what the format was made
//! for: a virtual link carries it whole, and any other link's device or the kernel cuts it as it
//! cuts TCP, whose sequence number then counts the segment's offset by itself
//! (draft-davie-stt-08 section 3.1). What comes in is whole, or segments that are put together.
//!
//! The host's own TCP knows no such connection and would answer every segment with a reset. A
//! listening socket holds the port, with a filter that drops all it would get.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::edge::EdgeConfig;
use super::nexthop::NextHops;
use super::sockets;
use super::vnet::{self, VnetHeader};
use crate::encap::stt::{Receiver, pseudo};
use crate::encap::{
    Delivery, DropReason, Engine, Envelope, Inner, Limits, Offload, flow_label, source_port,
};
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::ipv6;
use crate::wire::stt::{LEN, Segment};
use crate::wire::{checksum, tcp};

/// Where the checksum lies in the segment header.
const CHECKSUM: usize = 16;

/// One host's end.
#[derive(Debug)]
pub struct SttLink {
    /// Packet socket on the NIC.
    pub nic: OwnedFd,
    /// Our address.
    pub local: IpAddr,
    /// Groups whose packets are for us too.
    pub groups: Vec<IpAddr>,
    /// Puts segments together.
    pub receiver: Mutex<Receiver>,
    /// Keeps the host's TCP silent.
    _port: OwnedFd,
    port: u16,
    mac: Mac,
    mtu: usize,
    delivery: Delivery,
    hops: NextHops,
    frame_id: AtomicU32,
}

/// A frame to be sent.
pub struct Outgoing<'a> {
    /// The tenant network's id.
    pub network: u64,
    /// The inner frame.
    pub inner: Inner<'a>,
    /// Work left on it.
    pub offload: Option<Offload>,
    /// Outer TOS.
    pub tos: u8,
    /// Outer TTL or hop limit; 0 for the one that all packets have.
    pub ttl: u8,
    /// Index and address of the peer.
    pub peer: (usize, IpAddr),
}

impl SttLink {
    /// Opens the sockets; call it inside the host's namespace. `peers` are the tunnels' other ends.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        config: &EdgeConfig,
        local: IpAddr,
        port: u16,
        peers: &[Option<IpAddr>],
    ) -> io::Result<Self> {
        let nic = config.nic.as_str();
        let held = sockets::silent_tcp(SocketAddr::new(local, port))?;
        let socket = sockets::packet(nic)?;
        sockets::only_tcp_port(&socket, local, port)?;
        let interface = sockets::interface(&socket, nic)?;
        let [a, b, c, d, ..] = config.seed.to_be_bytes();
        Ok(SttLink {
            nic: socket,
            local,
            groups: Vec::new(),
            receiver: Mutex::new(Receiver::new(port, Limits::default())),
            _port: held,
            port,
            mac: Mac(interface.mac),
            mtu: interface.mtu,
            delivery: config.delivery,
            hops: NextHops::new(peers, local, interface.index)?,
            frame_id: AtomicU32::new(u32::from_be_bytes([a, b, c, d])),
        })
    }

    /// Whether packets to this address are for us.
    pub fn takes(&self, destination: IpAddr) -> bool {
        destination == self.local || self.groups.contains(&destination)
    }

    /// The socket's descriptor.
    pub fn socket(&self) -> i32 {
        self.nic.as_raw_fd()
    }

    /// Bytes of the outer IP header.
    const fn ip_len(&self) -> usize {
        if self.local.is_ipv4() { ipv4::LEN } else { ipv6::LEN }
    }

    /// Bytes before the inner frame: virtio header, Ethernet, IP, segment header, frame header.
    pub const fn headers_len(&self) -> usize {
        vnet::LEN + ethernet::LEN + self.ip_len() + tcp::LEN + LEN
    }

    /// Writes all headers of a frame: [`SttLink::headers_len`] bytes.
    ///
    /// # Errors
    /// [`DropReason::UnknownDestination`] while the peer's next hop is unknown; those of the engine.
    pub fn headers(
        &self,
        engine: &dyn Engine,
        out: &mut [u8],
        frame: &Outgoing<'_>,
        now: u64,
    ) -> Result<(), DropReason> {
        let (index, peer) = frame.peer;
        let dst = self.hops.mac(index, now).ok_or(DropReason::UnknownDestination)?;
        let length = LEN + frame.inner.len();
        let ip_len = self.ip_len();
        let l4 = ethernet::LEN + ip_len;
        let upper = tcp::LEN + length;
        let short = |n: usize| u16::try_from(n).map_err(|_| DropReason::TooBig);
        let mut vnet = VnetHeader {
            flags: vnet::NEEDS_CSUM,
            hdr_len: short(l4 + tcp::LEN)?,
            csum_start: short(l4)?,
            csum_offset: CHECKSUM as u16,
            ..VnetHeader::default()
        };
        if ip_len + upper > self.mtu {
            let v4 = self.local.is_ipv4();
            vnet.gso_type = if v4 { vnet::GSO_TCPV4 } else { vnet::GSO_TCPV6 };
            vnet.gso_size = short(self.mtu.saturating_sub(ip_len + tcp::LEN))?;
        }
        let rest = out;
        let (vnet_room, rest) =
            rest.split_at_mut_checked(vnet::LEN).ok_or(DropReason::Truncated)?;
        vnet_room.copy_from_slice(&vnet.to_bytes());
        let (eth, rest) = rest.split_at_mut_checked(ethernet::LEN).ok_or(DropReason::Truncated)?;
        let kind = if peer.is_ipv4() { ethertype::IPV4 } else { ethertype::IPV6 };
        ethernet::Header { dst, src: self.mac, ethertype: kind }.emit(eth)?;
        let (ip, rest) = rest.split_at_mut_checked(ip_len).ok_or(DropReason::Truncated)?;
        let ttl = if frame.ttl == 0 { self.delivery.fixed_ttl() } else { frame.ttl };
        let envelope = Envelope { tos: frame.tos, ttl, ..Envelope::new(self.local, peer) };
        let flow_label = flow_label(frame.inner.flow);
        Envelope { flow_label, ..envelope }.write_ip(protocol::TCP, upper, ip)?;
        let (segment, header) = rest.split_at_mut_checked(tcp::LEN).ok_or(DropReason::Truncated)?;
        let pseudo = pseudo(self.local, peer, protocol::TCP, upper)?;
        Segment {
            src_port: source_port(frame.inner.flow),
            dst_port: self.port,
            frame_len: short(length)?,
            offset: 0,
            // An odd step: no id comes again before 2^32 others, and neighbours are far apart.
            frame_id: self.frame_id.fetch_add(0x9E37_79B1, Relaxed),
            header_len: tcp::LEN,
            flags: tcp::flag::ACK | tcp::flag::PSH,
        }
        .emit(checksum::fold(pseudo), segment)?;
        match &frame.offload {
            Some(offload) => engine.header_offload(frame.network, &frame.inner, offload, header),
            None => engine.header(frame.network, &frame.inner, header),
        }
    }
}

/// Where a whole STT frame lies in a received super-frame or packet, if it is one.
pub struct Incoming {
    /// Outer source.
    pub source: IpAddr,
    /// Outer destination.
    pub destination: IpAddr,
    /// Outer TOS or traffic class.
    pub tos: u8,
    /// Offset and length of the TCP-like header and what follows.
    pub segment: (usize, usize),
    /// Where the frame starts, where the segment holds all of it.
    pub whole: Option<usize>,
}

/// Reads the outer headers of an Ethernet frame.
///
/// # Errors
/// What is wrong with them.
pub fn incoming(bytes: &[u8]) -> Result<Incoming, DropReason> {
    let kind = ethernet::Header::parse(bytes)?.ethertype;
    let rest = bytes.get(ethernet::LEN..).ok_or(DropReason::Truncated)?;
    let (source, destination, tos, header_len, payload) = if kind == ethertype::IPV6 {
        let header = ipv6::Header::parse(rest)?;
        let (src, dst) = (header.src.into(), header.dst.into());
        (src, dst, header.traffic_class, ipv6::LEN, header.payload(rest)?)
    } else {
        let header = ipv4::Header::parse_verified(rest)?;
        if header.is_fragment() {
            return Err(DropReason::Fragment);
        }
        let (src, dst) = (header.src.into(), header.dst.into());
        (src, dst, header.tos, header.header_len, header.payload(rest)?)
    };
    let segment = Segment::parse(payload)?;
    let at = ethernet::LEN + header_len;
    let all = segment.offset == 0
        && payload.len() == segment.header_len + usize::from(segment.frame_len)
        && usize::from(segment.frame_len) >= LEN;
    Ok(Incoming {
        source,
        destination,
        tos,
        segment: (at, payload.len()),
        whole: all.then_some(at + segment.header_len),
    })
}

/// The metadata for a VM of the work that the far end left.
///
/// # Errors
/// [`DropReason::BadOffload`] where they cannot be said.
pub fn metadata(offload: &Offload, headers: usize, len: usize) -> Result<VnetHeader, DropReason> {
    let short = |n: usize| u16::try_from(n).map_err(|_| DropReason::BadOffload);
    let mut vnet = VnetHeader {
        flags: vnet::NEEDS_CSUM,
        csum_start: short(offload.l4)?,
        csum_offset: if offload.tcp { 16 } else { 6 },
        ..VnetHeader::default()
    };
    if offload.mss > 0 && len > headers + usize::from(offload.mss) {
        vnet.gso_type = match (offload.tcp, offload.ipv4) {
            (true, true) => vnet::GSO_TCPV4,
            (true, false) => vnet::GSO_TCPV6,
            (false, _) => vnet::GSO_UDP_L4,
        };
        vnet.gso_size = offload.mss;
        vnet.hdr_len = short(headers)?;
    }
    Ok(vnet)
}
