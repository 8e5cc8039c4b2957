//! Namespaces of VMs, of routers between tenants, and of VLAN segments behind gateways.

use std::collections::{BTreeMap, BTreeSet};

use super::address;
use super::build::{Cable, Draft, PORT_MTU, Underlay, VM_INTERFACE};
use super::error::Result;
use super::feature::Offloads;
use super::sysctl::Role;
use crate::netns::link::parse_mac;
use crate::plan::{Node, NodeKind, Variant};
use crate::system;

/// VMs, each with its port at its host, and bare machines at their segment's switch.
pub(super) fn vms(draft: &mut Draft, variant: &Variant) -> Result<()> {
    for vm in variant.vms() {
        // Bare machines are at their segment's switch.
        let segment = variant.segment_of(vm);
        let (at, name) = segment.map_or((&vm.host, vm.port.as_str()), |(s, p)| (&s.switch, p));
        let host = draft.site(variant, at)?;
        let port = host.reserve(name)?;
        host.up(port, name, PORT_MTU);
        let site = draft.site(variant, &vm.node)?;
        let eth0 = site.reserve(VM_INTERFACE)?;
        site.up(eth0, VM_INTERFACE, vm.mtu);
        // The engine's packet socket would lose them.
        if !system::describes_udp_super_frames() {
            site.offloads_off.push((VM_INTERFACE.to_owned(), Offloads::Udp));
        }
        for net in std::iter::once(vm.address).chain(vm.address6) {
            site.requests.push(address::address(eth0, VM_INTERFACE, net));
        }
        for route in variant.routes_of(vm) {
            site.requests.push(address::route(route.to, &route.via, None)?);
        }
        draft.cables.push(Cable {
            ends: [
                (
                    variant.namespace(&vm.node),
                    VM_INTERFACE.to_owned(),
                    eth0,
                    Some(parse_mac(&vm.mac)?),
                ),
                (variant.namespace(at), name.to_owned(), port, None),
            ],
            mtus: [vm.mtu, PORT_MTU],
        });
    }
    Ok(())
}

/// Router VMs: a namespace that forwards, and a port of each network at the router's host.
pub(super) fn routers(draft: &mut Draft, variant: &Variant) -> Result<()> {
    for router in &variant.routers {
        draft.site_new(variant, &router.name)?.role = Role::Router;
        for port in &router.ports {
            let host = draft.site(variant, &router.host)?;
            let near = host.reserve(&port.port)?;
            host.up(near, &port.port, PORT_MTU);
            let site = draft.site(variant, &router.name)?;
            let own = site.reserve(&port.interface)?;
            site.up(own, &port.interface, port.mtu);
            for net in std::iter::once(port.address).chain(port.address6).chain(port.link_local) {
                site.requests.push(address::address(own, &port.interface, net));
            }
            let mac = Some(parse_mac(&port.mac)?);
            draft.cables.push(Cable {
                ends: [
                    (variant.namespace(&router.name), port.interface.clone(), own, mac),
                    (variant.namespace(&router.host), port.port.clone(), near, None),
                ],
                mtus: [port.mtu, PORT_MTU],
            });
        }
    }
    Ok(())
}

/// Segments: a namespace for each switch, its trunk, and each segment's patch cable at the gateway.
/// The machines' cables are laid with those of VMs.
pub(super) fn segments(draft: &mut Draft, variant: &Variant) -> Result<()> {
    let mut switches: BTreeSet<&str> = BTreeSet::new();
    for segment in &variant.segments {
        let gateway = variant.namespace(&segment.gateway);
        if switches.insert(&segment.switch) {
            draft.site_new(variant, &segment.switch)?;
            let mut ends = Vec::with_capacity(2);
            for (node, interface) in
                [(&segment.gateway, &segment.trunk), (&segment.switch, &segment.uplink)]
            {
                let site = draft.site(variant, node)?;
                let index = site.reserve(interface)?;
                site.up(index, interface, segment.mtu);
                site.drops.push((index, interface.clone()));
                if !variant.offloads {
                    site.offloads_off.push((interface.clone(), Offloads::All));
                }
                ends.push((variant.namespace(node), interface.clone(), index, None));
            }
            if let Ok(ends) = ends.try_into() {
                draft.cables.push(Cable { ends, mtus: [segment.mtu; 2] });
            }
        }
        let site = draft.site(variant, &segment.gateway)?;
        let [overlay, trunk] = &segment.patch;
        let mut ends = Vec::with_capacity(2);
        for interface in [overlay, trunk] {
            let index = site.reserve(interface)?;
            site.up(index, interface, PORT_MTU);
            ends.push((gateway.clone(), interface.clone(), index, None));
        }
        // The overlay's end is the overlay's to keep the host's stack from.
        site.drops.push((site.index(trunk)?, trunk.clone()));
        if let Ok(ends) = ends.try_into() {
            draft.cables.push(Cable { ends, mtus: [PORT_MTU; 2] });
        }
    }
    Ok(())
}

/// Keeps the switches' stacks from seeing machines' frames, once their ports are there.
pub(super) fn silence_switches(draft: &mut Draft, variant: &Variant) -> Result<()> {
    for segment in &variant.segments {
        let site = draft.site(variant, &segment.switch)?;
        for (_, port) in &segment.machines {
            site.drops.push((site.index(port)?, port.clone()));
        }
    }
    Ok(())
}

impl Underlay {
    /// The MACs in the tables of a variant's switches, by node name.
    ///
    /// # Errors
    /// The kernel refused to list them.
    pub fn switch_macs(&self, variant: &Variant) -> Result<BTreeMap<String, Vec<[u8; 6]>>> {
        let switches = variant.nodes.iter().filter(|node| node.kind == NodeKind::Switch);
        let of = |node: &Node| {
            let mut netlink = self.namespaces().netlink(&variant.namespace(&node.name))?;
            let entries = address::fdb(&mut netlink)?.into_iter();
            let learned = entries.filter(|entry| entry.of_bridge && entry.learned);
            let macs = learned.filter_map(|entry| entry.mac.try_into().ok()).collect();
            Ok((node.name.clone(), macs))
        };
        switches.map(of).collect()
    }
}
