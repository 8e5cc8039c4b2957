//! What all attacks share: who attacks whom, one volley of forged packets, and its evidence.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::ids::Encap;
use crate::lab::{Attack, Cast, Checksum, Fabric};
use crate::measure::attack::{From, Gun, Lookout, Seen, Spot};
use crate::measure::probe::{Marked, underlay_address};
use crate::measure::result::{AttackResult, Evidence};
use crate::measure::since;
use crate::plan::{LinkEnd, NodeKind, TenantPlan, Variant, VmPlan};
use crate::runner::RunError;
use crate::runner::anatomy::anatomy;
use crate::testbed::{Recipe, Testbed, craft, host_tags, tagged};

/// Why nothing came of an attack.
pub(super) enum Untried {
    /// It makes no sense here.
    NotHere(String),
    /// It could not be carried out.
    Failed(RunError),
}

impl<E: Into<RunError>> std::convert::From<E> for Untried {
    fn from(error: E) -> Untried {
        Untried::Failed(error.into())
    }
}

/// What came of an attack, or something that it needs.
pub(super) type Tried<T = AttackResult> = Result<T, Untried>;

/// It makes no sense here, and why.
pub(super) fn not_here<T>(why: impl Into<String>) -> Tried<T> {
    Err(Untried::NotHere(why.into()))
}

fn found<T>(what: Option<T>, otherwise: &str) -> Tried<T> {
    what.map_or_else(|| not_here(otherwise), Ok)
}

/// Whose VMs are attacked by a VM.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Victims {
    /// Its own tenant's.
    Own,
    /// Another tenant's.
    Others,
}

/// Where an attacker has the numbers from that its packets must carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// It has seen them.
    Seen,
    /// It draws them at random.
    Guessed,
}

/// Series of the lookout: forged frames, and the victims' own.
pub(super) const FORGED: usize = 0;
pub(super) const OWN: usize = 1;
/// The victims' own frames in one volley.
const OWNS: u32 = 10;

/// One attack in one variant.
pub(super) struct Scene<'v> {
    pub testbed: &'v Testbed,
    pub variant: &'v Variant,
    pub attack: Attack,
    /// Frames that lookouts missed.
    pub missed: Rc<Cell<u64>>,
}

/// A host of the underlay that is nobody's peer.
#[derive(Clone, Copy)]
pub(super) struct Rogue<'v> {
    pub host: &'v str,
    /// Its first link's end.
    pub end: &'v LinkEnd,
    /// The other end of that link.
    pub neighbour: &'v LinkEnd,
    pub address: IpAddr,
}

/// Two VMs of one tenant on two hosts.
#[derive(Clone, Copy)]
pub(super) struct Pair<'v> {
    pub tenant: &'v TenantPlan,
    pub near: &'v VmPlan,
    pub far: &'v VmPlan,
}

/// Forged packets, and who must not get them.
pub(super) struct Volley<'a, 'v> {
    pub from: From<'v>,
    pub packets: &'a [Vec<u8>],
    pub wins: &'a dyn Fn(&Spot) -> bool,
    /// Those whose own frames show that the network is alive.
    pub own: Pair<'v>,
}

