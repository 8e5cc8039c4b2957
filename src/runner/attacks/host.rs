//! Attacks from a host of the underlay that is nobody's peer.

use std::ops::RangeInclusive;

use super::scene::{
    FORGED, OWN, Pair, Rogue, Scene, Tried, Volley, not_here, plain, recipe, stranger, under,
};
use crate::ids::{Encap, VlanId};
use crate::lab::{Cast, Fabric};
use crate::measure::Place;
use crate::measure::attack::{From, Lookout, Spot};
use crate::measure::result::{AttackResult, CounterResult};
use crate::plan::{id_range, id_space};
use crate::runner::RunError;
use crate::testbed::Recipe;

/// Packets with the right id.
const RIGHT: u32 = 10;
/// Packets with ids drawn at random.
const SPRAYED: u32 = 256;
const GUESSED: u32 = 2000;
/// Ids that are tried by who knows roughly where they are.
const AROUND: u64 = 64;
/// Frames whose loss is counted.
const LOST: u32 = 20;
const SUCCESS: &str = "a VM receives the frame inside";

/// Far enough ahead to be taken whatever the peer has sent, near enough not to be taken for late.
const AHEAD: u32 = 0x7000_0000;

fn both<'v>(scene: &Scene<'v>) -> Tried<(Rogue<'v>, Pair<'v>)> {
    match scene.variant.encap {
        Encap::Ssh => not_here(
            "SSH encrypts and authenticates: without its keys nothing can be made that its ends \
             would take (`ssh-inject`)",
        ),
        Encap::None => not_here(
            "its packets name no tenant: a VM's address is enough, as `spoofed-source` shows",
        ),
        _ => Ok((scene.rogue()?, scene.victims()?)),
    }
}

/// Any VM.
fn wins(spot: &Spot) -> bool {
    spot.tenant.is_some()
}

/// Which ids are guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// Any that the format has.
    All,
    /// Those around the tenant's own.
    Near,
}

/// Ids around this one, as far as the format has them.
fn around(id: u64, all: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    let first = id.saturating_sub(AROUND / 2).max(*all.start());
    first..=first.saturating_add(AROUND - 1).min(*all.end())
}

