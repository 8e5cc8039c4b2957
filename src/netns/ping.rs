//! One address reached from another: ICMP echo (RFC 792, RFC 4443) on a raw socket.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, sendto,
    socket,
};

use super::error::{Error, Result};
use super::namespaces::Namespaces;

/// Time after which another request is sent.
const AGAIN: Duration = Duration::from_millis(200);
const ECHO: [u8; 2] = [8, 128];
const ECHO_REPLY: [u8; 2] = [0, 129];

/// Whether `to` answers an echo request sent from `from` in a namespace before the deadline.
///
/// # Errors
/// The socket cannot be made or used; an unreachable address is `false`, not an error.
pub fn ping(
    namespaces: &Namespaces,
    namespace: &str,
    from: IpAddr,
    to: IpAddr,
    deadline: Instant,
) -> Result<bool> {
    let fail = |e: Errno| Error::system(format!("ping {to} from {from} in {namespace}"), e);
    let socket = namespaces.inside(namespace, || open(from).map_err(fail))?;
    let request = request(to);
    let mut sequence = 0u16;
    loop {
        sequence = sequence.wrapping_add(1);
        send(&socket, &request, sequence, to).map_err(fail)?;
        let again = deadline.min(Instant::now() + AGAIN);
        if answered(&socket, to, again).map_err(fail)? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
    }
}

fn address(ip: IpAddr) -> SockaddrStorage {
    SockaddrStorage::from(SocketAddr::new(ip, 0))
}

fn open(from: IpAddr) -> nix::Result<OwnedFd> {
    let (family, protocol) = match from {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Raw, flags, protocol)?;
    bind(socket.as_raw_fd(), &address(from))?;
    Ok(socket)
}

/// Type, code, checksum, identifier, sequence, and four bytes that are ours.
fn request(to: IpAddr) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[0] = ECHO[usize::from(to.is_ipv6())];
    // Both halves of the process id tell our echoes from others'.
    bytes[8..].copy_from_slice(&std::process::id().to_be_bytes());
    bytes
}

fn send(socket: &OwnedFd, request: &[u8; 12], sequence: u16, to: IpAddr) -> nix::Result<()> {
    let mut bytes = *request;
    bytes[6..8].copy_from_slice(&sequence.to_be_bytes());
    // For IPv6 the kernel fills the checksum itself (RFC 3542 section 3.1).
    if to.is_ipv4() {
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    match sendto(socket.as_raw_fd(), &bytes, &address(to), MsgFlags::empty()) {
        // No route or no neighbour yet, or an error that an earlier request caused.
        Ok(_)
        | Err(
            Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::ECONNREFUSED
            | Errno::ENOBUFS
            | Errno::EAGAIN,
        ) => Ok(()),
        Err(e) => Err(e),
    }
}

fn answered(socket: &OwnedFd, to: IpAddr, until: Instant) -> nix::Result<bool> {
    let mut bytes = [0; 1500];
    loop {
        match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            Ok(length) if is_reply(&bytes[..length], to) => return Ok(true),
            Ok(_) | Err(Errno::EINTR | Errno::EHOSTUNREACH | Errno::ECONNREFUSED) => continue,
            Err(Errno::EAGAIN) => {}
            Err(e) => return Err(e),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let milliseconds = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// A raw IPv4 socket gives the IP header too, an IPv6 one does not.
fn is_reply(bytes: &[u8], to: IpAddr) -> bool {
    let icmp = if to.is_ipv4() {
        let length = bytes.first().map_or(0, |first| usize::from(first & 0xF) * 4);
        bytes.get(length..).unwrap_or_default()
    } else {
        bytes
    };
    icmp.first() == Some(&ECHO_REPLY[usize::from(to.is_ipv6())])
        && icmp.get(8..12) == Some(&std::process::id().to_be_bytes())
}

/// Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8; 12]) -> u16 {
    let mut sum: u32 =
        bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    // Folded to 16 bits above.
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_rfc_1071() {
        // RFC 1071 section 3: 0001 f203 f4f5 f6f7 sums to ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0, 0, 0];
        assert_eq!(checksum(&bytes), !0xddf2);
    }

    #[test]
    fn only_our_replies_count() {
        let to = IpAddr::from([10, 0, 0, 1]);
        let mut packet = vec![0x45; 20];
        packet.extend([0; 8]);
        packet.extend(std::process::id().to_be_bytes());
        assert!(is_reply(&packet, to));
        packet[20] = 8;
        assert!(!is_reply(&packet, to));
        for length in 0..packet.len() {
            assert!(!is_reply(&packet[..length], to));
        }
    }
}
