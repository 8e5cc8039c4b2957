//! The whole way in: from an outer Ethernet frame to what a tenant gets, or the reason it gets
//! nothing.
//!
//! The datapath splits this work between the kernel's sockets, the engines and the virtual
//! switch; here it is in one place, for taking captures apart and for holding the engines against
//! packets that others made. The order of the checks: outer Ethernet; outer IP with its header
//! checksum and its length, which cuts off link padding; fragments put together; outer addresses;
//! UDP or TCP length and checksum; tunnel header; network id; inner header; ECN; loops.

mod config;
mod egress;
mod outer;
mod ssh;

use std::net::IpAddr;
use std::time::Duration;

pub use config::{Config, Contested, Protocol};
pub use ssh::receive_ssh;

use self::outer::{Carried, Underlay};
use super::gre::is_keepalive;
use super::{Decap, DropReason, Engine, InnerKind, Outer, Sequence, stt};
use crate::wire::ethernet::{self, Mac};
use crate::wire::{stp, vlan};

/// What was carried, and what the tenant gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The tenant network's id; 0 where the encapsulation has none.
    pub network: u64,
    /// What it is.
    pub kind: InnerKind,
    /// The bytes exactly as carried.
    pub carried: Vec<u8>,
    /// After the work of the egress: ECN, checksum, tag, padding cut off.
    pub delivered: Vec<u8>,
    /// The packets that a super-frame stands for; empty where it is none.
    pub packets: Vec<Vec<u8>>,
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken out of its tunnel and delivered.
    Decap(Delivered),
    /// Dropped.
    Drop(DropReason),
    /// Handled here, never delivered as data: a BPDU, a keepalive's answer, a control packet.
    Consume,
    /// The standard leaves it to the receiver's settings: a cautious one drops it for this reason,
    /// a lenient one delivers this.
    Policy(DropReason, Delivered),
    /// A keepalive that goes back as it came out of the tunnel.
    Reflect(Delivered),
    /// A message that opens or confirms a tunnel.
    Open,
    /// Kept until the rest of its frame or datagram comes.
    Pending,
}

impl Verdict {
    /// The name in `dissect`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Decap(_) => "decap",
            Verdict::Drop(_) => "drop",
            Verdict::Consume => "consume",
            Verdict::Policy(..) => "policy",
            Verdict::Reflect(_) => "reflect",
            Verdict::Open => "open",
            Verdict::Pending => "pending",
        }
    }
}

/// Two engines of one protocol that differ where receivers may.
#[derive(Debug)]
struct Engines {
    lenient: Box<dyn Engine>,
    cautious: Box<dyn Engine>,
}

/// One receiver with its settings and its memory.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    engines: Engines,
    underlay: Underlay,
    segments: stt::Receiver,
    sequence: Sequence,
}

