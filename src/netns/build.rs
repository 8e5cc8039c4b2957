//! From a plan to namespaces, links, addresses and routes.
//!
//! What is to happen in each namespace is gathered first; then all namespaces are made and set,
//! all veth pairs are born in them through one socket, and each is entered once more for the rest.
//! Whatever is done in a namespace is done by a few threads at once, in one batch of requests each.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::cable::{self, Cables, Impairer};
use super::error::{Error, Result};
use super::feature::{Offloads, switch_off};
use super::link::{self, End, LinkCounters, SpanningTree, parse_mac};
use super::namespaces::Namespaces;
use super::qdisc::{self, Bucket, DropMethod};
use super::socket::{Netlink, Request};
use super::sysctl::{Harmony, Role};
use super::vlans::Switching;
use super::world::World;
use super::{address, ecmp, joined, mroute, probe, ready, silence, vlans};
use crate::ids::Encap;
use crate::lab::{Datapath, Ecmp, Fabric};
use crate::measure::Place;
use crate::plan::{MulticastRoute, Node, NodeKind, Variant};

/// Name of a switch's bridge in its namespace.
pub const BRIDGE: &str = "br0";
/// The VM's only interface.
pub const VM_INTERFACE: &str = "eth0";
/// MTU of the host's end of a VM's cable: the largest there is, so that the edge, and not the
/// cable, decides what is too big.
pub const PORT_MTU: u32 = 65_535;
/// Least MTU of a link that carries IPv6 (RFC 8200 section 5).
const IPV6_MTU: u32 = 1280;
/// MAC ageing of switches in seconds, 802.1D's default.
const AGEING: u32 = 300;
/// Links of a routed fabric past which its nodes are told their neighbours' MACs. The kernel keeps what it
/// learns in all namespaces in one table for about a thousand; what it is told does not count.
const KNOWN_FROM: usize = 128;
/// First index we give out; below are the interfaces that loaded modules put into every namespace.
const FIRST_INDEX: u32 = 100;

/// The built part of one or more variants: nodes, links and VMs, without tenants' edges.
#[derive(Debug)]
pub struct Underlay {
    /// Impaired cables. Dropped before the namespaces that their sockets live in.
    cables: Option<Cables>,
    /// Sockets that routers forward multicast by.
    multicast: Vec<OwnedFd>,
    namespaces: Namespaces,
    switching: Switching,
    drop_method: Option<DropMethod>,
    built_in: Duration,
}

/// What has to be done in one namespace, besides being the home of veth ends.
#[derive(Debug, Default)]
pub(super) struct Site {
    /// Whether the kernel has IPv6, and would make up addresses.
    ipv6: bool,
    indexes: BTreeMap<String, u32>,
    pub(super) role: Role,
    /// What it chooses paths by, where it routes.
    ecmp: Ecmp,
    /// Groups it forwards.
    multicast: Vec<MulticastRoute>,
    pub(super) requests: Vec<Request>,
    pub(super) offloads_off: Vec<(String, Offloads)>,
    pub(super) drops: Vec<(u32, String)>,
    /// Interfaces that no errors about an IP protocol are to leave.
    silences: Vec<(u32, String, u8)>,
}

impl Site {
    pub(super) fn reserve(&mut self, interface: &str) -> Result<u32> {
        let index = FIRST_INDEX + u32::try_from(self.indexes.len()).unwrap_or(u32::MAX / 2);
        match self.indexes.insert(interface.to_owned(), index) {
            None => Ok(index),
            Some(_) => Err(Error::Plan(format!("two interfaces are called `{interface}`"))),
        }
    }

    /// Brings an interface of this MTU up, without addresses of the kernel's making.
    pub(super) fn up(&mut self, index: u32, interface: &str, mtu: u32) {
        self.plain(index, interface, mtu);
        self.requests.push(link::up(index, interface));
    }

