//! A plan made real: namespaces, links, edges and engines, up and torn down whatever happens.
//!
//! The order is the plan's: nodes and links ([`crate::netns`]), then each host's edge (the
//! kernel's devices or engines of this program), then waiting until all of it forwards. Nothing
//! here outlives the process: namespaces are held by descriptors and by names in a mount
//! namespace of its own, engines are threads.

mod control;
mod craft;
mod edge;
mod error;
mod events;
mod mobility;
mod segment;
mod switches;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub use craft::{Recipe, Tag, craft, craft_segments, host_tags, tagged};
pub use edge::service_tag;
pub use error::TestbedError;
pub use events::{Happenings, Routing};
pub use switches::start as start_switches;

use crate::datapath::switch::Switches;
use crate::datapath::user::{Edge, UserDatapath};
use crate::datapath::{kernel, ssh};
use crate::ids::Encap;
use crate::lab::Datapath;
use crate::measure::Place;
use crate::measure::cpu::CarrierTime;
use crate::netns::{self, Bucket, Underlay, VM_INTERFACE, World, link};
use crate::plan::{NodeKind, Plan, Variant};
use crate::system;
use crate::vswitch::Direction;
use crate::wire::ethernet::Mac;

/// How long a network may take until it forwards: spanning tree needs two forward delays.
const READY: Duration = Duration::from_secs(30);

/// Everything of one plan, built.
#[derive(Debug)]
pub struct Testbed {
    /// Engines by variant name. Dropped before the namespaces their sockets live in.
    engines: BTreeMap<String, UserDatapath>,
    /// SSH tunnels by variant name, likewise: their processes live in the namespaces.
    tunnels: BTreeMap<String, ssh::Tunnels>,
    /// Switches of L2 fabrics by variant name, where they are ours; likewise.
    switches: BTreeMap<String, Switches>,
    underlay: Underlay,
    namespaces: usize,
    built_in: Duration,
}

impl Testbed {
    /// Builds every variant of the plan at once.
    ///
    /// # Errors
    /// What could not be built, and where; what was built is removed again.
    pub fn build(world: &World, plan: &Plan) -> Result<Self, TestbedError> {
        let begun = Instant::now();
        let variants: Vec<&Variant> = plan.variants.iter().collect();
        let underlay = netns::build(world, &variants)?;
        let mut engines = BTreeMap::new();
        let mut tunnels = BTreeMap::new();
        let mut fabrics = BTreeMap::new();
        for variant in variants {
            if let Some(switches) = start_switches(&underlay, variant)? {
                fabrics.insert(variant.name.clone(), switches);
            }
            for edge in variant.edges.iter().filter(|e| e.datapath == Datapath::Kernel) {
                kernel::attach(underlay.namespaces(), variant, edge)?;
            }
            let mut edges = segment::edges(&underlay, variant, plan.seed)?;
            if variant.encap == Encap::Ssh {
                let joined = ssh::attach(underlay.namespaces(), variant)?;
                tunnels.insert(variant.name.clone(), joined);
            } else {
                edges.extend(open_edges(&underlay, variant, plan.seed)?);
            }
            if !edges.is_empty() {
                let engine = UserDatapath::start(edges).map_err(|source| TestbedError::Engine {
                    variant: variant.name.clone(),
                    source,
                })?;
                engines.insert(variant.name.clone(), engine);
            }
        }
        let namespaces = underlay.namespaces().len();
        let built_in = begun.elapsed();
        Ok(Testbed { engines, tunnels, switches: fabrics, underlay, namespaces, built_in })
    }

    /// Namespaces built.
    #[must_use]
    pub fn namespaces(&self) -> usize {
        self.namespaces
    }

    /// How long [`Testbed::build`] took.
    #[must_use]
    pub fn built_in(&self) -> Duration {
        self.built_in
    }

    /// Nodes, links and VMs.
    #[must_use]
    pub fn underlay(&self) -> &Underlay {
        &self.underlay
    }

    /// Waits until a variant's network forwards, or `stop` is true.
    ///
    /// # Errors
    /// What is not ready after 30 seconds.
    pub fn ready(&self, variant: &Variant, stop: &AtomicBool) -> Result<(), TestbedError> {
        self.underlay.ready_unless(variant, READY, stop)?;
        if let Some(switches) = self.switches.get(&variant.name) {
            switches.obey()?;
        }
        if let Some(tunnels) = self.tunnels.get(&variant.name).filter(|_| !stop.load(Relaxed)) {
            tunnels.ready(self.underlay.namespaces(), READY)?;
        }
        Ok(())
    }

