//! A VM that moves to another host.
//!
//! The host's end of its cable is given to the other host's namespace, so that the VM keeps its
//! interface, its addresses and its sockets, and sees no more than its link going down and up. The
//! port stands ready at the new edge from the beginning. What a controller would do is done: tables
//! and routes of all edges that were filled from the plan follow the VM. Then it announces itself,
//! as hypervisors make their VMs do.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::{Testbed, TestbedError};
use crate::datapath::kernel;
use crate::datapath::user::Via;
use crate::ids::Encap;
use crate::lab::{Datapath, Fabric, Learning};
use crate::measure::Place;
use crate::measure::tap::{Tap, Watch};
use crate::netns::{self, LinkEvents, VM_INTERFACE, change, link};
use crate::plan::{Edge, EdgeNetwork, Variant, VmPlan};
use crate::vswitch::Peer;
use crate::wire::ethernet::{self, Mac, ethertype};
use crate::wire::{arp, checksum, ipv6};

/// How long the carrier is waited for at most.
const CARRIER: Duration = Duration::from_secs(2);
/// Room for frames that are not read: the announcing socket only sends.
const ROOM: usize = 4096;
/// ICMPv6 neighbour advertisement (RFC 4861 section 4.4), and its flag "override".
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;
/// An advertisement with its link-layer address option, in bytes.
const ADVERTISEMENT_LEN: usize = 32;

impl Testbed {
    /// Moves a VM from one host to another, from port to port.
    ///
    /// # Errors
    /// The plan has no such port, or the kernel refused.
    pub(super) fn relocate(
        &self,
        variant: &Variant,
        vm: &VmPlan,
        hosts: [&str; 2],
        ports: [&str; 2],
    ) -> Result<(), TestbedError> {
        let spaces = self.underlay().namespaces();
        let [old, new] = hosts.map(|host| variant.namespace(host));
        let engine_error = |source| TestbedError::Engine { variant: variant.name.clone(), source };
        let (edge, network, number) = slot(variant, vm, hosts[1], ports[1])
            .ok_or_else(|| netns::Error::Plan(format!("{} has no port {}", hosts[1], ports[1])))?;
        // The VM does not notice that its link is gone for a moment, as it would not elsewhere.
        let guest = variant.namespace(&vm.node);
        change::keep_neighbours(spaces, &guest)?;
        let events = spaces.inside(&guest, || LinkEvents::open(&guest))?;
        let mut netlink = spaces.netlink(&old)?;
        let index = link::find(&mut netlink, ports[0])?.index;
        netlink.one(change::give(index, ports[0], spaces.descriptor(&new)?.as_fd(), ports[1]))?;
        let user = edge.datapath == Datapath::User;
        let mut netlink = spaces.netlink(&new)?;
        let index = link::find(&mut netlink, ports[1])?.index;
        if user {
            spaces.inside(&new, || netns::drop_ingress(&mut netlink, index, ports[1]))?;
        } else {
            kernel::dock(spaces, variant, edge, network, ports[1])?;
            if variant.encap == Encap::None && variant.fabric == Fabric::L3 {
                netlink.one(link::up(index, ports[1]))?;
                let to = ipnet::IpNet::from(vm.address.addr());
                netlink.one(netns::route(to, &[], Some(index))?)?;
            }
        }
        self.follow(variant, vm, hosts[1], number)?;
        if let Some(edge) = self.engine_edge(variant, hosts[1]).filter(|_| user) {
            let docked = self.within(&new, || edge.dock(number, ports[1]));
            docked.and_then(|done| done).map_err(engine_error)?;
        }
        netlink.one(link::up(index, ports[1]))?;
        // Before the VM's kernel has taken note of the carrier it drops what is to be sent.
        let deadline = Instant::now() + CARRIER;
        let mut netlink = spaces.netlink(&guest)?;
        while !link::find(&mut netlink, VM_INTERFACE)?.operational && events.wait(deadline)? {
            events.drain()?;
        }
        self.announce(variant, vm).map_err(engine_error)
    }

    /// Tables and routes that the plan filled follow a VM to its new host, at all edges.
    fn follow(
        &self,
        variant: &Variant,
        vm: &VmPlan,
        host: &str,
        port: usize,
    ) -> Result<(), TestbedError> {
        let routed = !variant.encap.carries_ethernet();
        let fixed = variant.learning == Learning::Static && variant.encap.carries_ethernet();
        if !routed && !fixed {
            return Ok(());
        }
        let mac: Mac = vm.mac.parse().map_err(TestbedError::Mac)?;
        let vtep = variant.edges.iter().find(|edge| edge.host == host).and_then(|edge| edge.vtep);
        for edge in &variant.edges {
            let network = edge.networks.iter().find(|network| network.tenant == vm.tenant);
            let (Some(network), Some(engine)) = (network, self.engine_edge(variant, &edge.host))
            else {
                continue;
            };
            let here = edge.host == host;
            if fixed {
                let peer = vtep.filter(|_| !here).map(Peer::Vtep);
                engine.locate(network.id, mac, peer, port);
            }
            let via = match vtep {
                _ if here => Via::Port(port, mac),
                Some(vtep) => Via::Peer(vtep),
                None => continue,
            };
            for net in std::iter::once(vm.address).chain(vm.address6).filter(|_| routed) {
                engine.reroute(network.id, net.addr(), via);
            }
        }
        Ok(())
    }

