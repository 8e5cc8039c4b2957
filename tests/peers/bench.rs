//! The place where our engine meets a peer: three namespaces in a row.
//!
//! ```text
//!   vm            us                      peer
//!   eth0 ---- vm  engine  nic ---- nic   (a user-mode Linux or Open vSwitch)
//! ```

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use overlab::datapath::user::{Edge, EdgeConfig, Oversize, RouteConfig, UserDatapath, Via};
use overlab::encap::{Delivery, Engine, Transport};
use overlab::measure::Place;
use overlab::measure::capture::{Capture, Port};
use overlab::netns::link::{self, End};
use overlab::netns::{Namespaces, Netlink, Offloads, address, enter, ping, switch_off};
use overlab::vswitch::{NetworkConfig, Peer};
use overlab::wire::ethernet::Mac;

use crate::guest::{Console, command_here};

pub const US: &str = "us";
pub const VM: &str = "vm";
pub const PEER: &str = "peer";
/// A VM of the peer, where the peer is a switch and not a host.
pub const PEER_VM: &str = "peervm";
/// The underlay interface on both sides.
pub const NIC: &str = "nic";
const VM_MAC: Mac = Mac([2, 0xAA, 0, 0, 0, 1]);
const REACHES: Duration = Duration::from_secs(30);

/// Addresses below the tunnel.
#[derive(Debug, Clone, Copy)]
pub struct Underlay {
    pub us: IpAddr,
    pub peer: IpAddr,
}

impl Underlay {
    pub fn new(ipv6: bool) -> Self {
        let [us, peer] =
            if ipv6 { ["2001:db8::1", "2001:db8::2"] } else { ["192.0.2.1", "192.0.2.2"] }
                .map(|text| text.parse().expect("an address"));
        Underlay { us, peer }
    }

    pub fn prefix(&self) -> u8 {
        if self.us.is_ipv4() { 24 } else { 64 }
    }

    /// IPv6 addresses are of use at once only without duplicate detection.
    pub fn nodad(&self) -> &'static str {
        if self.us.is_ipv4() { "" } else { "nodad" }
    }
}

/// Addresses inside the tunnel: our VM's and the peer's.
#[derive(Debug, Clone, Copy)]
pub struct Overlay {
    pub vm: IpAddr,
    pub peer: IpAddr,
}

impl Overlay {
    pub fn new(ipv6: bool) -> Self {
        let [vm, peer] = if ipv6 { ["fd00::1", "fd00::2"] } else { ["10.0.0.1", "10.0.0.2"] }
            .map(|text| text.parse().expect("an address"));
        Overlay { vm, peer }
    }

    pub fn prefix(&self) -> u8 {
        if self.vm.is_ipv4() { 24 } else { 64 }
    }
}

/// Namespaces and cables, before the engine.
pub struct Bench {
    // Dropped in this order: the engine's sockets before their namespaces.
    datapath: Option<UserDatapath>,
    pub namespaces: Namespaces,
    pub underlay: Underlay,
    pub overlay: Overlay,
    pub inner_mtu: u32,
}

impl Bench {
    /// Makes namespaces and cables.
    pub fn new(underlay: Underlay, overlay: Overlay, inner_mtu: u32, underlay_mtu: u32) -> Bench {
        let world = enter().expect("leave the machine's namespaces");
        let namespaces =
            Namespaces::create(&world, [US, VM, PEER, PEER_VM]).expect("make namespaces");
        let bench = Bench { datapath: None, namespaces, underlay, overlay, inner_mtu };
        bench.cable((US, "vm", None), (VM, "eth0", Some(VM_MAC.0)), inner_mtu);
        bench.cable((US, NIC, None), (PEER, NIC, None), underlay_mtu);
        bench.give(US, NIC, underlay.us, underlay.prefix());
        bench.give(VM, "eth0", overlay.vm, overlay.prefix());
        // As on a cable: every packet is whole and its checksums are done.
        for namespace in [US, PEER] {
            bench
                .namespaces
                .inside(namespace, || switch_off(NIC, Offloads::All))
                .expect("switch offloads off");
        }
        bench
    }

