//! Receiving many frames with one system call.
//!
//! A [`RxBatch`] owns its buffers and the structures `recvmmsg` fills; the frames of one call
//! stay where they are until the next, so that everything made of them may point into them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::tap::Tap;
use super::vnet::{self, VnetHeader};

/// A VLAN tag that the kernel took out of the frame: TPID and TCI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Tag protocol id, e.g. 0x8100.
    pub tpid: u16,
    /// Priority, drop-eligible bit and VLAN id.
    pub tci: u16,
}

/// A part of a [`RxBatch`]'s buffers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte, counted over all buffers.
    pub start: usize,
    /// Bytes.
    pub len: usize,
}

impl Span {
    /// The part from `from` on, empty where it starts behind the end.
    #[must_use]
    pub const fn skip(self, from: usize) -> Span {
        let from = if from < self.len { from } else { self.len };
        Span { start: self.start + from, len: self.len - from }
    }

    /// The part with `by` more bytes before it; `None` before the first buffer.
    #[must_use]
    pub fn grow_front(self, by: usize) -> Option<Span> {
        Some(Span { start: self.start.checked_sub(by)?, len: self.len + by })
    }

    /// The first `len` bytes, or all where there are fewer.
    #[must_use]
    pub const fn take(self, len: usize) -> Span {
        Span { start: self.start, len: if len < self.len { len } else { self.len } }
    }
}

/// What came with one message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Received {
    /// Offload metadata; all zero on sockets that give none.
    pub vnet: VnetHeader,
    /// Bytes received.
    pub len: usize,
    /// The tag the kernel took out.
    pub tag: Option<Tag>,
    /// Outer source address, on UDP sockets and raw ones over IPv6.
    pub source: Option<IpAddr>,
    /// Outer TOS or traffic class.
    pub tos: u8,
    /// Bytes of each datagram in the buffer where `UDP_GRO` joined several; 0 for one.
    pub gro_size: usize,
    /// Whether the message was longer than the buffer.
    pub truncated: bool,
}

/// What kind of socket the batch reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RxKind {
    /// Packet socket with `PACKET_VNET_HDR` and `PACKET_AUXDATA`.
    Packet,
    /// UDP or raw IP socket.
    Inet,
}

/// Bytes free before each message, so that an Ethernet header can be put before a bare packet.
pub const HEADROOM: usize = 64;
/// Largest frame: 64 KiB of IP packet and the headers before it.
const CAPACITY: usize = 65_536 + 128;
const STRIDE: usize = HEADROOM + CAPACITY;
const CONTROL: usize = 128;
/// Bytes taken at once, about: each is copied in, summed and copied out again, and should not
/// leave the processor's own cache in between.
const BUDGET: usize = 256 << 10;
/// Fewest messages asked for.
const MIN_MESSAGES: usize = 4;
/// Bytes beside the messages, for frames that were put together from several of them.
const STASH: usize = 1 << 20;

/// Buffers for one `recvmmsg`.
pub struct RxBatch {
    kind: RxKind,
    data: Box<[u8]>,
    /// Bytes of the stash in use.
    stashed: usize,
    vnet: Box<[[u8; vnet::LEN]]>,
    control: Box<[[u64; CONTROL / 8]]>,
    names: Box<[libc::sockaddr_storage]>,
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: Vec<Received>,
    /// Messages to ask for next: as many as the last ones' size lets fit the budget.
    want: usize,
}

// SAFETY: the raw pointers inside are set anew by every `receive` and used by nothing else.
unsafe impl Send for RxBatch {}

impl RxBatch {
    /// Room for `count` messages.
    #[must_use]
    pub fn new(kind: RxKind, count: usize) -> Self {
        // SAFETY: all-zero bytes are valid values of these C structures.
        let (name, header) = unsafe {
            (std::mem::zeroed::<libc::sockaddr_storage>(), std::mem::zeroed::<libc::mmsghdr>())
        };
        let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        RxBatch {
            kind,
            data: vec![0; count * STRIDE + STASH].into(),
            stashed: 0,
            vnet: vec![[0; vnet::LEN]; count].into(),
            control: vec![[0; CONTROL / 8]; count].into(),
            names: vec![name; count].into(),
            iovecs: vec![empty; 2 * count].into(),
            headers: vec![header; count].into(),
            received: Vec::with_capacity(count),
            want: MIN_MESSAGES.min(count),
        }
    }

    /// Points the structures of `recvmmsg` at the buffers.
    fn point(&mut self, names: bool) {
        let skip = usize::from(self.kind == RxKind::Inet);
        for (i, header) in self.headers.iter_mut().enumerate() {
            self.iovecs[2 * i] =
                libc::iovec { iov_base: self.vnet[i].as_mut_ptr().cast(), iov_len: vnet::LEN };
            self.iovecs[2 * i + 1] = libc::iovec {
                iov_base: self.data[i * STRIDE + HEADROOM..][..CAPACITY].as_mut_ptr().cast(),
                iov_len: CAPACITY,
            };
            let header = &mut header.msg_hdr;
            header.msg_iov = &raw mut self.iovecs[2 * i + skip];
            header.msg_iovlen = 2 - skip;
            header.msg_control = self.control[i].as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
            if names {
                header.msg_name = (&raw mut self.names[i]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_storage>() as _;
            } else {
                header.msg_name = ptr::null_mut();
                header.msg_namelen = 0;
            }
        }
    }

    /// Receives what is there, without waiting; returns the number of messages, 0 when there was none.
    ///
    /// # Errors
    /// What `recvmmsg` says, but for "nothing there".
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.receive_with(socket, self.kind == RxKind::Inet)
    }

