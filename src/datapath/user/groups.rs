//! IP multicast groups of an edge: joined on the interface towards the fabric, and received from.
//!
//! A join is the kernel's (IGMP, RFC 3376; MLD, RFC 3810), so routers and switches on the way see
//! it. Each group has a socket of its own, bound to the group, because one socket may join few
//! (`igmp_max_memberships`) and must not take what is sent to groups of others.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use super::edge::{EdgeConfig, Underlay};
use super::extras::Extras;
use super::sockets;
use crate::encap::Transport;

/// Joins all groups, and lets the edge's sockets send to them from the NIC. The descriptors hold
/// the memberships.
///
/// # Errors
/// What the system says, with the group named.
pub(super) fn join(
    config: &EdgeConfig,
    extras: &Extras,
    underlay: &mut Underlay,
    port: u16,
) -> io::Result<Vec<OwnedFd>> {
    let groups: BTreeSet<IpAddr> = extras.groups.iter().map(|(_, group)| *group).collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let nic = nix::net::if_::if_nametoindex(config.nic.as_str())?;
    let ttl = config.delivery.fixed_ttl();
    match underlay {
        Underlay::Udp { senders, .. } => {
            senders.iter().try_for_each(|socket| sockets::send_to_groups(socket, nic, ttl))?;
        }
        Underlay::Ip { sockets, .. } => {
            sockets.iter().try_for_each(|socket| sockets::send_to_groups(socket, nic, ttl))?;
        }
        // It writes its own headers, to the NIC itself.
        Underlay::Stt(link) => link.groups = groups.iter().copied().collect(),
        Underlay::Frame { .. } => {}
    }
    let one = |group: &IpAddr| {
        let socket = match config.engine.transport() {
            Transport::Udp { .. } => {
                let socket = sockets::udp_receiver(SocketAddr::new(*group, port))?;
                sockets::take_zero_checksums(&socket, *group, config.delivery)?;
                socket
            }
            Transport::Ip { protocol } => sockets::raw(*group, protocol, false)?,
            // Only to be a member.
            Transport::Stt { .. } | Transport::Frame => sockets::silent_udp(*group)?,
        };
        sockets::join(&socket, *group, nic)?;
        Ok(socket)
    };
    groups.iter().map(one).collect()
}
