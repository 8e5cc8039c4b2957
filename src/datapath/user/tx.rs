//! Sending many frames with few system calls, without copying payload.
//!
//! A message is a list of pieces: headers, which are written into an arena here, and payload,
//! which stays in the receive buffer it came in and is named by its place there. Consecutive messages to one socket leave in one
//! `sendmmsg`; equal-sized datagrams of one flow are joined into one message, which the kernel
//! cuts again (`UDP_SEGMENT`) as late as it can.

use std::io;
use std::os::fd::RawFd;
use std::ptr;

use super::outlet::{Outlet, Target};
use super::rx::{RxBatch, Span};
use super::tap;
use crate::encap::DropReason;
use crate::vswitch::Counters;

/// Bytes of headers one batch may hold.
const ARENA: usize = 1 << 20;
/// Pieces one message may hold (`UIO_MAXIOV`).
const PIECES_PER_MESSAGE: usize = 1024;
/// Pieces one batch may hold.
const PIECES: usize = 16 * PIECES_PER_MESSAGE;
/// Messages one batch may hold: a super-frame of 64 KiB in packets of 32 bytes.
const MESSAGES: usize = 2048;
/// Bytes of one joined message: it must fit an IPv4 packet.
const MAX_JOINED: usize = 65_000;
/// Segment size, TOS, TTL and flow label, 24 bytes each.
const CONTROL: usize = 96;

#[derive(Debug, Clone, Copy)]
struct Message {
    target: Target,
    first: usize,
    pieces: usize,
    bytes: usize,
    /// Bytes of each datagram but the last; 0 on packet sockets.
    size: usize,
    segments: u16,
    /// Nothing more may be joined: the last datagram is shorter.
    closed: bool,
}

/// A part of a message.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// In the arena.
    Header(Span),
    /// In the receive buffers.
    Payload(Span),
}

/// Messages being gathered.
pub struct TxBatch {
    arena: Box<[u8]>,
    used: usize,
    pieces: Vec<Piece>,
    iovecs: Vec<libc::iovec>,
    messages: Vec<Message>,
    headers: Vec<libc::mmsghdr>,
    control: Box<[[u64; CONTROL / 8]]>,
}

// SAFETY: the raw pointers in `iovecs` and `headers` are made and used within one `flush`.
unsafe impl Send for TxBatch {}

impl Default for TxBatch {
    fn default() -> Self {
        TxBatch::new()
    }
}

