//! Attacks from a host of the underlay that is nobody's peer.

use super::scene::{FORGED, OWN, Pair, Rogue, Scene, Tried, Volley, plain, recipe, stranger};
use super::scene::{tagged, under};
use crate::ids::{Encap, VlanId};
use crate::lab::{Cast, Fabric, has_ids};
use crate::measure::Place;
use crate::measure::attack::{From, Lookout, Spot};
use crate::measure::result::{AttackResult, CounterResult};
use crate::runner::RunError;
use crate::testbed::Recipe;

/// Packets with the right id.
const RIGHT: u32 = 10;
/// Packets with ids drawn at random.
const SPRAYED: u32 = 256;
const GUESSED: u32 = 2000;
/// Frames whose loss is counted.
const LOST: u32 = 20;
const SUCCESS: &str = "a VM receives the frame inside";

/// Far enough ahead to be taken whatever the peer has sent, near enough not to be taken for late.
const AHEAD: u32 = 0x7000_0000;

fn both<'v>(scene: &Scene<'v>) -> Result<(Rogue<'v>, Pair<'v>), String> {
    match scene.variant.encap {
        Encap::Ssh => Err("SSH encrypts and authenticates: without its keys nothing can be made \
                           that its ends would take (`ssh-inject`)"
            .into()),
        Encap::None => Err("its packets name no tenant: a VM's address is enough, as \
                            `spoofed-source` shows"
            .into()),
        _ => Ok((scene.rogue()?, scene.victims()?)),
    }
}

/// Any VM.
fn wins(spot: &Spot) -> bool {
    spot.tenant.is_some()
}

/// Bits of an id, for tunnels.
fn bits(encap: Encap) -> u32 {
    match encap {
        Encap::Stt => 64,
        Encap::Gre | Encap::Gretap => 32,
        Encap::Vlan | Encap::Qinq => 12,
        _ => 24,
    }
}

/// An id drawn at random, of those that the format can express.
fn any_id(encap: Encap) -> u64 {
    let id = rand::random::<u64>() >> (64 - bits(encap));
    // The reserved ends of NVGRE (RFC 7637 section 3.2) cannot be sent.
    if encap == Encap::Nvgre { id.clamp(0x1000, 0xFF_FFFE) } else { id }
}

/// Ids under the host's own address: all VLAN ids, or the tenants' and some others.
pub(super) fn id_spray(scene: &Scene<'_>) -> Tried {
    let (rogue, victims) = match both(scene) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let mut lookout = scene.lookout()?;
    let (from, packets, ids) = if scene.variant.encap.is_tag() {
        let from = From::Interface(rogue.host, &rogue.end.interface);
        let frames = all_tags(scene, victims, &lookout);
        let ids = format!("all {} VLAN ids", frames.len());
        (from, frames, ids)
    } else {
        let dst = match scene.vtep(&victims.far.host) {
            Ok(dst) => dst,
            Err(why) => return Ok(Err(why)),
        };
        let right = scene.variant.tenants.iter().flat_map(|t| (0..RIGHT).map(|_| t.id));
        let guessed = (0..SPRAYED).map(|_| any_id(scene.variant.encap));
        let named = has_ids(scene.variant.encap);
        let ids: Vec<u64> = right.chain(guessed.filter(|_| named)).collect();
        let packets = wrapped(scene, victims, &lookout, |number| {
            Some(recipe(rogue.address, dst, *ids.get(number)?))
        })?;
        let ids = if named {
            format!("the tenants' ids and {SPRAYED} others")
        } else {
            "no ids, as there are none".to_owned()
        };
        (From::Host(rogue.host, dst), packets, ids)
    };
    let what = format!("{} sends under its own address, with {ids}", rogue.host);
    let mut result = scene.result(what, SUCCESS);
    let volley = Volley { from, packets: &packets, wins: &wins, own: victims };
    scene.volley(&mut lookout, &volley, &mut result)?;
    Ok(Ok(result))
}

/// A broadcast with every VLAN id there is, in order; in `QinQ` behind the provider's tag.
fn all_tags(scene: &Scene<'_>, victims: Pair<'_>, lookout: &Lookout) -> Vec<Vec<u8>> {
    let marked = plain(victims.near, victims.far, Cast::Broadcast, lookout.secret(FORGED));
    let service = scene.service();
    let mac = stranger();
    let tag = |(number, vid)| {
        let frame = under(marked.frame(number)?, mac);
        Some(match scene.variant.encap {
            Encap::Qinq => tagged(frame, &[(0x88A8, service), (0x8100, vid)]),
            _ => tagged(frame, &[(0x8100, vid)]),
        })
    };
    (0..).zip(VlanId::MIN..=VlanId::MAX).filter_map(tag).collect()
}