    /// Linux gives an interface that is too small for IPv6 nothing of it that could be set.
    fn plain(&mut self, index: u32, interface: &str, mtu: u32) {
        if self.ipv6 && mtu >= IPV6_MTU {
            self.requests.push(link::plain(index, interface));
        }
    }

    pub(super) fn index(&self, interface: &str) -> Result<u32> {
        let found = self.indexes.get(interface).copied();
        found.ok_or_else(|| Error::Plan(format!("there is no interface `{interface}`")))
    }
}

/// Namespace, name, index and MAC of a veth pair's end.
type CableEnd = (String, String, u32, Option<[u8; 6]>);

/// A veth pair to be born, and the MTUs of its ends.
pub(super) struct Cable {
    pub(super) ends: [CableEnd; 2],
    pub(super) mtus: [u32; 2],
}

/// Builds every namespace of nodes and VMs of all variants, with links, rates, addresses, bridges
/// and routes, and the VMs' ports in their hosts.
///
/// # Errors
/// The plan contradicts itself, or the kernel refused; what was built is then removed again.
pub fn build(world: &World, variants: &[&Variant]) -> Result<Underlay> {
    build_by(world, variants, None)
}

/// As [`build`], with what forwards in the switches of L2 fabrics given, where it is not to be chosen.
/// The ports of [`Switching::Switch`] discard everything until somebody takes their frames.
///
/// # Errors
/// As [`build`].
pub fn build_by(
    world: &World,
    variants: &[&Variant],
    switching: Option<Switching>,
) -> Result<Underlay> {
    let begun = Instant::now();
    let switching = match switching {
        Some(switching) => switching,
        None => vlans::choose(world, variants)?,
    };
    let ipv6 = Path::new("/proc/sys/net/ipv6").exists();
    let impaired = variants.iter().any(|variant| cable::impaired(variant).next().is_some());
    let netem = impaired && probe::has_netem(world)?;
    let impairer = if netem { Impairer::Netem } else { Impairer::Relay };
    let mut draft = Draft { impairer, switching: Some(switching), ipv6, ..Draft::default() };
    for variant in variants {
        draft.variant(variant)?;
    }
    let known = [const { OnceLock::new() }; Role::COUNT];
    // Settings come before the first interface is born, which takes them over.
    let mut namespaces =
        Namespaces::create_with(world, draft.sites.keys().map(String::as_str), |name| {
            let Some(site) = draft.sites.get(name) else { return Ok(()) };
            let harmony = match known[site.role as usize].get() {
                Some(harmony) => harmony,
                None => {
                    let learned = Harmony::learn(site.role)?;
                    known[site.role as usize].get_or_init(|| learned)
                }
            };
            harmony.apply()?;
            if site.ecmp == Ecmp::default() {
                return Ok(());
            }
            ecmp::choose_paths_by(site.ecmp, name)
        })?;
    let made_in = begun.elapsed();
    lay(&namespaces, &draft.cables)?;
    let laid_in = begun.elapsed();
    let furnished = namespaces.each(draft.sites.into_iter().collect(), furnish)?;
    let drop_method = furnished.iter().rev().find_map(|(used, _)| *used);
    let multicast = furnished.into_iter().flat_map(|(_, sockets)| sockets).collect();
    let cables = Cables::serve(&namespaces, variants, impairer)?;
    namespaces.put_away()?;
    let built_in = begun.elapsed();
    tracing::debug!(namespaces = namespaces.len(), ?made_in, ?laid_in, ?built_in, "built");
    Ok(Underlay { cables, multicast, namespaces, switching, drop_method, built_in })
}

