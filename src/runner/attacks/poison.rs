//! Claims of what is another's: an address inside a tenant, a MAC address on the underlay.

use super::scene::{
    FORGED, OWN, Pair, Scene, Tried, Victims, not_here, plain, recipe, stranger, under,
};
use crate::ids::Encap;
use crate::lab::{Cast, IpVersion, VlanLearning};
use crate::measure::attack::{Claim, From, Lookout, Spot, Talker, Token, claim, mac_of};
use crate::measure::result::{AttackResult, Evidence};
use crate::netns::Switching;
use crate::plan::VmPlan;
use crate::runner::RunError;

/// Series of the claims themselves.
const CLAIMS: usize = 2;
/// Claims sent.
const TIMES: u32 = 3;
/// The victim's frames afterwards, and before.
const FRAMES: u32 = 20;
/// How often the way between the victims is tried until it is known.
const TRIES: u32 = 5;

/// Who claims, who is told, and whose address it is.
pub(super) struct Roles<'v> {
    pub attacker: &'v VmPlan,
    pub told: &'v VmPlan,
    pub owner: &'v VmPlan,
}

pub(super) fn roles<'v>(scene: &Scene<'v>, victims: Victims) -> Tried<Roles<'v>> {
    if victims == Victims::Others {
        let (attacker, Pair { near, far, .. }) = scene.attacker()?;
        return Ok(Roles { attacker, told: near, owner: far });
    }
    let three = scene.variant.tenants.iter().rev().find_map(|tenant| match &tenant.vms[..] {
        [told, owner, attacker, ..] => Some(Roles { attacker, told, owner }),
        _ => None,
    });
    let none = || not_here("no tenant has three VMs: two that talk and one that attacks");
    three.map_or_else(none, Ok)
}

/// A VM claims another's address; another VM's kernel believes it or not.
pub(super) fn neighbour(scene: &Scene<'_>, version: IpVersion, victims: Victims) -> Tried {
    let six = version == IpVersion::Ipv6;
    let Roles { attacker, told, owner } = roles(scene, victims)?;
    let addresses = |vm: &VmPlan| [Some(vm.address), vm.address6];
    let of = |vm: &VmPlan| {
        addresses(vm).into_iter().flatten().map(|net| net.addr()).find(|ip| ip.is_ipv6() == six)
    };
    let (Some(address), Some(_), Some(mac)) = (of(owner), of(told), mac_of(owner)) else {
        let version = if six { "IPv6 (`subnet6`)" } else { "IPv4" };
        return not_here(format!("the tenant's VMs have no {version} addresses here"));
    };
    let what = format!(
        "{}/{} claims {address} of {}/{}, which {} talks to",
        attacker.tenant, attacker.name, owner.tenant, owner.name, told.name
    );
    let mut result = scene.result(what, "the claimant receives a datagram for the owner");
    let mut lookout = scene.lookout()?;
    let at = |vm: &VmPlan| {
        let node = vm.node.clone();
        move |spot: &Spot| spot.node == node
    };
    // The way is known, and the owner's MAC with it.
    let talker = Talker::open(scene.testbed, scene.variant, (told, owner), six)?;
    for attempt in 0..TRIES {
        talker.say(&mut lookout, OWN, attempt..attempt + 1)?;
        if lookout.until(|seen| !seen.arrived(OWN, at(owner)).is_empty())? {
            break;
        }
    }
    let before = scene.drops();
    // A MAC address of its own for the claim: that of its interface may be the owner's in another tenant.
    let taken = stranger();
    let sent = tell(scene, &mut lookout, attacker, &Claim { address, mac: taken })?;
    talker.say(&mut lookout, FORGED, 0..FRAMES)?;
    let (taker, giver) = (at(attacker), at(owner));
    let either = |spot: &Spot| taker(spot) || giver(spot);
    scene.await_all(&mut lookout, (FORGED, FRAMES), 0, &either)?;
    result.tried = FRAMES.into();
    result.succeeded = lookout.arrived(FORGED, at(attacker)).len() as u64;
    result.own_sent = FRAMES.into();
    result.own_delivered = lookout.arrived(FORGED, at(owner)).len() as u64;
    result.drops = scene.drops_since(&before);
    result.sent = sent;
    result.seen = scene.evidence(lookout.first(FORGED, false, at(attacker)));
    // The owner says the truth, so that what follows finds it.
    tell(scene, &mut lookout, owner, &Claim { address, mac })?;
    Ok(result)
}

/// A VM tells its network whose an address is; returns what it sent first.
fn tell(
    scene: &Scene<'_>,
    lookout: &mut Lookout,
    vm: &VmPlan,
    what: &Claim,
) -> Result<Option<Evidence>, RunError> {
    let secret = lookout.secret(CLAIMS);
    let number = |number| claim(what, &Token { secret, tenant: 0, number });
    let frames: Vec<_> = (0..TIMES).filter_map(number).collect();
    scene.gun(From::Vm(vm))?.fire(&frames, lookout)?;
    lookout.settle()?;
    Ok(scene.sent(lookout, From::Vm(vm), &frames))
}

/// Frames under the MAC address of the far one of two VMs, and where what is then for that one may turn up instead.
struct Diversion<'a, 'v> {
    from: From<'v>,
    packets: &'a [Vec<u8>],
    pair: Pair<'v>,
    elsewhere: &'a dyn Fn(&Spot) -> bool,
}

