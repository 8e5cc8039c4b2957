//! One host's edge: its switch, its engine and its sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::direct::DirectLink;
use super::extras::Extras;
use super::groups;
use super::neighbours::Neighbours;
use super::outlet::{Address, Outlet};
use super::oversize::Oversize;
use super::routes::{RouteConfig, Routes, Via};
use super::sockets;
use super::stt::SttLink;
use super::tap::{Port, Tap};
use crate::encap::{Delivery, Engine, Transport};
use crate::vswitch::{Location, NetworkConfig, Peer, PortId, Switch};
use crate::wire::ethernet::Mac;

/// One host's edge as it is to be.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Host name, for messages.
    pub host: String,
    /// The encapsulation.
    pub engine: Arc<dyn Engine>,
    /// Interface towards the fabric.
    pub nic: String,
    /// Address that tunnels start from; tags have none.
    pub vtep: Option<IpAddr>,
    /// The tenant networks here.
    pub networks: Vec<NetworkConfig>,
    /// Interfaces of all VM ports, in the order of the networks' port numbers.
    pub ports: Vec<String>,
    /// Largest inner IP packet, in bytes.
    pub inner_mtu: u32,
    /// What becomes of larger ones.
    pub oversize: Oversize,
    /// How outer headers are filled in.
    pub delivery: Delivery,
    /// Whether the kernel may cut datagrams behind us.
    pub offloads: bool,
    /// Whether packets of an IP protocol may go straight to the NIC where that is faster: past the
    /// host's routing policy, its firewall and `IPsec`. For hosts that have none of these.
    pub direct: bool,
    /// The ways to all VMs' addresses, for encapsulations that carry IP packets; unused by others.
    pub routes: Vec<RouteConfig>,
    /// Seeds flow hashes and source ports.
    pub seed: u64,
}

/// One host's edge with its sockets open.
#[derive(Debug)]
pub struct Edge {
    pub(super) host: String,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) switch: Switch,
    pub(super) ports: Vec<Port>,
    pub(super) underlay: Underlay,
    pub(super) outlet: Outlet,
    /// Sockets that take what is sent to groups.
    pub(super) groups: Vec<OwnedFd>,
    /// The peers' addresses, as many for each, in the order of the outlet.
    pub(super) far: Vec<IpAddr>,
    /// How many each has.
    pub(super) far_addresses: usize,
    /// Answers for what is known.
    pub(super) neighbours: Neighbours,
    /// Where the engine carries no Ethernet, and the edge is a router.
    pub(super) routes: Option<Routes>,
    pub(super) inner_mtu: usize,
    pub(super) oversize: Oversize,
    pub(super) delivery: Delivery,
    pub(super) offloads: bool,
    /// The network whose frames have no tag.
    pub(super) untagged: Option<u64>,
    pub(super) seed: u64,
}

/// The sockets towards the fabric.
#[derive(Debug)]
pub(super) enum Underlay {
    /// Whole frames with or without a tag.
    Frame {
        /// Packet socket on the NIC.
        nic: OwnedFd,
    },
    /// Tunnel datagrams.
    Udp {
        /// Receives on the tunnel's port.
        receiver: OwnedFd,
        /// Send, each from a source port of its own.
        senders: Vec<OwnedFd>,
    },
    /// IP packets of the tunnel's protocol.
    Ip {
        /// Raw sockets, one for each address of ours.
        sockets: Vec<OwnedFd>,
        /// Whether the underlay is IPv4, and what is received starts with its header.
        v4: bool,
        /// The faster ways out, one for each address of ours, where they may be taken.
        direct: Vec<DirectLink>,
    },
    /// Super-frames that look like TCP.
    Stt(Box<SttLink>),
}

impl Edge {
    /// Opens all sockets. Call it inside the host's network namespace, once its interfaces stand.
    ///
    /// # Errors
    /// The socket that could not be opened, why, and at which host.
    pub fn open(config: &EdgeConfig) -> io::Result<Self> {
        Self::open_with(config, &Extras::default())
    }