fn lay(namespaces: &Namespaces, cables: &[Cable]) -> Result<()> {
    let place = |(namespace, ..): &(String, _, _, _)| namespaces.descriptor(namespace);
    let places = cables
        .iter()
        .map(|cable| Ok([place(&cable.ends[0])?, place(&cable.ends[1])?]))
        .collect::<Result<Vec<_>>>()?;
    let requests = cables.iter().zip(&places).map(|(cable, places)| {
        let [a, b] = [0, 1].map(|at: usize| {
            let (_, name, index, mac) = &cable.ends[at];
            let namespace = places[at].as_fd();
            End { namespace, name, index: *index, mac: *mac, mtu: cable.mtus[at] }
        });
        link::veth(&a, &b)
    });
    Netlink::open("home")?.all(requests.collect())
}

/// Does the rest inside a namespace: what keeps the host's stack from seeing tenants' frames, where
/// something has to, and the sockets that it forwards multicast by.
fn furnish(name: &str, site: Site) -> Result<(Option<DropMethod>, Vec<OwnedFd>)> {
    for (interface, offloads) in &site.offloads_off {
        switch_off(interface, *offloads)?;
    }
    let mut netlink = Netlink::open(name)?;
    netlink.all(site.requests)?;
    for (index, interface, protocol) in &site.silences {
        match netlink.all(silence::silence(*index, interface, *protocol)) {
            Err(error) if error.is_unsupported() => tracing::debug!(%error, "hosts may answer"),
            done => done?,
        }
    }
    let method = qdisc::drop_ingress_all(&mut netlink, &site.drops)?;
    Ok((method, mroute::forward(name, &site.multicast)?))
}

#[derive(Default)]
pub(super) struct Draft {
    /// What is to impair links that are to be.
    impairer: Impairer,
    /// What forwards in switches.
    switching: Option<Switching>,
    /// Whether the kernel has IPv6.
    ipv6: bool,
    sites: BTreeMap<String, Site>,
    pub(super) cables: Vec<Cable>,
}

impl Draft {
    fn variant(&mut self, variant: &Variant) -> Result<()> {
        for node in &variant.nodes {
            self.node(variant, node)?;
        }
        for vm in variant.vms() {
            self.site_new(variant, &vm.node)?;
        }
        self.links(variant)?;
        joined::routers(self, variant)?;
        joined::segments(self, variant)?;
        joined::vms(self, variant)?;
        joined::silence_switches(self, variant)?;
        self.edges(variant)?;
        // Last, when their devices are up.
        for node in &variant.nodes {
            let site = self.site(variant, &node.name)?;
            for route in &node.routes {
                let device = route.device.as_deref().map(|name| site.index(name)).transpose()?;
                site.requests.push(address::route(route.to, &route.via, device)?);
            }
        }
        Ok(())
    }

    pub(super) fn site_new(&mut self, variant: &Variant, node: &str) -> Result<&mut Site> {
        let name = variant.namespace(node);
        if self.sites.contains_key(&name) {
            return Err(Error::Plan(format!("two nodes are called `{name}`")));
        }
        let site =
            self.sites.entry(name).or_insert_with(|| Site { ipv6: self.ipv6, ..Site::default() });
        site.requests.push(link::up(link::LOOPBACK, "lo"));
        Ok(site)
    }

    pub(super) fn site(&mut self, variant: &Variant, node: &str) -> Result<&mut Site> {
        let name = variant.namespace(node);
        self.sites.get_mut(&name).ok_or_else(|| Error::Plan(format!("there is no node `{name}`")))
    }

