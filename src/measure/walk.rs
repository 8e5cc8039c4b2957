//! The first packet between two VMs, replayed from a capture: who is asked, who learns what, and
//! where the answer and the packet go (RFC 7348 sections 4.1 and 4.2).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::{passing, receive, tenant, udp, wait};
use super::error::{MeasureError, within};
use super::isolation::network;
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::lab::Learning;
use crate::plan::{Edge, EdgeNetwork, Variant, VmPlan};

/// How long the packet may take: address resolution asks three times, a second apart.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long what belongs to it may follow.
const GRACE: Duration = Duration::from_millis(60);
/// Bytes of frames that may wait to be read.
const ROOM: usize = 1 << 20;

/// One walk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WalkResult {
    /// `tenant/vm` that sent.
    pub from: String,
    /// `tenant/vm` that answered.
    pub to: String,
    /// Step by step.
    pub steps: Vec<WalkStep>,
}

/// One step: what happens, what theory says of it, and what was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WalkStep {
    /// What happens, in words.
    pub what: String,
    /// What theory says.
    pub theory: String,
    /// What was seen in the capture, or in the host's table.
    pub seen: String,
}

impl WalkStep {
    /// Whether theory and what was seen are the same.
    #[must_use]
    pub fn held(&self) -> bool {
        self.theory == self.seen
    }
}

/// A VM and what its host knows.
#[derive(Clone, Copy)]
struct Side<'v> {
    vm: &'v VmPlan,
    edge: &'v Edge,
    network: &'v EdgeNetwork,
    vtep: IpAddr,
}

/// A packet on the underlay: outer destination and the tenant network it is in.
type Way = (IpAddr, Option<u64>);

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    request: BTreeSet<Way>,
    reply: BTreeSet<Way>,
    data: BTreeSet<Way>,
    arrived: u64,
}

/// Sends the first packet from one VM to another and replays what happens. Nothing must have been
/// sent between them before. `learned` looks into a host's table: host, network and MAC.
///
/// # Errors
/// No such tenant or VM, VMs without a tunnel between them, or a socket could not be opened.
pub fn walk(
    place: &impl Place,
    variant: &Variant,
    ends: [&str; 2],
    learned: &dyn Fn(&str, u64, &str) -> Option<IpAddr>,
) -> Result<WalkResult, MeasureError> {
    let [from, to] = [side(variant, ends[0])?, side(variant, ends[1])?];
    let taps = [from, to]
        .into_iter()
        .map(|side| {
            let open = || Tap::open(&side.edge.nic, Watch::Both, ROOM);
            within(place, &variant.namespace(&side.edge.host), "watch the fabric", open)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let groups = joined(place, variant, [from, to])?;
    let seen = exchange(place, variant, [from, to], &taps)?;
    let at = |address: Option<IpAddr>| address.map_or("not known".into(), |a| format!("at {a}"));
    let lookup = |at: Side<'_>, of: Side<'_>| learned(&at.edge.host, at.network.id, &of.vm.mac);
    let [a, b] = [&from, &to].map(|side| (&side.vm.name, &side.edge.host));
    let mut steps = Vec::new();
    let mut step = |what: String, theory: String, seen: String| {
        steps.push(WalkStep { what, theory, seen });
    };
    let fixed = variant.learning == Learning::Static;
    if let Some(group) = from.network.group {
        let all = format!("{}, {}", a.1, b.1);
        step(format!("hosts join {group}"), all, groups);
    }
    let asked = match (variant.learning, from.network.group) {
        (Learning::Static, _) => BTreeSet::new(),
        (_, Some(group)) => BTreeSet::from([(group, Some(from.network.id))]),
        (_, None) => from.network.peers.iter().map(|p| (*p, Some(from.network.id))).collect(),
    };
    let target = to.vm.address.addr();
    step(
        format!("{} sends the ARP request of {} for {target}", a.1, a.0),
        ways(&asked),
        ways(&seen.request),
    );
    step(format!("{} learns where {} is", b.1, a.0), at(Some(from.vtep)), at(lookup(to, from)));
    let answered = [(from.vtep, Some(to.network.id))];
    let answered = answered.into_iter().filter(|_| !fixed).collect();
    step(format!("{} sends the ARP reply of {}", b.1, b.0), ways(&answered), ways(&seen.reply));
    step(format!("{} learns where {} is", a.1, b.0), at(Some(to.vtep)), at(lookup(from, to)));
    let data = BTreeSet::from([(to.vtep, Some(from.network.id))]);
    step(format!("{} sends the packet of {}", a.1, a.0), ways(&data), ways(&seen.data));
    let arrived = if seen.arrived > 0 { "it arrives" } else { "nothing" };
    step(format!("{} gets the packet", b.0), "it arrives".into(), arrived.into());
    Ok(WalkResult { from: ends[0].to_owned(), to: ends[1].to_owned(), steps })
}

fn side<'v>(variant: &'v Variant, name: &str) -> Result<Side<'v>, MeasureError> {
    let none = || MeasureError::NoTunnel { variant: variant.name.clone(), vm: name.to_owned() };
    let (tenant_name, vm) = name.split_once('/').ok_or_else(none)?;
    let vm = tenant(variant, tenant_name)?.vms.iter().find(|v| v.name == vm).ok_or_else(none)?;
    let edge = variant.edges.iter().find(|edge| edge.host == vm.host).ok_or_else(none)?;
    let network = edge.networks.iter().find(|n| n.tenant == tenant_name).ok_or_else(none)?;
    Ok(Side { vm, edge, network, vtep: edge.vtep.ok_or_else(none)? })
}