    /// CPU time that a variant's engines, or OpenSSH, and switches have used so far; zero where the
    /// kernel does their work.
    #[must_use]
    pub fn carrier_time(&self, variant: &Variant) -> CarrierTime {
        let tunnels = self.tunnels.get(&variant.name).map(ssh::Tunnels::cpu);
        let engines = self.engines.get(&variant.name).filter(|_| tunnels.is_none());
        let ways = engines.map(|e| [Direction::Encap, Direction::Decap].map(|way| e.cpu_of(way)));
        let edges = ways.map(|[encap, decap]| encap + decap).or(tunnels).unwrap_or_default();
        let switches = self.switches.get(&variant.name).map(Switches::cpu);
        CarrierTime { edges, ways, switches }
    }

    /// Lets every packet of the engines be seen from now on, where this kernel hides joined
    /// datagrams from packet sockets; or not any more.
    pub fn watched(&self, watched: bool) {
        if !system::describes_udp_super_frames() {
            self.engines.values().for_each(|engine| engine.single_packets(watched));
        }
    }

    /// Frames the engines of a variant dropped so far, by reason.
    #[must_use]
    pub fn drops(&self, variant: &Variant) -> BTreeMap<String, u64> {
        self.engines.get(&variant.name).map(UserDatapath::drops).unwrap_or_default()
    }

    /// Frames that switches of this program dropped so far in a variant, by reason; none where the kernel's
    /// bridges forward.
    #[must_use]
    pub fn switch_drops(&self, variant: &Variant) -> BTreeMap<String, u64> {
        self.switches.get(&variant.name).map(Switches::all_drops).unwrap_or_default()
    }

    /// What OpenSSH said of a tunnel of the variant that has ended, its ends being given a second for their
    /// last words; `None` while all run.
    #[must_use]
    pub fn tunnel_ended(&self, variant: &Variant) -> Option<String> {
        let error = self.tunnels.get(&variant.name)?.failure(Duration::from_secs(1))?;
        Some(error.to_string())
    }

    /// MAC table entries by node: switches' bridges and hosts' edges.
    ///
    /// # Errors
    /// The kernel refused to list them.
    pub fn tables(&self, variant: &Variant) -> Result<BTreeMap<String, u64>, TestbedError> {
        let mut tables = self.underlay.tables(variant)?;
        if let Some(switches) = self.switches.get(&variant.name) {
            tables.extend(switches.tables());
        }
        if let Some(engine) = self.engines.get(&variant.name) {
            let own = format!("{}.", variant.name);
            let node = |name: String| name.strip_prefix(&own).map_or(name.clone(), str::to_owned);
            tables.extend(engine.tables().into_iter().map(|(name, count)| (node(name), count)));
        }
        Ok(tables)
    }

    /// What forwards in the switches of a variant; `None` where all nodes between hosts are routers.
    #[must_use]
    pub fn switching(&self, variant: &Variant) -> Option<netns::Switching> {
        let bridged = variant.nodes.iter().any(|node| node.kind == NodeKind::Switch);
        bridged.then(|| match self.underlay.switching() {
            // Without tags Linux's bridge needs no filtering.
            netns::Switching::VlanBridge if netns::vids(variant).is_empty() => {
                netns::Switching::Bridge
            }
            switching => switching,
        })
    }

    /// Ports at which the switches of a variant allow a VLAN, by switch; `None` where the kernel's bridges
    /// are the switches.
    #[must_use]
    pub fn vlan_ports(&self, variant: &Variant, vid: u16) -> Option<BTreeMap<String, u64>> {
        self.switches.get(&variant.name).map(|switches| switches.carrying(vid))
    }