/// Lets everybody learn where both VMs are, claims the MAC address of one, and counts what of the other's frames
/// still reaches it. Afterwards everybody learns the truth again.
fn divert<'v>(
    scene: &Scene<'v>,
    lookout: &mut Lookout,
    diversion: &Diversion<'_, 'v>,
    result: &mut AttackResult,
) -> Result<(), RunError> {
    let Pair { near, far, .. } = diversion.pair;
    let at_far = |spot: &Spot| spot.node == far.node;
    scene.own(lookout, CLAIMS, (far, near), 0..3)?;
    scene.own(lookout, CLAIMS, (near, far), 3..6)?;
    lookout.until(|seen| seen.arrived(CLAIMS, at_far).len() >= 3)?;
    let before = scene.drops();
    scene.gun(diversion.from)?.fire(diversion.packets, lookout)?;
    lookout.settle()?;
    scene.own(lookout, OWN, (near, far), 0..FRAMES)?;
    let either = |spot: &Spot| at_far(spot) || (diversion.elsewhere)(spot);
    scene.await_all(lookout, (OWN, FRAMES), 0, &either)?;
    result.tried = FRAMES.into();
    result.own_sent = FRAMES.into();
    result.own_delivered = lookout.arrived(OWN, at_far).len() as u64;
    result.drops = scene.drops_since(&before);
    result.sent = scene.sent(lookout, diversion.from, diversion.packets);
    scene.own(lookout, CLAIMS, (far, near), 6..9)?;
    Ok(lookout.settle()?)
}

/// A host sends under a VM's MAC address: whoever learns where that is from what arrives sends to the
/// host what is for the VM.
pub(super) fn fdb(scene: &Scene<'_>) -> Tried {
    let encap = scene.variant.encap;
    if encap == Encap::Ssh {
        return not_here("a host without keys gets no frame into SSH's tunnels");
    }
    if !scene.bridges() {
        return not_here("IP packets are carried, and where each address is is configured");
    }
    let (rogue, pair) = (scene.rogue()?, scene.victims()?);
    let Pair { near, far, tenant } = pair;
    let dst = scene.vtep(&near.host)?;
    let Some(mac) = mac_of(far) else { return not_here("the victim has no address") };
    let what = format!(
        "{} sends under the MAC of {}/{}, which {} talks to",
        rogue.host, far.tenant, far.name, near.name
    );
    let mut result = scene.result(what, "the host receives a frame for the VM");
    let mut lookout = scene.lookout()?;
    let at_rogue = |spot: &Spot| spot.tenant.is_none() && spot.node == rogue.host;
    let marked = plain(far, near, Cast::Broadcast, lookout.secret(FORGED));
    let tunnelled = !(encap.is_tag() || encap == Encap::None);
    let mut packets = Vec::new();
    for frame in (0..TIMES).filter_map(|number| Some(under(marked.frame(number)?, mac))) {
        packets.push(if tunnelled {
            scene.wrap(&recipe(rogue.address, dst, tenant.id), &frame)?
        } else {
            scene.as_host(frame, tenant.id)
        });
    }
    let from = if tunnelled {
        From::Host(rogue.host, dst)
    } else {
        From::Interface(rogue.host, &rogue.end.interface)
    };
    let diversion = Diversion { from, packets: &packets, pair, elsewhere: &at_rogue };
    divert(scene, &mut lookout, &diversion, &mut result)?;
    result.succeeded = lookout.arrived(OWN, at_rogue).len() as u64;
    result.seen = scene.evidence(lookout.first(OWN, false, at_rogue));
    Ok(result)
}

/// A VM sends under the MAC address of another tenant's VM: whoever has one table for all networks takes
/// that to have moved, and what is for it goes astray.
pub(super) fn fdb_across(scene: &Scene<'_>) -> Tried {
    if !scene.bridges() {
        return not_here("IP packets are carried, and where each address is is configured");
    }
    let (attacker, pair) = scene.attacker()?;
    let Pair { tenant, near, far } = pair;
    let Some(mac) = mac_of(far) else { return not_here("the victim has no address") };
    let what = format!(
        "{}/{} sends under the MAC of {}/{}, which {} talks to",
        attacker.tenant, attacker.name, tenant.name, far.name, near.name
    );
    let mut result = scene.result(what, "a frame of the tenant's own goes astray");
    let mut lookout = scene.lookout()?;
    let marked = plain(attacker, attacker, Cast::Broadcast, lookout.secret(FORGED));
    let frames: Vec<Vec<u8>> =
        (0..TIMES).filter_map(|number| Some(under(marked.frame(number)?, mac))).collect();
    let astray = |spot: &Spot| spot.tenant.is_none() && spot.node == attacker.host;
    let from = From::Vm(attacker);
    let diversion = Diversion { from, packets: &frames, pair, elsewhere: &astray };
    divert(scene, &mut lookout, &diversion, &mut result)?;
    result.succeeded = result.tried.saturating_sub(result.own_delivered);
    let seen = lookout.first(OWN, false, astray);
    result.seen = scene.evidence(seen).filter(|_| result.succeeded > 0);
    result.notes.extend(tables(scene));
    // In the attacker's own tenant somebody may have that MAC too.
    let others = scene.variant.vms().filter(|vm| vm.tenant == attacker.tenant);
    for vm in others.filter(|vm| mac_of(vm) == Some(mac)) {
        scene.own(&mut lookout, CLAIMS, (vm, attacker), 9..12)?;
    }
    lookout.settle()?;
    Ok(result)
}

/// Which tables the switches of VLANs have, since that decides it.
fn tables(scene: &Scene<'_>) -> Option<String> {
    if scene.variant.encap != Encap::Vlan {
        return None;
    }
    let told = scene.variant.nodes.iter().find_map(|node| node.vlan_learning);
    let shared = match scene.testbed.switching(scene.variant)? {
        Switching::Bridge => true,
        Switching::VlanBridge => false,
        Switching::Switch => told == Some(VlanLearning::Shared),
    };
    let tables = if shared { "one MAC table for all VLANs" } else { "a MAC table for each VLAN" };
    Some(format!("The switches have {tables}."))
}
