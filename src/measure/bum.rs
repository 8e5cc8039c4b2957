//! What becomes of a broadcast: how many packets it is on each link, and whom it reaches.
//!
//! Every VM of a tenant sends frames that carry a token. Whatever carries the token out of an
//! interface is a copy, wherever it is in the packet, so that no format has to be known.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::{tenant, wait};
use super::error::{MeasureError, within};
use super::isolation::{Kind, Station, Token, frame};
use super::result::Spread;
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{Variant, VmPlan};

/// How long deliveries are awaited.
const PATIENCE: Duration = Duration::from_millis(600);
/// How long stray copies are still awaited when all deliveries are there.
const GRACE: Duration = Duration::from_millis(60);
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 1 << 20;
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
}

/// Packets and bytes out of one end of a link.
struct Exit<'v> {
    link: &'v str,
    end: usize,
    node: &'v str,
    tap: Tap,
}

struct Port<'v> {
    vm: &'v VmPlan,
    station: Station,
    tap: Tap,
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
    let vms = vms(place, variant, &tenant(variant, name)?.vms)?;
    let mut trial = Trial {
        ends: ends(place, variant)?,
        secret: rand::random(),
        sent: Vec::new(),
        buffer: vec![0; BUFFER],
        segmenter: Segmenter::default(),
        vms,
    };
    for _ in 0..REPEATS {
        for sender in 0..trial.vms.len() {
            trial.send_from(variant, sender)?;
            trial.look().map_err(MeasureError::system("watch for broadcasts"))?;
        }
    }
    trial.settle().map_err(MeasureError::system("watch for broadcasts"))?;
    Ok(trial.result())
}

fn vms<'v>(
    place: &impl Place,
    variant: &Variant,
    plans: &'v [VmPlan],
) -> Result<Vec<Port<'v>>, MeasureError> {
    plans
        .iter()
        .map(|vm| {
            let namespace = variant.namespace(&vm.node);
            let open = || Tap::open("eth0", Watch::Incoming, ROOM);
            let tap = within(place, &namespace, "watch `eth0`", open)?;
            let station = Station::of(vm).ok_or_else(|| MeasureError::Namespace {
                operation: format!("read the MAC `{}`", vm.mac),
                namespace,
                source: io::ErrorKind::InvalidInput.into(),
            })?;
            Ok(Port { vm, station, tap })
        })
        .collect()
}

fn ends<'v>(place: &impl Place, variant: &'v Variant) -> Result<Vec<Exit<'v>>, MeasureError> {
    let all =
        variant.links.iter().flat_map(|link| link.ends.iter().enumerate().map(move |e| (link, e)));
    all.map(|(link, (end, at))| {
        let operation = format!("watch `{}`", at.interface);
        let tap = within(place, &variant.namespace(&at.node), &operation, || {
            Tap::open(&at.interface, Watch::Both, ROOM)
        })?;
        Ok(Exit { link: &link.name, end, node: &at.node, tap })
    })
    .collect()
}

struct Trial<'v> {
    ends: Vec<Exit<'v>>,
    vms: Vec<Port<'v>>,
    secret: [u8; 16],
    sent: Vec<Sent>,
    buffer: Vec<u8>,
    segmenter: Segmenter,
}

impl Trial<'_> {
    /// One frame of each kind from one VM.
    fn send_from(&mut self, variant: &Variant, sender: usize) -> Result<(), MeasureError> {
        let from = &self.vms[sender];
        let Some(aim) = self.vms.iter().find(|vm| vm.vm.host != from.vm.host) else {
            return Ok(());
        };
        for kind in KINDS {
            let number = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
            let token = Token { secret: self.secret, tenant: 0, number };
            let bytes = frame(kind, &from.station, &aim.station, &token);
            from.tap.send(&bytes).map_err(|source| MeasureError::Namespace {
                operation: format!("send a {} frame", kind.name()),
                namespace: variant.namespace(&from.vm.node),
                source,
            })?;
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

    /// Takes in what has arrived anywhere.
    fn look(&mut self) -> io::Result<()> {
        let secret = self.secret;
        let number = |packet: &[u8]| {
            let token = Token::find(packet).filter(|token| token.secret == secret)?;
            usize::try_from(token.number).ok()
        };
        for at in 0..self.vms.len() {
            while let Some(frame) = self.vms[at].tap.next(&mut self.buffer)? {
                let vms = &self.vms;
                let sent = &mut self.sent;
                self.segmenter.each(&frame, |packet| {
                    if let Some(sent) = number(packet).and_then(|n| sent.get_mut(n))
                        && vms[sent.sender].vm.host != vms[at].vm.host
                    {
                        sent.reached.insert(at);
                    }
                });
            }
        }
        for at in 0..self.ends.len() {
            while let Some(frame) = self.ends[at].tap.next(&mut self.buffer)? {
                if !frame.outgoing {
                    continue;
                }
                let (end, vms, all) = (&self.ends[at], &self.vms, &mut self.sent);
                self.segmenter.each(&frame, |packet| {
                    let Some(sent) = number(packet).and_then(|n| all.get_mut(n)) else { return };
                    sent.packets += 1;
                    sent.bytes += packet.len() as u64;
                    sent.copies += u64::from(vms[sent.sender].vm.host == end.node);
                    *sent.by_link.entry((at, end.end)).or_default() += 1;
                });
            }
        }
        Ok(())
    }

    /// Waits for what is still on its way.
    fn settle(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut end = deadline;
        while Instant::now() < end {
            let taps = self.vms.iter().map(|vm| vm.tap.as_fd());
            let taps: Vec<_> = taps.chain(self.ends.iter().map(|end| end.tap.as_fd())).collect();
            wait(&taps, end)?;
            self.look()?;
            let all = |sent: &Sent| sent.reached.len() == self.others(sent.sender).count();
            if end == deadline && self.sent.iter().all(all) {
                end = deadline.min(Instant::now() + GRACE);
            }
        }
        Ok(())
    }

    fn result(&self) -> BTreeMap<String, BroadcastResult> {
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
            }
        };
        KINDS.into_iter().map(|kind| (kind.name().to_owned(), of(kind))).collect()
    }
}

fn real(count: u64) -> f64 {
    count as f64
}
