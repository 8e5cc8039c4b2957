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
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::nexthop::NextHops;
use super::sockets;
use super::vnet::{self, VnetHeader};
use crate::encap::Engine;
use crate::encap::stt::Receiver;
use crate::encap::{DropReason, Inner, Limits, Offload, source_port};
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::stt::{LEN, Segment};
use crate::wire::{checksum, tcp};

/// Bytes before the inner frame: virtio header, Ethernet, IPv4, segment header, frame header.
pub const HEADERS: usize = vnet::LEN + ethernet::LEN + ipv4::LEN + tcp::LEN + LEN;
const L4: usize = ethernet::LEN + ipv4::LEN;
/// Where the checksum lies in the segment header.
const CHECKSUM: usize = 16;

/// One host's end.
#[derive(Debug)]
pub struct SttLink {
    /// Packet socket on the NIC.
    pub nic: OwnedFd,
    /// Our address.
    pub local: Ipv4Addr,
    /// Groups whose packets are for us too.
    pub groups: Vec<IpAddr>,
    /// Puts segments together.
    pub receiver: Mutex<Receiver>,
    /// Keeps the host's TCP silent.
    _port: OwnedFd,
    port: u16,
    mac: Mac,
    mtu: usize,
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
    /// Index and address of the peer.
    pub peer: (usize, IpAddr),
}

impl SttLink {
    /// Opens the sockets; call it inside the host's namespace. `peers` are the tunnels' other ends.
    ///
    /// # Errors
    /// What the system says; an underlay other than IPv4.
    pub fn open(
        nic: &str,
        local: IpAddr,
        port: u16,
        peers: &[Option<IpAddr>],
        seed: u64,
    ) -> io::Result<Self> {
        let IpAddr::V4(local) = local else {
            let what = "STT here needs an IPv4 underlay";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        };
        let held = sockets::silent_tcp(SocketAddr::new(local.into(), port))?;
        let socket = sockets::packet(nic)?;
        sockets::only_tcp_port(&socket, port)?;
        let interface = sockets::interface(&socket, nic)?;
        let [a, b, c, d, ..] = seed.to_be_bytes();
        Ok(SttLink {
            nic: socket,
            local,
            groups: Vec::new(),
            receiver: Mutex::new(Receiver::new(port, Limits::default())),
            _port: held,
            port,
            mac: Mac(interface.mac),
            mtu: interface.mtu,
            hops: NextHops::new(peers, local, interface.index)?,
            frame_id: AtomicU32::new(u32::from_be_bytes([a, b, c, d])),
        })
    }

    /// Whether packets to this address are for us.
    pub fn takes(&self, destination: Ipv4Addr) -> bool {
        destination == self.local || self.groups.contains(&destination.into())
    }

    /// The socket's descriptor.
    pub fn socket(&self) -> i32 {
        self.nic.as_raw_fd()
    }

    /// Writes all headers of a frame: [`HEADERS`] bytes.
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
        let (index, IpAddr::V4(peer)) = frame.peer else {
            return Err(DropReason::UnknownDestination);
        };
        let dst = self.hops.mac(index, now).ok_or(DropReason::UnknownDestination)?;
        let length = LEN + frame.inner.len();
        let total = ipv4::LEN + tcp::LEN + length;
        let short = |n: usize| u16::try_from(n).map_err(|_| DropReason::TooBig);
        let mut vnet = VnetHeader {
            flags: vnet::NEEDS_CSUM,
            hdr_len: (L4 + tcp::LEN) as u16,
            csum_start: L4 as u16,
            csum_offset: CHECKSUM as u16,
            ..VnetHeader::default()
        };
        if total > self.mtu {
            vnet.gso_type = vnet::GSO_TCPV4;
            vnet.gso_size = short(self.mtu.saturating_sub(ipv4::LEN + tcp::LEN))?;
        }
        let at = |from: usize| from..;
        let rest = out.get_mut(at(0)).ok_or(DropReason::Truncated)?;
        let (vnet_room, rest) =
            rest.split_at_mut_checked(vnet::LEN).ok_or(DropReason::Truncated)?;
        vnet_room.copy_from_slice(&vnet.to_bytes());
        let (eth, rest) = rest.split_at_mut_checked(ethernet::LEN).ok_or(DropReason::Truncated)?;
        ethernet::Header { dst, src: self.mac, ethertype: ethertype::IPV4 }.emit(eth)?;
        let (ip, rest) = rest.split_at_mut_checked(ipv4::LEN).ok_or(DropReason::Truncated)?;
        ipv4::Header {
            header_len: ipv4::LEN,
            tos: frame.tos,
            total_len: short(total)?,
            id: 0,
            df: true,
            mf: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: protocol::TCP,
            src: self.local,
            dst: peer,
        }
        .emit(ip)?;
        let (segment, header) = rest.split_at_mut_checked(tcp::LEN).ok_or(DropReason::Truncated)?;
        let upper = u32::try_from(tcp::LEN + length).map_err(|_| DropReason::TooBig)?;
        let pseudo = checksum::pseudo_v4(self.local, peer, protocol::TCP, upper);
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
    pub source: Ipv4Addr,
    /// Outer destination.
    pub destination: Ipv4Addr,
    /// Outer TOS.
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
    let rest = bytes.get(ethernet::LEN..).ok_or(DropReason::Truncated)?;
    let header = ipv4::Header::parse_verified(rest)?;
    if header.is_fragment() {
        return Err(DropReason::Fragment);
    }
    let payload = header.payload(rest)?;
    let segment = Segment::parse(payload)?;
    let at = ethernet::LEN + header.header_len;
    let all = segment.offset == 0
        && payload.len() == segment.header_len + usize::from(segment.frame_len)
        && usize::from(segment.frame_len) >= LEN;
    Ok(Incoming {
        source: header.src,
        destination: header.dst,
        tos: header.tos,
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
