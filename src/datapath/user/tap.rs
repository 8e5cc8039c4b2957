//! A TAP or TUN device as the VM's side of an edge: what `endpoint` gives to a host's own stack.
//!
//! The device exists as long as its descriptor is open, so nothing is left whatever ends the
//! process. Frames go in and out with a `virtio_net_hdr`, so super-frames and unfinished checksums
//! cross it as they cross a packet socket (Linux `Documentation/networking/tuntap.rst`). A TUN
//! device carries IP packets: inside the datapath they have an Ethernet header without addresses.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::vnet::{self, VnetHeader};
use crate::wire::ethernet::{self, Mac, ethertype};

/// Offloads that are asked for, from most to least (`TUN_F_*` of `linux/if_tun.h`): checksums,
/// TCP over both IPs, and UDP (Linux 6.2).
const OFFLOADS: [libc::c_uint; 4] = [0x01 | 0x02 | 0x04 | 0x20 | 0x40, 0x01 | 0x02 | 0x04, 0x01, 0];
/// `TUNSETIFF` and `TUNSETOFFLOAD`: `_IOW('T', 202, int)` and `_IOW('T', 208, unsigned int)`.
const SET_INTERFACE: libc::Ioctl = 0x4004_54CA;
const SET_OFFLOAD: libc::Ioctl = 0x4004_54D0;
/// Fails where a device of that name exists.
const EXCLUSIVE: libc::c_int = 0x8000;

/// A device that lives as long as this value.
#[derive(Debug)]
pub struct Tap {
    fd: OwnedFd,
    name: String,
    bare: bool,
}

/// The VM's side of an edge.
#[derive(Debug)]
pub(super) enum Port {
    /// Packet socket on the host's end of a VM's veth.
    Packet(OwnedFd),
    /// A device of the host itself.
    Tap(Tap),
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Port::Packet(fd) => fd.as_fd(),
            Port::Tap(tap) => tap.fd.as_fd(),
        }
    }
}

impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Tap {
    /// Makes a TAP device, or with `bare` a TUN device, in the calling thread's namespace.
    ///
    /// # Errors
    /// What the system says, with the step named; `AlreadyExists` where the name is in use.
    pub fn create(name: &str, bare: bool) -> io::Result<Self> {
        let step = |what: &str| {
            let what = format!("{name}: {what}");
            move |e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"))
        };
        // SAFETY: a plain system call on a string that ends in zero; the result is checked.
        let raw = unsafe {
            libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK)
        };
        if raw < 0 {
            return Err(step("open /dev/net/tun")(io::Error::last_os_error()));
        }
        // SAFETY: the descriptor is fresh and ours.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let kind = if bare { libc::IFF_TUN } else { libc::IFF_TAP };
        let mut request = request(name)?;
        let flags = kind | libc::IFF_NO_PI | libc::IFF_VNET_HDR | EXCLUSIVE;
        let flags = flags as libc::c_short;
        request.ifr_ifru.ifru_flags = flags;
        // SAFETY: the request is a valid `ifreq` that outlives the call.
        if unsafe { libc::ioctl(fd.as_raw_fd(), SET_INTERFACE, &raw mut request) } < 0 {
            let error = io::Error::last_os_error();
            return Err(match error.raw_os_error() {
                Some(libc::EBUSY | libc::EEXIST) => {
                    let what = format!("an interface {name} exists already");
                    io::Error::new(io::ErrorKind::AlreadyExists, what)
                }
                _ => step("make the device")(error),
            });
        }
        let takes = |offloads: &&libc::c_uint| {
            // SAFETY: the argument is a plain number.
            let done = unsafe { libc::ioctl(fd.as_raw_fd(), SET_OFFLOAD, **offloads) };
            done >= 0
        };
        let taken = OFFLOADS.iter().find(takes);
        tracing::debug!(name, ?taken, "offloads of the device");
        Ok(Tap { fd, name: name.to_owned(), bare })
    }

    /// Sets the MTU and takes the device up.
    ///
    /// # Errors
    /// What the system says, with the step named.
    pub fn up(&self, mtu: u32) -> io::Result<()> {
        up(&self.name, mtu)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it carries IP packets without Ethernet.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.bare
    }

    /// Reads one frame: its offload metadata into `header`, its bytes into `room`. For a TUN device
    /// an Ethernet header goes before the packet. `None` where there is nothing.
    pub(super) fn read(
        &self,
        header: &mut [u8; vnet::LEN],
        room: &mut [u8],
    ) -> io::Result<Option<(VnetHeader, usize)>> {
        let shim = if self.bare { ethernet::LEN } else { 0 };
        let room = room.get_mut(..).unwrap_or_default();
        let (before, packet) =
            room.split_at_mut_checked(shim).ok_or(io::ErrorKind::InvalidInput)?;
        let mut pieces = [
            libc::iovec { iov_base: header.as_mut_ptr().cast(), iov_len: header.len() },
            libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() },
        ];
        // SAFETY: both pieces are exclusive borrows of the lengths said.
        let read = unsafe { libc::readv(self.fd.as_raw_fd(), pieces.as_mut_ptr(), 2) };
        let Ok(read) = usize::try_from(read) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        let len = read.saturating_sub(vnet::LEN);
        let mut metadata = VnetHeader::from_bytes(*header);
        if self.bare {
            let ethertype = match packet.first().map(|first| first >> 4) {
                Some(6) => ethertype::IPV6,
                _ => ethertype::IPV4,
            };
            let shim = ethernet::Header { dst: Mac::ZERO, src: Mac::ZERO, ethertype };
            shim.emit(before).map_err(io::Error::other)?;
            metadata = metadata.shifted(ethernet::LEN as u16);
        }
        Ok(Some((metadata, shim + len)))
    }
}

