//! Segments forged into STT frames: nothing but addresses, a port, a length and an id says which frame a
//! segment belongs to (draft-davie-stt-08 section 3).

use super::scene::{FORGED, Numbers, OWN, Scene, Tried, not_here, plain, recipe};
use crate::ids::Encap;
use crate::lab::Cast;
use crate::measure::attack::{From, Lookout, Spot};
use crate::plan::VmPlan;
use crate::testbed::craft_segments;

/// Frames that are attacked.
const FRAMES: u32 = 10;
/// Segments sent by who does not know the id.
const BLIND: u32 = 500;
/// Bytes of a segment: the STT header, the inner headers, and nothing of what a VM sends.
const SIZE: usize = 60;

/// A peer's host sends frames in two segments each. Before that the attacker sends second segments of
/// its own under the same id and length, or under ids drawn at random.
pub(super) fn inject(scene: &Scene<'_>, numbers: Numbers) -> Tried {
    if scene.variant.encap != Encap::Stt {
        return not_here("no frame is put together from segments");
    }
    let (rogue, victims) = (scene.rogue()?, scene.victims()?);
    let (near, far): (&VmPlan, &VmPlan) = (victims.near, victims.far);
    let (src, dst) = scene.vteps(near, far)?;
    let ids: Vec<u32> = (0..FRAMES).map(|_| rand::random()).collect();
    let (guesses, how) = match numbers {
        Numbers::Seen => (ids.clone(), "the frames' own ids"),
        Numbers::Guessed => ((0..BLIND).map(|_| rand::random()).collect(), "ids drawn at random"),
    };
    let mut lookout = scene.lookout()?;
    let recipe = recipe(src, dst, victims.tenant.id);
    let segments = |series: usize, number: u32, id: u32, secret: [u8; 16]| {
        let frame = plain(near, far, Cast::Unicast, secret).frame(number).unwrap_or_default();
        let made = craft_segments(scene.variant, &recipe, &frame, (id, SIZE));
        // The attacker leaves the first segment, with all headers, to the victim.
        made.map(|all| all.into_iter().skip(usize::from(series == FORGED)))
    };
    let (mut forged, mut own) = (Vec::new(), Vec::new());
    for (number, id) in (0..).zip(guesses) {
        forged.extend(segments(FORGED, number, id, lookout.secret(FORGED))?);
    }
    for (number, id) in (0..).zip(ids) {
        own.extend(segments(OWN, number, id, lookout.secret(OWN))?);
    }
    let what = format!(
        "{} sends second segments under the address of {} with {how}",
        rogue.host, near.host
    );
    let mut result = scene.result(what, "the VM receives a frame with the attacker's bytes");
    let at_far = |spot: &Spot| spot.node == far.node;
    let before = scene.drops();
    scene.gun(From::Host(rogue.host, dst))?.fire(&forged, &mut lookout)?;
    lookout.settle()?;
    scene.gun(From::Host(&near.host, dst))?.fire(&own, &mut lookout)?;
    // A frame that the attacker got his segment into carries one or the other mark.
    let marked = |seen: &Lookout| {
        let count = |series| seen.arrived(series, at_far).len();
        count(OWN) + count(FORGED) >= FRAMES as usize
    };
    lookout.until(marked)?;
    lookout.settle()?;
    result.tried = forged.len() as u64;
    result.succeeded = lookout.arrived(FORGED, at_far).len() as u64;
    result.own_sent = FRAMES.into();
    result.own_delivered = lookout.arrived(OWN, at_far).len() as u64;
    result.drops = scene.drops_since(&before);
    result.sent = scene.evidence(lookout.first(FORGED, true, |spot| spot.node == rogue.host));
    result.seen = scene.evidence(lookout.first(FORGED, false, at_far));
    if numbers == Numbers::Guessed {
        result.notes.push(
            "The id has 32 bits and the source port 14 more that vary; the length has to be right too."
                .into(),
        );
    }
    Ok(result)
}