/// The hosts of the two that have joined the network's group, by name.
fn joined(
    place: &impl Place,
    variant: &Variant,
    sides: [Side<'_>; 2],
) -> Result<String, MeasureError> {
    let Some(group) = sides[0].network.group else { return Ok(String::new()) };
    // The kernel prints an IPv4 group as a number of its own byte order, and an IPv6 one in full.
    let (file, wanted) = match group {
        IpAddr::V4(group) => ("igmp", format!("{:08X}", u32::from_ne_bytes(group.octets()))),
        IpAddr::V6(group) => ("igmp6", format!("{:032x}", u128::from(group))),
    };
    let mut hosts = Vec::new();
    for side in sides {
        let read = || std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        let namespace = variant.namespace(&side.edge.host);
        let text = within(place, &namespace, "read its groups", read)?;
        if text.split_whitespace().any(|word| word == wanted) {
            hosts.push(side.edge.host.as_str());
        }
    }
    Ok(hosts.join(", "))
}

/// Sends the packet, and takes in what leaves the two hosts until a moment after it arrived.
fn exchange(
    place: &impl Place,
    variant: &Variant,
    [from, to]: [Side<'_>; 2],
    taps: &[Tap],
) -> Result<Seen, MeasureError> {
    let (sender, _) = udp(place, variant, from.vm)?;
    let (receiver, target) = udp(place, variant, to.vm)?;
    let token: [u8; 16] = rand::random();
    let system = |operation: &'static str| MeasureError::system(operation);
    match sender.send_to(&token, &target.into()) {
        Err(error) if !passing(&error) => return Err(system("send a packet")(error)),
        _ => {}
    }
    let requests = [question(from, to), question(to, from)];
    let mut seen = Seen::default();
    let mut buffer = vec![0; BUFFER];
    let mut segmenter = Segmenter::default();
    let mut end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let mut watched: Vec<_> = taps.iter().map(AsFd::as_fd).collect();
        watched.push(receiver.as_fd());
        wait(&watched, end).map_err(system("wait for the packet"))?;
        let mut arrived = [0; 17];
        while let Some(datagram) =
            receive(&receiver, &mut arrived).map_err(system("receive the packet"))?
        {
            if datagram == token {
                seen.arrived += 1;
                end = end.min(Instant::now() + GRACE);
            }
        }
        let mut look = || -> io::Result<()> {
            for tap in taps {
                while let Some(frame) = tap.next(&mut buffer)? {
                    if frame.outgoing {
                        segmenter.each(&frame, |packet| {
                            seen.take(variant, packet, &requests, &token);
                        });
                    }
                }
            }
            Ok(())
        };
        look().map_err(system("watch the fabric"))?;
    }
    Ok(seen)
}

/// What an ARP message from one VM about the other holds: sender's MAC and address, and the
/// target's address (RFC 826), without the operation.
struct Question {
    sender: Vec<u8>,
    target: Vec<u8>,
}

fn question(from: Side<'_>, to: Side<'_>) -> Question {
    let mut sender: Vec<u8> =
        from.vm.mac.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let octets = |vm: &VmPlan| match vm.address.addr() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    sender.extend(octets(from.vm));
    Question { sender, target: octets(to.vm) }
}

impl Question {
    /// Whether a packet carries it with this operation: 1 asks, 2 answers.
    fn is_in(&self, packet: &[u8], operation: u8) -> bool {
        let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, operation];
        let mut places = packet.windows(head.len()).enumerate().filter(|(_, w)| *w == head);
        places.any(|(at, _)| {
            let rest = packet.get(at + head.len()..).unwrap_or_default();
            let target = rest.get(self.sender.len() + 6..).unwrap_or_default();
            rest.starts_with(&self.sender) && target.starts_with(&self.target)
        })
    }
}

