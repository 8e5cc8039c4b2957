//! Crafted packets: sent from a host or a VM, counted where they arrive, with what was answered
//! and what was dropped meanwhile.

pub(super) mod answer;
mod frame;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

pub use frame::Marked;

use super::Place;
use super::ends::{passing, wait};
use super::error::{MeasureError, within};
use super::isolation::token::Token;
use super::result::ProbeResult;
use super::segment::Segmenter;
use super::snmp;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{NodeKind, Variant, VmPlan};

/// How long packets, answers and drops are awaited after the last packet.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often drops are looked at meanwhile.
const TICK: Duration = Duration::from_millis(20);
/// Bytes of frames that may wait to be read at each place.
const ROOM: usize = 1 << 20;

/// Packets ready to be sent.
#[derive(Debug)]
pub struct Shot<'v> {
    /// The probe's name.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// Where they start.
    pub from: From<'v>,
    /// The VM they are for, where there is one.
    pub to: Option<&'v VmPlan>,
    /// The packets: from the IP header on for a host's raw socket, otherwise Ethernet frames.
    pub packets: Vec<Vec<u8>>,
    /// What marks them.
    pub secret: [u8; 16],
}

/// Who sends.
#[derive(Debug, Clone, Copy)]
pub enum From<'v> {
    /// A host, by raw socket, to an underlay address.
    Host {
        /// Its name.
        name: &'v str,
        /// The outer destination.
        to: IpAddr,
    },
    /// A host, from an interface towards the fabric.
    Nic {
        /// Its name.
        name: &'v str,
        /// The interface.
        interface: &'v str,
    },
    /// A VM, from its `eth0`.
    Vm(&'v VmPlan),
}

/// Sends a probe's packets and counts what became of them. `drops` tells what the variant's edges
/// have dropped so far, by reason.
///
/// It ends as soon as every packet is accounted for, and 600 ms after the last one otherwise.
///
/// # Errors
/// A socket could not be opened in a namespace, written or read.
pub fn fire(
    place: &impl Place,
    variant: &Variant,
    shot: &Shot<'_>,
    drops: &dyn Fn() -> BTreeMap<String, u64>,
) -> Result<ProbeResult, MeasureError> {
    let mut watch = Watches::open(place, variant, shot)?;
    let before = Counts::take(place, variant, shot, drops)?;
    let sender = Sender::open(place, variant, shot)?;
    for packet in &shot.packets {
        sender.send(packet).map_err(MeasureError::system(format!("send probe `{}`", shot.name)))?;
        watch.look().map_err(MeasureError::system("watch for probes"))?;
    }
    let sent = shot.packets.len() as u64;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tick = deadline.min(Instant::now() + TICK);
        watch.wait(tick).map_err(MeasureError::system("watch for probes"))?;
        let lost = Counts::take(place, variant, shot, drops)?.since(&before);
        let accounted = watch.delivered.len() as u64 + lost.values().sum::<u64>();
        if accounted >= sent || Instant::now() >= deadline {
            return Ok(watch.result(shot, lost));
        }
    }
}

/// What edges and the receiving host's UDP have refused so far.
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn take(
        place: &impl Place,
        variant: &Variant,
        shot: &Shot<'_>,
        drops: &dyn Fn() -> BTreeMap<String, u64>,
    ) -> Result<Counts, MeasureError> {
        let mut counts = drops();
        if let Some(vm) = shot.to {
            let host = variant.namespace(&vm.host);
            let refused = snmp::counted(place, &host)?.udp_bad_checksums;
            *counts.entry("bad_checksum".to_owned()).or_default() += refused;
        }
        Ok(Counts(counts))
    }

    fn since(&self, before: &Counts) -> BTreeMap<String, u64> {
        super::since(self.0.clone(), &before.0)
    }
}

/// Where probes and answers are looked for.
struct Watches {
    /// Each VM's `eth0`, and whether it is the receiver's.
    vms: Vec<(Tap, bool)>,
    /// The sender's interfaces, for answers.
    answers: Vec<Tap>,
    secret: [u8; 16],
    delivered: HashSet<u32>,
    elsewhere: HashSet<u32>,
    found: BTreeMap<String, u64>,
    told: Option<u32>,
    buffer: Vec<u8>,
    segmenter: Segmenter,
}

