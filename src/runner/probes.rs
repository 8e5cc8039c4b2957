//! The lab's crafted packets in one variant.

use super::bench::Bench;
use super::{RunError, parts};
use crate::ids::{Encap, VlanId};
use crate::lab::{Cast, Checksum, Crafted, InnerPacket, OuterPacket, Probe};
use crate::measure::probe::{self, From, Marked, Shot, underlay_address};
use crate::plan::{TenantPlan, Variant, VmPlan};
use crate::testbed::{Recipe, craft};

/// Sends all probes that the variant can carry, one after the other.
pub(super) fn run(bench: &mut Bench<'_>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    for wanted in &bench.plan.probes {
        let part = parts::probe(&wanted.name);
        bench.measure(&part, |bench| {
            if let Some(shot) = shot(wanted, variant)? {
                let drops = || testbed.drops(variant);
                bench.result.probes.push(probe::fire(testbed, variant, &shot, &drops)?);
            }
            Ok(())
        });
    }
}

fn shot<'v>(probe: &'v Probe, variant: &'v Variant) -> Result<Option<Shot<'v>>, RunError> {
    match &probe.packet {
        Crafted::Inner(packet) => Ok(inner(probe, packet, variant)),
        Crafted::Outer(packet) => outer(probe, packet, variant),
    }
}

fn vm<'v>(variant: &'v Variant, name: &str) -> Option<&'v VmPlan> {
    let (tenant, vm) = name.split_once('/')?;
    variant.vm(tenant, vm)
}

fn inner<'v>(probe: &Probe, packet: &InnerPacket, variant: &'v Variant) -> Option<Shot<'v>> {
    if variant.encap == Encap::None || packet.tag.is_some() && !variant.encap.carries_ethernet() {
        return None;
    }
    let (from, to) = (vm(variant, &packet.from)?, vm(variant, &packet.to)?);
    let secret = rand::random();
    let tag = packet.tag.map(VlanId::value);
    let marked = Marked { from, to, cast: packet.cast, ethertype: packet.ethertype, tag, secret };
    let cast = match packet.cast {
        Cast::Unicast => "frame",
        Cast::Broadcast => "broadcast frame",
        Cast::Multicast => "multicast frame",
    };
    let tagged = tag.map(|tag| format!(" with tag {tag}")).unwrap_or_default();
    let kind = packet.ethertype.map(|kind| format!(" of type {kind:#06x}")).unwrap_or_default();
    Some(Shot {
        name: probe.name.clone(),
        what: format!("{cast}{tagged}{kind} from {} to {}", packet.from, packet.to),
        from: From::Vm(from),
        to: Some(to),
        packets: (0..probe.count).map(|number| marked.frame(number)).collect::<Option<_>>()?,
        secret,
    })
}

/// The tenant, the receiver and the host of an outer packet.
fn target<'v>(
    variant: &'v Variant,
    packet: &'v OuterPacket,
) -> Option<(&'v TenantPlan, Option<&'v VmPlan>, &'v str)> {
    if packet.to.contains('/') {
        let vm = vm(variant, &packet.to)?;
        let tenant = variant.tenants.iter().find(|tenant| tenant.name == vm.tenant)?;
        return Some((tenant, Some(vm), &vm.host));
    }
    Some((variant.tenants.first()?, None, &packet.to))
}

fn outer<'v>(
    probe: &Probe,
    packet: &'v OuterPacket,
    variant: &'v Variant,
) -> Result<Option<Shot<'v>>, RunError> {
    if let Some(vid) = packet.vid {
        return Ok(tagged(probe, packet, variant, vid));
    }
    if variant.encap.is_tag() || matches!(variant.encap, Encap::None | Encap::Ssh) {
        return Ok(None);
    }
    let Some((tenant, receiver, host)) = target(variant, packet) else { return Ok(None) };
    // The inner frame is one that a VM behind the sending host could have sent.
    let behind = |vm: &&VmPlan| vm.host == packet.from;
    let Some(own) = tenant.vms.iter().find(behind).or(tenant.vms.first()) else { return Ok(None) };
    let Some(to) = receiver.or(tenant.vms.iter().find(|vm| vm.host != packet.from)) else {
        return Ok(None);
    };
    let ends = (underlay_address(variant, &packet.from), underlay_address(variant, host));
    let (Some(src), Some(dst)) = ends else { return Ok(None) };
    let secret = rand::random();
    let tag = packet.tag.map(VlanId::value).filter(|_| variant.encap.carries_ethernet());
    let marked = Marked { from: own, to, cast: Cast::Unicast, ethertype: None, tag, secret };
    let mut packets = Vec::new();
    for number in 0..probe.count {
        let (Some(plain), Some(sent)) = (marked.untagged(number), marked.frame(number)) else {
            return Ok(None);
        };
        let recipe = Recipe {
            src,
            dst,
            network: tenant.id,
            checksum: packet.checksum.unwrap_or(Checksum::Right),
            sequence: packet.sequence.unwrap_or(0).wrapping_add(number),
        };
        packets.push(craft(variant, &recipe, &plain, &sent)?);
    }
    Ok(Some(Shot {
        name: probe.name.clone(),
        what: words(packet, variant, tag),
        from: From::Host { name: &packet.from, to: dst },
        to: receiver,
        packets,
        secret,
    }))
}

/// Frames with a VLAN id on the fabric, as the sending host's edge would send them but for the id.
fn tagged<'v>(
    probe: &Probe,
    packet: &'v OuterPacket,
    variant: &'v Variant,
    vid: u16,
) -> Option<Shot<'v>> {
    if variant.encap != Encap::Vlan {
        return None;
    }
    let (tenant, receiver, _) = target(variant, packet)?;
    let to = receiver?;
    let edge = variant.edges.iter().find(|edge| edge.host == packet.from)?;
    let behind = |vm: &&VmPlan| vm.host == packet.from;
    let from = tenant.vms.iter().find(behind).or(tenant.vms.first())?;
    let secret = rand::random();
    let marked = Marked { from, to, cast: Cast::Unicast, tag: Some(vid), ethertype: None, secret };
    Some(Shot {
        name: probe.name.clone(),
        what: format!("frame with VLAN id {vid} from {} for {}", packet.from, packet.to),
        from: From::Nic { name: &packet.from, interface: &edge.nic },
        to: Some(to),
        packets: (0..probe.count).map(|number| marked.frame(number)).collect::<Option<_>>()?,
        secret,
    })
}

fn words(packet: &OuterPacket, variant: &Variant, tag: Option<u16>) -> String {
    let mut what = format!("{} packet from {} for {}", variant.encap, packet.from, packet.to);
    let udp = matches!(variant.encap, Encap::Vxlan | Encap::Geneve);
    if let Some(checksum) = packet.checksum.filter(|_| udp) {
        what += match checksum {
            Checksum::Zero => ", outer UDP checksum zero",
            Checksum::Right => ", outer UDP checksum right",
            Checksum::Wrong => ", outer UDP checksum wrong",
        };
    }
    if variant.engine.csum && packet.checksum == Some(Checksum::Wrong) {
        what += ", GRE checksum wrong";
    }
    if let Some(tag) = tag {
        what += &format!(", tag {tag} inside");
    }
    if let Some(sequence) = packet.sequence.filter(|_| variant.engine.seq) {
        what += &format!(", sequence numbers from {sequence}");
    }
    what
}
