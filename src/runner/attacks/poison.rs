//! Claims of what is another's: an address inside a tenant, a MAC address on the underlay.

use super::scene::{FORGED, OWN, Pair, Scene, Tried, plain, recipe, stranger, tagged, under};
use crate::ids::Encap;
use crate::lab::{Cast, VlanLearning};
use crate::measure::attack::{Claim, From, Lookout, Seen, Spot, Talker, Token, claim, mac_of};
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

pub(super) fn roles<'v>(scene: &Scene<'v>, across: bool) -> Result<Roles<'v>, String> {
    if across {
        let (attacker, Pair { near, far, .. }) = scene.attacker()?;
        return Ok(Roles { attacker, told: near, owner: far });
    }
    let three = scene.variant.tenants.iter().rev().find_map(|tenant| match &tenant.vms[..] {
        [told, owner, attacker, ..] => Some(Roles { attacker, told, owner }),
        _ => None,
    });
    three.ok_or_else(|| "no tenant has three VMs: two that talk and one that attacks".into())
}

/// A VM claims another's address; another VM's kernel believes it or not.
pub(super) fn neighbour(scene: &Scene<'_>, six: bool, across: bool) -> Tried {
    let Roles { attacker, told, owner } = match roles(scene, across) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let addresses = |vm: &VmPlan| [Some(vm.address), vm.address6];
    let of = |vm: &VmPlan| {
        addresses(vm).into_iter().flatten().map(|net| net.addr()).find(|ip| ip.is_ipv6() == six)
    };
    let (Some(address), Some(_), Some(mac)) = (of(owner), of(told), mac_of(owner)) else {
        let version = if six { "IPv6 (`subnet6`)" } else { "IPv4" };
        return Ok(Err(format!("the tenant's VMs have no {version} addresses here")));
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
    result.sent = scene.evidence(sent);
    result.seen = scene.evidence(lookout.first(FORGED, false, at(attacker)));
    // The owner says the truth, so that what follows finds it.
    tell(scene, &mut lookout, owner, &Claim { address, mac })?;
    Ok(Ok(result))
}

/// A VM tells its network whose an address is; returns what it sent first.
fn tell(
    scene: &Scene<'_>,
    lookout: &mut Lookout,
    vm: &VmPlan,
    what: &Claim,
) -> Result<Option<Seen>, RunError> {
    let secret = lookout.secret(CLAIMS);
    let number = |number| claim(what, &Token { secret, tenant: 0, number });
    let frames: Vec<_> = (0..TIMES).filter_map(number).collect();
    scene.gun(From::Vm(vm))?.fire(&frames, lookout)?;
    lookout.settle()?;
    let place = format!("{} eth0", scene.variant.namespace(&vm.node));
    Ok(frames.into_iter().next().map(|packet| Seen { place, packet }))
}

/// A host sends under a VM's MAC address: whoever learns where that is from what arrives sends to the
/// host what is for the VM.
pub(super) fn fdb(scene: &Scene<'_>) -> Tried {
    let encap = scene.variant.encap;
    match encap {
        Encap::Ssh => {
            return Ok(Err("a host without keys gets no frame into SSH's tunnels".into()));
        }
        _ if !scene.bridges() => {
            return Ok(Err(
                "IP packets are carried, and where each address is is configured".into()
            ));
        }
        _ => {}
    }
    let (rogue, victims) = match scene.rogue().and_then(|r| Ok((r, scene.victims()?))) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let (near, far) = (victims.near, victims.far);
    let (Ok(dst), Some(mac)) = (scene.vtep(&near.host), mac_of(far)) else {
        return Ok(Err("the victim has no address".into()));
    };
    let what = format!(
        "{} sends under the MAC of {}/{}, which {} talks to",
        rogue.host, far.tenant, far.name, near.name
    );
    let mut result = scene.result(what, "the host receives a frame for the VM");
    let mut lookout = scene.lookout()?;
    let at_far = |spot: &Spot| spot.node == far.node;
    let at_rogue = |spot: &Spot| spot.tenant.is_none() && spot.node == rogue.host;
    // Both are where everybody has learned them.
    scene.own(&mut lookout, CLAIMS, (far, near), 0..3)?;
    scene.own(&mut lookout, CLAIMS, (near, far), 3..6)?;
    lookout.until(|seen| seen.arrived(CLAIMS, at_far).len() >= 3)?;
    let before = scene.drops();
    let marked = plain(far, near, Cast::Broadcast, lookout.secret(FORGED));
    let id = victims.tenant.id;
    let mut packets = Vec::new();
    for number in 0..TIMES {
        let Some(frame) = marked.frame(number).map(|frame| under(frame, mac)) else { continue };
        let service = scene.service();
        packets.push(match encap {
            Encap::None => frame,
            Encap::Vlan => tagged(frame, &[(0x8100, id)]),
            Encap::Qinq => tagged(frame, &[(0x88A8, service), (0x8100, id)]),
            _ => scene.wrap(&recipe(rogue.address, dst, id), &frame)?,
        });
    }
    let from = if encap.is_tag() || encap == Encap::None {
        From::Interface(rogue.host, &rogue.end.interface)
    } else {
        From::Host(rogue.host, dst)
    };
    scene.gun(from)?.fire(&packets, &mut lookout)?;
    lookout.settle()?;
    scene.own(&mut lookout, OWN, (near, far), 0..FRAMES)?;
    let either = |spot: &Spot| at_far(spot) || at_rogue(spot);
    scene.await_all(&mut lookout, (OWN, FRAMES), 0, &either)?;
    result.tried = FRAMES.into();
    result.succeeded = lookout.arrived(OWN, at_rogue).len() as u64;
    result.own_sent = FRAMES.into();
    result.own_delivered = lookout.arrived(OWN, at_far).len() as u64;
    result.drops = scene.drops_since(&before);
    result.sent = scene.evidence(lookout.first(FORGED, true, at_rogue));
    result.seen = scene.evidence(lookout.first(OWN, false, at_rogue));
    // Everybody learns the truth again.
    scene.own(&mut lookout, CLAIMS, (far, near), 6..9)?;
    lookout.settle()?;
    Ok(Ok(result))
}

/// A VM sends under the MAC address of another tenant's VM: whoever has one table for all networks takes
/// that to have moved, and what is for it goes astray.
pub(super) fn fdb_across(scene: &Scene<'_>) -> Tried {
    if !scene.bridges() {
        return Ok(Err("IP packets are carried, and where each address is is configured".into()));
    }
    let (attacker, Pair { tenant, near, far }) = match scene.attacker() {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let Some(mac) = mac_of(far) else { return Ok(Err("the victim has no address".into())) };
    let what = format!(
        "{}/{} sends under the MAC of {}/{}, which {} talks to",
        attacker.tenant, attacker.name, tenant.name, far.name, near.name
    );
    let mut result = scene.result(what, "a frame of the tenant's own goes astray");
    let mut lookout = scene.lookout()?;
    let at_far = |spot: &Spot| spot.node == far.node;
    scene.own(&mut lookout, CLAIMS, (far, near), 0..3)?;
    scene.own(&mut lookout, CLAIMS, (near, far), 3..6)?;
    lookout.until(|seen| seen.arrived(CLAIMS, at_far).len() >= 3)?;
    let before = scene.drops();
    let marked = plain(attacker, attacker, Cast::Broadcast, lookout.secret(FORGED));
    let frames: Vec<Vec<u8>> =
        (0..TIMES).filter_map(|number| Some(under(marked.frame(number)?, mac))).collect();
    scene.gun(From::Vm(attacker))?.fire(&frames, &mut lookout)?;
    lookout.settle()?;
    scene.own(&mut lookout, OWN, (near, far), 0..FRAMES)?;
    scene.await_all(&mut lookout, (OWN, FRAMES), 0, &at_far)?;
    result.tried = FRAMES.into();
    result.own_sent = FRAMES.into();
    result.own_delivered = lookout.arrived(OWN, at_far).len() as u64;
    result.succeeded = result.tried.saturating_sub(result.own_delivered);
    result.drops = scene.drops_since(&before);
    result.sent = scene.evidence(frames.into_iter().next().map(|packet| {
        let place = format!("{} eth0", scene.variant.namespace(&attacker.node));
        Seen { place, packet }
    }));
    let astray = |spot: &Spot| spot.tenant.is_none() && spot.node == attacker.host;
    let seen = lookout.first(OWN, false, astray);
    result.seen = scene.evidence(seen).filter(|_| result.succeeded > 0);
    result.notes.extend(tables(scene));
    // Everybody learns the truth again, in the attacker's own tenant too, where somebody may have that MAC.
    scene.own(&mut lookout, CLAIMS, (far, near), 6..9)?;
    let others = scene.variant.vms().filter(|vm| vm.tenant == attacker.tenant);
    for vm in others.filter(|vm| mac_of(vm) == Some(mac)) {
        scene.own(&mut lookout, CLAIMS, (vm, attacker), 9..12)?;
    }
    lookout.settle()?;
    Ok(Ok(result))
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
