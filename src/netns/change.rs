//! Changes to a network that stands: routes around dead links, ports that go down, VMs that move.

use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::address;
use super::error::{Error, Result};
use super::namespaces::Namespaces;
use super::socket::{Netlink, Request};
use super::{link, sysctl};
use crate::plan::Route;

/// Takes an interface down.
#[must_use]
pub fn down(index: u32, name: &str) -> Request {
    let message = LinkUnspec::new_with_index(index).down().build();
    let message = RouteNetlinkMessage::SetLink(message);
    Request { what: format!("take down {name}"), message, flags: 0, needs: None }
}

/// Gives an interface to another namespace, under a new name; it is down there. The other end of a
/// veth pair stays where it is, and loses carrier until this one is up again.
#[must_use]
pub fn give(index: u32, name: &str, to: BorrowedFd<'_>, new_name: &str) -> Request {
    let builder: LinkMessageBuilder<LinkUnspec> = LinkUnspec::new_with_index(index);
    let mut message = builder.setns_by_fd(to.as_raw_fd()).build();
    message.attributes.push(LinkAttribute::IfName(new_name.to_owned()));
    let message = RouteNetlinkMessage::SetLink(message);
    Request { what: format!("move {name} to another host"), message, flags: 0, needs: None }
}

/// Removes a route; that it is gone already is no error.
///
/// # Errors
/// What the kernel says.
pub fn remove_route(netlink: &mut Netlink, route: &Route) -> Result<()> {
    let request = address::route(route.to, &route.via, None)?;
    let RouteNetlinkMessage::NewRoute(message) = request.message else { return Ok(()) };
    let request = Request {
        what: format!("remove route to {}", route.to),
        message: RouteNetlinkMessage::DelRoute(message),
        flags: 0,
        needs: None,
    };
    match netlink.one(request) {
        Err(Error::Netlink { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done,
    }
}

/// Makes a namespace leave next hops alone whose link has no carrier.
///
/// # Errors
/// A setting may not be written.
pub fn mind_carrier(namespaces: &Namespaces, namespace: &str) -> Result<()> {
    namespaces.inside(namespace, || {
        sysctl::set("net/ipv4/conf/all/ignore_routes_with_linkdown", "1")?;
        set_if_there("net/ipv6/conf/all/ignore_routes_with_linkdown", "1")
    })
}

/// Makes a namespace keep what it knows of its neighbours when a link loses carrier (Linux 5.16).
///
/// # Errors
/// A setting may not be written.
pub fn keep_neighbours(namespaces: &Namespaces, namespace: &str) -> Result<()> {
    namespaces.inside(namespace, || {
        set_if_there("net/ipv4/conf/all/arp_evict_nocarrier", "0")?;
        set_if_there("net/ipv6/conf/all/ndisc_evict_nocarrier", "0")
    })
}

/// Sets one that not every kernel has.
fn set_if_there(key: &str, value: &str) -> Result<()> {
    match sysctl::set(key, value) {
        Err(Error::System { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(())
        }
        done => done,
    }
}

/// What becomes of an interface.
#[derive(Debug, Clone, Copy)]
pub enum Turn<'a> {
    /// It goes down. The kernel then forgets its IPv6 addresses.
    Down,
    /// It comes up, with these addresses.
    Up(&'a [IpNet]),
}

/// Takes interfaces of a namespace up or down.
///
/// # Errors
/// An interface is not there, or the kernel refused.
pub fn turn(namespaces: &Namespaces, namespace: &str, turns: &[(&str, Turn<'_>)]) -> Result<()> {
    let mut netlink = namespaces.netlink(namespace)?;
    let links = link::list(&mut netlink)?;
    let mut requests = Vec::with_capacity(turns.len());
    for (name, turn) in turns {
        let found = links.iter().find(|link| link.name == *name);
        let index = found.map(|link| link.index).ok_or_else(|| Error::UnknownInterface {
            interface: (*name).to_owned(),
            namespace: namespace.to_owned(),
        })?;
        match turn {
            Turn::Down => requests.push(down(index, name)),
            Turn::Up(addresses) => {
                requests.push(link::up(index, name));
                let forgotten = addresses.iter().filter(|net| matches!(net, IpNet::V6(_)));
                requests.extend(forgotten.map(|net| address::address(index, name, *net)));
            }
        }
    }
    netlink.all(requests)
}