    fn node(&mut self, variant: &Variant, node: &Node) -> Result<()> {
        let switching = self.switching;
        let site = self.site_new(variant, &node.name)?;
        for net in &node.loopback {
            site.requests.push(address::address(link::LOOPBACK, "lo", *net));
        }
        let edge = variant.edges.iter().find(|edge| edge.host == node.name);
        let engine = edge.is_none_or(|edge| edge.datapath == Datapath::User);
        let routed = variant.fabric == Fabric::L3;
        site.role = match node.kind {
            NodeKind::Router => Role::Router,
            NodeKind::Switch => Role::Switch,
            // Without encapsulation on a routed fabric hosts route for their VMs.
            NodeKind::Host if variant.encap == Encap::None && routed => Role::Router,
            NodeKind::Host if variant.encap == Encap::Ssh || !engine => Role::Host,
            NodeKind::Host if routed => Role::Vtep,
            NodeKind::Host => Role::End,
        };
        if node.kind == NodeKind::Router {
            site.ecmp = variant.ecmp;
            site.multicast.clone_from(&node.multicast);
        }
        if node.kind == NodeKind::Switch {
            let index = site.reserve(BRIDGE)?;
            let tree = SpanningTree::default();
            let tree =
                SpanningTree { priority: node.stp_priority.unwrap_or(tree.priority), ..tree };
            let tree = variant.stp.then_some(tree);
            let table = node.mac_table.filter(|_| switching != Some(Switching::Switch));
            let vlans =
                switching == Some(Switching::VlanBridge) && !vlans::vids(variant).is_empty();
            site.requests.push(link::switch(BRIDGE, index, tree, AGEING, vlans, table));
            site.up(index, BRIDGE, PORT_MTU);
        }
        Ok(())
    }

    fn links(&mut self, variant: &Variant) -> Result<()> {
        // Linux's ports take a C-tag beyond their MTU, but no S-tag and what follows it: a
        // provider's ports take longer frames.
        let double_tag = if variant.encap == Encap::Qinq { variant.overhead } else { 0 };
        let filters = self.switching == Some(Switching::VlanBridge);
        let vids = if filters { vlans::vids(variant) } else { Vec::new() };
        let hidden = self.switching == Some(Switching::Switch);
        for (number, cable) in variant.links.iter().enumerate() {
            let off = self.impairer.offloads_off(variant, cable);
            let mut ends = Vec::with_capacity(2);
            for end in &cable.ends {
                let namespace = variant.namespace(&end.node);
                let site = self.site(variant, &end.node)?;
                let index = site.reserve(&end.interface)?;
                match site.indexes.get(BRIDGE) {
                    Some(&bridge) => {
                        site.plain(index, &end.interface, cable.mtu);
                        site.requests.push(link::enslave(index, &end.interface, bridge));
                        if !vids.is_empty() {
                            site.requests.extend(vlans::of_port(index, end, &vids));
                        }
                        if hidden {
                            site.requests.extend(qdisc::only_bpdus(index, &end.interface));
                        }
                    }
                    None => site.up(index, &end.interface, cable.mtu),
                }
                for net in &end.addresses {
                    site.requests.push(address::address(index, &end.interface, *net));
                }
                if let Some(rate) = cable.rate {
                    let bucket = Bucket::new(rate, cable.mtu);
                    site.requests.push(qdisc::tbf(index, &end.interface, rate, bucket));
                }
                site.offloads_off.extend(off.map(|off| (end.interface.clone(), off)));
                let mac = Some(parse_mac(&end.mac)?);
                if variant.fabric == Fabric::L3 && variant.links.len() > KNOWN_FROM {
                    let peers = cable.ends.iter().filter(|peer| peer.node != end.node);
                    for peer in peers {
                        let mac = parse_mac(&peer.mac)?;
                        for net in &peer.addresses {
                            let known = address::neighbour(index, &end.interface, net.addr(), mac);
                            site.requests.push(known);
                        }
                    }
                }
                ends.push((namespace, end.interface.clone(), index, mac));
            }
            let Ok(ends) = ends.try_into() else { continue };
            let mtu = cable.mtu + double_tag;
            if cable.impaired.any() {
                self.through_the_middle(variant, number, ends, mtu)?;
            } else {
                self.cables.push(Cable { ends, mtus: [mtu; 2] });
            }
        }
        Ok(())
    }

