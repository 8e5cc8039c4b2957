//! What the kernel's spanning tree says of ports: told by its notifications, and obeyed.

use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use rtnetlink::packet_route::link::BridgePortState;

use super::Switch;
use super::worker::since;
use crate::netns::{LinkEvents, Netlink, Result, link};
use crate::vswitch::PortState;

/// Spanning tree's timers in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Time in listening and again in learning.
    pub forward_delay_ms: u64,
    /// Age at which a BPDU is forgotten.
    pub max_age_ms: u64,
}

/// What tells of the ports of all switches, in their order.
#[derive(Debug)]
pub(super) struct Watched {
    events: Vec<LinkEvents>,
    netlinks: Vec<Mutex<Netlink>>,
}

impl Watched {
    pub(super) fn new(sockets: Vec<(LinkEvents, Netlink)>) -> Self {
        let (events, netlinks) =
            sockets.into_iter().map(|(events, netlink)| (events, Mutex::new(netlink))).unzip();
        Watched { events, netlinks }
    }

    /// Reads the states of all switches' ports.
    pub(super) fn read_all(&self, switches: &[Switch], now: u64) -> Result<()> {
        (0..switches.len()).try_for_each(|at| self.read(switches, at, now))
    }

    /// Reads the states of one switch's ports.
    fn read(&self, switches: &[Switch], at: usize, now: u64) -> Result<()> {
        let (Some(switch), Some(events), Some(netlink)) =
            (switches.get(at), self.events.get(at), self.netlinks.get(at))
        else {
            return Ok(());
        };
        // Whoever looks later sees the newer state, and so must be the later one to tell it.
        let mut netlink = netlink.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the look, so that what happens meanwhile is told once more.
        events.drain()?;
        let links = link::list(&mut netlink)?;
        for (port, interface) in switch.interfaces.iter().enumerate() {
            let found = links.iter().find(|link| link.name == *interface);
            let state = state(found.and_then(|link| link.port_state));
            if !switch.bridge.set_state(port, state) {
                continue;
            }
            tracing::debug!(switch = switch.name, interface, ?state, "port");
            if found.is_none_or(|link| link.port_state == Some(BridgePortState::Disabled)) {
                switch.bridge.table().forget_port(port);
            }
            // What a port begins or ceases to forward may be elsewhere from now on.
            if state != PortState::Learning {
                switch.topology_changed(now);
            }
        }
        Ok(())
    }

    /// Obeys notifications until `stop` is readable.
    pub(super) fn run(&self, switches: &[Switch], stop: &EventFd, started: Instant) {
        if let Err(error) = self.read_all(switches, since(started)) {
            tracing::error!(%error, "the ports' states cannot be read");
        }
        let mut descriptors: Vec<PollFd<'_>> = std::iter::once(stop.as_fd())
            .chain(self.events.iter().map(AsFd::as_fd))
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        loop {
            match poll(&mut descriptors, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "the ports' states are not watched any more");
                    return;
                }
                Ok(_) => {}
            }
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or_default();
            if descriptors.first().is_none_or(ready) {
                return;
            }
            for at in (0..switches.len()).filter(|at| ready(&descriptors[at + 1])) {
                if let Err(error) = self.read(switches, at, since(started)) {
                    tracing::debug!(%error, switch = switches[at].name, "read states");
                }
            }
        }
    }
}

fn state(of: Option<BridgePortState>) -> PortState {
    match of {
        Some(BridgePortState::Forwarding) => PortState::Forwarding,
        Some(BridgePortState::Learning) => PortState::Learning,
        _ => PortState::Discarding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spanning_tree_does_not_open_is_shut() {
        for (of, expected) in [
            (Some(BridgePortState::Forwarding), PortState::Forwarding),
            (Some(BridgePortState::Learning), PortState::Learning),
            (Some(BridgePortState::Listening), PortState::Discarding),
            (Some(BridgePortState::Blocking), PortState::Discarding),
            (Some(BridgePortState::Disabled), PortState::Discarding),
            // The interface is gone, or is no bridge's port.
            (None, PortState::Discarding),
        ] {
            assert_eq!(state(of), expected, "{of:?}");
        }
    }
}
