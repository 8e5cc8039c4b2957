//! One host's edge: its switch, its engine and its sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::oversize::Oversize;
use super::routes::{RouteConfig, Routes};
use super::sockets;
use super::stt::SttLink;
use super::tap::{Port, Tap};
use super::tx::{Address, Outlet};
use crate::encap::{Delivery, Engine, Transport};
use crate::vswitch::{NetworkConfig, Peer, PortId, Switch};

/// UDP sockets to send from, each with a source port of its own: the flows of all tenants spread
/// over them, and so over the equal-cost paths of the underlay.
const SOURCE_PORTS: usize = 16;

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
    /// Where the engine carries no Ethernet, and the edge is a router.
    pub(super) routes: Option<Routes>,
    pub(super) inner_mtu: usize,
    pub(super) oversize: Oversize,
    pub(super) delivery: Delivery,
    pub(super) offloads: bool,
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
        /// Raw socket.
        socket: OwnedFd,
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
        let port = |name: &String| sockets::packet(name).map(Port::Packet);
        let ports = config.ports.iter().map(port).collect::<io::Result<_>>();
        let at_host = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.host));
        Self::with_ports(config, ports.map_err(at_host)?)
    }

    /// As [`Edge::open`], with a device of the host itself as the only port instead of those that
    /// the configuration names.
    ///
    /// # Errors
    /// As [`Edge::open`].
    pub fn with_tap(config: &EdgeConfig, tap: Tap) -> io::Result<Self> {
        Self::with_ports(config, vec![Port::Tap(tap)])
    }

    fn with_ports(config: &EdgeConfig, ports: Vec<Port>) -> io::Result<Self> {
        let at_host = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.host));
        let switch = Switch::new(&config.networks);
        let (underlay, port) = underlay(config, switch.peers()).map_err(at_host)?;
        let address = |peer: &Peer| match peer {
            Peer::Vtep(ip) => Address::from(SocketAddr::new(*ip, port)),
            Peer::Fabric => Address::from(SocketAddr::new([0, 0, 0, 0].into(), port)),
        };
        // The kernel cuts no joined datagrams whose checksums it may not fill in.
        let summed = config.delivery.udp_csum;
        let joins = config.offloads && summed && matches!(underlay, Underlay::Udp { .. });
        let taps = ports.iter().filter_map(|port| match port {
            Port::Tap(tap) => Some((port.as_raw_fd(), tap.is_bare())),
            Port::Packet(_) => None,
        });
        let outlet =
            Outlet::new(switch.peers().iter().map(address).collect(), joins).with_taps(taps);
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
            routes,
            inner_mtu: config.inner_mtu as usize,
            oversize: config.oversize,
            delivery: config.delivery,
            offloads: config.offloads,
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

    /// The socket that receives from the fabric.
    pub(super) fn underlay_socket(&self) -> RawFd {
        match &self.underlay {
            Underlay::Frame { nic } => nic.as_raw_fd(),
            Underlay::Udp { receiver, .. } => receiver.as_raw_fd(),
            Underlay::Ip { socket } => socket.as_raw_fd(),
            Underlay::Stt(link) => link.socket(),
        }
    }
}

/// The sockets towards the fabric, and the port that tunnels go to.
fn underlay(config: &EdgeConfig, peers: &[Peer]) -> io::Result<(Underlay, u16)> {
    let needs = || io::Error::new(io::ErrorKind::InvalidInput, "a tunnel needs an address");
    let vtep = config.vtep.ok_or_else(needs);
    let fragment = config.oversize == Oversize::Fragment;
    match config.engine.transport() {
        Transport::Frame => Ok((Underlay::Frame { nic: sockets::packet(&config.nic)? }, 0)),
        Transport::Udp { port } => {
            let vtep = vtep?;
            let receiver = sockets::udp_receiver(SocketAddr::new(vtep, port))?;
            let senders = sockets::udp_senders(vtep, SOURCE_PORTS, config.seed, fragment)?;
            sockets::take_zero_checksums(&receiver, vtep, config.delivery)?;
            senders.iter().try_for_each(|fd| sockets::deliver(fd, vtep, config.delivery))?;
            Ok((Underlay::Udp { receiver, senders }, port))
        }
        Transport::Ip { protocol } => {
            let vtep = vtep?;
            let socket = sockets::raw(vtep, protocol, fragment)?;
            sockets::deliver(&socket, vtep, config.delivery)?;
            Ok((Underlay::Ip { socket }, 0))
        }
        Transport::Stt { port } => {
            let address = |peer: &Peer| match peer {
                Peer::Vtep(address) => Some(*address),
                Peer::Fabric => None,
            };
            let peers: Vec<_> = peers.iter().map(address).collect();
            let link = SttLink::open(config, vtep?, port, &peers)?;
            Ok((Underlay::Stt(Box::new(link)), 0))
        }
    }
}