/// Ids under the host's own address: all VLAN ids, or the tenants' and some others.
pub(super) fn id_spray(scene: &Scene<'_>) -> Tried {
    let (rogue, victims) = both(scene)?;
    let mut lookout = scene.lookout()?;
    let (from, packets, ids) = if scene.variant.encap.is_tag() {
        let from = From::Interface(rogue.host, &rogue.end.interface);
        let frames = all_tags(scene, victims, &lookout);
        let ids = format!("all {} VLAN ids", frames.len());
        (from, frames, ids)
    } else {
        let dst = scene.vtep(&victims.far.host)?;
        let right = scene.variant.tenants.iter().flat_map(|t| (0..RIGHT).map(|_| t.id));
        let all = id_range(scene.variant.encap);
        let guessed =
            all.iter().flat_map(|all| (0..SPRAYED).map(|_| rand::random_range(all.clone())));
        let ids: Vec<u64> = right.chain(guessed).collect();
        let packets = wrapped(scene, victims, &lookout, |number| {
            Some(recipe(rogue.address, dst, *ids.get(number)?))
        })?;
        let ids = if all.is_some() {
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
    Ok(result)
}

/// A broadcast with every VLAN id there is, in order; in `QinQ` behind the provider's tag.
fn all_tags(scene: &Scene<'_>, victims: Pair<'_>, lookout: &Lookout) -> Vec<Vec<u8>> {
    let marked = plain(victims.near, victims.far, Cast::Broadcast, lookout.secret(FORGED));
    let mac = stranger();
    let tag = |(number, vid)| Some(scene.as_host(under(marked.frame(number)?, mac), vid));
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
    let (rogue, victims) = both(scene)?;
    if scene.variant.encap.is_tag() {
        return not_here("tagged frames have no outer source to forge; a tag is enough");
    }
    let (src, dst) = scene.vteps(victims.near, victims.far)?;
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
    Ok(result)
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
    let inside = |what: &dyn Fn() -> std::io::Result<()>| {
        matches!(scene.testbed.within(&router, what), Ok(Ok(())))
    };
    let before = scene.testbed.within(&router, || std::fs::read_to_string(&setting));
    let Some(before) = before.ok().and_then(Result::ok) else {
        result.notes.push("Reverse path filtering could not be looked up here.".into());
        return Ok(());
    };
    if !inside(&|| std::fs::write(&setting, "1")) {
        result.notes.push("Reverse path filtering could not be switched on here.".into());
        return Ok(());
    }
    let mut again = AttackResult::default();
    let fired = fire(&mut again);
    let back = inside(&|| std::fs::write(&setting, before.trim()));
    fired?;
    if !back {
        result.notes.push("Reverse path filtering could not be set back to what it was.".into());
    }
    result.stopped_by.push(CounterResult {
        by: format!("{} takes from {} its own address only", rogue.neighbour.node, rogue.host),
        tried: again.tried,
        succeeded: again.succeeded,
    });
    Ok(())
}

/// A peer's address, and ids drawn at random.
pub(super) fn id_guess(scene: &Scene<'_>, which: Ids) -> Tried {
    let (rogue, victims) = both(scene)?;
    let encap = scene.variant.encap;
    if encap.is_tag() {
        return not_here("`id-spray` tries all VLAN ids; there is nothing to guess");
    }
    let Some(all) = id_range(encap) else {
        return not_here("its packets name no tenant, so there is nothing to guess");
    };
    let (ids, ahead) = match which {
        Ids::All => (all, AHEAD),
        // Behind those of `spoofed-source`, whose numbers have passed.
        Ids::Near => (around(victims.tenant.id, &all), AHEAD + 1000),
    };
    let (src, dst) = scene.vteps(victims.near, victims.far)?;
    let mut lookout = scene.lookout()?;
    let packets = wrapped(scene, victims, &lookout, |number| {
        let number = u32::try_from(number).ok().filter(|number| *number < GUESSED)?;
        let id = rand::random_range(ids.clone());
        Some(Recipe { sequence: ahead + number, ..recipe(src, dst, id) })
    })?;
    let what = format!(
        "{} guesses ids from {} to {} under the address of {}",
        rogue.host,
        ids.start(),
        ids.end(),
        victims.near.host
    );
    let mut result = scene.result(what, SUCCESS);
    let from = From::Host(rogue.host, dst);
    let volley = Volley { from, packets: &packets, wins: &wins, own: victims };
    let took = scene.volley(&mut lookout, &volley, &mut result)?;
    let rate = f64::from(GUESSED) / took.as_secs_f64().max(1e-6);
    let edge = scene.variant.edges.iter().find(|edge| edge.host == victims.far.host);
    let networks = edge.into_iter().flat_map(|edge| &edge.networks);
    let right = networks.filter(|network| ids.contains(&network.id)).count();
    let space = match (which, id_space(encap)) {
        (Ids::All, Some((_, count))) => count,
        _ => u128::from(ids.end() - ids.start()) + 1,
    };
    result.notes.push(odds(space, right.max(1), rate));
    Ok(result)
}

/// How long guessing takes on average.
fn odds(space: u128, networks: usize, rate: f64) -> String {
    let tries = space as f64 / networks as f64;
    let seconds = tries / rate;
    let time = match seconds {
        s if s < 1.0 => "less than a second".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s if s < 63_072_000.0 => format!("{:.0} days", s / 86_400.0),
        s => format!("{:.0} years", s / 31_536_000.0),
    };
    let space = if space.is_power_of_two() && space > 1000 {
        format!("2^{}", space.trailing_zeros())
    } else {
        space.to_string()
    };
    let tries = if tries < 1000.0 { format!("{tries:.0}") } else { format!("{tries:.3e}") };
    format!(
        "{networks} of {space} ids are right at that host: {tries} tries on average, {time} at the \
         {rate:.0} tries a second of this run."
    )
}

/// One packet with a sequence number far ahead, and what is then lost of the peer's own.
pub(super) fn desync(scene: &Scene<'_>) -> Tried {
    if !scene.variant.engine.seq || !matches!(scene.variant.encap, Encap::Gre | Encap::Gretap) {
        return not_here("its packets carry no sequence numbers");
    }
    let (rogue, victims) = both(scene)?;
    // The other way round than the forged packets of other attacks, which numbers have passed.
    let (from, to) = (victims.far, victims.near);
    let (src, dst) = scene.vteps(from, to)?;
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
    let Some(frame) = marked.frame(0) else { return not_here("the frame cannot be made") };
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
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_are_said_in_a_unit_that_can_be_imagined() {
        assert!(odds(1 << 24, 2, 1000.0).contains("8.389e6 tries on average, 2 hours"));
        assert!(odds(1 << 32, 1, 1000.0).contains("2^32 ids are right at that host"));
        assert!(odds(1 << 32, 1, 1000.0).contains("50 days"));
        assert!(odds(1 << 64, 1, 1000.0).contains("years"));
        let near = odds(64, 2, 1000.0);
        assert!(near.contains("of 64 ids") && near.contains("32 tries on average, less than"));
    }

    #[test]
    fn ids_near_the_right_one_are_such_as_the_format_has() {
        let of = |encap, id| around(id, &id_range(encap).unwrap());
        assert_eq!(of(Encap::Vxlan, 5001), 4969..=5032);
        assert_eq!(of(Encap::Vxlan, 0), 0..=63);
        assert_eq!(of(Encap::Vxlan, 0xFF_FFFF), 0xFF_FFDF..=0xFF_FFFF);
        assert_eq!(of(Encap::Nvgre, 0x1001), 0x1000..=0x103F, "what is reserved cannot be sent");
        assert_eq!(of(Encap::Stt, u64::MAX), u64::MAX - 32..=u64::MAX);
    }
}