/// Tunnel packets by the recipes that `each` gives for numbers from 0 up, with broadcasts inside that a VM
/// near the victim could have sent.
fn wrapped(
    scene: &Scene<'_>,
    victims: Pair<'_>,
    lookout: &Lookout,
    each: impl Fn(usize) -> Option<Recipe>,
) -> Result<Vec<Vec<u8>>, RunError> {
    let ethernet = scene.variant.encap.carries_ethernet();
    let cast = if ethernet { Cast::Broadcast } else { Cast::Unicast };
    let marked = plain(victims.near, victims.far, cast, lookout.secret(FORGED));
    let mac = stranger();
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while let Some(recipe) = each(packets.len()) {
        let number = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let Some(frame) = marked.frame(number) else { break };
        let frame = if ethernet { under(frame, mac) } else { frame };
        packets.push(scene.wrap(&recipe, &frame)?);
    }
    Ok(packets)
}

/// A peer's address and a tenant's id, both right.
pub(super) fn spoofed_source(scene: &Scene<'_>) -> Tried {
    if scene.variant.encap == Encap::None {
        return super::plain::spoofed_source(scene);
    }
    let (rogue, victims) = match both(scene) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    if scene.variant.encap.is_tag() {
        return Ok(Err("tagged frames have no outer source to forge; a tag is enough".into()));
    }
    let (src, dst) = match (scene.vtep(&victims.near.host), scene.vtep(&victims.far.host)) {
        (Ok(src), Ok(dst)) => (src, dst),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
    };
    let what = format!(
        "{} sends to {} under the address {src} of {}",
        rogue.host, victims.far.host, victims.near.host
    );
    let mut result = scene.result(what, SUCCESS);
    let fire = |result: &mut AttackResult| {
        let mut lookout = scene.lookout()?;
        let packets = wrapped(scene, victims, &lookout, |number| {
            let number = u32::try_from(number).ok().filter(|number| *number < 2 * RIGHT)?;
            let sequence = AHEAD + number;
            Some(Recipe { sequence, ..recipe(src, dst, victims.tenant.id) })
        })?;
        let from = From::Host(rogue.host, dst);
        let volley = Volley { from, packets: &packets, wins: &wins, own: victims };
        scene.volley(&mut lookout, &volley, result).map(drop)
    };
    fire(&mut result)?;
    if scene.variant.engine.seq {
        result.notes.push(
            "A sequence number far ahead is taken, and the peer's own packets then are late: \
             its own frames were lost."
                .into(),
        );
    } else if scene.variant.fabric == Fabric::L3 && src.is_ipv4() {
        filtered(scene, rogue, &mut result, fire)?;
    }
    Ok(Ok(result))
}

/// The same with reverse path filtering (RFC 3704 section 2.2) on the attacker's port of its router.
pub(super) fn filtered(
    scene: &Scene<'_>,
    rogue: Rogue<'_>,
    result: &mut AttackResult,
    fire: impl Fn(&mut AttackResult) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let setting = format!("/proc/sys/net/ipv4/conf/{}/rp_filter", rogue.neighbour.interface);
    let router = scene.variant.namespace(&rogue.neighbour.node);
    let set = |value: &str| scene.testbed.within(&router, || std::fs::write(&setting, value));
    if !matches!(set("1"), Ok(Ok(()))) {
        result.notes.push("Reverse path filtering could not be switched on here.".into());
        return Ok(());
    }
    let mut again = AttackResult::default();
    let fired = fire(&mut again);
    // Its default in all namespaces here.
    let back = set("0");
    fired?;
    if !matches!(back, Ok(Ok(()))) {
        result.notes.push("Reverse path filtering could not be switched off again.".into());
    }
    result.stopped_by.push(CounterResult {
        by: format!("{} takes from {} its own address only", rogue.neighbour.node, rogue.host),
        tried: again.tried,
        succeeded: again.succeeded,
    });
    Ok(())
}

