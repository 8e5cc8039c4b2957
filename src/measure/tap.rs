//! A packet socket on one interface, that sees frames as the kernel holds them: whole
//! super-frames with their virtio-net header, VLAN tags beside the frame (packet(7)).

use std::cell::Cell;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

const PACKET_FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
const ALL_PROTOCOLS: u16 = libc::ETH_P_ALL as u16;
/// Bytes of the virtio-net header before each frame.
const VNET: usize = 10;
/// Room for the largest frame the kernel hands over, its header included.
pub const BUFFER: usize = 128 * 1024;

/// What the kernel leaves to be done to a frame (`struct virtio_net_hdr`, virtio 1.2 section 5.1.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vnet {
    /// Bit 0: the checksum at `csum_start + csum_offset` is only begun.
    pub flags: u8,
    /// 0 for a plain packet, 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP; bit 7 marks ECN.
    pub gso_type: u8,
    /// Payload bytes of each segment of a super-frame.
    pub gso_size: u16,
    /// Where the sum starts, from the start of the frame: the segmented L4 header.
    pub csum_start: u16,
    /// Where the sum goes, from `csum_start`.
    pub csum_offset: u16,
}

impl Vnet {
    /// Whether the L4 checksum is only begun.
    #[must_use]
    pub const fn needs_csum(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The header of the same frame with so many bytes more before its L3 header, as
    /// [`Tap::send_described`] takes it. Its hint of the headers' length is left out.
    fn emit(self, more: u16) -> [u8; VNET] {
        let start = if self.needs_csum() { self.csum_start.saturating_add(more) } else { 0 };
        let [s0, s1] = self.gso_size.to_ne_bytes();
        let [c0, c1] = start.to_ne_bytes();
        let [o0, o1] = self.csum_offset.to_ne_bytes();
        // That a checksum was verified is nothing to tell the kernel.
        [self.flags & 1, self.gso_type, 0, 0, s0, s1, c0, c1, o0, o1]
    }

    fn parse(raw: [u8; VNET]) -> Vnet {
        let [flags, gso_type, _, _, s0, s1, c0, c1, o0, o1] = raw;
        // A packet socket's header is in the machine's own byte order.
        Vnet {
            flags,
            gso_type,
            gso_size: u16::from_ne_bytes([s0, s1]),
            csum_start: u16::from_ne_bytes([c0, c1]),
            csum_offset: u16::from_ne_bytes([o0, o1]),
        }
    }
}

/// One frame as the kernel holds it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// From the destination MAC to the end, without FCS; the outermost tag may be in `vlan` instead.
    pub bytes: &'a [u8],
    /// Length of the whole frame; `bytes` is shorter where the buffer was.
    pub length: usize,
    /// What is left to be done to it.
    pub vnet: Vnet,
    /// The tag the kernel took out of the frame: protocol (0x8100 or 0x88A8) and control information.
    pub vlan: Option<(u16, u16)>,
    /// Whether it leaves through the interface rather than enters.
    pub outgoing: bool,
    /// Since the epoch.
    pub time: Duration,
}

impl Frame<'_> {
    /// The frame with all that is known of it, to be sent again by [`Tap::send_described`]: what is left
    /// to be done to it in front, the tag back in its place.
    #[must_use]
    pub fn described(&self) -> Vec<u8> {
        let macs = self.bytes.len().min(12);
        let mut out = Vec::with_capacity(VNET + self.bytes.len() + 4);
        out.extend(self.vnet.emit(if self.vlan.is_some() { 4 } else { 0 }));
        out.extend_from_slice(&self.bytes[..macs]);
        if let Some((protocol, control)) = self.vlan {
            out.extend(protocol.to_be_bytes());
            out.extend(control.to_be_bytes());
        }
        out.extend_from_slice(&self.bytes[macs..]);
        out
    }
}

/// Which direction is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Entering and leaving frames.
    Both,
    /// Entering frames only.
    Incoming,
}

/// A packet socket bound to one interface.
#[derive(Debug)]
pub struct Tap {
    socket: Socket,
    /// Frames that the kernel could not describe.
    hidden: Cell<u32>,
}