impl Receiver {
    /// A receiver that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let engines = config.engines();
        let segments = stt::Receiver::new(config.port(), config.limits);
        let underlay = Underlay::new(config.limits);
        let sequence = Sequence::default();
        Receiver { config, engines, underlay, segments, sequence }
    }

    /// Takes one outer Ethernet frame without FCS; `now` is the time since any fixed start.
    pub fn receive(&mut self, now: Duration, frame: &[u8]) -> Verdict {
        let verdict = match self.config.protocol {
            Protocol::Stp => bridge_control(frame),
            Protocol::Vlan | Protocol::Qinq => self.tagged(frame),
            Protocol::Ssh => Err(DropReason::UnknownProtocol),
            _ => self.tunnelled(now, frame),
        };
        match (verdict.unwrap_or_else(Verdict::Drop), self.config.contested) {
            (Verdict::Drop(DropReason::Control), _) => Verdict::Consume,
            (Verdict::Policy(_, delivered), Contested::Accept) => Verdict::Decap(delivered),
            (Verdict::Policy(reason, _), Contested::Drop) => Verdict::Drop(reason),
            (verdict, _) => verdict,
        }
    }

    /// Takes tags off a frame.
    fn tagged(&self, frame: &[u8]) -> Result<Verdict, DropReason> {
        let header = ethernet::Header::parse(frame)?;
        if header.dst.is_bridge_reserved() {
            return bridge_control(frame);
        }
        let tail = frame.get(vlan::OFFSET..).ok_or(DropReason::Truncated)?;
        let outer = Outer { source: std::net::Ipv4Addr::UNSPECIFIED.into(), tos: 0 };
        let (decap, doubt) = self.decap(tail, &outer)?;
        self.check_network(decap.network)?;
        let rest = tail.get(decap.offset..).ok_or(DropReason::Truncated)?;
        let front = frame.get(..vlan::OFFSET).ok_or(DropReason::Truncated)?;
        let carried = [front, rest].concat();
        ethernet::Header::parse(&carried)?;
        let delivered = carried.clone();
        let (network, kind) = (decap.network, decap.kind);
        let delivered = Delivered { network, kind, carried, delivered, packets: Vec::new() };
        Ok(judged(delivered, doubt))
    }

    /// Takes a frame out of an IP tunnel.
    fn tunnelled(&mut self, now: Duration, frame: &[u8]) -> Result<Verdict, DropReason> {
        let transport = self.engines.lenient.transport();
        let Some(packet) = self.underlay.receive(&self.config, now, frame)? else {
            return Ok(Verdict::Pending);
        };
        let outer = Outer { source: packet.src, tos: packet.tos };
        let (payload, outer, mut doubt) = match packet.transport(transport, &self.config)? {
            Carried::Payload(payload) => (payload.to_vec(), outer, None),
            Carried::Segment(segment) => {
                let addresses = (packet.src, packet.dst);
                let odd = odd_segment(addresses, packet.tos, segment, self.segments.port);
                match self.segments.push(now, addresses, packet.tos, segment)? {
                    None => return Ok(Verdict::Pending),
                    Some(whole) => {
                        let outer = Outer { tos: whole.tos, ..outer };
                        (whole.bytes.into_owned(), outer, odd)
                    }
                }
            }
        };
        let (decap, doubtful) = self.decap(&payload, &outer)?;
        doubt = doubt.or(doubtful);
        self.check_network(decap.network)?;
        self.check_sequence(&payload, outer.source)?;
        let delivered =
            egress::finish(&*self.engines.lenient, &payload, &decap, &outer, &self.config)?;
        if decap.kind == InnerKind::Ipv4 && is_keepalive(&delivered.delivered) {
            return Ok(Verdict::Reflect(delivered));
        }
        doubt = doubt.or(self.check_source(&delivered)?);
        Ok(judged(delivered, doubt))
    }

    /// Decapsulates leniently; tells why a cautious receiver would not have.
    fn decap(
        &self,
        payload: &[u8],
        outer: &Outer,
    ) -> Result<(Decap, Option<DropReason>), DropReason> {
        let decap = self.engines.lenient.decap(payload, outer)?;
        Ok((decap, self.engines.cautious.decap(payload, outer).err()))
    }

    fn check_network(&self, network: u64) -> Result<(), DropReason> {
        let known = self.config.networks.is_empty() || self.config.networks.contains(&network);
        if known { Ok(()) } else { Err(DropReason::UnknownNetwork) }
    }

    /// Enforces GRE's sequence, once the packet is known to be for us.
    fn check_sequence(&self, payload: &[u8], source: IpAddr) -> Result<(), DropReason> {
        if !matches!(self.config.protocol, Protocol::Gre | Protocol::Gretap) {
            return Ok(());
        }
        let header = crate::wire::gre::Header::parse(payload)?;
        match header.sequence {
            Some(number) => self.sequence.check(source, header.key.unwrap_or(0), number),
            None => Ok(()),
        }
    }

    /// Drops our own frames that came back; doubts sources that nobody can have.
    fn check_source(&self, packet: &Delivered) -> Result<Option<DropReason>, DropReason> {
        if packet.kind != InnerKind::Ethernet {
            return Ok(None);
        }
        let source = ethernet::Header::parse(&packet.delivered)?.src;
        if self.config.own_macs.contains(&source) {
            return Err(DropReason::BadSource);
        }
        let impossible = source.is_group() || source == Mac::ZERO;
        Ok(impossible.then_some(DropReason::BadSource))
    }
}

/// The verdict on what could be delivered, with or without a doubt.
fn judged(delivered: Delivered, doubt: Option<DropReason>) -> Verdict {
    match doubt {
        None => Verdict::Decap(delivered),
        Some(reason) => Verdict::Policy(reason, delivered),
    }
}

/// Why a strict STT receiver would drop a segment that a lenient one takes.
fn odd_segment(
    addresses: (IpAddr, IpAddr),
    tos: u8,
    segment: &[u8],
    port: u16,
) -> Option<DropReason> {
    let mut strict = stt::Receiver::new(port, super::Limits::default());
    strict.strict = true;
    strict.push(Duration::ZERO, addresses, tos, segment).err()
}

/// What a bridge does with a frame to an address that bridges keep to themselves.
fn bridge_control(frame: &[u8]) -> Result<Verdict, DropReason> {
    let header = ethernet::Header::parse(frame)?;
    if header.dst == stp::GROUP {
        stp::Bpdu::parse(frame)?;
        return Ok(Verdict::Consume);
    }
    if !header.dst.is_bridge_reserved() {
        return Err(DropReason::UnknownProtocol);
    }
    let (carried, delivered, packets) = (frame.to_vec(), frame.to_vec(), Vec::new());
    let kind = InnerKind::Ethernet;
    let frame = Delivered { network: 0, kind, carried, delivered, packets };
    Ok(Verdict::Policy(DropReason::Reserved, frame))
}
