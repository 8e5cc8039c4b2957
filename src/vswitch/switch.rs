//! Where each frame goes.

use std::collections::HashMap;
use std::net::IpAddr;

use super::fdb::is_source;
use super::{Counters, Direction, Fdb, Location};
use crate::encap::DropReason;
use crate::wire::ethernet::Mac;

/// A VM's port at this host, counted over all networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortId(pub usize);

/// A destination in the overlay: index into [`Switch::peers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId(pub usize);

/// What a frame is sent to beyond this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The L2 fabric as a whole: it knows the way itself (tags and the plain path).
    Fabric,
    /// A VTEP.
    Vtep(IpAddr),
    /// All VTEPs that have joined an IP multicast group.
    Group(IpAddr),
}

impl Peer {
    /// Where packets to it are sent.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Peer::Fabric => None,
            Peer::Vtep(address) | Peer::Group(address) => Some(*address),
        }
    }
}

/// One tenant network at this host, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The id on the wire.
    pub id: u64,
    /// How many VM ports it has here; port numbers count on from network to network.
    pub ports: usize,
    /// Where BUM frames are replicated to, and whom frames are taken from.
    pub peers: Vec<Peer>,
    /// MAC addresses whose location is given.
    pub fdb: Vec<(Mac, Peer)>,
    /// Whether the table is filled from traffic and unknown unicast flooded.
    pub learning: bool,
    /// Most MAC addresses it holds.
    pub mac_limit: usize,
}

/// One tenant network at this host.
#[derive(Debug)]
pub struct Network {
    /// The id on the wire.
    pub id: u64,
    /// Its VM ports.
    pub ports: Vec<PortId>,
    /// Whom frames are taken from.
    pub peers: Vec<PeerId>,
    /// Where BUM frames are sent to: all peers, or a group that stands for them.
    pub flood: Vec<PeerId>,
    fdb: Fdb,
    learning: bool,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To one place.
    To(Location),
    /// To every port of the network but the one it came from and, if it came from a port, to every peer.
    Flood,
    /// Nowhere.
    Drop(DropReason),
}

/// The virtual switch of one host.
#[derive(Debug)]
pub struct Switch {
    networks: Vec<Network>,
    by_id: HashMap<u64, usize, ahash::RandomState>,
    port_network: Vec<usize>,
    peers: Vec<Peer>,
    /// Further addresses of VTEPs.
    aliases: HashMap<IpAddr, PeerId, ahash::RandomState>,
    encap: Counters,
    decap: Counters,
}

impl Switch {
    /// A switch with these networks. Equal peers of several networks become one [`PeerId`].
    #[must_use]
    pub fn new(configs: &[NetworkConfig]) -> Self {
        let mut switch = Switch {
            networks: Vec::new(),
            by_id: HashMap::default(),
            port_network: Vec::new(),
            peers: Vec::new(),
            aliases: HashMap::default(),
            encap: Counters::default(),
            decap: Counters::default(),
        };
        for config in configs {
            let index = switch.networks.len();
            let first = switch.port_network.len();
            switch.port_network.resize(first + config.ports, index);
            let ports = (first..first + config.ports).map(PortId).collect();
            let peers: Vec<_> = config.peers.iter().map(|p| switch.peer_id(*p)).collect();
            let flood = peers.clone();
            let fdb = Fdb::new(config.mac_limit);
            for (mac, peer) in &config.fdb {
                fdb.insert_static(*mac, Location::Peer(switch.peer_id(*peer)));
            }
            switch.by_id.insert(config.id, index);
            let learning = config.learning;
            switch.networks.push(Network { id: config.id, ports, peers, flood, fdb, learning });
        }
        switch
    }

    /// Sends the BUM frames of a network to a group from now on, instead of to every peer.
    pub fn flood_to(&mut self, network: u64, group: IpAddr) {
        let id = self.peer_id(Peer::Group(group));
        if let Some(network) = self.by_id.get(&network).and_then(|i| self.networks.get_mut(*i)) {
            network.flood = vec![id];
        }
    }

    /// Says for good which MAC address is behind a port.
    pub fn attach(&mut self, port: PortId, mac: Mac) {
        if let Some(index) = self.port_network.get(port.0) {
            self.networks[*index].fdb.insert_static(mac, Location::Port(port));
        }
    }

    /// Says for good where a MAC address of a network is, in place of what was known.
    pub fn fix(&self, network: u64, mac: Mac, location: Location) {
        if let Some(network) = self.network(network) {
            network.fdb.insert_static(mac, location);
        }
    }

    /// Takes packets from `address` as if they came from the VTEP `of`.
    pub fn also_known_as(&mut self, of: IpAddr, address: IpAddr) {
        if let Some(id) = self.peer_of(Peer::Vtep(of)) {
            self.aliases.insert(address, id);
        }
    }

