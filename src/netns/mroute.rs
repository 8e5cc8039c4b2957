//! Multicast forwarding of routers: the kernel's own (`CONFIG_IP_MROUTE`, `CONFIG_IPV6_MROUTE`),
//! with the plan's distribution trees as its entries.
//!
//! A socket of the run is what a multicast routing daemon's would be. Entries are given, not asked
//! for, so nothing has to be read from it; they live as long as it does. Needs no privilege beyond
//! the namespace's own.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::net::if_::if_nametoindex;

use super::error::{Error, Result};
use crate::plan::MulticastRoute;

// linux/mroute.h and linux/mroute6.h; both begin to count at 200.
const INIT: libc::c_int = 200;
const ADD_VIF: libc::c_int = 202;
const ADD_MFC: libc::c_int = 204;
/// Interfaces of a router that the kernel forwards between.
const MAX_VIFS: usize = 32;
/// The interface is given by its index, and not by its address.
const VIFF_USE_IFINDEX: u8 = 8;

/// `struct vifctl`.
#[repr(C)]
struct Vif4 {
    vif: u16,
    flags: u8,
    threshold: u8,
    rate_limit: libc::c_uint,
    ifindex: libc::c_int,
    remote: [u8; 4],
}

/// `struct mfcctl`.
#[repr(C)]
struct Entry4 {
    origin: [u8; 4],
    group: [u8; 4],
    parent: u16,
    ttls: [u8; MAX_VIFS],
    packets: libc::c_uint,
    bytes: libc::c_uint,
    wrong: libc::c_uint,
    expire: libc::c_int,
}

/// `struct mif6ctl`.
#[repr(C)]
struct Vif6 {
    vif: u16,
    flags: u8,
    threshold: u8,
    ifindex: u16,
    rate_limit: u32,
}

/// `struct mf6cctl`.
#[repr(C)]
struct Entry6 {
    origin: libc::sockaddr_in6,
    group: libc::sockaddr_in6,
    parent: u16,
    to: [u32; 8],
}

/// Forwards multicast in the calling thread's namespace as these routes say, until the sockets are
/// closed. There is one for each IP version in use.
///
/// # Errors
/// [`Error::Unsupported`] where the kernel forwards no multicast; otherwise what it refused.
pub fn forward(namespace: &str, routes: &[MulticastRoute]) -> Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    for ipv6 in [false, true] {
        let some: Vec<_> = routes.iter().filter(|route| route.group.is_ipv6() == ipv6).collect();
        if !some.is_empty() {
            sockets.push(Router::open(namespace, ipv6)?.serve(&some)?);
        }
    }
    Ok(sockets)
}

struct Router<'a> {
    namespace: &'a str,
    ipv6: bool,
    socket: OwnedFd,
}

