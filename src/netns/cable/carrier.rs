//! Carriers of cables that are made of two pairs of interfaces: when one end loses it, because what
//! it is plugged into was set down, the other end is to lose it too.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use crate::netns::error::Result;
use crate::netns::event::LinkEvents;
use crate::netns::link::{self, LinkState};
use crate::netns::socket::Netlink;

/// The interfaces in the middle of all cables.
pub(super) struct Carriers {
    /// By namespace.
    places: Vec<Place>,
    epoll: nix::sys::epoll::Epoll,
}

/// One namespace with its cables.
pub(super) struct Place {
    pub events: LinkEvents,
    pub netlink: Netlink,
    /// Names of both interfaces of each.
    pub cables: Vec<[String; 2]>,
}

impl Carriers {
    /// Follows the cables of these namespaces.
    pub fn new(places: Vec<Place>) -> nix::Result<Self> {
        use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (at, place) in places.iter().enumerate() {
            epoll.add(place.events.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, at as u64))?;
        }
        Ok(Carriers { places, epoll })
    }

    /// Reads what changed, and sets interfaces down and up as [`wanted`] says.
    pub fn follow(&mut self) {
        for place in &mut self.places {
            if let Err(error) = place.follow() {
                tracing::warn!(%error, "carriers are not passed on");
            }
        }
    }
}

/// Readable when something may have changed.
impl AsFd for Carriers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Place {
    fn follow(&mut self) -> Result<()> {
        self.events.drain()?;
        let states = link::list(&mut self.netlink)?;
        let states: BTreeMap<&str, &LinkState> =
            states.iter().map(|state| (state.name.as_str(), state)).collect();
        let mut requests = Vec::new();
        for names in &self.cables {
            let [Some(a), Some(b)] = names.each_ref().map(|name| states.get(name.as_str())) else {
                continue;
            };
            let change = wanted([a, b].map(|state| (state.up, state.carrier)));
            if let Some((end, up)) = change {
                let (state, name) = ([a, b][end], &names[end]);
                let set = if up { link::up } else { link::down };
                requests.push(set(state.index, name));
            }
        }
        self.netlink.all(requests)
    }
}

/// Which end to change, and whether up or down, given for both whether they are up and have carrier.
///
/// An end has carrier when what is plugged into it is up. While one has none, the other is set down,
/// so that its far side sees it too. Never both are down: the one that is up tells when to go back.
fn wanted(ends: [(bool, bool); 2]) -> Option<(usize, bool)> {
    match ends {
        [(true, true), (false, _)] => Some((1, true)),
        // Both down is not of our making; one end up is enough to begin with.
        [(false, _), (true, true) | (false, _)] => Some((0, true)),
        [(true, false), (true, true)] => Some((1, false)),
        [(true, true), (true, false)] => Some((0, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes' interfaces and the two in the middle; returns the carriers the nodes see.
    fn settle(nodes: [bool; 2], middle: &mut [bool; 2]) -> [bool; 2] {
        for _ in 0..10 {
            let ends = [0, 1].map(|n| (middle[n], middle[n] && nodes[n]));
            let Some((end, up)) = wanted(ends) else {
                return [0, 1].map(|n| nodes[n] && middle[n]);
            };
            middle[end] = up;
        }
        panic!("it does not settle: {nodes:?} {middle:?}");
    }

    #[test]
    fn carrier_is_there_when_both_nodes_are_up_and_whatever_came_before() {
        for start in [[true, true], [true, false], [false, true], [false, false]] {
            let mut middle = start;
            for nodes in [
                [true, false],
                [false, false],
                [false, true],
                [true, true],
                [false, false],
                [true, true],
            ] {
                let seen = settle(nodes, &mut middle);
                assert_eq!(seen, [nodes[0] && nodes[1]; 2], "{nodes:?} after {start:?}");
            }
        }
    }
}
