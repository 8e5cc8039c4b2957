//! A VM that fills MAC tables, and what that does to another tenant.

use std::collections::BTreeSet;

use super::scene::{FORGED, OWN, Pair, Scene, Tried, plain, stranger, under};
use crate::lab::Cast;
use crate::measure::attack::{From, Lookout, Spot};
use crate::plan::NodeKind;
use crate::runner::RunError;

/// Addresses that the attacker sends under.
const ADDRESSES: u32 = 2000;
/// The victims' frames.
const FRAMES: u32 = 20;
/// Series of what the victims' newcomer sends.
const HELLO: usize = 2;

/// Sends under thousands of addresses. Then a VM of another tenant appears under an address that nobody
/// knows yet, and is talked to: where tables have no room for it, what is for it is flooded.
pub(super) fn mac_flood(scene: &Scene<'_>) -> Tried {
    if !scene.variant.encap.carries_ethernet() {
        return Ok(Err("IP packets are carried, and no MAC address is learned from them".into()));
    }
    let (attacker, victims) = match scene.attacker() {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let tenant = scene.variant.tenants.iter().find(|tenant| tenant.name == attacker.tenant);
    let others = tenant.into_iter().flat_map(|tenant| &tenant.vms);
    let to = others.clone().find(|vm| vm.host != attacker.host).unwrap_or(attacker);
    let what = format!(
        "{}/{} sends under {ADDRESSES} MAC addresses; then {} talks to a new one of its tenant",
        attacker.tenant, attacker.name, victims.near.name
    );
    let mut result = scene.result(what, "a host that it does not concern sees the victims' frame");
    let mut lookout = scene.lookout()?;
    let before = scene.testbed.drops(scene.variant);
    let tables = scene.testbed.tables(scene.variant)?;
    let strays = talk(scene, &mut lookout, victims, 0)?;
    result.notes.push(format!("Before the flood {} of {FRAMES} were seen there.", strays.len()));

    let marked = plain(attacker, to, Cast::Unicast, lookout.secret(FORGED));
    let frames: Vec<Vec<u8>> =
        (0..ADDRESSES).filter_map(|n| Some(under(marked.frame(n)?, stranger()))).collect();
    scene.gun(From::Vm(attacker))?.fire(&frames, &mut lookout)?;
    lookout.settle()?;
    let strays = talk(scene, &mut lookout, victims, FRAMES)?;
    result.tried = FRAMES.into();
    result.succeeded = strays.len() as u64;
    result.own_sent = FRAMES.into();
    let at_far = |spot: &Spot| spot.node == victims.far.node;
    result.own_delivered = lookout.arrived(OWN, at_far).range(FRAMES..).count() as u64;
    result.drops = scene.drops_since(&before);
    result.seen = scene.evidence(lookout.first(OWN, false, |spot| uninvolved(spot, victims)));
    result.sent = scene.evidence(frames.into_iter().next().map(|packet| {
        let place = format!("{} eth0", scene.variant.namespace(&attacker.node));
        crate::measure::attack::Seen { place, packet }
    }));
    for (node, now) in scene.testbed.tables(scene.variant)? {
        let grown = now.saturating_sub(tables.get(&node).copied().unwrap_or_default());
        let kind = scene.variant.nodes.iter().find(|n| n.name == node).map(|n| n.kind);
        let whose = match kind {
            Some(NodeKind::Switch) => "switch of the fabric",
            _ => "edge",
        };
        if grown > 0 {
            result.notes.push(format!("{node} ({whose}) learned {grown} more addresses."));
        }
    }
    Ok(Ok(result))
}

/// Whether it is a host without the two victims.
fn uninvolved(spot: &Spot, victims: Pair<'_>) -> bool {
    let ends = [&victims.near.host, &victims.far.host];
    spot.tenant.is_none() && !ends.contains(&&spot.node)
}

/// The far victim says something under an address that nobody knows, and is answered; returns which
/// answers were seen at hosts that they do not concern.
fn talk(
    scene: &Scene<'_>,
    lookout: &mut Lookout,
    victims: Pair<'_>,
    first: u32,
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
    lookout.settle()?;
    let seen = lookout.arrived(OWN, |spot| uninvolved(spot, victims));
    Ok(seen.range(first..first + FRAMES).copied().collect())
}
