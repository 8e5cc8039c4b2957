//! Evidence that tenants are kept apart: frames that cannot be mistaken are sent from every VM
//! towards every other tenant, and every place where they must not appear is watched.

mod classify;
pub(in crate::measure) mod frames;
pub(in crate::measure) mod token;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

pub use classify::network;
use frames::possible;
pub(super) use frames::{Kind, Station, frame};
pub(super) use token::Token;

use super::Place;
use super::error::MeasureError;
use super::result::{IsolationPair, IsolationResult};
use super::tap::Watch;
use super::watched::{Patience, Sighting, Watched};
use crate::lab::Learning;
use crate::plan::{LinkEnd, NodeKind, Variant, VmPlan};

/// Times each kind is tried from each VM towards each other tenant: two tenants of four VMs make
/// 2 x 4 x 5 x 3 = 120 probes, and 24 more where they have IPv6 addresses.
pub const REPEATS: u32 = 3;
/// How long own deliveries are awaited after the last probe, and leaks when all of these are there.
const PATIENCE: Patience =
    Patience { most: Duration::from_secs(1), grace: Duration::from_millis(100) };
/// Lines of evidence kept.
const EVIDENCE: usize = 20;
/// Times in a repeat that all places are looked at.
const LOOKS: usize = 64;

/// A VM, its tenant's place in the variant, and its port.
struct Port<'v> {
    vm: &'v VmPlan,
    tenant: usize,
    station: Station,
}

/// A host's interface towards the fabric.
struct Nic {
    name: String,
    /// The network whose frames have no tag there.
    untagged: Option<u64>,
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
    let ends: Vec<_> = ends(variant).collect();
    let ports = ports(variant, pairs)?;
    let vms = ports.iter().map(|port| (&*port.vm.node, "eth0", Watch::Incoming));
    let nics = ends.iter().map(|(end, _)| (&*end.node, &*end.interface, Watch::Both));
    let mut watched = Watched::open(place, variant, vms.chain(nics))?;
    let mut trial = Trial {
        variant,
        classify,
        secrets: variant.tenants.iter().map(|_| rand::random()).collect(),
        between: pairs,
        ports,
        nics: ends.into_iter().map(|(end, far)| nic(variant, end, far)).collect(),
        probes: Vec::new(),
        delivered: HashSet::new(),
        expected: 0,
        expected_by: vec![0; variant.tenants.len()],
        evidence: Vec::new(),
    };
    for repeat in 0..repeats {
        // Looking everywhere takes longer than sending where there are many places.
        let often = trial.ports.len().div_ceil(LOOKS);
        for sender in 0..trial.ports.len() {
            trial.send_from(sender, repeat, &watched)?;
            if sender % often == 0 {
                watched.look(|seen| trial.see(seen))?;
            }
        }
    }
    let all = |trial: &Trial<'_>| trial.delivered.len() as u64 >= trial.expected;
    watched.settle(PATIENCE, &mut trial, Trial::see, all)?;
    Ok(IsolationResult { missed: watched.missed()?, ..trial.result() })
}

fn ports<'v>(variant: &'v Variant, pairs: &Pairs) -> Result<Vec<Port<'v>>, MeasureError> {
    let watched: BTreeSet<usize> = pairs.pairs.iter().flat_map(|&(from, to)| [from, to]).collect();
    let tenants = watched.iter().filter_map(|&at| Some((at, variant.tenants.get(at)?)));
    let vms = tenants.flat_map(|(tenant, plan)| plan.vms.iter().map(move |vm| (tenant, vm)));
    let port = |(tenant, vm)| Ok(Port { vm, tenant, station: Station::known(variant, vm)? });
    vms.map(port).collect()
}

/// Hosts' ends of links, and the far ends.
fn ends(variant: &Variant) -> impl Iterator<Item = (&LinkEnd, &LinkEnd)> {
    let is_host = |name: &str| {
        variant.nodes.iter().any(|node| node.name == name && node.kind == NodeKind::Host)
    };
    let ends = variant.links.iter().flat_map(|link| {
        let [a, b] = &link.ends;
        [(a, b), (b, a)]
    });
    ends.filter(move |(end, _)| is_host(&end.node))
}

fn nic(variant: &Variant, end: &LinkEnd, far: &LinkEnd) -> Nic {
    // As the switch's port has it, whether the host has VMs or not.
    let untagged = far.vlans.as_ref().and_then(|vlans| vlans.untagged).map(u64::from);
    Nic { name: format!("{} {}", variant.namespace(&end.node), end.interface), untagged }
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
}

impl Trial<'_> {
    /// Sends one probe of each kind from one VM towards each other tenant.
    fn send_from(
        &mut self,
        sender: usize,
        repeat: u32,
        watched: &Watched,
    ) -> Result<(), MeasureError> {
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
                watched.send(sender, &bytes, &format!("{} probe", kind.name()))?;
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

    /// Takes in a packet: VMs' ports come first, then hosts' interfaces.
    fn see(&mut self, seen: &Sighting<'_>) {
        match seen.at.checked_sub(self.ports.len()) {
            None => self.at_port(seen.at, seen.packet),
            Some(nic) => self.at_nic(nic, seen.packet),
        }
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
            missed: 0,
        }
    }
}