impl TxBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        TxBatch {
            arena: vec![0; ARENA].into(),
            used: 0,
            pieces: Vec::with_capacity(PIECES),
            iovecs: Vec::with_capacity(PIECES),
            messages: Vec::with_capacity(MESSAGES),
            headers: Vec::with_capacity(MESSAGES),
            control: vec![[0; CONTROL / 8]; MESSAGES].into(),
        }
    }

    /// Whether `packets` more surely fit, of up to `headers` header bytes each, in one piece each
    /// beside the headers.
    #[must_use]
    pub fn has_room(&self, packets: usize, headers: usize) -> bool {
        self.used + packets * headers <= ARENA
            && self.pieces.len() + 2 * packets <= PIECES
            && self.messages.len() + packets <= MESSAGES
    }

    /// Whether that many fit into an empty batch.
    #[must_use]
    pub const fn could_fit(packets: usize, headers: usize) -> bool {
        packets <= MESSAGES && packets * headers <= ARENA
    }

    /// Space of `len` bytes for headers; `None` when the arena is full.
    pub fn header_space(&mut self, len: usize) -> Option<&mut [u8]> {
        let space = self.arena.get_mut(self.used..self.used + len)?;
        self.used += len;
        Some(space)
    }

    /// The last `len` bytes given out by [`TxBatch::header_space`], taken as a piece.
    fn last_space(&self, len: usize) -> Piece {
        Piece::Header(Span { start: self.used - len, len })
    }

    /// Adds one datagram: the last `header` bytes given out, then `payload` of the receive buffers.
    /// It joins the message before it where target and size allow.
    pub fn push_datagram(&mut self, target: Target, header: usize, payload: Span) {
        let size = header + payload.len;
        let open = self.messages.last_mut().filter(|m| {
            m.target == target
                && !m.closed
                && m.segments < target.segments
                && size <= m.size
                && m.bytes + size <= MAX_JOINED
                && m.pieces + 2 <= PIECES_PER_MESSAGE
        });
        if let Some(message) = open {
            message.bytes += size;
            message.pieces += 2;
            message.segments += 1;
            message.closed = size < message.size;
        } else {
            self.messages.push(Message {
                target,
                first: self.pieces.len(),
                pieces: 2,
                bytes: size,
                size,
                segments: 1,
                closed: false,
            });
        }
        let header = self.last_space(header);
        self.pieces.extend([header, Piece::Payload(payload)]);
    }

    /// Adds one frame for a packet socket: the last `header` bytes given out (virtio header first),
    /// then these parts of the receive buffers.
    pub fn push_frame(
        &mut self,
        socket: RawFd,
        header: usize,
        rest: impl IntoIterator<Item = Span>,
    ) {
        let first = self.pieces.len();
        let header = self.last_space(header);
        self.pieces.push(header);
        self.pieces.extend(rest.into_iter().map(Piece::Payload));
        let pieces = self.pieces.len() - first;
        let target = Target { socket, address: None, tos: 0, ttl: 0, flow_label: 0, segments: 1 };
        let message =
            Message { target, first, pieces, bytes: 0, size: 0, segments: 1, closed: true };
        self.messages.push(message);
    }

    /// Sends everything and empties the batch; payload is taken from `rx`, the buffers that the
    /// spans were cut from. What a socket does not take is dropped and counted, with `full` as the
    /// reason where its buffer was full.
    pub fn flush(&mut self, rx: &RxBatch, outlet: &Outlet, counters: &Counters, full: DropReason) {
        self.iovecs.clear();
        self.iovecs.extend(self.pieces.iter().map(|piece| {
            let bytes = match piece {
                Piece::Header(span) => self.arena.get(span.start..span.start + span.len),
                Piece::Payload(span) => rx.bytes(*span),
            }
            .unwrap_or_default();
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
        }));
        let mut start = 0;
        while let Some(message) = self.messages.get(start) {
            let socket = message.target.socket;
            let run = self.messages[start..].iter().take_while(|m| m.target.socket == socket);
            let end = start + run.count();
            self.send_run(socket, start..end, outlet, counters, full);
            start = end;
        }
        self.messages.clear();
        self.pieces.clear();
        self.used = 0;
    }

    fn send_run(
        &mut self,
        socket: RawFd,
        run: std::ops::Range<usize>,
        outlet: &Outlet,
        counters: &Counters,
        full: DropReason,
    ) {
        if let Some(bare) = outlet.tap(socket) {
            return self.write_run(socket, run, bare, counters, full);
        }
        self.headers.clear();
        let start = run.start;
        for index in run {
            let header = self.message_header(index, outlet);
            self.headers.push(header);
        }
        let mut done = 0;
        let mut waited = false;
        while done < self.headers.len() {
            let rest = &mut self.headers[done..];
            // SAFETY: the headers point at iovecs, addresses and control buffers of this value, and
            // those at the arena and at receive buffers that `flush` borrows until it ends.
            let sent = unsafe {
                libc::sendmmsg(socket, rest.as_mut_ptr(), rest.len() as _, libc::MSG_DONTWAIT)
            };
            if let Ok(sent) = usize::try_from(sent) {
                done += sent;
                continue;
            }
            let error = io::Error::last_os_error();
            let reason = match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::EAGAIN) if !waited => {
                    waited = true;
                    wait_writable(socket);
                    continue;
                }
                Some(libc::EAGAIN | libc::ENOBUFS) => full,
                Some(libc::EMSGSIZE) => DropReason::TooBig,
                // A port without a link, such as one that waits for a VM to move there: switches
                // send nothing out of it, and nobody misses it.
                Some(libc::ENXIO | libc::ENETDOWN) if full == DropReason::PortFull => {
                    done += 1;
                    continue;
                }
                Some(libc::EIO | libc::EINVAL) if self.messages[start + done].segments > 1 => {
                    // The interface below cannot cut datagrams: from now on each goes by itself.
                    tracing::warn!(%error, "UDP_SEGMENT refused; sending datagrams one by one");
                    outlet.never_join();
                    DropReason::UnderlayError
                }
                _ => {
                    tracing::debug!(%error, socket, "send refused");
                    DropReason::UnderlayError
                }
            };
            for _ in 0..self.messages[start + done].segments {
                counters.dropped(reason);
            }
            done += 1;
        }
    }

    /// To a device, frame by frame.
    fn write_run(
        &self,
        device: RawFd,
        run: std::ops::Range<usize>,
        bare: bool,
        counters: &Counters,
        full: DropReason,
    ) {
        for message in self.messages.get(run).unwrap_or_default() {
            let pieces = self.iovecs.get(message.first..message.first + message.pieces);
            let Err(error) = tap::write(device, pieces.unwrap_or_default(), bare) else { continue };
            tracing::debug!(%error, device, "device refused a frame");
            counters.dropped(match error.kind() {
                io::ErrorKind::WouldBlock => full,
                io::ErrorKind::InvalidInput => DropReason::BadOffload,
                _ => DropReason::PortFull,
            });
        }
    }

    fn message_header(&mut self, index: usize, outlet: &Outlet) -> libc::mmsghdr {
        let message = self.messages[index];
        // SAFETY: all-zero bytes are a valid message header.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let hdr = &mut header.msg_hdr;
        hdr.msg_iov = self.iovecs[message.first..].as_mut_ptr();
        hdr.msg_iovlen = message.pieces as _;
        let Some(address) = message.target.address.and_then(|a| outlet.address(a)) else {
            return header;
        };
        hdr.msg_name = (&raw const address.storage).cast_mut().cast();
        hdr.msg_namelen = address.len;
        let v6 = i32::from(address.storage.ss_family) == libc::AF_INET6;
        let Some(control) = self.control.get_mut(index) else { return header };
        let mut used = 0;
        if message.segments > 1 {
            let size = (message.size as u16).to_ne_bytes();
            used += put_control(control, used, libc::SOL_UDP, libc::UDP_SEGMENT, &size);
        }
        if message.target.tos != 0 {
            let (level, kind) = if v6 {
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
            } else {
                (libc::IPPROTO_IP, libc::IP_TOS)
            };
            let tos = libc::c_int::from(message.target.tos).to_ne_bytes();
            used += put_control(control, used, level, kind, &tos);
        }
        if message.target.ttl != 0 {
            let (level, kind) = if v6 {
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)
            } else {
                (libc::IPPROTO_IP, libc::IP_TTL)
            };
            let ttl = libc::c_int::from(message.target.ttl).to_ne_bytes();
            used += put_control(control, used, level, kind, &ttl);
        }
        if v6 && message.target.flow_label != 0 {
            let label = message.target.flow_label.to_be_bytes();
            used += put_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_FLOWINFO, &label);
        }
        if used > 0 {
            hdr.msg_control = control.as_mut_ptr().cast();
            hdr.msg_controllen = used as _;
        }
        header
    }
}