impl Router<'_> {
    fn open(namespace: &str, ipv6: bool) -> Result<Router<'_>> {
        let (family, protocol) = if ipv6 {
            (libc::AF_INET6, libc::IPPROTO_ICMPV6)
        } else {
            (libc::AF_INET, libc::IPPROTO_IGMP)
        };
        // SAFETY: a plain system call; the result is checked before it becomes an owned descriptor.
        let raw = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        if raw < 0 {
            return Err(failed("open a multicast routing socket", io::Error::last_os_error()));
        }
        // SAFETY: the descriptor is fresh and ours.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let router = Router { namespace, ipv6, socket };
        let one: libc::c_int = 1;
        match router.set(INIT, &one) {
            Ok(()) => Ok(router),
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                Err(Error::Unsupported {
                    operation: "forward multicast".to_owned(),
                    namespace: namespace.to_owned(),
                    feature: if ipv6 {
                        "IPv6 multicast routing (CONFIG_IPV6_MROUTE)"
                    } else {
                        "multicast routing (CONFIG_IP_MROUTE)"
                    },
                    remedy: "Take `learning: flood`, or `fabric: l2`.",
                })
            }
            Err(error) => Err(failed("begin to forward multicast", error)),
        }
    }

    fn serve(self, routes: &[&MulticastRoute]) -> Result<OwnedFd> {
        let from = routes.iter().map(|route| route.from.as_str());
        let to = routes.iter().flat_map(|route| &route.to).map(String::as_str);
        let ports: Vec<&str> = from.chain(to).collect::<BTreeSet<_>>().into_iter().collect();
        if ports.len() > MAX_VIFS {
            let (count, name) = (ports.len(), self.namespace);
            let what = format!(
                "`{name}` forwards multicast between {count} ports; {MAX_VIFS} are the limit"
            );
            return Err(Error::Plan(what));
        }
        for (number, port) in (0..).zip(&ports) {
            let index = if_nametoindex(*port).map_err(|e| failed(port, e.into()))?;
            self.port(number, index).map_err(|e| failed(&format!("use `{port}` for groups"), e))?;
        }
        let number = |port: &str| ports.iter().position(|p| *p == port).unwrap_or(MAX_VIFS);
        for route in routes {
            let to: Vec<usize> = route.to.iter().map(|port| number(port)).collect();
            self.entry(route, number(&route.from), &to).map_err(|error| {
                failed(&format!("forward {} of {}", route.group, route.source), error)
            })?;
        }
        Ok(self.socket)
    }

    fn port(&self, vif: u16, index: u32) -> io::Result<()> {
        let narrow = |_| io::Error::from(io::ErrorKind::InvalidInput);
        if self.ipv6 {
            let ifindex = u16::try_from(index).map_err(narrow)?;
            return self
                .set(ADD_VIF, &Vif6 { vif, flags: 0, threshold: 1, ifindex, rate_limit: 0 });
        }
        let ifindex = libc::c_int::try_from(index).map_err(narrow)?;
        let (flags, remote) = (VIFF_USE_IFINDEX, [0; 4]);
        self.set(ADD_VIF, &Vif4 { vif, flags, threshold: 1, rate_limit: 0, ifindex, remote })
    }

    fn entry(&self, route: &MulticastRoute, from: usize, to: &[usize]) -> io::Result<()> {
        let parent = u16::try_from(from).unwrap_or(u16::MAX);
        match (route.source, route.group) {
            (IpAddr::V4(source), IpAddr::V4(group)) => {
                self.set(ADD_MFC, &entry4(source, group, parent, to))
            }
            (IpAddr::V6(source), IpAddr::V6(group)) => {
                self.set(ADD_MFC, &entry6(source, group, parent, to))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn set<T>(&self, option: libc::c_int, value: &T) -> io::Result<()> {
        let level = if self.ipv6 { libc::IPPROTO_IPV6 } else { libc::IPPROTO_IP };
        // SAFETY: the pointer and length describe `value`, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Packets leave by an interface while their TTL is above its number here; 0 is not at all.
fn entry4(source: Ipv4Addr, group: Ipv4Addr, parent: u16, to: &[usize]) -> Entry4 {
    let mut ttls = [0; MAX_VIFS];
    for (number, ttl) in ttls.iter_mut().enumerate() {
        *ttl = u8::from(to.contains(&number));
    }
    let (origin, group) = (source.octets(), group.octets());
    Entry4 { origin, group, parent, ttls, packets: 0, bytes: 0, wrong: 0, expire: 0 }
}

fn entry6(source: Ipv6Addr, group: Ipv6Addr, parent: u16, to: &[usize]) -> Entry6 {
    let socket_address = |address: Ipv6Addr| libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: address.octets() },
        sin6_scope_id: 0,
    };
    let first = (0..MAX_VIFS).filter(|number| to.contains(number)).fold(0, |set, n| set | 1 << n);
    let (origin, group) = (socket_address(source), socket_address(group));
    Entry6 { origin, group, parent, to: [first, 0, 0, 0, 0, 0, 0, 0] }
}

fn failed(operation: &str, source: io::Error) -> Error {
    Error::System { operation: operation.to_owned(), hint: "", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_large_as_the_kernels() {
        assert_eq!(size_of::<Vif4>(), 16);
        assert_eq!(size_of::<Entry4>(), 60);
        assert_eq!(size_of::<Vif6>(), 12);
        assert_eq!(size_of::<Entry6>(), 92);
    }

    #[test]
    fn entries_name_their_ports() {
        let entry = entry4([10, 0, 0, 1].into(), [239, 0, 3, 96].into(), 3, &[0, 2]);
        assert_eq!(entry.ttls[..4], [1, 0, 1, 0]);
        let entry = entry6(Ipv6Addr::LOCALHOST, "ff18::1".parse().unwrap(), 0, &[1, 31]);
        assert_eq!(entry.to[0], 0x8000_0002);
    }
}