    /// Where a MAC address of a network lives, if that is known.
    #[must_use]
    pub fn locate(&self, network: u64, mac: Mac, now: u64) -> Option<Location> {
        self.network(network)?.fdb.lookup(mac, now)
    }

    fn peer_id(&mut self, peer: Peer) -> PeerId {
        let known = self.peers.iter().position(|p| *p == peer);
        PeerId(known.unwrap_or_else(|| {
            self.peers.push(peer);
            self.peers.len() - 1
        }))
    }

    /// All peers, in the order of their ids.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer with this outer source address.
    #[must_use]
    pub fn peer_of(&self, peer: Peer) -> Option<PeerId> {
        let known = self.peers.iter().position(|p| *p == peer).map(PeerId);
        known.or_else(|| self.aliases.get(&peer.address()?).copied())
    }

    /// The network a port belongs to.
    #[must_use]
    pub fn network_of(&self, port: PortId) -> &Network {
        &self.networks[self.port_network[port.0]]
    }

    /// The network with this id on the wire.
    #[must_use]
    pub fn network(&self, id: u64) -> Option<&Network> {
        self.by_id.get(&id).map(|index| &self.networks[*index])
    }

    /// Counters of one direction.
    #[must_use]
    pub fn counters(&self, direction: Direction) -> &Counters {
        match direction {
            Direction::Encap => &self.encap,
            Direction::Decap => &self.decap,
        }
    }

    /// MAC addresses held over all networks.
    #[must_use]
    pub fn fdb_entries(&self) -> usize {
        self.networks.iter().map(|n| n.fdb.len()).sum()
    }

    /// Where a frame from a VM's port goes. `now` is in milliseconds of a steady clock.
    #[must_use]
    pub fn from_port(&self, port: PortId, dst: Mac, src: Mac, now: u64) -> Verdict {
        let network = self.network_of(port);
        if !is_source(src) {
            return Verdict::Drop(DropReason::BadSource);
        }
        if dst.is_bridge_reserved() {
            return Verdict::Drop(DropReason::Reserved);
        }
        // Local addresses are learned in either mode: the plan's table holds the remote ones only.
        network.fdb.learn(src, Location::Port(port), now);
        match network.destination(dst, now) {
            Verdict::To(Location::Port(to)) if to == port => {
                Verdict::Drop(DropReason::SplitHorizon)
            }
            verdict => verdict,
        }
    }

    /// Where a frame from the overlay goes.
    #[must_use]
    pub fn from_peer(
        &self,
        network: &Network,
        peer: PeerId,
        dst: Mac,
        src: Mac,
        now: u64,
    ) -> Verdict {
        if !network.peers.contains(&peer) {
            return Verdict::Drop(DropReason::UnknownPeer);
        }
        if !is_source(src) {
            return Verdict::Drop(DropReason::BadSource);
        }
        if dst.is_bridge_reserved() {
            return Verdict::Drop(DropReason::Reserved);
        }
        if network.learning {
            network.fdb.learn(src, Location::Peer(peer), now);
        }
        match network.destination(dst, now) {
            // Every peer reaches every other one by itself (full mesh).
            Verdict::To(Location::Peer(_)) => Verdict::Drop(DropReason::SplitHorizon),
            verdict => verdict,
        }
    }
}