impl<'v> Scene<'v> {
    pub fn of(testbed: &'v Testbed, variant: &'v Variant, attack: Attack) -> Scene<'v> {
        Scene { testbed, variant, attack, missed: Rc::default() }
    }

    /// The host to attack from.
    pub fn rogue(&self) -> Tried<Rogue<'v>> {
        let hosts = self.variant.nodes.iter().filter(|node| node.kind == NodeKind::Host);
        let unused = |name: &str| !self.variant.vms().any(|vm| vm.host == name);
        let rogue = hosts.filter(|node| unused(&node.name)).find_map(|node| {
            let ends = self.variant.links.iter().find_map(|link| match &link.ends {
                [own, other] | [other, own] if own.node == node.name => Some((own, other)),
                _ => None,
            });
            let address = underlay_address(self.variant, &node.name)?;
            let (end, neighbour) = ends?;
            Some(Rogue { host: &node.name, end, neighbour, address })
        });
        found(rogue, "every host has VMs, so none is left to attack from")
    }

    /// All pairs of VMs on two hosts, the first one of each tenant.
    fn pairs(&self) -> impl Iterator<Item = Pair<'v>> {
        self.variant.tenants.iter().filter_map(|tenant| {
            let near = tenant.vms.first()?;
            let far = tenant.vms.iter().find(|vm| vm.host != near.host)?;
            Some(Pair { tenant, near, far })
        })
    }

    /// The tenant that is attacked: the last one with VMs on two hosts.
    pub fn victims(&self) -> Tried<Pair<'v>> {
        found(self.pairs().last(), "no tenant has VMs on two hosts")
    }

    /// Those who are attacked where the victims cannot be any more: the first tenant.
    pub fn first(&self) -> Tried<Pair<'v>> {
        found(self.pairs().next(), "no tenant has VMs on two hosts")
    }

    /// Whether frames are bridged between hosts, and not routed.
    pub fn bridges(&self) -> bool {
        let routed = self.variant.encap == Encap::None && self.variant.fabric == Fabric::L3;
        self.variant.encap.carries_ethernet() && !routed
    }

    /// The VM that attacks from within, and the tenant that it attacks.
    pub fn attacker(&self) -> Tried<(&'v VmPlan, Pair<'v>)> {
        let victims = self.victims()?;
        let others = self.variant.tenants.iter().filter(|t| t.name != victims.tenant.name);
        let attacker = others.flat_map(|tenant| &tenant.vms).next();
        Ok((found(attacker, "there is no second tenant to attack")?, victims))
    }

    /// Where a host's tunnels start and end.
    pub fn vtep(&self, host: &str) -> Tried<IpAddr> {
        let address = underlay_address(self.variant, host);
        found(address, &format!("`{host}` has no address on the underlay"))
    }

    /// Outer source and destination of what one VM's host sends to another's.
    pub fn vteps(&self, from: &VmPlan, to: &VmPlan) -> Tried<(IpAddr, IpAddr)> {
        Ok((self.vtep(&from.host)?, self.vtep(&to.host)?))
    }

    /// A frame as a host would send it for this tenant: with tags, or as it is.
    pub fn as_host(&self, frame: Vec<u8>, id: u64) -> Vec<u8> {
        tagged(frame, &host_tags(self.variant, id))
    }

    /// A tunnel packet around each inner frame.
    pub fn wrap(&self, recipe: &Recipe, frame: &[u8]) -> Result<Vec<u8>, RunError> {
        Ok(craft(self.variant, recipe, frame, frame)?)
    }

    /// A result without figures yet.
    pub fn result(&self, what: String, success: &str) -> AttackResult {
        AttackResult {
            name: self.attack.name().to_owned(),
            title: self.attack.title().to_owned(),
            about: self.attack.words().to_owned(),
            what,
            success: success.to_owned(),
            ..AttackResult::default()
        }
    }

    /// Watches all VMs and hosts.
    pub fn lookout(&self) -> Result<Lookout, RunError> {
        self.lookout_at(&[NodeKind::Host])
    }

    /// Watches all VMs, and nodes of these kinds.
    pub fn lookout_at(&self, kinds: &[NodeKind]) -> Result<Lookout, RunError> {
        Ok(Lookout::open(self.testbed, self.variant, 3, kinds, &self.missed)?)
    }

    pub fn gun(&self, from: From<'_>) -> Result<Gun, RunError> {
        Ok(Gun::open(self.testbed, self.variant, from)?)
    }

    /// What was sent first: out of a VM's interface, or as it left the host.
    pub fn sent(&self, lookout: &Lookout, from: From<'_>, packets: &[Vec<u8>]) -> Option<Evidence> {
        self.evidence(match from {
            From::Vm(vm) => packets.first().map(|packet| Seen {
                place: format!("{} eth0", self.variant.namespace(&vm.node)),
                packet: packet.clone(),
            }),
            From::Host(host, _) | From::Interface(host, _) => {
                lookout.first(FORGED, true, |spot| spot.tenant.is_none() && spot.node == host)
            }
        })
    }

    pub fn evidence(&self, seen: Option<Seen>) -> Option<Evidence> {
        let seen = seen?;
        Some(Evidence { place: seen.place, packet: anatomy(self.variant, &seen.packet) })
    }

    /// Drops so far, at all edges and at switches of this program.
    pub fn drops(&self) -> BTreeMap<String, u64> {
        let mut drops = self.testbed.drops(self.variant);
        for (reason, count) in self.testbed.switch_drops(self.variant) {
            *drops.entry(reason).or_default() += count;
        }
        drops
    }

    /// Drops since `before`.
    pub fn drops_since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        since(self.drops(), before)
    }

    /// Frames from one VM to another of its tenant, with numbers from `first` up.
    pub fn own(
        &self,
        lookout: &mut Lookout,
        series: usize,
        (from, to): (&'v VmPlan, &'v VmPlan),
        numbers: std::ops::Range<u32>,
    ) -> Result<(), RunError> {
        let marked = plain(from, to, Cast::Unicast, lookout.secret(series));
        let frames: Vec<_> = numbers.filter_map(|number| marked.frame(number)).collect();
        self.gun(From::Vm(from))?.fire(&frames, lookout)?;
        Ok(())
    }

    /// Waits until all frames of a series with numbers from `first` up have turned up somewhere of `at`, at most
    /// a second, and then until nothing comes any more.
    pub fn await_all(
        &self,
        lookout: &mut Lookout,
        (series, count): (usize, u32),
        first: u32,
        at: &dyn Fn(&Spot) -> bool,
    ) -> Result<(), RunError> {
        let all =
            |seen: &Lookout| seen.arrived(series, at).range(first..).count() >= count as usize;
        lookout.until(all)?;
        Ok(lookout.settle()?)
    }

    /// Fires forged packets and then frames of the victims' own, and fills in what came of them.
    /// A packet's number is the place that it has in the list. Returns how long firing took.
    pub fn volley(
        &self,
        lookout: &mut Lookout,
        volley: &Volley<'_, 'v>,
        result: &mut AttackResult,
    ) -> Result<Duration, RunError> {
        let before = self.drops();
        let gun = self.gun(volley.from)?;
        let begun = Instant::now();
        gun.fire(volley.packets, lookout)?;
        let took = begun.elapsed();
        let (near, far) = (volley.own.near, volley.own.far);
        self.own(lookout, OWN, (near, far), 0..OWNS)?;
        let at_far = |spot: &Spot| spot.node == far.node;
        self.await_all(lookout, (OWN, OWNS), 0, &at_far)?;
        result.tried = volley.packets.len() as u64;
        result.succeeded = lookout.arrived(FORGED, volley.wins).len() as u64;
        result.own_sent = OWNS.into();
        result.own_delivered = lookout.arrived(OWN, at_far).len() as u64;
        result.drops = self.drops_since(&before);
        result.seen = self.evidence(lookout.first(FORGED, false, volley.wins));
        result.sent = self.sent(lookout, volley.from, volley.packets);
        Ok(took)
    }
}