impl Tap {
    /// Opens it on `interface` of the namespace the calling thread is in, with room for about
    /// `room` bytes of frames not yet read.
    ///
    /// # Errors
    /// No such interface, or no right to packet sockets (`CAP_NET_RAW`).
    pub fn open(interface: &str, watch: Watch, room: usize) -> io::Result<Tap> {
        let index = if_nametoindex(interface)?;
        // Protocol 0: nothing is received before the bind below.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        if watch == Watch::Incoming {
            set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        }
        receive_room(&socket, room)?;
        socket.set_nonblocking(true)?;
        socket.bind(&link_address(index)?)?;
        Ok(Tap { socket, hidden: Cell::new(0) })
    }

    /// Sends one complete frame.
    ///
    /// # Errors
    /// The interface is down or gone, or the frame exceeds its MTU.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let header = [0_u8; VNET];
        let parts = [io::IoSlice::new(&header), io::IoSlice::new(frame)];
        self.socket.send_vectored(&parts).map(drop)
    }

    /// Sends a frame of [`Frame::described`].
    ///
    /// # Errors
    /// The interface is down or gone, or what was left to be done to the frame makes no sense.
    pub fn send_described(&self, described: &[u8]) -> io::Result<()> {
        self.socket.send(described).map(drop)
    }

    /// Lets so many bytes be on their way at a time: beyond the system's limit where privileged.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn send_room(&self, room: usize) -> io::Result<()> {
        let wanted = i32::try_from(room).unwrap_or(i32::MAX);
        set(&self.socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wanted)
            .or_else(|_| self.socket.set_send_buffer_size(room))
    }

    /// The next frame, as much of it as fits `buffer` ([`BUFFER`] bytes hold every frame whole);
    /// `None` when none waits.
    ///
    /// # Errors
    /// The interface went down.
    pub fn next<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Frame<'b>>> {
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut control = Control([0; 256]);
        // SAFETY: all-zero is a valid sockaddr_ll and msghdr.
        let mut from: libc::sockaddr_ll = unsafe { zeroed() };
        // SAFETY: as above.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = length_of::<libc::sockaddr_ll>();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        let read = loop {
            // SAFETY: every pointer in `message` is to a live local of the length given with it.
            let read = unsafe {
                libc::recvmsg(
                    self.socket.as_raw_fd(),
                    &raw mut message,
                    libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                )
            };
            if let Ok(read) = usize::try_from(read) {
                break read;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                // A super-frame of UDP datagrams before Linux 6.2: it is gone.
                io::ErrorKind::InvalidInput => self.hidden.set(self.hidden.get() + 1),
                io::ErrorKind::WouldBlock => return Ok(None),
                _ => return Err(error),
            }
        };
        let (vlan, time) = ancillary(&message);
        let kept = read.min(buffer.len());
        let Some((header, bytes)) = buffer.get(..kept).and_then(<[u8]>::split_first_chunk::<VNET>)
        else {
            return Err(io::Error::other("a packet socket gave less than its own header"));
        };
        Ok(Some(Frame {
            bytes,
            length: read - VNET,
            vnet: Vnet::parse(*header),
            vlan,
            outgoing: from.sll_pkttype == libc::PACKET_OUTGOING,
            time,
        }))
    }

    /// Frames the kernel dropped because they were not read fast enough, or could not describe,
    /// since the last call.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn dropped(&self) -> io::Result<u32> {
        // SAFETY: all-zero is a valid tpacket_stats, and the length given is its own.
        unsafe {
            let mut counts: libc::tpacket_stats = zeroed();
            let mut length = length_of::<libc::tpacket_stats>();
            let status = libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counts).cast(),
                &raw mut length,
            );
            if status == 0 {
                Ok(counts.tp_drops.saturating_add(self.hidden.take()))
            } else {
                Err(io::Error::last_os_error())
            }
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Control messages, aligned as `cmsghdr` wants it.
#[repr(align(8))]
struct Control([u8; 256]);

/// The tag and the time that came beside a frame.
fn ancillary(message: &libc::msghdr) -> (Option<(u16, u16)>, Duration) {
    let (mut vlan, mut time) = (None, Duration::ZERO);
    // SAFETY: `message` was filled by recvmsg; the CMSG macros stay inside its control buffer,
    // and a message is read as what its level and type say it is, unaligned.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = next.as_ref() {
            let data = libc::CMSG_DATA(header);
            match (header.cmsg_level, header.cmsg_type) {
                (libc::SOL_PACKET, libc::PACKET_AUXDATA) => {
                    let aux = data.cast::<libc::tpacket_auxdata>().read_unaligned();
                    if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 {
                        let known = aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
                        let tpid = if known { aux.tp_vlan_tpid } else { 0x8100 };
                        vlan = Some((tpid, aux.tp_vlan_tci));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at = data.cast::<libc::timespec>().read_unaligned();
                    time = Duration::new(
                        u64::try_from(at.tv_sec).unwrap_or(0),
                        u32::try_from(at.tv_nsec).unwrap_or(0),
                    );
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(message, header);
        }
    }
    (vlan, time)
}

fn link_address(index: u32) -> io::Result<SockAddr> {
    // SAFETY: a sockaddr_ll fits sockaddr_storage, which is zeroed and aligned for every address.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            (*address).sll_family = PACKET_FAMILY;
            (*address).sll_protocol = ALL_PROTOCOLS.to_be();
            (*address).sll_ifindex = index.cast_signed();
            *length = length_of::<libc::sockaddr_ll>();
            Ok(())
        })?
    };
    Ok(address)
}

/// Asks for `room` bytes of receive buffer: beyond the system's limit where privileged, up to it otherwise.
pub(crate) fn receive_room(socket: &Socket, room: usize) -> io::Result<()> {
    let wanted = i32::try_from(room).unwrap_or(i32::MAX);
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted)
        .or_else(|_| socket.set_recv_buffer_size(room))
}

/// Sets one integer option.
pub(crate) fn set(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option is an int, and the length given is an int's.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length_of::<i32>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The size of `T` as socket calls take it.
pub(crate) const fn length_of<T>() -> libc::socklen_t {
    size_of::<MaybeUninit<T>>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_described_with_its_tag_and_what_is_left_to_do() {
        let bytes: Vec<u8> = (0..60).collect();
        let vnet = Vnet { flags: 3, gso_type: 1, gso_size: 1400, csum_start: 34, csum_offset: 16 };
        let plain = Frame {
            bytes: &bytes,
            length: 60,
            vnet,
            vlan: None,
            outgoing: false,
            time: Duration::ZERO,
        };
        let described = plain.described();
        assert_eq!(Vnet::parse(described[..VNET].try_into().unwrap()), Vnet { flags: 1, ..vnet });
        assert_eq!(described[VNET..], bytes);
        let tagged = Frame { vlan: Some((0x88A8, 0x2007)), ..plain }.described();
        let again = Vnet::parse(tagged[..VNET].try_into().unwrap());
        assert_eq!((again.csum_start, again.gso_size), (38, 1400));
        assert_eq!(tagged[VNET..][..18], [&bytes[..12], &[0x88, 0xA8, 0x20, 7, 12, 13]].concat());
        assert_eq!(tagged[VNET..][16..], bytes[12..]);
    }
}
