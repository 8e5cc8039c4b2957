//! A VM that fills MAC tables, and what that does to another tenant, and to its own.

use std::collections::BTreeSet;

use super::poison::{Roles, roles};
use super::scene::{FORGED, OWN, Pair, Scene, Tried, Victims, not_here, plain, stranger, under};
use crate::lab::Cast;
use crate::measure::attack::{From, Lookout, Spot};
use crate::plan::{NodeKind, VmPlan};
use crate::runner::RunError;

/// Addresses that the attacker sends under.
const ADDRESSES: u32 = 2000;
/// The victims' frames.
const FRAMES: u32 = 20;
/// Series of what the victims' newcomer sends.
const HELLO: usize = 2;

/// Who floods, and whom that is to harm.
fn scenery<'v>(scene: &Scene<'v>, victims: Victims) -> Tried<(&'v VmPlan, Pair<'v>)> {
    if victims == Victims::Others {
        return scene.attacker();
    }
    let Roles { attacker, told, owner } = roles(scene, victims)?;
    match scene.variant.tenants.iter().find(|tenant| tenant.name == attacker.tenant) {
        Some(tenant) => Ok((attacker, Pair { tenant, near: told, far: owner })),
        None => not_here("there is no such tenant"),
    }
}

/// Sends under thousands of addresses. Then a VM appears under an address that nobody knows yet, and is
/// talked to: where tables have no room for it, what is for it is flooded.
pub(super) fn mac_flood(scene: &Scene<'_>, whose: Victims) -> Tried {
    if !scene.bridges() {
        return not_here("IP packets are routed, and no MAC address is learned from them");
    }
    let (attacker, victims) = scenery(scene, whose)?;
    let hears = |spot: &Spot| match whose {
        Victims::Own => spot.node == attacker.node,
        Victims::Others => uninvolved(spot, victims),
    };
    let tenant = scene.variant.tenants.iter().find(|tenant| tenant.name == attacker.tenant);
    let others = tenant.into_iter().flat_map(|tenant| &tenant.vms);
    let to = others.clone().find(|vm| vm.host != attacker.host).unwrap_or(attacker);
    let what = format!(
        "{}/{} sends under {ADDRESSES} MAC addresses; then {}/{} talks to a new one of its tenant",
        attacker.tenant, attacker.name, victims.near.tenant, victims.near.name
    );
    let success = match whose {
        Victims::Own => "the flooding VM receives a frame for another one",
        Victims::Others => "a host that it does not concern sees the victims' frame",
    };
    let mut result = scene.result(what, success);
    let mut lookout = scene.lookout()?;
    let before = scene.drops();
    let tables = scene.testbed.tables(scene.variant)?;
    let heard = talk(scene, &mut lookout, victims, 0, &hears)?;
    result.notes.push(format!("Before the flood {} of {FRAMES} were.", heard.len()));

    let marked = plain(attacker, to, Cast::Unicast, lookout.secret(FORGED));
    let frames: Vec<Vec<u8>> =
        (0..ADDRESSES).filter_map(|n| Some(under(marked.frame(n)?, stranger()))).collect();
    scene.gun(From::Vm(attacker))?.fire(&frames, &mut lookout)?;
    lookout.settle()?;
    let heard = talk(scene, &mut lookout, victims, FRAMES, &hears)?;
    result.tried = FRAMES.into();
    result.succeeded = heard.len() as u64;
    result.own_sent = FRAMES.into();
    let at_far = |spot: &Spot| spot.node == victims.far.node;
    result.own_delivered = lookout.arrived(OWN, at_far).range(FRAMES..).count() as u64;
    result.drops = scene.drops_since(&before);
    result.seen = scene.evidence(lookout.first(OWN, false, hears));
    result.sent = scene.sent(&lookout, From::Vm(attacker), &frames);
    for (node, now) in scene.testbed.tables(scene.variant)? {
        let grown = now.saturating_sub(tables.get(&node).copied().unwrap_or_default());
        let found = scene.variant.nodes.iter().find(|n| n.name == node);
        let whose = match found.map(|node| node.kind) {
            Some(NodeKind::Switch) => "switch of the fabric",
            _ => "edge",
        };
        let full = found.and_then(|node| node.mac_table).filter(|most| u64::from(*most) <= now);
        let full = full.map_or(String::new(), |most| format!(", and is full with {most}"));
        if grown > 0 || !full.is_empty() {
            result.notes.push(format!("{node} ({whose}) learned {grown} more addresses{full}."));
        }
    }
    Ok(result)
}

/// Whether it is a host without the two victims.
fn uninvolved(spot: &Spot, victims: Pair<'_>) -> bool {
    let ends = [&victims.near.host, &victims.far.host];
    spot.tenant.is_none() && !ends.contains(&&spot.node)
}

/// The far victim says something under an address that nobody knows, and is answered; returns which
/// answers were seen where `hears` says.
fn talk(
    scene: &Scene<'_>,
    lookout: &mut Lookout,
    victims: Pair<'_>,
    first: u32,
    hears: &dyn Fn(&Spot) -> bool,
) -> Result<BTreeSet<u32>, RunError> {
    let (near, far) = (victims.near, victims.far);
    let newcomer = stranger();
    let hello = plain(far, near, Cast::Unicast, lookout.secret(HELLO));
    let hello: Vec<_> =
        (first..first + 3).filter_map(|n| Some(under(hello.frame(n)?, newcomer))).collect();
    scene.gun(From::Vm(far))?.fire(&hello, lookout)?;
    let known = |spot: &Spot| spot.node == near.node;
    lookout.until(|seen| seen.arrived(HELLO, known).range(first..).count() >= hello.len())?;
    let answer = plain(near, far, Cast::Unicast, lookout.secret(OWN));
    let answers = (first..first + FRAMES).filter_map(|number| {
        let mut frame = answer.frame(number)?;
        frame.get_mut(..6)?.copy_from_slice(&newcomer);
        Some(frame)
    });
    let answers: Vec<_> = answers.collect();
    scene.gun(From::Vm(near))?.fire(&answers, lookout)?;
    let at_far = |spot: &Spot| spot.node == far.node;
    scene.await_all(lookout, (OWN, FRAMES), first, &at_far)?;
    let seen = lookout.arrived(OWN, hears);
    Ok(seen.range(first..first + FRAMES).copied().collect())
}
