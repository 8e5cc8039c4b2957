//! One host's edge: its switch, its engine and its sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::sockets;
use super::tx::Address;
use crate::encap::{Engine, Transport};
use crate::vswitch::{NetworkConfig, Peer, Switch};

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
    /// Whether the kernel may cut datagrams behind us.
    pub offloads: bool,
    /// Seeds flow hashes and source ports.
    pub seed: u64,
}

/// One host's edge with its sockets open.
#[derive(Debug)]
pub struct Edge {
    pub(super) host: String,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) switch: Switch,
    pub(super) ports: Vec<OwnedFd>,
    pub(super) underlay: Underlay,
    pub(super) inner_mtu: usize,
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
        /// Destination port.
        port: u16,
    },
}

impl Edge {
    /// Opens all sockets. Call it inside the host's network namespace, once its interfaces stand.
    ///
    /// # Errors
    /// The socket that could not be opened, why, and at which host.
    pub fn open(config: &EdgeConfig) -> io::Result<Self> {
        let at_host = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.host));
        let underlay = match config.engine.transport() {
            Transport::Frame => {
                Underlay::Frame { nic: sockets::packet(&config.nic).map_err(at_host)? }
            }
            Transport::Udp { port } => {
                let vtep = config.vtep.ok_or_else(|| {
                    at_host(io::Error::new(io::ErrorKind::InvalidInput, "a tunnel needs an address"))
                })?;
                let receiver =
                    sockets::udp_receiver(SocketAddr::new(vtep, port)).map_err(at_host)?;
                let senders =
                    sockets::udp_senders(vtep, SOURCE_PORTS, config.seed).map_err(at_host)?;
                Underlay::Udp { receiver, senders, port }
            }
            Transport::Ip { .. } | Transport::Stt { .. } => {
                let what = format!("no user datapath for {}", config.engine.encap());
                return Err(at_host(io::Error::new(io::ErrorKind::Unsupported, what)));
            }
        };
        let ports = config.ports.iter().map(|p| sockets::packet(p).map_err(at_host));
        Ok(Edge {
            host: config.host.clone(),
            engine: Arc::clone(&config.engine),
            switch: Switch::new(&config.networks),
            ports: ports.collect::<io::Result<_>>()?,
            underlay,
            inner_mtu: config.inner_mtu as usize,
            offloads: config.offloads,
            seed: config.seed,
        })
    }

    /// The destinations of its peers, in the order of their ids.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let Underlay::Udp { port, .. } = self.underlay else { return Vec::new() };
        let address = |peer: &Peer| match peer {
            Peer::Vtep(ip) => Address::from(SocketAddr::new(*ip, port)),
            Peer::Fabric => Address::from(SocketAddr::new([0, 0, 0, 0].into(), port)),
        };
        self.switch.peers().iter().map(address).collect()
    }

    /// The socket that receives from the fabric.
    pub(super) fn underlay_socket(&self) -> RawFd {
        match &self.underlay {
            Underlay::Frame { nic } => nic.as_raw_fd(),
            Underlay::Udp { receiver, .. } => receiver.as_raw_fd(),
        }
    }
}