/// A peer's address, and ids drawn at random.
pub(super) fn id_guess(scene: &Scene<'_>) -> Tried {
    let (rogue, victims) = match both(scene) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let encap = scene.variant.encap;
    if encap.is_tag() {
        return Ok(Err("`id-spray` tries all VLAN ids; there is nothing to guess".into()));
    }
    if !has_ids(encap) {
        return Ok(Err("its packets name no tenant, so there is nothing to guess".into()));
    }
    let (src, dst) = match (scene.vtep(&victims.near.host), scene.vtep(&victims.far.host)) {
        (Ok(src), Ok(dst)) => (src, dst),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
    };
    let mut lookout = scene.lookout()?;
    let packets = wrapped(scene, victims, &lookout, |number| {
        (number < GUESSED as usize).then(|| recipe(src, dst, any_id(encap)))
    })?;
    let what = format!("{} guesses ids under the address of {}", rogue.host, victims.near.host);
    let mut result = scene.result(what, SUCCESS);
    let from = From::Host(rogue.host, dst);
    let volley = Volley { from, packets: &packets, wins: &wins, own: victims };
    let took = scene.volley(&mut lookout, &volley, &mut result)?;
    let rate = f64::from(GUESSED) / took.as_secs_f64().max(1e-6);
    let here = |name: &str| victims.far.host == name;
    let networks = scene.variant.edges.iter().find(|edge| here(&edge.host));
    let networks = networks.map_or(1, |edge| edge.networks.len().max(1));
    result.notes.push(odds(bits(encap), networks, rate));
    Ok(Ok(result))
}

/// How long guessing takes on average.
fn odds(bits: u32, networks: usize, rate: f64) -> String {
    let tries = (2_f64).powi(bits.cast_signed()) / networks as f64;
    let seconds = tries / rate;
    let time = match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s if s < 63_072_000.0 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.0} years", s / 31_536_000.0),
    };
    format!(
        "{networks} of 2^{bits} ids are right at that host: {tries:.3e} tries on average, {time} at the \
         {rate:.0} tries a second of this run."
    )
}

/// One packet with a sequence number far ahead, and what is then lost of the peer's own.
pub(super) fn desync(scene: &Scene<'_>) -> Tried {
    if !scene.variant.engine.seq || !matches!(scene.variant.encap, Encap::Gre | Encap::Gretap) {
        return Ok(Err("its packets carry no sequence numbers".into()));
    }
    let (rogue, victims) = match both(scene) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    // The other way round than the forged packets of other attacks, which numbers have passed.
    let (from, to) = (victims.far, victims.near);
    let (src, dst) = match (scene.vtep(&from.host), scene.vtep(&to.host)) {
        (Ok(src), Ok(dst)) => (src, dst),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
    };
    let mut lookout = scene.lookout()?;
    let at_end = |spot: &Spot| spot.node == to.node;
    let what = format!(
        "{} sends one packet to {} under the address of {}, its number far ahead",
        rogue.host, to.host, from.host
    );
    let mut result = scene.result(what, "a frame of the peer's own is dropped as late");
    scene.own(&mut lookout, OWN, (from, to), 0..LOST)?;
    lookout.until(|seen| seen.arrived(OWN, at_end).len() as u64 >= LOST.into())?;
    result.own_sent = LOST.into();
    result.own_delivered = lookout.arrived(OWN, at_end).len() as u64;
    let before = scene.drops();
    let marked = plain(from, to, Cast::Unicast, lookout.secret(FORGED));
    let forged = Recipe { sequence: AHEAD + 1000, ..recipe(src, dst, victims.tenant.id) };
    let Some(frame) = marked.frame(0) else { return Ok(Err("the frame cannot be made".into())) };
    let packet = scene.wrap(&forged, &frame)?;
    scene.gun(From::Host(rogue.host, dst))?.fire(&[packet], &mut lookout)?;
    lookout.until(|seen| !seen.arrived(FORGED, at_end).is_empty())?;
    scene.own(&mut lookout, OWN, (from, to), LOST..2 * LOST)?;
    scene.await_all(&mut lookout, (OWN, LOST), LOST, &at_end)?;
    let after = lookout.arrived(OWN, at_end).range(LOST..).count() as u64;
    result.tried = LOST.into();
    result.succeeded = result.tried.saturating_sub(after);
    result.drops = scene.drops_since(&before);
    result.sent = scene.evidence(lookout.first(FORGED, true, |spot| spot.node == rogue.host));
    result.seen = scene.evidence(lookout.first(FORGED, false, at_end));
    Ok(Ok(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_said_in_a_unit_that_can_be_imagined() {
        assert!(odds(24, 2, 1000.0).contains("8.389e6 tries on average, 2 hours"));
        assert!(odds(32, 1, 1000.0).contains("50 days"));
        assert!(odds(64, 1, 1000.0).contains("years"));
    }

    #[test]
    fn ids_are_such_as_the_format_has() {
        for _ in 0..100 {
            assert!(any_id(Encap::Vxlan) < 1 << 24);
            assert!((0x1000..=0xFF_FFFE).contains(&any_id(Encap::Nvgre)));
            assert!(any_id(Encap::Gre) < 1 << 32);
        }
        assert!((0..100).any(|_| any_id(Encap::Stt) >= 1 << 32));
    }
}
