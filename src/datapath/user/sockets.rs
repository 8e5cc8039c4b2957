//! Opening the sockets of an edge. All of it happens inside the host's namespace; the
//! descriptors work from any thread afterwards.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, sockopt};

use crate::encap::Delivery;

/// Socket buffer asked for, in bytes; what the system's limits leave of it is used.
const BUFFER: usize = 16 << 20;

/// Opens a packet socket on an interface of the calling thread's namespace: whole frames with
/// their offload metadata, tags beside them, our own transmissions not seen again.
///
/// # Errors
/// What the system says, with the interface and the step named.
pub fn packet(interface: &str) -> io::Result<OwnedFd> {
    let fd = packet_later(interface)?;
    attach(&fd, interface)?;
    Ok(fd)
}

/// As [`packet`], for an interface that is not there yet: nothing is received, and what is sent is
/// refused, until [`attach`].
///
/// # Errors
/// As [`packet`].
pub fn packet_later(interface: &str) -> io::Result<OwnedFd> {
    let step = |what: &str| packet_step(interface, what);
    let fd = packet_unbound(interface)?;
    set(&fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1).map_err(step("PACKET_VNET_HDR"))?;
    set(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)
        .map_err(step("PACKET_IGNORE_OUTGOING (it needs Linux 4.20)"))?;
    set(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1).map_err(step("PACKET_AUXDATA"))?;
    Ok(fd)
}

/// Binds a packet socket to an interface of the calling thread's namespace, which is the socket's
/// too. The kernel undoes that by itself when the interface goes away.
///
/// # Errors
/// As [`packet`].
pub fn attach(fd: &OwnedFd, interface: &str) -> io::Result<()> {
    let step = |what: &str| packet_step(interface, what);
    let index = bind_packet(fd, interface, libc::ETH_P_ALL as u16)?;
    // Frames to any MAC, as a switch port must take them.
    let member = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, member).map_err(step("promiscuous mode"))
}

/// Opens a packet socket that only sends, whole frames without offload metadata.
///
/// # Errors
/// As [`packet`].
pub fn sending_packet(interface: &str) -> io::Result<OwnedFd> {
    let fd = packet_unbound(interface)?;
    // Protocol 0: nothing is received.
    bind_packet(&fd, interface, 0)?;
    Ok(fd)
}

/// Names the step that failed.
fn packet_step(interface: &str, what: &str) -> impl FnOnce(io::Error) -> io::Error + use<> {
    let what = format!("packet socket on {interface}: {what}");
    move |e| io::Error::new(e.kind(), format!("{what}: {e}"))
}

fn packet_unbound(interface: &str) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the result is checked before it becomes an owned descriptor.
    let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if raw < 0 {
        let step = packet_step(interface, "open (it needs CAP_NET_RAW)");
        return Err(step(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is fresh and ours.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    grow_buffers(&fd);
    Ok(fd)
}

/// Binds it to an interface, to receive what is of a protocol; returns the interface's index.
fn bind_packet(fd: &OwnedFd, interface: &str, protocol: u16) -> io::Result<libc::c_int> {
    let step = |what: &str| packet_step(interface, what);
    let index = nix::net::if_::if_nametoindex(interface)
        .map_err(|e| step("look up the interface")(e.into()))?;
    let index = libc::c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: all-zero bytes are a valid link-layer address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index;
    // SAFETY: the address is of the type and length said.
    let bound = unsafe {
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as _)
    };
    if bound < 0 {
        return Err(step("bind")(io::Error::last_os_error()));
    }
    Ok(index)
}

/// Opens the UDP socket a VTEP receives on: unconnected, since peers vary their source port, with
/// datagrams joined by the kernel where it can, and the outer TOS beside them.
///
/// # Errors
/// What the system says, with the address named.
pub fn udp_receiver(local: SocketAddr) -> io::Result<OwnedFd> {
    let fd = inet(local, SockType::Datagram, 0, false)?;
    if let Err(error) = set(&fd, libc::SOL_UDP, libc::UDP_GRO, 1) {
        tracing::info!(%error, "no UDP_GRO here: datagrams are received one by one");
    }
    receive_tos(&fd, local)?;
    Ok(fd)
}

/// Opens the raw socket that sends and receives a tunnel's packets, straight behind the IP header.
/// What it receives over IPv4 starts with that header.
///
/// # Errors
/// What the system says, with the address named.
pub fn raw(local: IpAddr, protocol: u8, fragment: bool) -> io::Result<OwnedFd> {
    let local = SocketAddr::new(local, 0);
    let fd = inet(local, SockType::Raw, protocol, fragment)?;
    if local.is_ipv6() {
        receive_tos(&fd, local)?;
    }
    Ok(fd)
}

/// What a packet socket's interface is.
#[derive(Debug, Clone, Copy)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Largest IP packet in bytes.
    pub mtu: usize,
}

