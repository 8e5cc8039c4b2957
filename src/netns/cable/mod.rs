//! Cables that do something to packets: they lose, delay or reorder them.
//!
//! Such a cable is two veth pairs, from either node to a namespace in the middle, one for all
//! cables of a variant. What arrives there at one interface leaves by the other: by the kernel's
//! `netem` where it has that (ingress redirects to the other interface, whose queueing discipline
//! is netem), and by a [`worker`] of our own with packet sockets where it has not. Either way a
//! packet has passed its sender's rate before it is delayed, and the nodes' own interfaces are as on
//! any other link. One thread serves all cables of a run.

mod carrier;
mod netem;
mod queue;
mod way;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use nix::sys::eventfd::{EfdFlags, EventFd};

use self::carrier::{Carriers, Place};
use self::worker::{Command, Worker};
use super::error::{Error, Result};
use super::event::LinkEvents;
use super::feature::Offloads;
use super::link;
use super::namespaces::Namespaces;
use super::socket::{Netlink, Request};
use crate::ids::Encap;
use crate::lab::{Datapath, Delay, Impaired};
use crate::measure::tap::{Tap, Watch};
use crate::plan::{Edge, Link, Variant};
use crate::system;

/// The node of a variant whose namespace has the middles of its cables; no node of a lab is called so.
pub(super) const MIDDLE: &str = "_cables";
/// Bytes that may wait in the kernel for the relay, each direction; ordinary users get less.
const ROOM: usize = 32 << 20;

/// What does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Impairer {
    /// The kernel's queueing discipline.
    Netem,
    /// A thread of this program.
    #[default]
    Relay,
}

impl Impairer {
    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Impairer::Netem => "netem",
            Impairer::Relay => "relay",
        }
    }

    /// What the nodes at the ends of a link must finish themselves before they send.
    pub(super) fn offloads_off(self, variant: &Variant, link: &Link) -> Option<Offloads> {
        // What is lost or overtakes is a packet of a cable, not a super-frame.
        if !variant.offloads || link.impaired.by_packet() {
            return Some(Offloads::All);
        }
        if self == Impairer::Netem || !link.impaired.any() {
            return None;
        }
        let by_kernel = |edge: &Edge| edge.datapath == Datapath::Kernel;
        if variant.encap != Encap::None && variant.edges.iter().any(by_kernel) {
            // Packet sockets cannot describe super-frames in the kernel's tunnels.
            return Some(Offloads::Tunnel);
        }
        (!system::describes_udp_super_frames()).then_some(Offloads::Udp)
    }

    /// Whether the lab's seed decides what it does at random.
    #[must_use]
    pub fn seeded(self) -> bool {
        // TCA_NETEM_PRNG_SEED came with Linux 6.6; older kernels ignore it.
        self == Impairer::Relay || system::kernel_at_least(6, 6)
    }
}

/// Names of the two interfaces in the middle of the `n`-th link of a variant.
pub(super) fn interfaces(n: usize) -> [String; 2] {
    [format!("a{n}"), format!("b{n}")]
}

/// What has to be done in the middle beside bringing the interfaces of a cable up.
pub(super) fn requests(by: Impairer, indexes: [u32; 2], names: &[String; 2]) -> Vec<Request> {
    match by {
        Impairer::Netem => netem::join(indexes, names),
        Impairer::Relay => Vec::new(),
    }
}

/// What shows whether the kernel can do it.
pub(super) fn probe(indexes: [u32; 2], names: &[String; 2]) -> Vec<Request> {
    let delayed = Impaired { delay: Some(Delay(1)), ..Impaired::default() };
    let mut requests = netem::join(indexes, names);
    requests.push(netem::netem(indexes[1], &names[1], delayed, 0));
    requests
}

/// The seed of one direction.
fn seed_of(seed: u64, side: usize) -> u64 {
    if side == 0 { seed } else { !seed }
}

/// A cable: its names and where the kernel finds it.
#[derive(Debug)]
struct Cable {
    namespace: String,
    names: [String; 2],
}