    /// As [`Edge::open`], with what only some edges have.
    ///
    /// # Errors
    /// As [`Edge::open`].
    pub fn open_with(config: &EdgeConfig, extras: &Extras) -> io::Result<Self> {
        let port = |(number, name): (usize, &String)| {
            let later = extras.later.contains(&number);
            let socket = if later { sockets::packet_later(name) } else { sockets::packet(name) };
            socket.map(Port::Packet)
        };
        let ports = config.ports.iter().enumerate().map(port).collect::<io::Result<_>>();
        let at_host = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.host));
        Self::with_ports(config, ports.map_err(at_host)?, extras)
    }

    /// As [`Edge::open`], with a device of the host itself as the only port instead of those that
    /// the configuration names.
    ///
    /// # Errors
    /// As [`Edge::open`].
    pub fn with_tap(config: &EdgeConfig, tap: Tap) -> io::Result<Self> {
        Self::with_ports(config, vec![Port::Tap(tap)], &Extras::default())
    }

    fn with_ports(config: &EdgeConfig, ports: Vec<Port>, extras: &Extras) -> io::Result<Self> {
        let at_host = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.host));
        let mut switch = Switch::new(&config.networks);
        for (network, group) in &extras.groups {
            switch.flood_to(*network, *group);
        }
        for (port, mac) in &extras.attached {
            switch.attach(PortId(*port), *mac);
        }
        for (of, more) in &extras.peer_addresses {
            for address in more {
                switch.also_known_as(*of, *address);
            }
        }
        let far_addresses = 1 + extras.own_addresses.len();
        let far = switch.peers().iter().flat_map(|peer| extras.addresses_of(*peer, far_addresses));
        let far: Vec<IpAddr> = far.collect();
        let (mut underlay, port) =
            underlay(config, switch.peers(), &far, extras).map_err(at_host)?;
        let groups = groups::join(config, extras, &mut underlay, port).map_err(at_host)?;
        let addresses = far.iter().map(|ip| Address::from(SocketAddr::new(*ip, port))).collect();
        // The kernel cuts no joined datagrams whose checksums it may not fill in.
        let summed = config.delivery.udp_csum;
        let joins = config.offloads && summed && matches!(underlay, Underlay::Udp { .. });
        let taps = ports.iter().filter_map(|port| match port {
            Port::Tap(tap) => Some((port.as_raw_fd(), tap.is_bare())),
            Port::Packet(_) => None,
        });
        let outlet = Outlet::new(addresses, joins).with_taps(taps);
        let routes = (!config.engine.encap().carries_ethernet()).then(|| {
            Routes::new(&config.routes, config.seed, |vtep| switch.peer_of(Peer::Vtep(vtep)))
        });
        Ok(Edge {
            host: config.host.clone(),
            engine: Arc::clone(&config.engine),
            ports,
            switch,
            underlay,
            outlet,
            groups,
            far,
            far_addresses,
            neighbours: Neighbours::new(&extras.neighbours),
            routes,
            inner_mtu: config.inner_mtu as usize,
            oversize: config.oversize,
            delivery: config.delivery,
            offloads: config.offloads,
            untagged: extras.untagged,
            seed: config.seed,
        })
    }

    /// The largest inner packet of a single segment, where packets with unfinished checksums and
    /// super-frames are taken from the underlay: from a kernel's tunnel device on the same machine.
    pub(super) fn unfinished_up_to(&self) -> Option<usize> {
        self.offloads.then_some(self.inner_mtu)
    }

    /// The port, where it is a TUN device: one tunnel to one peer, and nothing to route.
    pub(super) fn tun(&self) -> Option<PortId> {
        match self.ports.as_slice() {
            [Port::Tap(tap)] if tap.is_bare() => Some(PortId(0)),
            _ => None,
        }
    }

    /// How many sockets receive from the fabric. STT's packet socket sees what is for groups by
    /// itself, and the members' own sockets stay empty.
    pub(super) fn receivers(&self) -> usize {
        match &self.underlay {
            Underlay::Stt(_) => 1,
            _ => self.own_receivers().len() + self.groups.len(),
        }
    }

    /// One of them.
    pub(super) fn receiver(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.own_receivers().iter().chain(&self.groups).map(AsFd::as_fd).nth(index)
    }

    fn own_receivers(&self) -> &[OwnedFd] {
        match &self.underlay {
            Underlay::Frame { nic } => std::slice::from_ref(nic),
            Underlay::Udp { receiver, .. } => std::slice::from_ref(receiver),
            Underlay::Ip { sockets, .. } => sockets,
            Underlay::Stt(link) => std::slice::from_ref(&link.nic),
        }
    }

    /// How many peers a network has, and to how many places its BUM frames are sent.
    #[must_use]
    pub fn remotes(&self, network: u64) -> Option<(usize, usize)> {
        let network = self.switch.network(network)?;
        Some((network.peers.len(), network.flood.len()))
    }

    /// Serves a port from now on whose interface has come. Call it inside the host's network namespace.
    ///
    /// # Errors
    /// There is no such port, or what the system says.
    pub fn dock(&self, port: usize, interface: &str) -> io::Result<()> {
        match self.ports.get(port) {
            Some(Port::Packet(fd)) => sockets::attach(fd, interface),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("no port {port}"))),
        }
    }

    /// Says for good that a MAC of a network is at a peer from now on, or behind a port here.
    pub fn locate(&self, network: u64, mac: Mac, peer: Option<Peer>, port: usize) {
        let location = match peer {
            Some(peer) => self.switch.peer_of(peer).map(Location::Peer),
            None => Some(Location::Port(PortId(port))),
        };
        if let Some(location) = location {
            self.switch.fix(network, mac, location);
        }
    }

    /// Changes the way to an address of a network, where the edge is a router.
    pub fn reroute(&self, network: u64, address: IpAddr, via: Via) {
        if let Some(routes) = &self.routes {
            let peer = |vtep| self.switch.peer_of(Peer::Vtep(vtep));
            routes.change(&RouteConfig { network, address, via }, peer);
        }
    }

    /// Where the MAC of a VM of a network lives, as a VTEP's address, if it was learned.
    #[must_use]
    pub fn learned(&self, network: u64, mac: Mac, now: u64) -> Option<IpAddr> {
        match self.switch.locate(network, mac, now)? {
            Location::Peer(peer) => self.switch.peers().get(peer.0)?.address(),
            Location::Port(_) => None,
        }
    }
}

