//! What only some edges have: groups, several addresses, answers for what is known.

use std::net::{IpAddr, Ipv4Addr};

use crate::vswitch::Peer;
use crate::wire::ethernet::Mac;

/// UDP source ports where nothing else is said: the flows of all tenants spread over them, and so
/// over the equal-cost paths of the underlay.
const SOURCE_PORTS: usize = 16;

/// What an edge has beside [`super::EdgeConfig`].
#[derive(Debug, Clone)]
pub struct Extras {
    /// By network id the IP multicast group that its BUM frames are sent to, and that is joined.
    pub groups: Vec<(u64, IpAddr)>,
    /// Further addresses of this endpoint (RFC 7637 section 4.3).
    pub own_addresses: Vec<IpAddr>,
    /// Further addresses of other endpoints, by their first one; each has as many as this one.
    pub peer_addresses: Vec<(IpAddr, Vec<IpAddr>)>,
    /// UDP sockets to send from, each with a source port of its own.
    pub source_ports: usize,
    /// MACs behind ports (counted over all networks) that are known before they send anything.
    pub attached: Vec<(usize, Mac)>,
    /// Ports (counted over all networks) whose interfaces come later.
    pub later: Vec<usize>,
    /// By network id the addresses of VMs elsewhere: the edge answers who asks for their MACs.
    pub neighbours: Vec<(u64, IpAddr, Mac)>,
    /// The network whose frames have no tag on the fabric's side, where others have one.
    pub untagged: Option<u64>,
}

impl Default for Extras {
    fn default() -> Self {
        Extras {
            groups: Vec::new(),
            own_addresses: Vec::new(),
            peer_addresses: Vec::new(),
            source_ports: SOURCE_PORTS,
            attached: Vec::new(),
            later: Vec::new(),
            neighbours: Vec::new(),
            untagged: None,
        }
    }
}

impl Extras {
    /// `count` addresses of a peer: its own, again from the first where it has fewer.
    pub(super) fn addresses_of(&self, peer: Peer, count: usize) -> Vec<IpAddr> {
        let first = peer.address().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let more = self.peer_addresses.iter().find(|(of, _)| *of == first);
        let more = more.map(|(_, more)| more.as_slice()).unwrap_or_default();
        let all = std::iter::once(&first).chain(more);
        all.cycle().take(count).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_as_many_addresses_as_asked_for() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let more = vec![ip("192.0.2.12"), ip("192.0.2.13")];
        let extras = Extras { peer_addresses: vec![(ip("192.0.2.1"), more)], ..Extras::default() };
        let of = |text: &str| extras.addresses_of(Peer::Vtep(ip(text)), 3);
        assert_eq!(of("192.0.2.1"), ["192.0.2.1", "192.0.2.12", "192.0.2.13"].map(ip));
        assert_eq!(of("192.0.2.2"), [ip("192.0.2.2"); 3]);
        let group = extras.addresses_of(Peer::Group(ip("239.0.0.1")), 2);
        assert_eq!(group, [ip("239.0.0.1"); 2]);
    }
}
