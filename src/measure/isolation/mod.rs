//! Evidence that tenants are kept apart: frames that cannot be mistaken are sent from every VM
//! towards every other tenant, and every place where they must not appear is watched.

mod classify;
pub(in crate::measure) mod frames;
pub(in crate::measure) mod token;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub use classify::network;
use frames::possible;
pub(super) use frames::{Kind, Station, frame};
pub(super) use token::Token;

use super::Place;
use super::ends::wait;
use super::error::{MeasureError, within};
use super::result::{IsolationPair, IsolationResult};
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::lab::Learning;
use crate::plan::{NodeKind, Variant, VmPlan};

/// Times each kind is tried from each VM towards each other tenant: two tenants of four VMs make
/// 2 x 4 x 5 x 3 = 120 probes, and 24 more where they have IPv6 addresses.
pub const REPEATS: u32 = 3;
/// How long own deliveries are awaited after the last probe.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long leaks are still awaited when all own deliveries are there.
const GRACE: Duration = Duration::from_millis(100);
/// Lines of evidence kept.
const EVIDENCE: usize = 20;
/// Times in a repeat that all places are looked at.
const LOOKS: usize = 64;
/// Bytes of frames that may wait to be read at each place.
const ROOM: usize = 2 << 20;

/// A VM, its tenant's place in the variant, and its port.
struct Port<'v> {
    vm: &'v VmPlan,
    tenant: usize,
    station: Station,
    tap: Tap,
}

/// A host's interface towards the fabric.
struct Nic {
    name: String,
    /// The network whose frames have no tag there.
    untagged: Option<u64>,
    tap: Tap,
}

/// One probe frame: where it came from and what became of it.
struct Probe {
    from: usize,
    to: usize,
    kind: Kind,
    sender: usize,
    /// Destination MAC of a unicast probe.
    aim: [u8; 6],
    leaked: bool,
    /// VMs of its own tenant that must receive it.
    own: u64,
}

/// Ordered pairs of tenants, by their places in the variant, that leaks are tried between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// `(from, watched)`.
    pub pairs: BTreeSet<(usize, usize)>,
    /// How many there are in all.
    pub of: u64,
}

impl Pairs {
    /// All of a variant.
    #[must_use]
    pub fn all(variant: &Variant) -> Pairs {
        let all = 0..variant.tenants.len();
        let pairs = all.clone().flat_map(|from| all.clone().map(move |to| (from, to)));
        let pairs: BTreeSet<_> = pairs.filter(|(from, to)| from != to).collect();
        Pairs { of: pairs.len() as u64, pairs }
    }
}

/// Sends `repeats` probes of every kind from every VM towards every other tenant, as far as `pairs` has
/// them, and watches the `eth0` of the VMs of all tenants in `pairs` and the fabric interfaces of all hosts.
///
/// A probe is a leak when a VM of another tenant receives it, or when it crosses a host's
/// interface in any other network than its tenant's: `classify` gives the network of a packet
/// there ([`network`] for the variant's own encapsulation), and bare is no network. The control is
/// what the own tenant receives: its VM of the same MAC for unicast, all its other VMs otherwise
/// (nothing but unicast where the encapsulation carries no Ethernet frames).
///
/// # Errors
/// A port could not be opened, written or read. Fewer than two tenants are no error: no probes.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    repeats: u32,
    pairs: &Pairs,
    classify: &dyn Fn(&[u8]) -> Option<u64>,
) -> Result<IsolationResult, MeasureError> {
    if pairs.pairs.is_empty() {
        return Ok(IsolationResult::default());
    }
    let mut trial = Trial {
        variant,
        classify,
        secrets: variant.tenants.iter().map(|_| rand::random()).collect(),
        between: pairs,
        ports: ports(place, variant, pairs)?,
        nics: nics(place, variant)?,
        probes: Vec::new(),
        delivered: HashSet::new(),
        expected: 0,
        expected_by: vec![0; variant.tenants.len()],
        evidence: Vec::new(),
        buffer: vec![0; BUFFER],
        segmenter: Segmenter::default(),
    };
    for repeat in 0..repeats {
        // Looking everywhere takes longer than sending where there are many places.
        let often = trial.ports.len().div_ceil(LOOKS);
        for sender in 0..trial.ports.len() {
            trial.send_from(sender, repeat)?;
            if sender % often == 0 {
                trial.look().map_err(MeasureError::system("watch for probes"))?;
            }
        }
    }
    trial.settle().map_err(MeasureError::system("watch for probes"))?;
    Ok(trial.result())
}

