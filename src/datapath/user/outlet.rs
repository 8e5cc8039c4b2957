//! Where datagrams leave to: sockets, destinations, and how many the kernel takes at once.

use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

/// Datagrams the kernel takes in one message (`UDP_MAX_SEGMENTS` before Linux 6.9).
const MAX_SEGMENTS: u16 = 64;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The socket.
    pub socket: RawFd,
    /// Index of the destination in the [`Outlet`]; `None` on packet sockets.
    pub address: Option<usize>,
    /// Outer TOS or traffic class.
    pub tos: u8,
    /// Outer TTL or hop limit; 0 leaves it to the socket.
    pub ttl: u8,
    /// IPv6 flow label; 0 leaves it to the kernel.
    pub flow_label: u32,
    /// Most packets in one message: see [`Outlet::segments`].
    pub segments: u16,
}

/// Where an edge's datagrams go, and how many the kernel takes at once.
#[derive(Debug)]
pub struct Outlet {
    addresses: Vec<Address>,
    segments: AtomicU16,
    /// Every packet is a message of its own for now.
    single: AtomicBool,
    /// Devices among the ports, and whether they carry packets without Ethernet.
    taps: Vec<(RawFd, bool)>,
}

impl Outlet {
    /// The destinations that [`Target::address`] counts. Without `join` every datagram is a message
    /// of its own (raw sockets, kernels without `UDP_SEGMENT`, links without offloads).
    #[must_use]
    pub fn new(addresses: Vec<Address>, join: bool) -> Self {
        let segments = AtomicU16::new(if join { MAX_SEGMENTS } else { 1 });
        Outlet { addresses, segments, single: AtomicBool::new(false), taps: Vec::new() }
    }

    /// The same with devices among the ports: they are written to, being no sockets.
    #[must_use]
    pub fn with_taps(self, taps: impl Iterator<Item = (RawFd, bool)>) -> Self {
        Outlet { taps: taps.collect(), ..self }
    }

    pub(super) fn tap(&self, port: RawFd) -> Option<bool> {
        self.taps.iter().find(|(fd, _)| *fd == port).map(|(_, bare)| *bare)
    }

    /// The destination that [`Target::address`] counts.
    pub(super) fn address(&self, index: usize) -> Option<&Address> {
        self.addresses.get(index)
    }

    /// Every datagram is a message of its own from now on: the interface cannot cut joined ones.
    pub(super) fn never_join(&self) {
        self.segments.store(1, Relaxed);
    }

    /// Most datagrams in one message, at present.
    #[must_use]
    pub fn segments(&self) -> u16 {
        if self.single.load(Relaxed) { 1 } else { self.segments.load(Relaxed) }
    }

    /// Whether every packet is to be a message of its own from now on.
    pub fn single_packets(&self, single: bool) {
        self.single.store(single, Relaxed);
    }
}

/// A destination as `sendmmsg` wants it.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: libc::socklen_t,
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        use nix::sys::socket::{SockaddrLike, SockaddrStorage};
        let storage = SockaddrStorage::from(address);
        let len = storage.len();
        // SAFETY: all-zero bytes are a valid storage, and `len` bytes of the other one are valid to copy.
        let storage = unsafe {
            let mut bytes: libc::sockaddr_storage = std::mem::zeroed();
            ptr::copy_nonoverlapping(
                storage.as_ptr().cast::<u8>(),
                (&raw mut bytes).cast::<u8>(),
                len as usize,
            );
            bytes
        };
        Address { storage, len }
    }
}