impl Network {
    fn destination(&self, dst: Mac, now: u64) -> Verdict {
        if dst.is_group() {
            return Verdict::Flood;
        }
        match self.fdb.lookup(dst, now) {
            Some(location) => Verdict::To(location),
            None if self.learning => Verdict::Flood,
            None => Verdict::Drop(DropReason::UnknownDestination),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROADCAST: Mac = Mac([0xFF; 6]);

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn vtep(last: u8) -> Peer {
        Peer::Vtep([10, 0, 0, last].into())
    }

    fn config(id: u64, ports: usize, peers: &[Peer]) -> NetworkConfig {
        NetworkConfig {
            id,
            ports,
            peers: peers.to_vec(),
            fdb: vec![],
            learning: true,
            mac_limit: 100,
        }
    }

    #[test]
    fn unknown_is_flooded_known_is_not() {
        let switch = Switch::new(&[config(864, 2, &[vtep(2), vtep(3)])]);
        let network = switch.network(864).unwrap();
        assert_eq!(switch.from_port(PortId(0), mac(9), mac(1), 0), Verdict::Flood);
        let peer = switch.peer_of(vtep(3)).unwrap();
        assert_eq!(
            switch.from_peer(network, peer, mac(1), mac(9), 0),
            Verdict::To(Location::Port(PortId(0)))
        );
        assert_eq!(
            switch.from_port(PortId(1), mac(9), mac(2), 0),
            Verdict::To(Location::Peer(peer))
        );
        assert_eq!(switch.from_port(PortId(0), BROADCAST, mac(1), 0), Verdict::Flood);
    }

    #[test]
    fn a_group_takes_the_floods_and_gives_nothing() {
        let group = IpAddr::from([239, 0, 3, 96]);
        let mut switch = Switch::new(&[config(864, 1, &[vtep(2), vtep(3)])]);
        switch.flood_to(864, group);
        let network = switch.network(864).unwrap();
        let flood: Vec<Peer> = network.flood.iter().map(|id| switch.peers()[id.0]).collect();
        assert_eq!(flood, [Peer::Group(group)]);
        assert_eq!(network.peers.len(), 2);
        assert_eq!(switch.peer_of(Peer::Vtep(group)), None, "a group is no source");
        let two = switch.peer_of(vtep(2)).unwrap();
        let _ = switch.from_peer(network, two, BROADCAST, mac(9), 0);
        assert_eq!(
            switch.from_port(PortId(0), mac(9), mac(1), 0),
            Verdict::To(Location::Peer(two)),
            "learned is the sender and not the group"
        );
    }

    #[test]
    fn all_addresses_of_a_peer_are_one_peer() {
        let mut switch = Switch::new(&[config(1, 1, &[vtep(2), vtep(3)])]);
        switch.also_known_as([10, 0, 0, 3].into(), [10, 0, 1, 3].into());
        assert_eq!(switch.peer_of(Peer::Vtep([10, 0, 1, 3].into())), switch.peer_of(vtep(3)));
        assert_eq!(switch.peer_of(Peer::Vtep([10, 0, 1, 2].into())), None);
    }

    #[test]
    fn equal_macs_of_two_tenants_stay_apart() {
        let switch = Switch::new(&[config(1, 1, &[vtep(2)]), config(2, 1, &[vtep(2)])]);
        let peer = switch.peer_of(vtep(2)).unwrap();
        assert_eq!(switch.from_port(PortId(0), BROADCAST, mac(1), 0), Verdict::Flood);
        assert_eq!(switch.from_port(PortId(1), BROADCAST, mac(1), 0), Verdict::Flood);
        for (id, port) in [(1, PortId(0)), (2, PortId(1))] {
            let network = switch.network(id).unwrap();
            assert_eq!(network.ports, [port]);
            let verdict = switch.from_peer(network, peer, mac(1), mac(7), 0);
            assert_eq!(verdict, Verdict::To(Location::Port(port)));
        }
    }

    #[test]
    fn what_came_from_the_overlay_does_not_go_back() {
        let switch = Switch::new(&[config(1, 1, &[vtep(2), vtep(3)])]);
        let network = switch.network(1).unwrap();
        let (two, three) = (PeerId(0), PeerId(1));
        let _ = switch.from_peer(network, two, BROADCAST, mac(2), 0);
        assert_eq!(
            switch.from_peer(network, three, mac(2), mac(3), 0),
            Verdict::Drop(DropReason::SplitHorizon)
        );
    }

    #[test]
    fn strangers_and_bad_sources_are_dropped() {
        let switch = Switch::new(&[config(1, 1, &[vtep(2)]), config(2, 1, &[vtep(3)])]);
        let stranger = switch.peer_of(vtep(3)).unwrap();
        let network = switch.network(1).unwrap();
        assert_eq!(
            switch.from_peer(network, stranger, BROADCAST, mac(1), 0),
            Verdict::Drop(DropReason::UnknownPeer)
        );
        assert_eq!(
            switch.from_port(PortId(0), mac(1), BROADCAST, 0),
            Verdict::Drop(DropReason::BadSource)
        );
        assert_eq!(
            switch.from_port(PortId(0), Mac([1, 0x80, 0xC2, 0, 0, 0]), mac(1), 0),
            Verdict::Drop(DropReason::Reserved)
        );
    }

    #[test]
    fn static_networks_do_not_flood_unknown_unicast() {
        let mut fixed = config(1, 1, &[vtep(2)]);
        fixed.learning = false;
        fixed.fdb = vec![(mac(5), vtep(2))];
        let switch = Switch::new(&[fixed]);
        assert_eq!(
            switch.from_port(PortId(0), mac(5), mac(1), 0),
            Verdict::To(Location::Peer(PeerId(0)))
        );
        assert_eq!(
            switch.from_port(PortId(0), mac(6), mac(1), 0),
            Verdict::Drop(DropReason::UnknownDestination)
        );
        let network = switch.network(1).unwrap();
        let _ = switch.from_peer(network, PeerId(0), BROADCAST, mac(6), 0);
        assert_eq!(switch.fdb_entries(), 2, "static learning takes nothing from the overlay");
    }

    #[test]
    fn who_has_sent_nothing_is_reached_where_it_is_attached() {
        let mut fixed = config(1, 1, &[vtep(2)]);
        fixed.learning = false;
        let mut switch = Switch::new(&[fixed]);
        switch.attach(PortId(0), mac(1));
        let network = switch.network(1).unwrap();
        assert_eq!(
            switch.from_peer(network, PeerId(0), mac(1), mac(5), 0),
            Verdict::To(Location::Port(PortId(0)))
        );
    }
}
