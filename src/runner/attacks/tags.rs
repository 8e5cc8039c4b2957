//! Frames with two tags: a switch that takes the outer one off, since its VLAN is a trunk's native one, and
//! passes on the rest by the inner one lets the frame hop into another VLAN (IEEE 802.1Q, native VLANs).

use super::scene::{
    FORGED, Pair, Scene, Tried, Volley, elsewhere, not_here, plain, stranger, under,
};
use crate::ids::Encap;
use crate::lab::Cast;
use crate::measure::attack::{From, Spot};
use crate::measure::result::AttackResult;
use crate::plan::{LinkEnd, NodeKind, TenantPlan};
use crate::runner::RunError;
use crate::testbed::{Tag, tagged};

/// The VLAN that switches put untagged frames into unless they are told otherwise.
const NATIVE: u64 = 1;
/// Frames with each outer tag, and answers.
const EACH: u32 = 5;
/// Series of the answers.
const ANSWERS: usize = 2;
const SUCCESS: &str = "a VM of another tenant receives the frame";

/// Who sends, and with which VLAN ids.
struct Attacker<'a, 'v> {
    from: From<'v>,
    at: &'a dyn Fn(&Spot) -> bool,
    own: u64,
    theirs: u64,
}

/// A VM sends frames with two tags.
pub(super) fn double_tag(scene: &Scene<'_>) -> Tried {
    let encap = scene.variant.encap;
    if !scene.bridges() {
        return not_here("hosts route IP packets; a VM's Ethernet header goes no further");
    }
    let (attacker, victims) = scene.attacker()?;
    // Where ids are no VLANs, the usual first ones stand for them.
    let vid = |tenant: &TenantPlan, usual| if encap.is_tag() { tenant.id } else { usual };
    let own = scene.variant.tenants.iter().find(|tenant| tenant.name == attacker.tenant);
    let own = own.map_or(NATIVE, |tenant| vid(tenant, 101));
    let theirs = vid(victims.tenant, 102);
    let what = format!(
        "{}/{} sends broadcasts with a tag of {own}, {NATIVE} or 0 before tag {theirs} of {}",
        attacker.tenant, attacker.name, victims.tenant.name
    );
    let at = |spot: &Spot| spot.node == attacker.node;
    let sender = Attacker { from: From::Vm(attacker), at: &at, own, theirs };
    send(scene, &sender, victims, &|spot| elsewhere(spot, attacker), scene.result(what, SUCCESS))
        .map_err(Into::into)
}

/// A host sends them whose switch port is an access port.
pub(super) fn vlan_hop(scene: &Scene<'_>) -> Tried {
    match scene.variant.encap {
        Encap::Vlan => {}
        Encap::Qinq => {
            return not_here(
                "the provider's switches know no customer's VLAN, so none of those is a \
                           trunk's native one",
            );
        }
        _ => return not_here("no switch takes its header off, or knows the id in it"),
    }
    let (rogue, victims) = (scene.rogue()?, scene.victims()?);
    let Some(own) = access(rogue.neighbour) else {
        return not_here(format!(
            "the port of {} is a trunk: one tag is enough there, as `id-spray` shows",
            rogue.host
        ));
    };
    let theirs = victims.tenant.id;
    let what = format!(
        "{}, at an access port of VLAN {own}, sends broadcasts with a tag of {own}, {NATIVE} or 0 \
         before tag {theirs} of {}",
        rogue.host, victims.tenant.name
    );
    let own_tenant = scene.variant.tenants.iter().find(|tenant| tenant.id == own);
    let wins = |spot: &Spot| {
        spot.tenant.as_ref().is_some_and(|name| own_tenant.is_none_or(|own| own.name != *name))
    };
    let at = |spot: &Spot| spot.tenant.is_none() && spot.node == rogue.host;
    let from = From::Interface(rogue.host, &rogue.end.interface);
    let sender = Attacker { from, at: &at, own, theirs };
    send(scene, &sender, victims, &wins, scene.result(what, SUCCESS)).map_err(Into::into)
}