    /// Where a host has learned that a MAC of a network is: the VTEP's address.
    #[must_use]
    pub fn learned(&self, variant: &Variant, host: &str, id: u64, mac: &str) -> Option<IpAddr> {
        let mac: Mac = mac.parse().ok()?;
        let namespace = variant.namespace(host);
        let engine = self.engines.get(&variant.name).and_then(|e| e.edge(&namespace));
        if let Some(edge) = engine {
            return edge.learned(id, mac, 0);
        }
        let mut netlink = self.underlay.namespaces().netlink(&namespace).ok()?;
        let entries = netns::fdb(&mut netlink).ok()?;
        entries.into_iter().find(|e| e.mac == mac.0 && e.remote.is_some())?.remote
    }

    /// The hosts that a host's engine takes a network's packets from, and the places that it sends
    /// its broadcasts to; `None` where the host has no engine of ours.
    #[must_use]
    pub fn remotes(&self, variant: &Variant, host: &str, id: u64) -> Option<(usize, usize)> {
        let engine = self.engines.get(&variant.name)?;
        engine.edge(&variant.namespace(host))?.remotes(id)
    }

    /// How a VM is configured, one line for each setting.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn vm_configuration(&self, namespace: &str) -> Result<Vec<String>, TestbedError> {
        let namespaces = self.underlay.namespaces();
        Ok(netns::configuration(namespaces, namespace, VM_INTERFACE)?)
    }

    /// Empties the neighbour table of a namespace.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn forget_neighbours(&self, namespace: &str) -> io::Result<()> {
        let forget = || self.underlay.namespaces().inside(namespace, || netns::forget(namespace));
        forget().map_err(io::Error::other)
    }

    /// Sets the MTU of a VM's `eth0`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_vm_mtu(&self, namespace: &str, mtu: u32) -> io::Result<()> {
        let set = || -> netns::Result<()> {
            let mut netlink = self.underlay.namespaces().netlink(namespace)?;
            let eth0 = link::find(&mut netlink, VM_INTERFACE)?;
            netlink.one(link::mtu(eth0.index, VM_INTERFACE, mtu))
        };
        set().map_err(io::Error::other)
    }

    /// Shapes what a host's interface sends to `rate` bits per second until the guard is dropped.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn shape(
        &self,
        namespace: &str,
        interface: &str,
        rate: u64,
        mtu: u32,
    ) -> Result<Shaped<'_>, TestbedError> {
        let mut netlink = self.underlay.namespaces().netlink(namespace)?;
        let index = link::find(&mut netlink, interface)?.index;
        netlink.one(netns::tbf(index, interface, rate, Bucket::new(rate, mtu)))?;
        Ok(Shaped {
            underlay: &self.underlay,
            namespace: namespace.to_owned(),
            interface: interface.to_owned(),
        })
    }

    /// Stops the engines, removes everything and waits until it is gone; returns how long that took.
    ///
    /// # Errors
    /// A namespace is still there.
    pub fn close(self) -> Result<Duration, TestbedError> {
        let begun = Instant::now();
        drop(self.engines);
        drop(self.tunnels);
        drop(self.switches);
        self.underlay.close()?;
        Ok(begun.elapsed())
    }
}

impl Place for Testbed {
    fn within<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> io::Result<T> {
        self.underlay.within(namespace, work)
    }
}

/// A shaper that is taken away with this value.
#[derive(Debug)]
pub struct Shaped<'a> {
    underlay: &'a Underlay,
    namespace: String,
    interface: String,
}

impl Drop for Shaped<'_> {
    fn drop(&mut self) {
        let remove = || -> netns::Result<()> {
            let mut netlink = self.underlay.namespaces().netlink(&self.namespace)?;
            let index = link::find(&mut netlink, &self.interface)?.index;
            netlink.one(netns::unshape(index, &self.interface))
        };
        if let Err(error) = remove() {
            tracing::warn!(%error, interface = self.interface, "a shaper could not be removed");
        }
    }
}

fn open_edges(
    underlay: &Underlay,
    variant: &Variant,
    seed: u64,
) -> Result<Vec<Edge>, TestbedError> {
    let user = variant.edges.iter().filter(|e| e.datapath == Datapath::User);
    user.map(|edge| {
        let config = edge::config(variant, edge, seed)?;
        let extras = edge::extras(variant, edge)?;
        let open = || Edge::open_with(&config, &extras);
        let opened = underlay.within(&variant.namespace(&edge.host), open);
        opened
            .and_then(|edge| edge)
            .map_err(|source| TestbedError::Engine { variant: variant.name.clone(), source })
    })
    .collect()
}