/// The sockets towards the fabric, and the port that tunnels go to.
fn underlay(
    config: &EdgeConfig,
    peers: &[Peer],
    far: &[IpAddr],
    extras: &Extras,
) -> io::Result<(Underlay, u16)> {
    let needs = || io::Error::new(io::ErrorKind::InvalidInput, "a tunnel needs an address");
    let vtep = config.vtep.ok_or_else(needs);
    let fragment = config.oversize == Oversize::Fragment;
    match config.engine.transport() {
        Transport::Frame => Ok((Underlay::Frame { nic: sockets::packet(&config.nic)? }, 0)),
        Transport::Udp { port } => {
            let vtep = vtep?;
            let receiver = sockets::udp_receiver(SocketAddr::new(vtep, port))?;
            let senders = sockets::udp_senders(vtep, extras.source_ports, config.seed, fragment)?;
            sockets::take_zero_checksums(&receiver, vtep, config.delivery)?;
            senders.iter().try_for_each(|fd| sockets::deliver(fd, vtep, config.delivery))?;
            Ok((Underlay::Udp { receiver, senders }, port))
        }
        Transport::Ip { protocol } => {
            let vtep = vtep?;
            let all = || std::iter::once(vtep).chain(extras.own_addresses.iter().copied());
            let sockets = all().map(|address| sockets::raw(address, protocol, fragment));
            let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
            sockets.iter().try_for_each(|fd| sockets::deliver(fd, vtep, config.delivery))?;
            let direct = all().filter_map(|address| match address {
                IpAddr::V4(local) if config.direct && !fragment => {
                    let far: Vec<_> = far.iter().copied().map(Some).collect();
                    Some(DirectLink::open(&config.nic, local, protocol, &far))
                }
                _ => None,
            });
            let direct = direct.collect::<io::Result<_>>()?;
            Ok((Underlay::Ip { sockets, v4: vtep.is_ipv4(), direct }, 0))
        }
        Transport::Stt { port } => {
            let peers: Vec<_> = peers.iter().map(Peer::address).collect();
            let link = SttLink::open(config, vtep?, port, &peers)?;
            Ok((Underlay::Stt(Box::new(link)), 0))
        }
    }
}