    /// A veth pair, up on both sides.
    pub fn cable(
        &self,
        a: (&str, &str, Option<[u8; 6]>),
        b: (&str, &str, Option<[u8; 6]>),
        mtu: u32,
    ) {
        let places = [a.0, b.0].map(|name| self.namespaces.descriptor(name).expect("a namespace"));
        let end = |at: usize, (_, name, mac)| {
            let namespace = places[at].as_fd();
            End { namespace, name, index: 0, mac, mtu }
        };
        let mut netlink = self.netlink(a.0);
        netlink.one(link::veth(&end(0, a), &end(1, b))).expect("make a veth pair");
        for (namespace, name, _) in [a, b] {
            let mut netlink = self.netlink(namespace);
            let index = link::find(&mut netlink, name).expect("our end").index;
            netlink.one(link::up(index, name)).expect("bring it up");
        }
    }

    /// Joins interfaces by a bridge without spanning tree, which needs no time before it forwards.
    pub fn bridge(&self, namespace: &str, ports: &[&str]) {
        const INDEX: u32 = 1000;
        let mut netlink = self.netlink(namespace);
        netlink.one(link::bridge("bridge", INDEX, None, 300)).expect("make a bridge");
        netlink.one(link::up(INDEX, "bridge")).expect("bring it up");
        for port in ports {
            let found = link::find(&mut netlink, port).expect("the port");
            netlink.one(link::enslave(found.index, port, INDEX)).expect("make it a port");
        }
    }

    fn netlink(&self, namespace: &str) -> Netlink {
        self.namespaces.netlink(namespace).expect("a netlink socket")
    }

    /// Gives an interface an address and brings it up.
    pub fn give(&self, namespace: &str, interface: &str, ip: IpAddr, prefix: u8) {
        let mut netlink = self.netlink(namespace);
        let index = link::find(&mut netlink, interface).expect("the interface").index;
        let net = format!("{ip}/{prefix}").parse().expect("an address with its prefix");
        netlink.one(address(index, interface, net)).expect("add the address");
        netlink.one(link::up(index, interface)).expect("bring it up");
    }

    /// Starts our engine between the VM and the peer.
    pub fn start(&mut self, engine: Arc<dyn Engine>, delivery: Delivery, network: u64) {
        let tag = engine.transport() == Transport::Frame;
        let peer = if tag { Peer::Fabric } else { Peer::Vtep(self.underlay.peer) };
        let route = |address, via| RouteConfig { network, address, via };
        let config = EdgeConfig {
            host: US.to_owned(),
            engine,
            nic: NIC.to_owned(),
            vtep: (!tag).then_some(self.underlay.us),
            networks: vec![NetworkConfig {
                id: network,
                ports: 1,
                peers: vec![peer],
                fdb: Vec::new(),
                learning: true,
                mac_limit: 100,
            }],
            ports: vec!["vm".to_owned()],
            inner_mtu: self.inner_mtu,
            oversize: Oversize::default(),
            delivery,
            offloads: true,
            direct: false,
            routes: vec![
                route(self.overlay.vm, Via::Port(0, VM_MAC)),
                route(self.overlay.peer, Via::Peer(self.underlay.peer)),
            ],
            seed: 0x0123_4567_89AB_CDEF,
        };
        let edge = self.namespaces.within(US, || Edge::open(&config));
        let edge = edge.expect("enter our namespace").expect("open the edge");
        self.datapath = Some(UserDatapath::start(vec![edge]).expect("start the engine"));
    }

    /// Captures the underlay at our end of the cable.
    pub fn capture(&self, file: &Path) -> Capture {
        let port = Port {
            namespace: US.to_owned(),
            interface: NIC.to_owned(),
            comment: "between our engine and the peer".to_owned(),
        };
        Capture::start(&self.namespaces, &[port], file, "beside a peer", 256 << 20)
            .expect("start the capture")
    }

    /// A console in one of the namespaces.
    pub fn console(&self, namespace: &str) -> Console {
        self.namespaces
            .within(namespace, || Console::start(command_here()))
            .expect("enter the namespace")
    }

    /// ICMP echo from our VM to the peer's end of the tunnel.
    pub fn ping(&self) -> bool {
        let deadline = Instant::now() + REACHES;
        ping(&self.namespaces, VM, self.overlay.vm, self.overlay.peer, deadline).expect("ping")
    }

    /// What the engine dropped so far, by reason.
    pub fn drops(&self) -> String {
        format!("{:?}", self.datapath.as_ref().map(UserDatapath::drops).unwrap_or_default())
    }
}