fn ports<'v>(
    place: &impl Place,
    variant: &'v Variant,
    pairs: &Pairs,
) -> Result<Vec<Port<'v>>, MeasureError> {
    let watched: BTreeSet<usize> = pairs.pairs.iter().flat_map(|&(from, to)| [from, to]).collect();
    let mut ports = Vec::new();
    for (tenant, plan) in watched.iter().filter_map(|&at| Some((at, variant.tenants.get(at)?))) {
        for vm in &plan.vms {
            let namespace = variant.namespace(&vm.node);
            let tap = within(place, &namespace, "watch `eth0`", || {
                Tap::open("eth0", Watch::Incoming, ROOM)
            })?;
            let station = Station::of(vm).ok_or_else(|| MeasureError::Namespace {
                operation: format!("read the MAC `{}`", vm.mac),
                namespace,
                source: io::ErrorKind::InvalidInput.into(),
            })?;
            ports.push(Port { vm, tenant, station, tap });
        }
    }
    Ok(ports)
}

fn nics(place: &impl Place, variant: &Variant) -> Result<Vec<Nic>, MeasureError> {
    let is_host = |name: &str| {
        variant.nodes.iter().any(|node| node.name == name && node.kind == NodeKind::Host)
    };
    let ends = variant.links.iter().flat_map(|link| {
        let [a, b] = &link.ends;
        [(a, b), (b, a)]
    });
    ends.filter(|(end, _)| is_host(&end.node))
        .map(|(end, far)| {
            let namespace = variant.namespace(&end.node);
            let operation = format!("watch `{}`", end.interface);
            let tap = within(place, &namespace, &operation, || {
                Tap::open(&end.interface, Watch::Both, ROOM)
            })?;
            // As the switch's port has it, whether the host has VMs or not.
            let untagged = far.vlans.as_ref().and_then(|vlans| vlans.untagged).map(u64::from);
            Ok(Nic { name: format!("{namespace} {}", end.interface), untagged, tap })
        })
        .collect()
}

struct Trial<'v> {
    variant: &'v Variant,
    classify: &'v dyn Fn(&[u8]) -> Option<u64>,
    between: &'v Pairs,
    secrets: Vec<[u8; 16]>,
    ports: Vec<Port<'v>>,
    nics: Vec<Nic>,
    probes: Vec<Probe>,
    /// Own deliveries: probe and port.
    delivered: HashSet<(u32, usize)>,
    expected: u64,
    /// Own deliveries expected, by tenant.
    expected_by: Vec<u64>,
    evidence: Vec<String>,
    buffer: Vec<u8>,
    segmenter: Segmenter,
}