    /// Lays a cable by way of the namespace in which packets are delayed and lost.
    fn through_the_middle(
        &mut self,
        variant: &Variant,
        number: usize,
        ends: [CableEnd; 2],
        mtu: u32,
    ) -> Result<()> {
        let middle = variant.namespace(cable::MIDDLE);
        if !self.sites.contains_key(&middle) {
            self.site_new(variant, cable::MIDDLE)?.role = Role::Switch;
        }
        let impairer = self.impairer;
        let site = self.site(variant, cable::MIDDLE)?;
        let names = cable::interfaces(number);
        let indexes = [site.reserve(&names[0])?, site.reserve(&names[1])?];
        for (index, name) in indexes.iter().zip(&names) {
            site.up(*index, name, PORT_MTU);
        }
        site.requests.extend(cable::requests(impairer, indexes, &names));
        for ((end, name), index) in ends.into_iter().zip(names).zip(indexes) {
            // The nodes' ends decide what is too big.
            let inner = (middle.clone(), name, index, None);
            self.cables.push(Cable { ends: [end, inner], mtus: [mtu, PORT_MTU] });
        }
        Ok(())
    }

    /// Where an engine of ours serves a port through a packet socket, the host's stack must not
    /// see the same frames; where the kernel talks to such an engine, it must finish its packets, and
    /// so it must where a switch of ours is on the way: packet sockets know no super-frames in tunnels.
    fn edges(&mut self, variant: &Variant) -> Result<()> {
        // OpenSSH's interfaces are joined to the ports by the host's own bridges.
        let user = |datapath| datapath == Datapath::User && variant.encap != Encap::Ssh;
        let switched = self.switched(variant);
        let mixed = variant.edges.iter().any(|edge| user(edge.datapath));
        for edge in &variant.edges {
            let site = self.site(variant, &edge.host)?;
            if let (true, Some(protocol)) = (user(edge.datapath), silence::protocol(variant.encap))
            {
                for end in variant
                    .links
                    .iter()
                    .flat_map(|cable| &cable.ends)
                    .filter(|end| end.node == edge.host)
                {
                    let index = site.index(&end.interface)?;
                    site.silences.push((index, end.interface.clone(), protocol));
                }
            }
            if user(edge.datapath) {
                for port in edge.networks.iter().flat_map(|network| &network.ports) {
                    site.drops.push((site.index(port)?, port.clone()));
                }
                // Frames that are not tunnelled arrive on the NIC as the tenants sent them.
                if variant.encap.is_tag() || variant.encap == Encap::None {
                    site.drops.push((site.index(&edge.nic)?, edge.nic.clone()));
                }
            } else if (mixed || switched && edge.vtep.is_some()) && variant.offloads {
                site.offloads_off.push((edge.nic.clone(), Offloads::Tunnel));
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Whether switches of this program carry what hosts send.
    fn switched(&self, variant: &Variant) -> bool {
        self.switching == Some(Switching::Switch) && variant.fabric == Fabric::L2
    }
}

impl Underlay {
    /// What forwards in the switches of L2 fabrics.
    #[must_use]
    pub fn switching(&self) -> Switching {
        self.switching
    }

    /// The namespaces.
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// What keeps hosts' stacks from seeing tenants' frames; `None` where nothing had to.
    #[must_use]
    pub fn drop_method(&self) -> Option<DropMethod> {
        self.drop_method
    }

    /// How long [`build`] took.
    #[must_use]
    pub fn built_in(&self) -> Duration {
        self.built_in
    }

    /// Waits until a variant's network forwards: carrier on every link, one agreed root and no
    /// port on its way between states in an L2 fabric, and every VTEP reachable from its peers.
    /// Returns how long that took.
    ///
    /// # Errors
    /// [`Error::NotReady`] names what is missing when `limit` has passed.
    pub fn ready(&self, variant: &Variant, limit: Duration) -> Result<Duration> {
        self.ready_unless(variant, limit, &AtomicBool::new(false))
    }

    /// As [`Underlay::ready`], but returns early, ready or not, once `stop` is true.
    ///
    /// # Errors
    /// As there.
    pub fn ready_unless(
        &self,
        variant: &Variant,
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<Duration> {
        ready::wait(&self.namespaces, variant, limit, stop)
    }

    /// Counters of both ends of every underlay link, in the order of [`Variant::links`].
    ///
    /// # Errors
    /// The kernel refused to list interfaces.
    pub fn link_counters(&self, variant: &Variant) -> Result<Vec<[LinkCounters; 2]>> {
        let states = self.states(variant)?;
        let of = |end: &crate::plan::LinkEnd| {
            let link = states.get(&end.node)?.iter().find(|link| link.name == end.interface)?;
            Some(link.counters)
        };
        Ok(variant
            .links
            .iter()
            .map(|cable| {
                [of(&cable.ends[0]).unwrap_or_default(), of(&cable.ends[1]).unwrap_or_default()]
            })
            .collect())
    }

    /// Makes a variant's links do to packets from now on what the plan says: until this they pass
    /// all of them on at once.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn impair(&self, variant: &Variant) -> Result<()> {
        self.cables.iter().try_for_each(|cables| cables.impair(&self.namespaces, variant))
    }

    /// What impairs links, where any is to be.
    #[must_use]
    pub fn impairer(&self) -> Option<Impairer> {
        self.cables.as_ref().map(Cables::by)
    }

    /// Frames that impaired links dropped for want of room so far, in the order of
    /// [`Variant::links`].
    #[must_use]
    pub fn overflowed(&self, variant: &Variant) -> Vec<u64> {
        let of = |link| self.cables.as_ref().map_or(0, |cables| cables.overflowed(variant, link));
        variant.links.iter().map(of).collect()
    }

    /// Whether spanning tree blocks an end of a link, in the order of [`Variant::links`].
    ///
    /// # Errors
    /// The kernel refused to list interfaces.
    pub fn blocked(&self, variant: &Variant) -> Result<Vec<bool>> {
        let states = self.states(variant)?;
        let blocked = |end: &crate::plan::LinkEnd| {
            states.get(&end.node).into_iter().flatten().any(|link| {
                link.name == end.interface
                    && link.port_state
                        == Some(rtnetlink::packet_route::link::BridgePortState::Blocking)
            })
        };
        Ok(variant.links.iter().map(|cable| cable.ends.iter().any(blocked)).collect())
    }

    /// Learned entries in the MAC tables of a variant's nodes, by node name; nodes without any
    /// table are left out.
    ///
    /// # Errors
    /// The kernel refused to list them.
    pub fn tables(&self, variant: &Variant) -> Result<BTreeMap<String, u64>> {
        let mut tables = BTreeMap::new();
        for node in &variant.nodes {
            let mut netlink = self.namespaces.netlink(&variant.namespace(&node.name))?;
            let mut entries = address::fdb(&mut netlink)?;
            // Interfaces list the multicast addresses that they listen to in the same way.
            entries.retain(|entry| entry.of_bridge || entry.remote.is_some());
            if !entries.is_empty() {
                let learned = entries.iter().filter(|entry| entry.learned).count() as u64;
                tables.insert(node.name.clone(), learned);
            }
        }
        Ok(tables)
    }

    fn states(&self, variant: &Variant) -> Result<BTreeMap<String, Vec<link::LinkState>>> {
        let of = |node: &Node| {
            let mut netlink = self.namespaces.netlink(&variant.namespace(&node.name))?;
            Ok((node.name.clone(), link::list(&mut netlink)?))
        };
        variant.nodes.iter().map(of).collect()
    }

    /// Removes everything and waits until it is gone; returns how long that took.
    ///
    /// # Errors
    /// As [`Namespaces::close`].
    pub fn close(self) -> Result<Duration> {
        drop(self.cables);
        drop(self.multicast);
        self.namespaces.close()
    }
}

impl Place for Underlay {
    fn within<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> io::Result<T> {
        self.namespaces.within(namespace, work)
    }
}
