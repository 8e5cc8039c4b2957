//! The MAC address that leads to a peer, as the kernel knows it.
//!
//! A packet socket writes Ethernet headers itself, so what the kernel does for other tunnels has
//! to be asked for: the route to the peer, then the neighbour entry of its next hop. An answer is
//! used for a second and then asked for again, so that changes are followed. Where the kernel has
//! no neighbour entry yet, a datagram to the peer's discard port makes it look.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr as NetlinkAddress, protocols::NETLINK_ROUTE};

use super::routes::group_mac;
use crate::wire::ethernet::Mac;

/// How long an answer is used, in milliseconds.
const FRESH_MS: u64 = 1000;
/// How long an answer that the kernel still looks for is waited for before it is asked again.
const SOUGHT_MS: u64 = 5;
/// How long it is believed that there is no way.
const ASTRAY_MS: u64 = 100;
/// The discard port (RFC 863).
const DISCARD: u16 = 9;

/// MACs of the next hops to a list of peers.
#[derive(Debug)]
pub struct NextHops {
    peers: Vec<Entry>,
    asking: Mutex<Asking>,
}

#[derive(Debug)]
struct Entry {
    /// The peer; `None` never has a next hop.
    address: Option<IpAddr>,
    /// The MAC in the upper 48 bits; 0 where none is known.
    mac: AtomicU64,
    /// Largest packet on the way where the kernel learned of a smaller one; else `usize::MAX`.
    mtu: AtomicUsize,
    /// When to ask again, in the caller's milliseconds.
    due: AtomicU64,
}

#[derive(Debug)]
struct Asking {
    netlink: Socket,
    probe: UdpSocket,
    interface: u32,
}

impl NextHops {
    /// Asks nothing yet. Call it inside the host's namespace. A peer without an address never has a
    /// next hop.
    ///
    /// # Errors
    /// What the system says when a socket cannot be made.
    pub fn new(
        peers: &[Option<IpAddr>],
        local: impl Into<IpAddr>,
        interface: u32,
    ) -> io::Result<Self> {
        let mut netlink = Socket::new(NETLINK_ROUTE)?;
        netlink.bind_auto()?;
        netlink.connect(&NetlinkAddress::new(0, 0))?;
        let probe = UdpSocket::bind(SocketAddr::new(local.into(), 0))?;
        probe.set_nonblocking(true)?;
        let entry = |peer: &Option<IpAddr>| Entry {
            address: *peer,
            mac: AtomicU64::new(0),
            mtu: AtomicUsize::new(usize::MAX),
            due: AtomicU64::new(0),
        };
        let peers = peers.iter().map(entry).collect();
        Ok(NextHops { peers, asking: Mutex::new(Asking { netlink, probe, interface }) })
    }

    /// The MAC that leads to a peer at `now` (milliseconds of a steady clock).
    pub fn mac(&self, peer: usize, now: u64) -> Option<Mac> {
        let entry = self.peers.get(peer)?;
        if let Some(group) = entry.address.filter(IpAddr::is_multicast) {
            return Some(group_mac(group));
        }
        if now >= entry.due.load(Relaxed) {
            self.ask(entry, now);
        }
        entry.known()
    }

    /// The largest IP packet that passes to a peer, as far as routers told the kernel otherwise than
    /// the interface's own MTU; known since the last [`NextHops::mac`].
    pub fn path_mtu(&self, peer: usize) -> usize {
        self.peers.get(peer).map_or(usize::MAX, |entry| entry.mtu.load(Relaxed))
    }

    fn ask(&self, entry: &Entry, now: u64) {
        let Some(address) = entry.address else { return };
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        match asking.resolve(address) {
            Ok(Some(([a, b, c, d, e, f], mtu))) => {
                entry.mtu.store(mtu.map_or(usize::MAX, |mtu| mtu as usize), Relaxed);
                entry.mac.store(u64::from_be_bytes([a, b, c, d, e, f, 0, 0]), Relaxed);
                entry.due.store(now + FRESH_MS, Relaxed);
            }
            // The last answer stands until there is a better one.
            Ok(None) => {
                entry.due.store(now + SOUGHT_MS, Relaxed);
                let _ = asking.probe.send_to(&[], (address, DISCARD));
            }
            Err(error) => {
                tracing::debug!(%error, peer = %address, "no next hop");
                entry.mac.store(0, Relaxed);
                entry.due.store(now + ASTRAY_MS, Relaxed);
            }
        }
    }
}

impl Entry {
    fn known(&self) -> Option<Mac> {
        let known = self.mac.load(Relaxed);
        let [a, b, c, d, e, f, ..] = known.to_be_bytes();
        (known != 0).then_some(Mac([a, b, c, d, e, f]))
    }
}

impl Asking {
    /// The next hop's MAC and the path's MTU where it is known to be smaller than the link's; `None`
    /// while the kernel does not know the MAC.
    fn resolve(&mut self, peer: IpAddr) -> io::Result<Option<([u8; 6], Option<u32>)>> {
        let mut query = RouteMessage::default();
        let (family, bits, to) = match peer {
            IpAddr::V4(peer) => (AddressFamily::Inet, 32, RouteAddress::Inet(peer)),
            IpAddr::V6(peer) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(peer)),
        };
        query.header.address_family = family;
        query.header.destination_prefix_length = bits;
        query.attributes.push(RouteAttribute::Destination(to));
        let Some(RouteNetlinkMessage::NewRoute(route)) =
            self.get(RouteNetlinkMessage::GetRoute(query))?
        else {
            return Err(io::Error::from(io::ErrorKind::NetworkUnreachable));
        };
        let mut hop = peer;
        let mut mtu = None;
        for attribute in route.attributes {
            match attribute {
                RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => hop = gateway.into(),
                RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => hop = gateway.into(),
                RouteAttribute::Oif(interface) if interface != self.interface => {
                    return Err(io::Error::other("the route leads out of another interface"));
                }
                RouteAttribute::Metrics(metrics) => {
                    mtu = metrics.iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) => Some(*mtu),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        let mut query = NeighbourMessage::default();
        query.header.family = family;
        query.header.ifindex = self.interface;
        let hop = match hop {
            IpAddr::V4(hop) => NeighbourAddress::Inet(hop),
            IpAddr::V6(hop) => NeighbourAddress::Inet6(hop),
        };
        query.attributes.push(NeighbourAttribute::Destination(hop));
        let Some(RouteNetlinkMessage::NewNeighbour(found)) =
            self.get(RouteNetlinkMessage::GetNeighbour(query))?
        else {
            return Ok(None);
        };
        Ok(found.attributes.into_iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => Some((mac.try_into().ok()?, mtu)),
            _ => None,
        }))
    }

    /// One question and its answer; `None` where the kernel has none.
    fn get(&mut self, message: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.netlink.send(&bytes, 0)?;
        let mut answer = Vec::with_capacity(8192);
        self.netlink.recv(&mut answer, 0)?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer);
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
            _ => Ok(None),
        }
    }
}
