//! What becomes of a broadcast: how many packets it is on each link, and whom it reaches.
//!
//! Every VM of a tenant sends frames that carry a token. Whatever carries the token out of an
//! interface is a copy, wherever it is in the packet, so that no format has to be known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::tenant;
use super::error::MeasureError;
use super::isolation::{Kind, Station, Token, frame};
use super::result::{Spread, is_zero};
use super::tap::Watch;
use super::watched::{Patience, Sighting, Watched};
use crate::plan::{Variant, VmPlan};

/// How long deliveries are awaited, and stray copies when all of these are there.
const PATIENCE: Patience =
    Patience { most: Duration::from_millis(600), grace: Duration::from_millis(60) };
/// Frames of each kind that a VM sends.
const REPEATS: u32 = 2;
/// What is tried.
const KINDS: [Kind; 3] = [Kind::Arp, Kind::Broadcast, Kind::Multicast];

/// What became of one kind of broadcast frames of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BroadcastResult {
    /// Frames sent by VMs.
    pub sent: u64,
    /// Deliveries to VMs on other hosts there would be if each frame reached all of them.
    pub expected: u64,
    /// Deliveries there were.
    pub delivered: u64,
    /// Packets that left the sender's host, for each frame.
    pub copies: Spread,
    /// Packets on all links together, for each frame.
    pub on_links: f64,
    /// Bytes on all links together, for each frame, Ethernet headers included.
    pub bytes_on_links: f64,
    /// Packets for each frame by link: from its first end to its second, and back.
    pub links: BTreeMap<String, [f64; 2]>,
    /// Frames of any kind that came too fast to be looked at; there may have been more deliveries and copies.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// One end of a link.
struct Exit<'v> {
    link: &'v str,
    end: usize,
    node: &'v str,
}

struct Port<'v> {
    vm: &'v VmPlan,
    station: Station,
}

/// One frame that was sent.
struct Sent {
    kind: Kind,
    sender: usize,
    copies: u64,
    packets: u64,
    bytes: u64,
    by_link: BTreeMap<(usize, usize), u64>,
    reached: BTreeSet<usize>,
}

/// Lets every VM of a tenant send broadcast frames of three kinds, by name: `arp` (a question for
/// the address of a VM on another host), `broadcast` and `multicast` (a datagram to all, and to a
/// group).
///
/// # Errors
/// No such tenant, or an interface could not be opened, written or read.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    name: &str,
) -> Result<BTreeMap<String, BroadcastResult>, MeasureError> {
    let vms = tenant(variant, name)?.vms.iter();
    let vms = vms.map(|vm| Ok(Port { vm, station: Station::known(variant, vm)? }));
    let vms: Vec<Port<'_>> = vms.collect::<Result<_, MeasureError>>()?;
    let ends =
        variant.links.iter().flat_map(|link| link.ends.iter().enumerate().map(move |e| (link, e)));
    let at = ends.clone().map(|(_, (_, end))| (&*end.node, &*end.interface, Watch::Both));
    let ports = vms.iter().map(|vm| (&*vm.vm.node, "eth0", Watch::Incoming));
    let mut watched = Watched::open(place, variant, ports.chain(at))?;
    let exits = ends.map(|(link, (end, at))| Exit { link: &link.name, end, node: &at.node });
    let mut trial = Trial { ends: exits.collect(), secret: rand::random(), sent: Vec::new(), vms };
    for _ in 0..REPEATS {
        for sender in 0..trial.vms.len() {
            trial.send_from(&watched, sender)?;
            watched.look(|seen| trial.see(seen))?;
        }
    }
    watched.settle(PATIENCE, &mut trial, Trial::see, Trial::all_delivered)?;
    Ok(trial.result(watched.missed()?))
}

struct Trial<'v> {
    ends: Vec<Exit<'v>>,
    vms: Vec<Port<'v>>,
    secret: [u8; 16],
    sent: Vec<Sent>,
}

impl Trial<'_> {
    /// One frame of each kind from one VM.
    fn send_from(&mut self, watched: &Watched, sender: usize) -> Result<(), MeasureError> {
        let from = &self.vms[sender];
        let Some(aim) = self.vms.iter().find(|vm| vm.vm.host != from.vm.host) else {
            return Ok(());
        };
        for kind in KINDS {
            let number = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
            let token = Token { secret: self.secret, tenant: 0, number };
            let bytes = frame(kind, &from.station, &aim.station, &token);
            watched.send(sender, &bytes, &format!("{} frame", kind.name()))?;
            self.sent.push(Sent {
                kind,
                sender,
                copies: 0,
                packets: 0,
                bytes: 0,
                by_link: BTreeMap::new(),
                reached: BTreeSet::new(),
            });
        }
        Ok(())
    }

    /// VMs on other hosts than the sender's.
    fn others(&self, sender: usize) -> impl Iterator<Item = usize> {
        let host = &self.vms[sender].vm.host;
        (0..self.vms.len()).filter(move |at| self.vms[*at].vm.host != *host)
    }

    /// Takes in a packet: VMs' ports come first, then ends of links.
    fn see(&mut self, seen: &Sighting<'_>) {
        let token = Token::find(seen.packet).filter(|token| token.secret == self.secret);
        let number = token.and_then(|token| usize::try_from(token.number).ok());
        let Some(sent) = number.and_then(|number| self.sent.get_mut(number)) else { return };
        let from = &self.vms[sent.sender].vm.host;
        match seen.at.checked_sub(self.vms.len()) {
            None => {
                if self.vms[seen.at].vm.host != *from {
                    sent.reached.insert(seen.at);
                }
            }
            Some(at) if seen.outgoing => {
                let end = &self.ends[at];
                sent.packets += 1;
                sent.bytes += seen.packet.len() as u64;
                sent.copies += u64::from(from == end.node);
                *sent.by_link.entry((at, end.end)).or_default() += 1;
            }
            Some(_) => {}
        }
    }

    fn all_delivered(&self) -> bool {
        self.sent.iter().all(|sent| sent.reached.len() == self.others(sent.sender).count())
    }

    fn result(&self, missed: u64) -> BTreeMap<String, BroadcastResult> {
        let of = |kind: Kind| {
            let frames: Vec<&Sent> = self.sent.iter().filter(|sent| sent.kind == kind).collect();
            let count = frames.len().max(1);
            let each = |sum: u64| real(sum) / real(count as u64);
            let mut links: BTreeMap<String, [f64; 2]> = BTreeMap::new();
            for ((at, end), packets) in frames.iter().flat_map(|sent| &sent.by_link) {
                let link = links.entry(self.ends[*at].link.to_owned()).or_default();
                link[*end] += each(*packets);
            }
            BroadcastResult {
                sent: frames.len() as u64,
                expected: frames.iter().map(|s| self.others(s.sender).count() as u64).sum(),
                delivered: frames.iter().map(|sent| sent.reached.len() as u64).sum(),
                copies: Spread::of(frames.iter().map(|sent| real(sent.copies))).unwrap_or_default(),
                on_links: each(frames.iter().map(|sent| sent.packets).sum()),
                bytes_on_links: each(frames.iter().map(|sent| sent.bytes).sum()),
                links,
                missed,
            }
        };
        KINDS.into_iter().map(|kind| (kind.name().to_owned(), of(kind))).collect()
    }
}

fn real(count: u64) -> f64 {
    count as f64
}