/// The one VLAN of an access port.
fn access(port: &LinkEnd) -> Option<u64> {
    let vlans = port.vlans.as_ref().filter(|vlans| vlans.tagged.is_empty())?;
    vlans.untagged.map(u64::from)
}

/// Sends frames with each outer tag, and answers to them.
fn send<'v>(
    scene: &Scene<'v>,
    sender: &Attacker<'_, 'v>,
    victims: Pair<'v>,
    wins: &dyn Fn(&Spot) -> bool,
    mut result: AttackResult,
) -> Result<AttackResult, RunError> {
    let (own, theirs) = (sender.own, sender.theirs);
    let mut outer = vec![
        Tag::Customer(own),
        Tag::Customer(NATIVE),
        Tag::Customer(0),
        Tag::Service(own),
        Tag::Service(NATIVE),
    ];
    outer.dedup();
    let mut lookout = scene.lookout_at(&[NodeKind::Host, NodeKind::Switch])?;
    // Under an address that nobody has, so that answers to it go to nobody else.
    let mac = stranger();
    let marked = plain(victims.near, victims.far, Cast::Broadcast, lookout.secret(FORGED));
    let mut packets = Vec::new();
    for tag in outer.iter().flat_map(|tag| (0..EACH).map(move |_| *tag)) {
        let number = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let frame = marked.frame(number).map(|frame| under(frame, mac));
        packets.extend(frame.map(|frame| tagged(frame, &[tag, Tag::Customer(theirs)])));
    }
    let volley = Volley { from: sender.from, packets: &packets, wins, own: victims };
    scene.volley(&mut lookout, &volley, &mut result)?;
    let arrived = lookout.arrived(FORGED, wins);
    for (first, tag) in (0..).step_by(EACH as usize).zip(outer) {
        let count = arrived.range(first..first + EACH).count();
        let (kind, vid) = match tag {
            Tag::Customer(vid) => ("tag", vid),
            Tag::Service(vid) => ("service tag", vid),
        };
        if count > 0 {
            result.notes.push(format!("Behind {kind} {vid}: {count} of {EACH}."));
        }
    }
    if arrived.is_empty() {
        return Ok(result);
    }
    let between = |spot: &Spot| trunk(scene, spot);
    result.between = scene.evidence(lookout.first(FORGED, true, between));
    let answer = plain(victims.far, victims.near, Cast::Unicast, lookout.secret(ANSWERS));
    let answers = (0..EACH).filter_map(|number| {
        let mut frame = answer.frame(number)?;
        frame.get_mut(..6)?.copy_from_slice(&mac);
        Some(frame)
    });
    scene.gun(From::Vm(victims.far))?.fire(&answers.collect::<Vec<_>>(), &mut lookout)?;
    lookout.settle()?;
    let back = lookout.arrived(ANSWERS, sender.at).len();
    result.notes.push(format!("Of {EACH} answers {back} came back to the sender."));
    Ok(result)
}

/// Whether it is a switch's port to another switch.
fn trunk(scene: &Scene<'_>, spot: &Spot) -> bool {
    let is_switch = |name: &str| {
        scene.variant.nodes.iter().any(|n| n.name == name && n.kind == NodeKind::Switch)
    };
    let port = |end: &LinkEnd| {
        let namespace = scene.variant.namespace(&end.node);
        spot.place == format!("{namespace} {}", end.interface)
    };
    let mut links = scene.variant.links.iter().map(|link| &link.ends);
    links.any(|ends| ends.iter().any(port) && ends.iter().all(|end| is_switch(&end.node)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PortVlans;

    #[test]
    fn an_access_port_has_one_vlan_without_tag() {
        let vlans = |tagged: &[(u16, u16)], untagged| {
            let vlans = PortVlans { tagged: tagged.to_vec(), untagged, ..PortVlans::default() };
            access(&LinkEnd {
                node: "leaf1".into(),
                interface: "p".into(),
                mac: String::new(),
                addresses: Vec::new(),
                vlans: Some(vlans),
                mac_limit: None,
            })
        };
        assert_eq!(vlans(&[], Some(101)), Some(101));
        assert_eq!((vlans(&[(101, 102)], Some(1)), vlans(&[(101, 102)], None)), (None, None));
    }
}