/// The interface that a packet socket is bound to; `name` is its name.
///
/// # Errors
/// What the system says; an interface without an Ethernet address.
pub fn interface(fd: &OwnedFd, name: &str) -> io::Result<Interface> {
    let unsupported = |what: &str| {
        io::Error::new(io::ErrorKind::Unsupported, format!("interface {name}: {what}"))
    };
    // SAFETY: all-zero bytes are valid values of both C structures.
    let (mut address, mut request): (libc::sockaddr_ll, libc::ifreq) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is of the length said.
    let named =
        unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut len) };
    if named < 0 {
        return Err(io::Error::last_os_error());
    }
    let mac = address.sll_addr.first_chunk::<6>().filter(|_| address.sll_halen == 6);
    let mac = *mac.ok_or_else(|| unsupported("it has no Ethernet address"))?;
    if name.len() >= request.ifr_name.len() {
        return Err(unsupported("the name is longer than 15 bytes"));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: the request is of the type that this call takes, and it fills in the MTU.
    let mtu = unsafe {
        if libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_mtu
    };
    Ok(Interface {
        index: address.sll_ifindex.cast_unsigned(),
        mac,
        mtu: usize::try_from(mtu).unwrap_or(0),
    })
}

/// Holds a TCP port without ever answering on it: a listening socket whose filter drops all.
///
/// # Errors
/// What the system says, with the address named.
pub fn silent_tcp(local: SocketAddr) -> io::Result<OwnedFd> {
    let held = || -> io::Result<OwnedFd> {
        let family = if local.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let fd = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        filter(&fd, &[instruction(libc::BPF_RET, 0, 0, 0)])?;
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(local))?;
        socket::listen(&fd, socket::Backlog::new(1)?)?;
        Ok(fd)
    };
    held().map_err(|e| io::Error::new(e.kind(), format!("hold TCP port {local}: {e}")))
}

/// Lets a packet socket receive only TCP to this port, over IPv4 or (without extension headers)
/// IPv6, as the local address is.
///
/// # Errors
/// What the system says.
pub fn only_tcp_port(fd: &OwnedFd, local: IpAddr, port: u16) -> io::Result<()> {
    use libc::{
        BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET,
    };
    let equal = |value: u32, otherwise| instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, otherwise, value);
    let tcp = libc::IPPROTO_TCP as u32;
    let take = instruction(BPF_RET, 0, 0, u32::MAX);
    let drop = instruction(BPF_RET, 0, 0, 0);
    let ethertype = instruction(BPF_LD | BPF_H | BPF_ABS, 0, 0, 12);
    match local {
        IpAddr::V4(_) => filter(
            fd,
            &[
                ethertype,
                equal(libc::ETH_P_IP as u32, 6),
                instruction(BPF_LD | BPF_B | BPF_ABS, 0, 0, 23),
                equal(tcp, 4),
                instruction(BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14),
                instruction(BPF_LD | BPF_H | BPF_IND, 0, 0, 14 + 2),
                equal(port.into(), 1),
                take,
                drop,
            ],
        ),
        IpAddr::V6(_) => filter(
            fd,
            &[
                ethertype,
                equal(libc::ETH_P_IPV6 as u32, 5),
                instruction(BPF_LD | BPF_B | BPF_ABS, 0, 0, 14 + 6),
                equal(tcp, 3),
                instruction(BPF_LD | BPF_H | BPF_ABS, 0, 0, 14 + 40 + 2),
                equal(port.into(), 1),
                take,
                drop,
            ],
        ),
    }
}

const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn filter(fd: &OwnedFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
}

/// Lets a socket send to groups through the interface of this index, over fewer routers than `ttl`, without taking its own
/// copies back.
///
/// # Errors
/// What the system says.
pub fn send_to_groups(fd: &OwnedFd, interface: u32, ttl: u8) -> io::Result<()> {
    let index = libc::c_int::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    if socket::getsockname::<SockaddrStorage>(fd.as_raw_fd())?.as_sockaddr_in6().is_some() {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, index)?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, libc::c_int::from(ttl))?;
        return set(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, 0);
    }
    let none = libc::in_addr { s_addr: 0 };
    let member = libc::ip_mreqn { imr_multiaddr: none, imr_address: none, imr_ifindex: index };
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, member)?;
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, libc::c_int::from(ttl))?;
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, 0)
}

/// Joins a group on the interface of this index, until the socket is closed.
///
/// # Errors
/// What the system says, with the group named.
pub fn join(fd: &OwnedFd, group: IpAddr, interface: u32) -> io::Result<()> {
    let joined = match group {
        IpAddr::V4(group) => {
            let index =
                libc::c_int::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
            let member = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: u32::from(group).to_be() },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: index,
            };
            set(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, member)
        }
        IpAddr::V6(group) => {
            let member = libc::ipv6_mreq {
                ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() },
                ipv6mr_interface: interface,
            };
            set(fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, member)
        }
    };
    joined.map_err(|e| io::Error::new(e.kind(), format!("join the group {group}: {e}")))
}

