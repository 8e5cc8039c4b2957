//! Frames between a VLAN segment and the overlay, seen on the trunk and on the underlay.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Place;
use super::error::MeasureError;
use super::isolation::{Kind, Station, Token, frame};
use super::result::GatewayResult;
use super::tap::Watch;
use super::watched::{Sighting, Watched};
use crate::lab::Learning;
use crate::plan::{SegmentPlan, Variant, VmPlan};

/// How long frames are awaited.
const PATIENCE: Duration = Duration::from_millis(600);
/// How long stray copies are still awaited when all have arrived.
const GRACE: Duration = Duration::from_millis(60);
/// How often each frame is sent.
const REPEATS: u32 = 2;

/// One frame that was sent.
struct Sent<'v> {
    /// From a machine, rather than to one.
    back: bool,
    /// Who is to get it.
    to: &'v VmPlan,
}

/// Sends marked frames between the VMs of a segment's tenant on other hosts than the gateway and
/// the segment's machines, both ways, of every kind, and looks at what they are on the way.
/// `network` tells the tenant id of a packet on the underlay.
///
/// # Errors
/// An interface could not be opened, written or read.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    segment: &SegmentPlan,
    network: &dyn Fn(&[u8]) -> Option<u64>,
) -> Result<GatewayResult, MeasureError> {
    let tenant = variant.tenants.iter().find(|t| t.name == segment.tenant);
    let own = |vm: &VmPlan| segment.machines.iter().any(|(node, _)| *node == vm.node);
    let (machines, others): (Vec<&VmPlan>, Vec<&VmPlan>) =
        tenant.into_iter().flat_map(|t| &t.vms).partition(|vm| own(vm));
    let vms: Vec<&VmPlan> = others.into_iter().filter(|vm| vm.host != segment.gateway).collect();

    let nodes: Vec<&VmPlan> = variant.vms().collect();
    let ports = nodes.iter().map(|vm| (&*vm.node, "eth0", Watch::Incoming));
    let ends = variant.links.iter().flat_map(|link| &link.ends);
    let nics = ends.filter(|end| end.node == segment.gateway);
    let nics = nics.map(|end| (&*end.node, &*end.interface, Watch::Both));
    let trunk = std::iter::once((&*segment.gateway, &*segment.trunk, Watch::Both));
    let mut watched = Watched::open(place, variant, ports.chain(trunk).chain(nics))?;

    let secret: [u8; 16] = rand::random();
    let mut result = GatewayResult {
        vlan: segment.vlan,
        id: tenant.map_or(0, |t| t.id),
        ..GatewayResult::default()
    };
    let mut sent: Vec<Sent<'_>> = Vec::new();
    let mut arrived: HashSet<u32> = HashSet::new();
    let deadline;
    {
        let (nodes, id) = (&nodes, result.id);
        let mut look = |watched: &mut Watched, sent: &[Sent<'_>], result: &mut GatewayResult| {
            watched.look(|seen: &Sighting<'_>| {
                let token = Token::find(seen.packet).filter(|token| token.secret == secret);
                let Some(token) = token else { return };
                let of = usize::try_from(token.number).ok().and_then(|n| sent.get(n));
                let Some(of) = of else { return };
                if let Some(vm) = nodes.get(seen.at) {
                    if vm.node == of.to.node && arrived.insert(token.number) {
                        result.delivered[usize::from(of.back)] += 1;
                    }
                    result.elsewhere += u64::from(vm.tenant != segment.tenant);
                } else if seen.at == nodes.len() {
                    let right = vid(seen.packet) == Some(segment.vlan);
                    result.trunk[usize::from(!right)] += 1;
                } else {
                    let right = network(seen.packet) == Some(id);
                    result.underlay[usize::from(!right)] += 1;
                }
            })
        };
        let mut kinds = vec![Kind::Unicast, Kind::Broadcast];
        // With filled tables the overlay answers questions itself.
        if variant.learning != Learning::Static {
            kinds.push(Kind::Arp);
        }
        for _ in 0..REPEATS {
            for (from, to, back) in
                pairs(&vms, &machines, false).chain(pairs(&machines, &vms, true))
            {
                let (Some(a), Some(b)) = (Station::of(from), Station::of(to)) else { continue };
                let port = nodes.iter().position(|vm| vm.node == from.node).unwrap_or(0);
                for kind in &kinds {
                    let number = u32::try_from(sent.len()).unwrap_or(u32::MAX);
                    let bytes = frame(*kind, &a, &b, &Token { secret, tenant: 0, number });
                    watched.send(port, &bytes, &format!("{} frame", kind.name()))?;
                    sent.push(Sent { back, to });
                    result.sent[usize::from(back)] += 1;
                }
                look(&mut watched, &sent, &mut result)?;
            }
        }
        deadline = Instant::now() + PATIENCE;
        let mut end = deadline;
        while Instant::now() < end {
            watched.wait(end)?;
            look(&mut watched, &sent, &mut result)?;
            if end == deadline && result.delivered == result.sent {
                end = deadline.min(Instant::now() + GRACE);
            }
        }
    }
    result.missed = watched.missed()?;
    Ok(result)
}

fn pairs<'v>(
    from: &'v [&'v VmPlan],
    to: &'v [&'v VmPlan],
    back: bool,
) -> impl Iterator<Item = (&'v VmPlan, &'v VmPlan, bool)> {
    from.iter().flat_map(move |a| to.iter().map(move |b| (*a, *b, back)))
}

/// The VLAN id of a frame's 802.1Q tag.
fn vid(frame: &[u8]) -> Option<u16> {
    let [a, b, c, d] = *frame.get(12..)?.first_chunk::<4>()?;
    ([a, b] == [0x81, 0]).then_some(u16::from_be_bytes([c, d]) & 0xFFF)
}

#[cfg(test)]
mod tests {
    use super::vid;

    #[test]
    fn the_vlan_is_read_from_the_tag() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0x00, 0xE0, 0x0A, 0x08, 0x00]);
        assert_eq!(vid(&frame), Some(10));
        frame[12] = 0x08;
        assert_eq!(vid(&frame), None);
        assert!((0..16).all(|length| vid(&frame[..length]).is_none()));
    }
}