/// Whether a VM of another tenant is there.
pub(super) fn elsewhere(spot: &Spot, attacker: &VmPlan) -> bool {
    spot.tenant.as_ref().is_some_and(|tenant| *tenant != attacker.tenant)
}

/// Frames of a VM that carry a mark.
pub(super) fn plain<'v>(
    from: &'v VmPlan,
    to: &'v VmPlan,
    cast: Cast,
    secret: [u8; 16],
) -> Marked<'v> {
    Marked { from, to, cast, ethertype: None, tag: None, secret }
}

/// How a host would send to another one.
pub(super) fn recipe(src: IpAddr, dst: IpAddr, network: u64) -> Recipe {
    Recipe { src, dst, network, checksum: Checksum::Right, sequence: 0 }
}

/// A MAC address that nobody has.
pub(super) fn stranger() -> [u8; 6] {
    let [a, b, c, d]: [u8; 4] = rand::random();
    [0x0E, 0x66, a, b, c, d]
}

/// The frame with another source MAC.
pub(super) fn under(mut frame: Vec<u8>, mac: [u8; 6]) -> Vec<u8> {
    if let Some(source) = frame.get_mut(6..12) {
        source.copy_from_slice(&mac);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_put_under_another_source() {
        let frame: Vec<u8> = (0..20).collect();
        assert_eq!(under(frame, [9; 6])[4..14], [4, 5, 9, 9, 9, 9, 9, 9, 12, 13]);
    }
}