impl Watches {
    fn open(
        place: &impl Place,
        variant: &Variant,
        shot: &Shot<'_>,
    ) -> Result<Watches, MeasureError> {
        let tap = |node: &str, interface: &str| {
            let operation = format!("watch `{interface}`");
            within(place, &variant.namespace(node), &operation, || {
                Tap::open(interface, Watch::Incoming, ROOM)
            })
        };
        let sender = match shot.from {
            From::Vm(vm) => Some(&vm.node),
            From::Host { .. } | From::Nic { .. } => None,
        };
        let vms = variant
            .vms()
            .filter(|vm| Some(&vm.node) != sender)
            .map(|vm| Ok((tap(&vm.node, "eth0")?, shot.to.is_some_and(|to| to.node == vm.node))))
            .collect::<Result<_, MeasureError>>()?;
        let answers = match shot.from {
            From::Vm(vm) => vec![tap(&vm.node, "eth0")?],
            From::Host { name, .. } | From::Nic { name, .. } => variant
                .links
                .iter()
                .flat_map(|link| &link.ends)
                .filter(|end| end.node == name)
                .map(|end| tap(&end.node, &end.interface))
                .collect::<Result<_, _>>()?,
        };
        Ok(Watches {
            vms,
            answers,
            secret: shot.secret,
            delivered: HashSet::new(),
            elsewhere: HashSet::new(),
            found: BTreeMap::new(),
            told: None,
            buffer: vec![0; BUFFER],
            segmenter: Segmenter::default(),
        })
    }

    fn wait(&mut self, until: Instant) -> io::Result<()> {
        let taps: Vec<_> =
            self.vms.iter().map(|(tap, _)| tap).chain(&self.answers).map(Tap::as_fd).collect();
        wait(&taps, until)?;
        self.look()
    }

    /// Takes in what has arrived anywhere.
    fn look(&mut self) -> io::Result<()> {
        let secret = self.secret;
        let number = |packet: &[u8]| {
            Token::find(packet).filter(|token| token.secret == secret).map(|token| token.number)
        };
        for (tap, receiver) in &self.vms {
            while let Some(frame) = tap.next(&mut self.buffer)? {
                let seen = if *receiver { &mut self.delivered } else { &mut self.elsewhere };
                self.segmenter.each(&frame, |packet| {
                    // A VM that answers quotes the packet.
                    if answer::read(packet).is_none() {
                        seen.extend(number(packet));
                    }
                });
            }
        }
        for tap in &self.answers {
            while let Some(frame) = tap.next(&mut self.buffer)? {
                let (found, told) = (&mut self.found, &mut self.told);
                self.segmenter.each(&frame, |packet| {
                    if let Some(answer) = answer::read(packet).filter(|_| number(packet).is_some())
                    {
                        *found.entry(answer.name).or_default() += 1;
                        *told = answer.mtu.or(*told);
                    }
                });
            }
        }
        Ok(())
    }

    fn result(self, shot: &Shot<'_>, drops: BTreeMap<String, u64>) -> ProbeResult {
        ProbeResult {
            name: shot.name.clone(),
            what: shot.what.clone(),
            sent: shot.packets.len() as u64,
            delivered: self.delivered.len() as u64,
            elsewhere: self.elsewhere.len() as u64,
            answers: self.found,
            told: self.told,
            drops,
        }
    }
}

/// What packets leave through.
enum Sender {
    Raw { socket: Socket, to: IpAddr },
    Port(Tap),
}

impl Sender {
    fn open(
        place: &impl Place,
        variant: &Variant,
        shot: &Shot<'_>,
    ) -> Result<Sender, MeasureError> {
        match shot.from {
            From::Vm(vm) => {
                let open = || Tap::open("eth0", Watch::Incoming, ROOM);
                let namespace = variant.namespace(&vm.node);
                within(place, &namespace, "open `eth0`", open).map(Sender::Port)
            }
            From::Nic { name, interface } => {
                let open = || Tap::open(interface, Watch::Incoming, ROOM);
                let operation = format!("open `{interface}`");
                within(place, &variant.namespace(name), &operation, open).map(Sender::Port)
            }
            From::Host { name, to } => {
                // A raw socket of this protocol takes packets with their own IP header (raw(7)).
                let protocol = Some(Protocol::from(libc::IPPROTO_RAW));
                let domain = if to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
                let open = || Socket::new(domain, Type::RAW, protocol);
                let socket = within(place, &variant.namespace(name), "open a raw socket", open)?;
                Ok(Sender::Raw { socket, to })
            }
        }
    }

    fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Sender::Port(tap) => tap.send(packet),
            Sender::Raw { socket, to } => {
                // The port of a raw IPv6 socket's destination must be 0 (ipv6(7)).
                let to = std::net::SocketAddr::new(*to, 0);
                match socket.send_to(packet, &to.into()) {
                    Err(error) if !passing(&error) => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The underlay address of a host: where its tunnels start and end, or would.
#[must_use]
pub fn underlay_address(variant: &Variant, host: &str) -> Option<IpAddr> {
    let node = variant.nodes.iter().find(|n| n.name == host && n.kind == NodeKind::Host)?;
    let own = node.loopback.first().map(ipnet::IpNet::addr);
    own.or_else(|| {
        let ends = variant.links.iter().flat_map(|link| &link.ends);
        ends.filter(|end| end.node == host).find_map(|end| Some(end.addresses.first()?.addr()))
    })
}