/// Writes one frame, its offload metadata first, to a device; for a TUN device (`bare`) without
/// its Ethernet header.
///
/// # Errors
/// What the system says.
pub(super) fn write(device: RawFd, pieces: &[libc::iovec], bare: bool) -> io::Result<()> {
    if !bare {
        let count = libc::c_int::try_from(pieces.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the caller's pieces are valid for the call.
        let written = unsafe { libc::writev(device, pieces.as_ptr(), count) };
        return if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    }
    let mut frame = Vec::with_capacity(pieces.iter().map(|piece| piece.iov_len).sum());
    for piece in pieces {
        // SAFETY: the caller's pieces are valid for the call.
        let bytes =
            unsafe { std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) };
        frame.extend_from_slice(bytes);
    }
    let Some((header, rest)) = frame.split_first_chunk::<{ vnet::LEN }>() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let packet = rest.get(ethernet::LEN..).ok_or(io::ErrorKind::InvalidInput)?;
    let header = VnetHeader::from_bytes(*header).without(ethernet::LEN as u16).to_bytes();
    let pieces = [&header[..], packet].map(|piece| libc::iovec {
        iov_base: piece.as_ptr().cast_mut().cast(),
        iov_len: piece.len(),
    });
    write(device, &pieces, false)
}

/// A socket of the calling thread's namespace, for settings of its interfaces.
fn settings_socket() -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind("127.0.0.1:0").or_else(|_| std::net::UdpSocket::bind("0.0.0.0:0"))
}

/// Sets the MTU of an interface of the calling thread's namespace and takes it up.
///
/// # Errors
/// What the system says, with the step named.
pub fn up(name: &str, mtu: u32) -> io::Result<()> {
    let step = |what: String| {
        let what = format!("{name}: {what}");
        move |e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"))
    };
    let socket = settings_socket().map_err(step("open a socket for its settings".into()))?;
    let mut settings = request(name)?;
    settings.ifr_ifru.ifru_mtu = i32::try_from(mtu).unwrap_or(i32::MAX);
    call(&socket, libc::SIOCSIFMTU, &mut settings)
        .map_err(step(format!("set its MTU to {mtu}")))?;
    flag_up(&socket, &mut settings, true).map_err(step("take it up".into()))
}

/// Gives an interface of the calling thread's namespace another name; it is down afterwards.
///
/// # Errors
/// What the system says, with the step named; `AlreadyExists` where the name is in use.
pub fn rename(from: &str, to: &str) -> io::Result<()> {
    let step =
        |e: io::Error| io::Error::new(e.kind(), format!("call the interface {from} {to}: {e}"));
    let socket = settings_socket()?;
    let mut settings = request(from)?;
    flag_up(&socket, &mut settings, false).map_err(step)?;
    let wanted = request(to)?;
    settings.ifr_ifru.ifru_newname = wanted.ifr_name;
    call(&socket, libc::SIOCSIFNAME, &mut settings).map_err(step)
}

/// Takes the interface that a request names up or down.
fn flag_up(socket: &impl AsRawFd, settings: &mut libc::ifreq, up: bool) -> io::Result<()> {
    call(socket, libc::SIOCGIFFLAGS, settings)?;
    // SAFETY: the kernel has just filled in this member.
    let flags = unsafe { settings.ifr_ifru.ifru_flags };
    let bit = libc::IFF_UP as libc::c_short;
    settings.ifr_ifru.ifru_flags = if up { flags | bit } else { flags & !bit };
    call(socket, libc::SIOCSIFFLAGS, settings)
}

/// The MTU of an interface of the socket's namespace.
///
/// # Errors
/// What the system says.
pub fn mtu(socket: &impl AsRawFd, name: &str) -> io::Result<u32> {
    let mut settings = request(name)?;
    call(socket, libc::SIOCGIFMTU, &mut settings)?;
    // SAFETY: the kernel has just filled in this member.
    let mtu = unsafe { settings.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(io::Error::other)
}

/// A request about an interface.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all-zero bytes are a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = CString::new(name)?;
    let bytes = bytes.as_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface name over 15 bytes"));
    }
    for (to, byte) in request.ifr_name.iter_mut().zip(bytes) {
        #[allow(clippy::cast_possible_wrap)] // C's characters
        let byte = *byte as libc::c_char;
        *to = byte;
    }
    Ok(request)
}

fn call(socket: &impl AsRawFd, what: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the request is a valid `ifreq` that outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), what, std::ptr::from_mut(request)) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