/// Writes one control message at `at` (a multiple of 8) and returns the space it takes.
fn put_control(
    control: &mut [u64; CONTROL / 8],
    at: usize,
    level: i32,
    kind: i32,
    data: &[u8],
) -> usize {
    // SAFETY: the four control messages written take 24 bytes each and CONTROL is 96; the buffer is
    // aligned for the header.
    unsafe {
        let base = control.as_mut_ptr().cast::<u8>().add(at);
        let cmsg = base.cast::<libc::cmsghdr>();
        (*cmsg).cmsg_level = level;
        (*cmsg).cmsg_type = kind;
        (*cmsg).cmsg_len = libc::CMSG_LEN(data.len() as _) as _;
        ptr::copy_nonoverlapping(data.as_ptr(), libc::CMSG_DATA(cmsg), data.len());
        libc::CMSG_SPACE(data.len() as _) as usize
    }
}

/// Gives a full socket one moment to drain.
fn wait_writable(socket: RawFd) {
    let mut poll = libc::pollfd { fd: socket, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid pollfd.
    unsafe { libc::poll(&raw mut poll, 1, 2) };
}

#[cfg(test)]
impl TxBatch {
    /// What would be sent: socket and bytes of each message.
    #[allow(clippy::missing_panics_doc, clippy::must_use_candidate)] // for tests only
    pub fn messages(&self, rx: &RxBatch) -> Vec<(RawFd, Vec<u8>)> {
        let bytes = |piece: &Piece| match piece {
            Piece::Header(span) => self.arena[span.start..span.start + span.len].to_vec(),
            Piece::Payload(span) => rx.bytes(*span).unwrap().to_vec(),
        };
        let whole =
            |m: &Message| self.pieces[m.first..m.first + m.pieces].iter().flat_map(bytes).collect();
        self.messages.iter().map(|m| (m.target.socket, whole(m))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, AsRawFd};

    use super::super::outlet::Address;
    use super::super::rx::RxKind;
    use super::super::sockets;
    use super::*;

    /// Sends datagrams of these sizes to a socket on the loopback; returns what arrived, in order,
    /// and how many messages it took.
    fn loopback(sizes: &[usize], join: bool, gro: bool) -> (Vec<Vec<u8>>, usize) {
        let local = "127.0.0.1:0".parse().unwrap();
        let receiver = if gro {
            sockets::udp_receiver(local).unwrap()
        } else {
            UdpSocket::bind(local).unwrap().into()
        };
        let receiver_address = UdpSocket::from(receiver.try_clone().unwrap()).local_addr().unwrap();
        let sender = UdpSocket::bind(local).unwrap();
        let outlet = Outlet::new(vec![Address::from(receiver_address)], join);
        let mut rx = RxBatch::new(RxKind::Inet, 64);
        let mut tx = TxBatch::new();
        let target = Target {
            socket: sender.as_raw_fd(),
            address: Some(0),
            tos: 2,
            ttl: 0,
            flow_label: 0,
            segments: outlet.segments(),
        };
        for (number, size) in sizes.iter().enumerate() {
            let payload = rx.stash(&vec![u8::try_from(number).unwrap(); size - 2]).unwrap();
            tx.header_space(2).unwrap().copy_from_slice(b"hd");
            tx.push_datagram(target, 2, payload);
        }
        let messages = tx.messages.len();
        let counters = Counters::default();
        tx.flush(&rx, &outlet, &counters, DropReason::UnderlayFull);
        let mut drops = std::collections::BTreeMap::new();
        counters.add_drops(&mut drops);
        assert!(drops.is_empty(), "{drops:?}");
        let mut found = vec![];
        while found.len() < sizes.len() {
            wait_readable(receiver.as_raw_fd());
            let count = rx.receive(receiver.as_fd()).unwrap();
            for i in 0..count {
                let (received, mut span) = rx.message(i);
                assert_eq!(received.source, Some("127.0.0.1".parse().unwrap()));
                assert_eq!(received.tos, if gro { 2 } else { 0 });
                assert!(!received.truncated);
                let size = if received.gro_size > 0 { received.gro_size } else { span.len };
                while span.len > 0 {
                    found.push(rx.bytes(span.take(size)).unwrap().to_vec());
                    span = span.skip(size);
                }
            }
        }
        (found, messages)
    }

    fn wait_readable(socket: RawFd) {
        let mut poll = libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 5000) };
        assert_eq!(ready, 1, "nothing arrived");
    }

    fn expected(sizes: &[usize]) -> Vec<Vec<u8>> {
        let one = |(number, size): (usize, &usize)| {
            [b"hd".to_vec(), vec![u8::try_from(number).unwrap(); size - 2]].concat()
        };
        sizes.iter().enumerate().map(one).collect()
    }

    #[test]
    fn datagrams_arrive_as_they_were_joined_or_not() {
        let sizes = [1400, 1400, 1400, 300, 1400, 1400, 1401, 9, 9, 9, 9, 8];
        for gro in [false, true] {
            let (found, messages) = loopback(&sizes, true, gro);
            assert_eq!(found, expected(&sizes));
            // A shorter one closes a message, a longer one begins another.
            assert_eq!(messages, 4);
            let (found, messages) = loopback(&sizes, false, gro);
            assert_eq!((found, messages), (expected(&sizes), sizes.len()));
        }
    }

    #[test]
    fn a_message_holds_64_datagrams_and_fits_an_ip_packet() {
        let (found, messages) = loopback(&[100; 130], true, true);
        assert_eq!((found, messages), (expected(&[100; 130]), 3));
        let (_, messages) = loopback(&[1500; 50], true, true);
        assert_eq!(messages, 2, "43 of them are 64,500 bytes");
    }

    #[test]
    fn more_copies_than_control_buffers_are_all_sent_or_counted() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let outlet = Outlet::new(vec![to.local_addr().unwrap().into()], false);
        let mut rx = RxBatch::new(RxKind::Inet, 1);
        let mut tx = TxBatch::new();
        let payload = rx.stash(&[7; 8]).unwrap();
        let target = Target {
            socket: sender.as_raw_fd(),
            address: Some(0),
            tos: 1,
            ttl: 9,
            flow_label: 0,
            segments: 1,
        };
        assert!(tx.has_room(MESSAGES, 8) && !tx.has_room(MESSAGES + 1, 8));
        for _ in 0..MESSAGES + 10 {
            tx.header_space(8).unwrap().fill(1);
            tx.push_datagram(target, 8, payload);
        }
        assert!(!tx.has_room(1, 8));
        tx.flush(&rx, &outlet, &Counters::default(), DropReason::UnderlayFull);
        assert!(tx.has_room(MESSAGES, 8), "empty again");
    }

    #[test]
    fn what_is_too_big_is_counted_as_such() {
        let local = "127.0.0.1".parse().unwrap();
        let sender = &sockets::udp_senders(local, 1, 3, false).unwrap()[0];
        let outlet = Outlet::new(vec![Address::from(std::net::SocketAddr::new(local, 9))], true);
        let mut rx = RxBatch::new(RxKind::Inet, 1);
        let mut tx = TxBatch::new();
        let payload = rx.stash(&[7; 65_530]).unwrap();
        let target = Target {
            socket: sender.as_raw_fd(),
            address: Some(0),
            tos: 0,
            ttl: 0,
            flow_label: 0,
            segments: 64,
        };
        tx.header_space(8).unwrap().fill(1);
        tx.push_datagram(target, 8, payload);
        let counters = Counters::default();
        tx.flush(&rx, &outlet, &counters, DropReason::UnderlayFull);
        let mut drops = std::collections::BTreeMap::new();
        counters.add_drops(&mut drops);
        assert_eq!(drops, [("too_big".to_owned(), 1)].into());
    }
}
