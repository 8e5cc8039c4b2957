//! What measuring between VMs shares: finding them, and plain UDP sockets in them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::Place;
use super::error::{MeasureError, within};
use crate::plan::{TenantPlan, Variant, VmPlan};

/// The tenant called `name`.
pub fn tenant<'v>(variant: &'v Variant, name: &str) -> Result<&'v TenantPlan, MeasureError> {
    variant.tenants.iter().find(|tenant| tenant.name == name).ok_or_else(|| {
        let known: Vec<_> =
            variant.tenants.iter().map(|tenant| format!("`{}`", tenant.name)).collect();
        MeasureError::UnknownTenant {
            variant: variant.name.clone(),
            tenant: name.to_owned(),
            known: if known.is_empty() { "none".into() } else { known.join(", ") },
        }
    })
}

/// The first two VMs of a tenant that live on different hosts.
pub fn across<'v>(
    variant: &'v Variant,
    name: &str,
) -> Result<(&'v VmPlan, &'v VmPlan), MeasureError> {
    let vms = &tenant(variant, name)?.vms;
    vms.iter()
        .enumerate()
        .find_map(|(index, a)| {
            let b = vms.iter().skip(index + 1).find(|b| b.host != a.host)?;
            Some((a, b))
        })
        .ok_or_else(|| MeasureError::OneHost { tenant: name.to_owned() })
}

/// A non-blocking UDP socket in a VM, on a port of the system's choice, and its address.
pub fn udp(
    place: &impl Place,
    variant: &Variant,
    vm: &VmPlan,
) -> Result<(Socket, SocketAddr), MeasureError> {
    udp_from(place, variant, vm, vm.address.addr())
}

/// The same on the VM's IPv6 address, where it has one beside an IPv4 address.
pub fn udp6(
    place: &impl Place,
    variant: &Variant,
    vm: &VmPlan,
) -> Result<(Socket, SocketAddr), MeasureError> {
    udp_from(place, variant, vm, vm.address6.unwrap_or(vm.address).addr())
}

fn udp_from(
    place: &impl Place,
    variant: &Variant,
    vm: &VmPlan,
    address: IpAddr,
) -> Result<(Socket, SocketAddr), MeasureError> {
    within(place, &variant.namespace(&vm.node), "open a UDP socket", || {
        let local = SocketAddr::new(address, 0);
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&local.into())?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?.as_socket().unwrap_or(local);
        Ok((socket, address))
    })
}

/// Receives one datagram into `buffer`; `None` when none waits.
pub fn receive<'b>(socket: &Socket, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    use std::io::Read;
    loop {
        match (&*socket).read(buffer) {
            Ok(length) => return Ok(buffer.get(..length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a send failed for a reason that passes: address resolution still runs, a queue is full,
/// or an earlier packet was answered by an ICMP error.
pub fn passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::ConnectionRefused
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Waits until one of `sockets` can be read or `deadline` is reached.
pub fn wait(sockets: &[BorrowedFd<'_>], deadline: Instant) -> io::Result<()> {
    ready(sockets, deadline).map(drop)
}

/// As [`wait`]; says which can be read, or have an error to tell.
pub fn ready(sockets: &[BorrowedFd<'_>], deadline: Instant) -> io::Result<Vec<usize>> {
    let mut watched: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(*socket, PollFlags::POLLIN)).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    // poll(2) counts in milliseconds: rounded up, so that the end of a wait does not spin.
    let left = left + Duration::from_micros(999);
    match poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let any = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
    Ok(watched.iter().enumerate().filter(|(_, fd)| any(fd)).map(|(at, _)| at).collect())
}