/// All impaired cables of a run, served until dropped.
#[derive(Debug)]
pub struct Cables {
    by: Impairer,
    /// By variant and link.
    known: BTreeMap<(String, String), usize>,
    places: Vec<Cable>,
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Cables {
    /// Serves those of these variants, whose interfaces are there and up; `None` where there are none.
    ///
    /// # Errors
    /// A socket or the thread could not be made.
    pub(super) fn serve(
        namespaces: &Namespaces,
        variants: &[&Variant],
        by: Impairer,
    ) -> Result<Option<Cables>> {
        let (mut known, mut cables) = (BTreeMap::new(), Vec::new());
        let (mut taps, mut places) = (Vec::new(), Vec::new());
        for variant in variants {
            let namespace = variant.namespace(MIDDLE);
            let mut here = Vec::new();
            for (n, link) in impaired(variant) {
                known.insert((variant.name.clone(), link.name.clone()), cables.len());
                here.push(interfaces(n));
                cables.push(Cable { namespace: namespace.clone(), names: interfaces(n) });
            }
            if here.is_empty() {
                continue;
            }
            let (events, netlink) = namespaces.inside(&namespace, || {
                if by == Impairer::Relay {
                    for name in here.iter().flatten() {
                        let failed = |e| Error::system(format!("open {name} of a cable"), e);
                        taps.push(open(name).map_err(failed)?);
                    }
                }
                Ok((LinkEvents::open(&namespace)?, Netlink::open(&namespace)?))
            })?;
            places.push(Place { events, netlink, cables: here });
        }
        if cables.is_empty() {
            return Ok(None);
        }
        let failed = |e: std::io::Error| Error::system("serve the cables", e);
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = EventFd::from_value_and_flags(0, flags).map_err(|e| failed(e.into()))?;
        let wake = Arc::new(wake);
        let carriers = Carriers::new(places).map_err(|e| failed(e.into()))?;
        let (commands, orders) = channel();
        let worker = Worker::new(taps, carriers, orders, wake.clone()).map_err(failed)?;
        let thread = std::thread::Builder::new().name("cables".into());
        let thread = Some(thread.spawn(move || worker.run()).map_err(failed)?);
        Ok(Some(Cables { by, known, places: cables, commands, wake, thread }))
    }

    /// What treats the packets.
    #[must_use]
    pub fn by(&self) -> Impairer {
        self.by
    }

    /// Treats packets of a variant's links as the plan says from now on.
    ///
    /// # Errors
    /// The kernel refused.
    pub(super) fn impair(&self, namespaces: &Namespaces, variant: &Variant) -> Result<()> {
        for (_, link) in impaired(variant) {
            let Some(cable) = self.cable(variant, link) else { continue };
            match self.by {
                Impairer::Relay => {
                    let (reply, done) = channel();
                    let Link { impaired, seed, .. } = *link;
                    self.tell(Command::Impair { cable, impaired, seed, reply });
                    if done.recv().is_err() {
                        return Err(Error::system("impair a cable", gone()));
                    }
                }
                Impairer::Netem => {
                    let Cable { namespace, names } = &self.places[cable];
                    let mut netlink = namespaces.netlink(namespace)?;
                    for (side, leaves) in [1, 0].into_iter().enumerate() {
                        let index = link::find(&mut netlink, &names[leaves])?.index;
                        let seed = seed_of(link.seed, side);
                        netlink.one(netem::netem(index, &names[leaves], link.impaired, seed))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Frames of a link that were dropped for want of room so far.
    #[must_use]
    pub(super) fn overflowed(&self, variant: &Variant, link: &Link) -> u64 {
        let Some(cable) = self.cable(variant, link) else { return 0 };
        let (reply, answer) = channel();
        self.tell(Command::Overflowed { cable, reply });
        answer.recv().unwrap_or_default()
    }

    fn cable(&self, variant: &Variant, link: &Link) -> Option<usize> {
        self.known.get(&(variant.name.clone(), link.name.clone())).copied()
    }

    fn tell(&self, command: Command) {
        // Where the thread has ended, whoever waits for its reply learns so.
        if self.commands.send(command).is_ok()
            && let Err(error) = self.wake.write(1)
        {
            tracing::error!(%error, "the thread of the cables cannot be told anything");
        }
    }
}

impl Drop for Cables {
    fn drop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the cables panicked");
        }
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("the thread that serves them has ended")
}

/// A variant's links that do something to packets, with their numbers.
pub(super) fn impaired(variant: &Variant) -> impl Iterator<Item = (usize, &Link)> {
    variant.links.iter().enumerate().filter(|(_, link)| link.impaired.any())
}

fn open(name: &str) -> std::io::Result<Tap> {
    let tap = Tap::open(name, Watch::Incoming, ROOM)?;
    tap.send_room(ROOM)?;
    Ok(tap)
}
