//! Switches of an L2 fabric in user space, for what the kernel's bridge cannot do here: VLANs by port,
//! a MAC table for each VLAN (or one for all, where a lab wants that), and a bound on it.
//!
//! Every port has a packet socket that takes frames as they come, super-frames whole, before the
//! kernel's bridge would. That bridge stays for spanning tree alone: a filter lets it see nothing but
//! BPDUs, and what it says of its ports is obeyed here. A few threads serve all switches.

mod forward;
mod watch;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::user::{close_at_once, outlet::Outlet, sockets, thread_cpu};
use crate::netns::{LinkEvents, Netlink};
use crate::vswitch::{Bridge, Counters, PortConfig};
pub use watch::Timers;
use watch::Watched;
use worker::Worker;

/// One switch as it is to be.
#[derive(Debug, Clone)]
pub struct SwitchConfig {
    /// Its name.
    pub name: String,
    /// Its namespace's, for messages.
    pub namespace: String,
    /// TPID of the tags that name VLANs.
    pub tpid: u16,
    /// Interface and VLANs of each port.
    pub ports: Vec<(String, PortConfig)>,
    /// Most MAC addresses that it learns.
    pub mac_table: usize,
    /// Whether it has one table for all VLANs instead of one for each.
    pub shared: bool,
    /// Of its spanning tree, where it runs one.
    pub timers: Option<Timers>,
}

/// One switch with its sockets open.
#[derive(Debug)]
pub struct Switch {
    name: String,
    interfaces: Vec<String>,
    timers: Option<Timers>,
    bridge: Bridge,
    ports: Vec<OwnedFd>,
    outlet: Outlet,
    counters: Counters,
}

/// A switch, and the sockets that tell of its ports' states.
#[derive(Debug)]
pub struct Opened {
    switch: Switch,
    told_by: (LinkEvents, Netlink),
}

impl Switch {
    /// Opens all sockets. Call it inside the switch's namespace, once its bridge and ports stand.
    ///
    /// # Errors
    /// The socket that could not be opened, and why.
    pub fn open(config: SwitchConfig) -> io::Result<Opened> {
        let at = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", config.namespace));
        let ports = config.ports.iter().map(|(name, _)| sockets::packet(name));
        let ports = ports.collect::<io::Result<_>>().map_err(at)?;
        let events = LinkEvents::open(&config.namespace).map_err(io::Error::other)?;
        let netlink = Netlink::open(&config.namespace).map_err(io::Error::other)?;
        let (interfaces, vlans) = config.ports.into_iter().unzip();
        let bridge = Bridge::new(config.tpid, vlans, config.mac_table);
        let switch = Switch {
            name: config.name,
            interfaces,
            timers: config.timers,
            bridge: if config.shared { bridge.sharing() } else { bridge },
            ports,
            outlet: Outlet::new(Vec::new(), false),
            counters: Counters::default(),
        };
        Ok(Opened { switch, told_by: (events, netlink) })
    }
}

/// Running switches of one variant.
#[derive(Debug)]
pub struct Switches {
    all: Arc<Vec<Switch>>,
    watched: Arc<Watched>,
    stop: Arc<EventFd>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
}

impl Switches {
    /// Starts as many workers as there are processors (at most one for each port), and one thread that
    /// waits for changes of the ports' states.
    ///
    /// # Errors
    /// What the system says when a thread or an epoll set cannot be made.
    pub fn start(opened: Vec<Opened>) -> io::Result<Self> {
        let (switches, watched): (Vec<Switch>, Vec<_>) =
            opened.into_iter().map(|one| (one.switch, one.told_by)).unzip();
        let sources: Vec<(usize, usize)> = switches
            .iter()
            .enumerate()
            .flat_map(|(at, switch)| (0..switch.ports.len()).map(move |port| (at, port)))
            .collect();
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let count = processors.max(2).min(sources.len().max(1));
        let mut shares = vec![Vec::new(); count];
        for (number, source) in sources.into_iter().enumerate() {
            shares[number % count].push(source);
        }
        let started = Instant::now();
        let mut running = Switches {
            all: Arc::new(switches),
            watched: Arc::new(Watched::new(watched)),
            stop: Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?),
            threads: Vec::new(),
            started,
        };
        for (number, share) in shares.into_iter().enumerate() {
            let stop = Arc::clone(&running.stop);
            let worker = Worker::new(Arc::clone(&running.all), share, stop, started)?;
            let thread = std::thread::Builder::new().name(format!("switch-{number}"));
            running.threads.push(thread.spawn(move || worker.run())?);
        }
        let (switches, watched) = (Arc::clone(&running.all), Arc::clone(&running.watched));
        let stop = Arc::clone(&running.stop);
        let thread = std::thread::Builder::new().name("switch-states".to_owned());
        running.threads.push(thread.spawn(move || watched.run(&switches, &stop, started))?);
        Ok(running)
    }

    /// Reads all ports' states now, so that what the kernel said before is obeyed.
    ///
    /// # Errors
    /// The kernel refused to list interfaces.
    pub fn obey(&self) -> crate::netns::Result<()> {
        self.watched.read_all(&self.all, worker::since(self.started))
    }

    /// CPU time of all threads so far.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.threads.iter().filter_map(thread_cpu).sum()
    }

    /// Entries of the MAC tables, by switch.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<String, u64> {
        let now = worker::since(self.started);
        let of = |switch: &Switch| (switch.name.clone(), switch.bridge.table().entries(now) as u64);
        self.all.iter().map(of).collect()
    }

    /// Ports at which a VLAN is allowed, by switch; a switch without any is left out.
    #[must_use]
    pub fn carrying(&self, vid: u16) -> BTreeMap<String, u64> {
        let of = |switch: &Switch| {
            let ports = (0..switch.ports.len()).filter(|port| switch.bridge.carries(*port, vid));
            (switch.name.clone(), ports.count() as u64)
        };
        self.all.iter().map(of).filter(|(_, ports)| *ports > 0).collect()
    }

    /// Unicast frames flooded so far because the table did not know their addressee, by switch.
    #[must_use]
    pub fn unknown(&self) -> BTreeMap<String, u64> {
        self.all.iter().map(|s| (s.name.clone(), s.bridge.unknown())).collect()
    }

    /// Frames that all of them dropped so far, by reason.
    #[must_use]
    pub fn all_drops(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        self.all.iter().for_each(|switch| switch.counters.add_drops(&mut sums));
        sums
    }

    /// Frames that a switch dropped so far, by reason.
    #[must_use]
    pub fn drops(&self, name: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for switch in self.all.iter().filter(|switch| switch.name == name) {
            switch.counters.add_drops(&mut sums);
        }
        sums
    }
}

impl Drop for Switches {
    fn drop(&mut self) {
        // The event stays readable, so every thread sees it.
        if let Err(error) = self.stop.write(1) {
            tracing::error!(%error, "cannot tell the switches to stop");
            return;
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the switches panicked");
            }
        }
        if let Some(switches) = Arc::into_inner(std::mem::take(&mut self.all)) {
            let sockets = switches.into_iter().flat_map(|switch| switch.ports);
            close_at_once(sockets.map(|socket| Box::new(socket) as Box<dyn Send>).collect());
        }
    }
}
