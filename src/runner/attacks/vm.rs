//! An attack from inside a VM on another tenant: packets that only hosts should make.

use super::scene::{FORGED, Pair, Scene, Tried, Volley, elsewhere, not_here, plain, recipe};
use crate::ids::Encap;
use crate::lab::Cast;
use crate::measure::attack::{From, Spot};
use crate::plan::VmPlan;
use crate::runner::RunError;
use crate::testbed::{Tag, host_tags, tagged};

/// Frames of each kind.
const EACH: u32 = 5;
const SUCCESS: &str = "a VM of another tenant receives the frame";

/// What a host would send for the victim's tenant, out of a VM of another one.
pub(super) fn forged_id(scene: &Scene<'_>) -> Tried {
    match scene.variant.encap {
        Encap::Ssh => {
            return not_here("each tenant has connections of its own; its frames name none");
        }
        encap if !crate::lab::has_ids(encap) => {
            return not_here("its packets name no tenant, so there is one only");
        }
        _ => {}
    }
    let (attacker, victims) = scene.attacker()?;
    let mut lookout = scene.lookout()?;
    let secret = lookout.secret(FORGED);
    let id = victims.tenant.id;
    let (packets, how) = if scene.variant.encap.is_tag() {
        let marked = plain(attacker, victims.far, Cast::Broadcast, secret);
        // As a host sends it, and with the tenant's own tag only.
        let mut stacks = vec![host_tags(scene.variant, id), vec![Tag::Customer(id)]];
        stacks.dedup();
        let each = stacks.iter().flat_map(|tags| (0..EACH).map(move |_| tags));
        let frames = (0..).zip(each).filter_map(|(n, tags)| Some(tagged(marked.frame(n)?, tags)));
        (frames.collect(), format!("frames tagged {id}"))
    } else {
        (tunnels(scene, attacker, victims, secret)?, format!("{} packets", scene.variant.encap))
    };
    let packets: Vec<Vec<u8>> = packets;
    let what = format!(
        "{}/{} sends {how} of {} out of its own interface",
        attacker.tenant, attacker.name, victims.tenant.name
    );
    let mut result = scene.result(what, SUCCESS);
    let wins = |spot: &Spot| elsewhere(spot, attacker);
    let volley = Volley { from: From::Vm(attacker), packets: &packets, wins: &wins, own: victims };
    scene.volley(&mut lookout, &volley, &mut result)?;
    Ok(result)
}

/// Tunnel packets in frames of the attacker, towards every host with VMs of the victim, the attacker's own
/// included, which would take them in if it took what comes from a VM for the underlay's.
fn tunnels(
    scene: &Scene<'_>,
    attacker: &VmPlan,
    victims: Pair<'_>,
    secret: [u8; 16],
) -> Result<Vec<Vec<u8>>, RunError> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let from = plain(attacker, attacker, Cast::Broadcast, secret);
    for to in &victims.tenant.vms {
        let peer = victims.tenant.vms.iter().find(|vm| vm.host != to.host);
        let Some(peer) = peer else { continue };
        let Ok((src, dst)) = scene.vteps(peer, to) else { continue };
        for _ in 0..EACH {
            let number = u32::try_from(packets.len()).unwrap_or(u32::MAX);
            let inner = plain(peer, to, Cast::Unicast, secret).frame(number);
            let (Some(inner), Some(header)) = (inner, from.frame(number)) else { continue };
            let packet = scene.wrap(&recipe(src, dst, victims.tenant.id), &inner)?;
            let mut frame = header.get(..12).unwrap_or_default().to_vec();
            frame.extend(if dst.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xDD] });
            frame.extend(packet);
            packets.push(frame);
        }
    }
    Ok(packets)
}
