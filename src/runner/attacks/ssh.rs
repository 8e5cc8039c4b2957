//! Attacks on the TCP connections that OpenSSH's tunnels run in, by somebody who has none of the keys.

use super::scene::{FORGED, Numbers, OWN, Pair, Scene, Tried, not_here, plain};
use crate::ids::Encap;
use crate::lab::Cast;
use crate::measure::attack::{From, Lookout, Spot, Stream, Token, Wiretap};

/// The tenant's frames before and after.
const FRAMES: u32 = 20;
/// Segments with a frame inside.
const SEGMENTS: u32 = 3;
/// Resets under sequence numbers drawn at random.
const BLIND: u32 = 2000;
/// How often a reset is tried under the number just seen, since a keepalive may come between.
const TRIES: u32 = 3;

/// Goes no further where there are no connections.
fn applies(scene: &Scene<'_>) -> Tried<()> {
    match scene.variant.encap {
        Encap::Ssh => Ok(()),
        _ => not_here("it has no connection that could be broken into"),
    }
}

/// Lets the tenant's VMs talk; returns the connection that carries them, from the near host to the far
/// one, and how many frames arrived.
fn talk<'v>(
    scene: &Scene<'v>,
    lookout: &mut Lookout,
    pair: Pair<'v>,
    first: u32,
) -> Tried<(Option<Stream>, u64)> {
    let mut wiretap = Wiretap::open(scene.testbed, scene.variant, &pair.far.host)?;
    scene.own(lookout, OWN, (pair.near, pair.far), first..first + FRAMES)?;
    let at_far = |spot: &Spot| spot.node == pair.far.node;
    let count = |seen: &Lookout| seen.arrived(OWN, at_far).range(first..).count();
    lookout.until(|seen| count(seen) >= FRAMES as usize)?;
    let delivered = count(lookout) as u64;
    let (src, dst) = scene.vteps(pair.near, pair.far)?;
    Ok((wiretap.busiest(src, dst)?, delivered))
}

/// Segments at the right place of the stream with a frame inside, as somebody would send it to whom
/// encryption means nothing.
pub(super) fn inject(scene: &Scene<'_>) -> Tried {
    applies(scene)?;
    let (rogue, pair) = (scene.rogue()?, scene.victims()?);
    let mut lookout = scene.lookout()?;
    let (stream, delivered) = talk(scene, &mut lookout, pair, 0)?;
    let Some(stream) = stream.filter(|_| delivered > 0) else {
        return not_here("the tunnel was down before");
    };
    let what = format!(
        "{} sends segments into the connection from {} to {}, with a broadcast inside",
        rogue.host, stream.src, stream.dst
    );
    let mut result = scene.result(what, "a VM receives the frame inside");
    (result.own_sent, result.own_delivered) = (FRAMES.into(), delivered);
    let marked = plain(pair.near, pair.far, Cast::Broadcast, lookout.secret(FORGED));
    let mut next = stream.next;
    let segments = (0..SEGMENTS).filter_map(|number| {
        let frame = marked.frame(number)?;
        let segment = stream.data(next, &frame)?;
        next = next.wrapping_add(u32::try_from(frame.len()).ok()?);
        Some(segment)
    });
    let segments: Vec<Vec<u8>> = segments.collect();
    scene.gun(From::Host(rogue.host, stream.dst.ip()))?.fire(&segments, &mut lookout)?;
    lookout.settle()?;
    result.tried = segments.len() as u64;
    let wins = |spot: &Spot| spot.tenant.is_some();
    result.succeeded = lookout.arrived(FORGED, wins).len() as u64;
    let (_, after) = talk(scene, &mut lookout, pair, FRAMES)?;
    result
        .notes
        .push(format!("Of {FRAMES} frames of the tenant's own {after} arrived afterwards."));
    result.notes.extend(said(scene));
    result.sent = scene.evidence(lookout.first(FORGED, true, |spot| spot.node == rogue.host));
    result.between =
        scene.evidence(lookout.first(FORGED, false, |spot| spot.node == pair.far.host));
    result.seen = scene.evidence(lookout.first(FORGED, false, wins));
    Ok(result)
}

/// Resets: under the number that the receiver expects, or under numbers drawn at random. The ports are known
/// either way.
pub(super) fn reset(scene: &Scene<'_>, numbers: Numbers) -> Tried {
    applies(scene)?;
    let rogue = scene.rogue()?;
    let (pair, how, tries, count) = match numbers {
        // What an injected segment has broken cannot be reset.
        Numbers::Seen => (scene.first()?, "the number that it saw", TRIES, 1),
        Numbers::Guessed => (scene.victims()?, "numbers drawn at random", 1, BLIND),
    };
    let mut lookout = scene.lookout()?;
    let (stream, delivered) = talk(scene, &mut lookout, pair, 0)?;
    let Some(mut stream) = stream.filter(|_| delivered > 0) else {
        return not_here("the tunnel was down before");
    };
    let what = format!(
        "{} resets the connection from {} to {} under {how}",
        rogue.host, stream.src, stream.dst
    );
    let mut result = scene.result(what, "a frame of the tenant's own is lost with the connection");
    (result.own_sent, result.own_delivered) = (FRAMES.into(), delivered);
    let gun = scene.gun(From::Host(rogue.host, stream.dst.ip()))?;
    let mut after = delivered;
    let mut fired = 0;
    for attempt in 0..tries {
        let secret = lookout.secret(FORGED);
        let one = |number| {
            let seq = match numbers {
                Numbers::Seen => stream.next,
                Numbers::Guessed => rand::random(),
            };
            stream.reset(seq, &Token { secret, tenant: 0, number }.bytes())
        };
        let segments: Vec<Vec<u8>> = (fired..fired + count).filter_map(one).collect();
        fired += count;
        gun.fire(&segments, &mut lookout)?;
        lookout.settle()?;
        let (seen, arrived) = talk(scene, &mut lookout, pair, (attempt + 1) * FRAMES)?;
        after = arrived;
        match seen.filter(|_| after > 0) {
            Some(seen) => stream = seen,
            None => break,
        }
    }
    result.tried = FRAMES.into();
    result.succeeded = result.tried.saturating_sub(after);
    result.notes.push(match numbers {
        Numbers::Seen => {
            format!("Resets it took: {fired}. TCP's numbers are no secret to who sees packets.")
        }
        Numbers::Guessed => format!(
            "{fired} resets: a receiver obeys the one number of 2^32 that it expects and answers \
             others (RFC 5961 section 3.2), and who sees nothing has to guess a port as well."
        ),
    });
    result.sent = scene.evidence(lookout.first(FORGED, true, |spot| spot.node == rogue.host));
    result.seen = scene
        .evidence(lookout.first(FORGED, false, |spot| spot.node == pair.far.host))
        .filter(|_| result.succeeded > 0);
    Ok(result)
}

/// What OpenSSH said, where it ended.
fn said(scene: &Scene<'_>) -> Option<String> {
    Some(format!("OpenSSH ended: {}.", scene.testbed.tunnel_ended(scene.variant)?))
}