impl Seen {
    fn take(&mut self, variant: &Variant, packet: &[u8], arp: &[Question; 2], token: &[u8]) {
        let Some(to) = destination(packet) else { return };
        let way = (to, network(variant, packet));
        if arp[0].is_in(packet, 1) {
            self.request.insert(way);
        } else if arp[1].is_in(packet, 2) {
            self.reply.insert(way);
        } else if packet.windows(token.len()).any(|window| window == token) {
            self.data.insert(way);
        }
    }
}

/// The outer destination of an Ethernet frame.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.get(12..14)? {
        [0x08, 0x00] => {
            let octets: [u8; 4] = *packet.get(30..)?.first_chunk()?;
            Some(Ipv4Addr::from(octets).into())
        }
        [0x86, 0xDD] => {
            let octets: [u8; 16] = *packet.get(38..)?.first_chunk()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// Packets in words: `to 239.0.3.96 in network 864`.
fn ways(ways: &BTreeSet<Way>) -> String {
    let one = |(to, id): &Way| match id {
        Some(id) => format!("to {to} in network {id}"),
        None => format!("to {to} in no network"),
    };
    let all: Vec<String> = ways.iter().map(one).collect();
    if all.is_empty() { "none".into() } else { all.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_found_inside_anything() {
        let question =
            Question { sender: vec![6, 0, 0, 0, 0, 1, 10, 0, 0, 1], target: vec![10, 0, 0, 2] };
        let mut packet = vec![8, 6, 0, 1, 9];
        packet.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        packet.extend(&question.sender);
        packet.extend([0; 6]);
        packet.extend(&question.target);
        assert!(question.is_in(&packet, 1));
        assert!(!question.is_in(&packet, 2));
        let whole = packet.len();
        assert!((0..whole).all(|len| !question.is_in(&packet[..len], 1)));
        packet[whole - 1] = 3;
        assert!(!question.is_in(&packet, 1), "for another address");
    }

    #[test]
    fn steps_hold_where_theory_was_seen() {
        let group = IpAddr::from([239, 0, 3, 96]);
        let theory = ways(&BTreeSet::from([(group, Some(864))]));
        assert_eq!(theory, "to 239.0.3.96 in network 864");
        let seen = ways(&BTreeSet::new());
        assert_eq!(seen, "none");
        assert!(!WalkStep { what: String::new(), theory, seen }.held());
    }
}