    fn engine_edge(&self, variant: &Variant, host: &str) -> Option<&crate::datapath::user::Edge> {
        self.engines.get(&variant.name)?.edge(&variant.namespace(host))
    }

    /// The VM says where it is, so that switches and hosts learn: an ARP announcement (RFC 5227
    /// section 2.3) and an unsolicited neighbour advertisement (RFC 4861 section 7.2.6).
    fn announce(&self, variant: &Variant, vm: &VmPlan) -> io::Result<()> {
        let mac: Mac = vm.mac.parse().map_err(io::Error::other)?;
        let namespace = variant.namespace(&vm.node);
        let tap = self.within(&namespace, || Tap::open(VM_INTERFACE, Watch::Both, ROOM))??;
        for net in std::iter::once(vm.address).chain(vm.address6) {
            tap.send(&announcement(mac, net.addr())?)?;
        }
        Ok(())
    }
}

/// The edge of a host, a VM's network there, and the number of its port over all networks.
fn slot<'v>(
    variant: &'v Variant,
    vm: &VmPlan,
    host: &str,
    port: &str,
) -> Option<(&'v Edge, &'v EdgeNetwork, usize)> {
    let edge = variant.edges.iter().find(|edge| edge.host == host)?;
    let network = edge.networks.iter().find(|network| network.tenant == vm.tenant)?;
    let mut all = edge.networks.iter().flat_map(EdgeNetwork::all_ports);
    Some((edge, network, all.position(|name| name == port)?))
}

/// The frame by which an address is announced.
fn announcement(mac: Mac, address: IpAddr) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; ethernet::LEN + ipv6::LEN + ADVERTISEMENT_LEN];
    let (dst, kind) = match address {
        IpAddr::V4(_) => (Mac([0xFF; 6]), ethertype::ARP),
        IpAddr::V6(_) => (Mac([0x33, 0x33, 0, 0, 0, 1]), ethertype::IPV6),
    };
    let header = ethernet::Header { dst, src: mac, ethertype: kind };
    let at = header.emit(&mut frame).map_err(io::Error::other)?;
    let rest = frame.get_mut(at..).unwrap_or_default();
    let length = match address {
        IpAddr::V4(ip) => {
            let message = arp::Message {
                operation: arp::REQUEST,
                sender_mac: mac,
                sender_ip: ip,
                target_mac: Mac::ZERO,
                target_ip: ip,
            };
            message.emit(rest).map_err(io::Error::other)?
        }
        IpAddr::V6(ip) => advertisement(mac, ip, rest)?,
    };
    frame.truncate(at + length);
    Ok(frame)
}

fn advertisement(mac: Mac, ip: std::net::Ipv6Addr, out: &mut [u8]) -> io::Result<usize> {
    let all_nodes = std::net::Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 1);
    let next_header = crate::wire::ipv4::protocol::ICMPV6;
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: ADVERTISEMENT_LEN as u16,
        next_header,
        hop_limit: 255,
        src: ip,
        dst: all_nodes,
    };
    let at = header.emit(out).map_err(io::Error::other)?;
    let message = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<ADVERTISEMENT_LEN>);
    let message = message.ok_or(io::ErrorKind::InvalidInput)?;
    *message = [0; ADVERTISEMENT_LEN];
    (message[0], message[4]) = (ADVERTISEMENT, OVERRIDE);
    message[8..24].copy_from_slice(&ip.octets());
    // The target's link-layer address, in units of 8 bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac.0);
    let pseudo = checksum::pseudo_v6(ip, all_nodes, next_header, ADVERTISEMENT_LEN as u32);
    let sum = checksum::finish(checksum::sum(&message[..], pseudo));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Ok(at + ADVERTISEMENT_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_for_everyone_and_of_oneself() {
        let mac = Mac([6, 0, 0, 0, 0, 1]);
        let frame = announcement(mac, IpAddr::from([10, 0, 0, 7])).unwrap();
        assert_eq!((frame.len(), &frame[..6]), (14 + 28, &[0xFF; 6][..]));
        let message = arp::Message::parse(&frame[14..]).unwrap();
        assert_eq!((message.operation, message.sender_mac), (arp::REQUEST, mac));
        assert_eq!(
            (message.sender_ip, message.target_ip),
            ([10, 0, 0, 7].into(), [10, 0, 0, 7].into())
        );
        let ip: std::net::Ipv6Addr = "fd00::7".parse().unwrap();
        let frame = announcement(mac, ip.into()).unwrap();
        assert_eq!((frame.len(), frame[14 + 40], frame[14 + 40 + 4]), (86, 136, 0x20));
        let pseudo = checksum::pseudo_v6(ip, "ff02::1".parse().unwrap(), 58, 32);
        assert_eq!(checksum::finish(checksum::sum(&frame[54..], pseudo)), 0);
    }
}