    /// As [`RxBatch::receive`], but without asking for the packets' sources: for raw IPv4 sockets,
    /// whose messages start with the IP header.
    ///
    /// # Errors
    /// As [`RxBatch::receive`].
    pub fn receive_nameless(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.receive_with(socket, false)
    }

    fn receive_with(&mut self, socket: BorrowedFd<'_>, names: bool) -> io::Result<usize> {
        self.received.clear();
        self.stashed = 0;
        self.point(names);
        // SAFETY: every header points at buffers of this value that are at least as long as said.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.want as _,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        for i in 0..count {
            let received = self.read_metadata(i, names);
            self.received.push(received);
        }
        let bytes: usize = self.received.iter().map(|r| r.len).sum();
        let fitting = BUDGET / (bytes / count.max(1)).max(1);
        self.want = fitting.max(MIN_MESSAGES).min(self.headers.len());
        Ok(count)
    }

    /// As [`RxBatch::receive`], from a device.
    ///
    /// # Errors
    /// What `readv` says, but for "nothing there".
    pub fn read(&mut self, tap: &Tap) -> io::Result<usize> {
        self.received.clear();
        self.stashed = 0;
        for i in 0..self.headers.len() {
            let room = &mut self.data[i * STRIDE + HEADROOM..][..CAPACITY];
            match tap.read(&mut self.vnet[i], room) {
                Ok(Some((vnet, len))) => {
                    self.received.push(Received { vnet, len, ..Received::default() });
                }
                Err(error) if i == 0 => return Err(error),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(self.received.len())
    }

    /// Metadata and place of message `i` of the last [`RxBatch::receive`].
    #[must_use]
    pub fn message(&self, i: usize) -> (Received, Span) {
        let received = self.received[i];
        (received, Span { start: i * STRIDE + HEADROOM, len: received.len })
    }

    /// The bytes of a part; `None` where it does not lie within the buffers.
    #[must_use]
    pub fn bytes(&self, span: Span) -> Option<&[u8]> {
        self.data.get(span.start..span.start + span.len)
    }

    /// Likewise, to finish a checksum or a congestion mark in place.
    pub fn bytes_mut(&mut self, span: Span) -> Option<&mut [u8]> {
        self.data.get_mut(span.start..span.start + span.len)
    }

    /// Keeps a frame beside the messages until the next [`RxBatch::receive`]; `None` where there is
    /// no room left.
    pub fn stash(&mut self, frame: &[u8]) -> Option<Span> {
        let start = self.headers.len() * STRIDE + self.stashed;
        self.data.get_mut(start..start + frame.len())?.copy_from_slice(frame);
        self.stashed += frame.len();
        Some(Span { start, len: frame.len() })
    }

    /// Forgets what was stashed.
    pub fn clear_stash(&mut self) {
        self.stashed = 0;
    }

    fn read_metadata(&self, i: usize, names: bool) -> Received {
        let message = &self.headers[i];
        let total = message.msg_len as usize;
        let mut received = Received {
            truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            ..Received::default()
        };
        match self.kind {
            RxKind::Packet => {
                received.vnet = VnetHeader::from_bytes(self.vnet[i]);
                received.len = total.saturating_sub(vnet::LEN).min(CAPACITY);
            }
            RxKind::Inet => {
                received.len = total.min(CAPACITY);
                received.source = if names { address_of(&self.names[i]) } else { None };
            }
        }
        // SAFETY: the kernel filled the control buffer that this header describes; the CMSG
        // functions stay within `msg_controllen`, and values are read unaligned.
        unsafe {
            let mut cmsg = libc::CMSG_FIRSTHDR(&raw const message.msg_hdr);
            while !cmsg.is_null() {
                let data = libc::CMSG_DATA(cmsg);
                match ((*cmsg).cmsg_level, (*cmsg).cmsg_type) {
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        let size = ptr::read_unaligned(data.cast::<libc::c_int>());
                        received.gro_size = usize::try_from(size).unwrap_or(0);
                    }
                    (libc::IPPROTO_IP, libc::IP_TOS) => received.tos = *data,
                    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                        let class = ptr::read_unaligned(data.cast::<libc::c_int>());
                        received.tos = u8::try_from(class).unwrap_or(0);
                    }
                    (libc::SOL_PACKET, libc::PACKET_AUXDATA) => {
                        let aux = ptr::read_unaligned(data.cast::<libc::tpacket_auxdata>());
                        if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                            let known = aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
                            let tpid = if known { aux.tp_vlan_tpid } else { 0x8100 };
                            received.tag = Some(Tag { tpid, tci: aux.tp_vlan_tci });
                        }
                    }
                    _ => {}
                }
                cmsg = libc::CMSG_NXTHDR(&raw const message.msg_hdr, cmsg);
            }
        }
        received
    }
}

fn address_of(name: &libc::sockaddr_storage) -> Option<IpAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds this structure.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