impl Trial<'_> {
    /// Sends one probe of each kind from one VM towards each other tenant.
    fn send_from(&mut self, sender: usize, repeat: u32) -> Result<(), MeasureError> {
        let Some(port) = self.ports.get(sender) else { return Ok(()) };
        let repeat = usize::try_from(repeat).unwrap_or(0);
        let between = self.between.pairs.range((port.tenant, 0)..=(port.tenant, usize::MAX));
        for to in between.map(|(_, to)| *to) {
            // Another aim each time, but never the sender's own address where tenants share theirs.
            let aims: Vec<_> = self
                .ports
                .iter()
                .filter(|aim| aim.tenant == to && aim.station.mac != port.station.mac)
                .chain(self.ports.iter().filter(|aim| aim.tenant == to))
                .collect();
            let distinct = aims.len().saturating_sub(self.variant.tenants[to].vms.len()).max(1);
            let Some(aim) = aims.get((sender + repeat) % distinct).map(|aim| aim.station) else {
                continue;
            };
            for kind in Kind::ALL.into_iter().filter(|kind| possible(*kind, &port.station, &aim)) {
                let number = u32::try_from(self.probes.len()).unwrap_or(u32::MAX);
                let tenant = u16::try_from(port.tenant).unwrap_or(u16::MAX);
                let token = Token { secret: self.secrets[port.tenant], tenant, number };
                let bytes = frame(kind, &port.station, &aim, &token);
                port.tap.send(&bytes).map_err(|source| MeasureError::Namespace {
                    operation: format!("send a {} probe", kind.name()),
                    namespace: self.variant.namespace(&port.vm.node),
                    source,
                })?;
                let from = port.tenant;
                let probe = Probe { from, to, kind, sender, aim: aim.mac, leaked: false, own: 0 };
                let own = (0..self.ports.len()).filter(|at| self.expects(&probe, *at)).count();
                let own = own as u64;
                self.expected += own;
                self.expected_by[from] += own;
                self.probes.push(Probe { own, ..probe });
            }
        }
        Ok(())
    }

    /// Whether the VM at port `at` is of the probe's own tenant and must receive it.
    fn expects(&self, probe: &Probe, at: usize) -> bool {
        self.ports.get(at).is_some_and(|port| {
            port.tenant == probe.from
                && at != probe.sender
                && match probe.kind {
                    Kind::Unicast => port.station.mac == probe.aim,
                    // Where tables are given nothing is flooded, and questions are answered at the edge.
                    Kind::Unknown | Kind::Arp | Kind::Nd
                        if self.variant.learning == Learning::Static =>
                    {
                        false
                    }
                    _ => self.variant.encap.carries_ethernet(),
                }
        })
    }

    /// Takes in what has arrived anywhere.
    fn look(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut segmenter = std::mem::take(&mut self.segmenter);
        for at in 0..self.ports.len() {
            while let Some(frame) = self.ports[at].tap.next(&mut buffer)? {
                segmenter.each(&frame, |packet| self.at_port(at, packet));
            }
        }
        for at in 0..self.nics.len() {
            while let Some(frame) = self.nics[at].tap.next(&mut buffer)? {
                segmenter.each(&frame, |packet| self.at_nic(at, packet));
            }
        }
        self.buffer = buffer;
        self.segmenter = segmenter;
        Ok(())
    }

    /// Waits for what is still on its way.
    fn settle(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut end = deadline;
        while Instant::now() < end {
            let taps = self.ports.iter().map(|port| &port.tap);
            let taps: Vec<_> =
                taps.chain(self.nics.iter().map(|nic| &nic.tap)).map(Tap::as_fd).collect();
            wait(&taps, end)?;
            self.look()?;
            if end == deadline && self.delivered.len() as u64 >= self.expected {
                end = deadline.min(Instant::now() + GRACE);
            }
        }
        Ok(())
    }

    /// The token in `packet`, if it is one of this run.
    fn token(&self, packet: &[u8]) -> Option<Token> {
        let token = Token::find(packet)?;
        let secret = self.secrets.get(usize::from(token.tenant))?;
        (*secret == token.secret).then_some(token)
    }

    fn at_port(&mut self, at: usize, packet: &[u8]) {
        let Some(token) = self.token(packet) else { return };
        let Some(port) = self.ports.get(at) else { return };
        if port.tenant == usize::from(token.tenant) {
            let probe = self.probes.get(token.number as usize);
            if probe.is_some_and(|probe| self.expects(probe, at)) {
                self.delivered.insert((token.number, at));
            }
            return;
        }
        let place = self.variant.namespace(&port.vm.node);
        self.leak(token, &format!("received by `{place}`"));
    }

    fn at_nic(&mut self, at: usize, packet: &[u8]) {
        let Some(token) = self.token(packet) else { return };
        let bare = self.nics.get(at).and_then(|nic| nic.untagged);
        let network = (self.classify)(packet).or(bare);
        let own = self.variant.tenants.get(usize::from(token.tenant)).map(|tenant| tenant.id);
        if network.is_some() && network == own {
            return;
        }
        let Some(nic) = self.nics.get(at) else { return };
        let how = match network {
            None => format!("bare on `{}`", nic.name),
            Some(id) => format!("in network {id} on `{}`", nic.name),
        };
        self.leak(token, &how);
    }

    fn leak(&mut self, token: Token, how: &str) {
        let Some(probe) = self.probes.get_mut(token.number as usize) else { return };
        let first = !probe.leaked;
        probe.leaked = true;
        if first && self.evidence.len() < EVIDENCE {
            let name = |tenant: usize| {
                self.variant.tenants.get(tenant).map_or("?", |tenant| tenant.name.as_str())
            };
            self.evidence.push(format!(
                "{} probe {} of `{}` towards `{}`: {how}",
                probe.kind.name(),
                token.number,
                name(probe.from),
                name(probe.to),
            ));
        }
    }

    fn result(self) -> IsolationResult {
        let name = |tenant: usize| self.variant.tenants[tenant].name.clone();
        let mut arrived: BTreeMap<u32, u64> = BTreeMap::new();
        for (number, _) in &self.delivered {
            *arrived.entry(*number).or_default() += 1;
        }
        let mut counts: BTreeMap<(usize, usize, Kind), IsolationPair> = BTreeMap::new();
        for (number, probe) in (0..).zip(&self.probes) {
            let of = counts.entry((probe.from, probe.to, probe.kind)).or_default();
            of.probes += 1;
            of.leaks += u64::from(probe.leaked);
            of.own_expected += probe.own;
            of.own_delivered += arrived.get(&number).copied().unwrap_or_default();
        }
        let pairs = counts
            .into_iter()
            .map(|((from, to, kind), counts)| IsolationPair {
                from: name(from),
                to: name(to),
                kind: kind.name().to_owned(),
                ..counts
            })
            .collect();
        let mut own: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (tenant, expected) in self.expected_by.iter().enumerate() {
            own.insert(name(tenant), (0, *expected));
        }
        for (number, _) in &self.delivered {
            let from = self.probes.get(*number as usize).map(|probe| name(probe.from));
            if let Some((delivered, _)) = from.and_then(|from| own.get_mut(&from)) {
                *delivered += 1;
            }
        }
        IsolationResult {
            own,
            tenant_pairs: self.between.pairs.len() as u64,
            tenant_pairs_of: self.between.of,
            probes: self.probes.len() as u64,
            leaks: self.probes.iter().filter(|probe| probe.leaked).count() as u64,
            expected_own: self.expected,
            delivered_own: self.delivered.len() as u64,
            pairs,
            evidence: self.evidence,
        }
    }
}