/// A UDP socket that receives nothing.
///
/// # Errors
/// What the system says.
pub fn silent_udp(of: IpAddr) -> io::Result<OwnedFd> {
    let local = SocketAddr::new(of, 0);
    let fd = inet(local, SockType::Datagram, 0, false)?;
    filter(&fd, &[instruction(libc::BPF_RET, 0, 0, 0)])?;
    Ok(fd)
}

fn receive_tos(fd: &OwnedFd, local: SocketAddr) -> io::Result<()> {
    let (level, option) = match local {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTOS),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
    };
    set(fd, level, option, 1)
}

/// Opens `count` sockets to send tunnel datagrams from, each with a source port of its own out of
/// 49152..=65535 (RFC 7348 section 5), chosen from `seed`; a port in use is passed over. Without
/// `fragment` they set DF.
///
/// # Errors
/// What the system says, with the address named.
pub fn udp_senders(
    local: IpAddr,
    count: usize,
    seed: u64,
    fragment: bool,
) -> io::Result<Vec<OwnedFd>> {
    const FIRST: u64 = 49_152;
    const PORTS: u64 = 65_536 - FIRST;
    // An odd stride visits every port of the range, whose size is a power of two.
    let stride = (seed >> 17) | 1;
    let mut senders = Vec::with_capacity(count);
    let mut next = seed;
    for _ in 0..PORTS {
        if senders.len() == count {
            break;
        }
        next = next.wrapping_add(stride);
        let port = u16::try_from(FIRST + next % PORTS).unwrap_or(u16::MAX);
        match inet(SocketAddr::new(local, port), SockType::Datagram, 0, fragment) {
            Ok(fd) => senders.push(fd),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
            Err(e) => return Err(e),
        }
    }
    Ok(senders)
}

/// Applies the settings of outer headers to a socket that sends: hops to live and, on UDP,
/// whether checksums are left out (`SO_NO_CHECK`, RFC 768; `UDP_NO_CHECK6_TX`, RFC 6935).
///
/// # Errors
/// What the system says.
pub fn deliver(fd: &OwnedFd, local: IpAddr, delivery: Delivery) -> io::Result<()> {
    let step = |what: &str| {
        let what = format!("{what} of the socket on {local}");
        move |e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"))
    };
    let (level, hops, no_checksum) = match local {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL, (libc::SOL_SOCKET, libc::SO_NO_CHECK)),
        IpAddr::V6(_) => {
            (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, (libc::SOL_UDP, libc::UDP_NO_CHECK6_TX))
        }
    };
    set(fd, level, hops, libc::c_int::from(delivery.fixed_ttl())).map_err(step("TTL"))?;
    if !delivery.udp_csum {
        let (level, option) = no_checksum;
        set(fd, level, option, 1).map_err(step("zero checksums"))?;
    }
    Ok(())
}

/// Lets the receiving UDP socket take zero checksums over IPv6 where that is asked for
/// (`UDP_NO_CHECK6_RX`, RFC 6936 section 4).
///
/// # Errors
/// What the system says.
pub fn take_zero_checksums(fd: &OwnedFd, local: IpAddr, delivery: Delivery) -> io::Result<()> {
    if local.is_ipv4() || !delivery.udp6_zero {
        return Ok(());
    }
    set(fd, libc::SOL_UDP, libc::UDP_NO_CHECK6_RX, 1)
}

/// A bound UDP socket, or a raw one of a protocol.
fn inet(local: SocketAddr, kind: SockType, protocol: u8, fragment: bool) -> io::Result<OwnedFd> {
    let step = |e: io::Error| {
        let what = match kind {
            SockType::Raw => format!("raw socket of protocol {protocol} on {}", local.ip()),
            _ => format!("UDP socket on {local}"),
        };
        io::Error::new(e.kind(), format!("{what}: {e}"))
    };
    let (family, level, discover) = match local {
        SocketAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        SocketAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let kind = kind as i32 | libc::SOCK_CLOEXEC;
    // SAFETY: a plain system call; the result is checked before it becomes an owned descriptor.
    let raw = unsafe { libc::socket(family, kind, protocol.into()) };
    if raw < 0 {
        return Err(step(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is fresh and ours.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    // DF unless told otherwise: a VTEP must not fragment (RFC 7348 section 4.3).
    let mode = if fragment { libc::IP_PMTUDISC_DONT } else { libc::IP_PMTUDISC_DO };
    set(&fd, level, discover, mode).map_err(step)?;
    grow_buffers(&fd);
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(local)).map_err(|e| step(e.into()))?;
    Ok(fd)
}

/// Large buffers; past the system's limit where privileges allow.
fn grow_buffers(fd: &OwnedFd) {
    let fd = fd.as_fd();
    if socket::setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = socket::setsockopt(&fd, sockopt::RcvBuf, &BUFFER);
    }
    if socket::setsockopt(&fd, sockopt::SndBufForce, &BUFFER).is_err() {
        let _ = socket::setsockopt(&fd, sockopt::SndBuf, &BUFFER);
    }
}

fn set<T>(fd: &OwnedFd, level: i32, option: i32, value: T) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
