//! What the underlay sees of tenants: their addresses in the outermost headers of packets on all
//! links, and in the MAC tables of switches.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Place;
use super::error::MeasureError;
use super::isolation::{Kind, Station, Token, frame};
use super::result::SightResult;
use super::tap::Watch;
use super::watched::Watched;
use crate::plan::Variant;
use crate::wire::ethernet::ethertype;
use crate::wire::layers::{Layer, layers};

/// How long packets are still awaited after the last was sent.
const PATIENCE: Duration = Duration::from_millis(300);
/// Frames of each kind that a VM sends.
const REPEATS: u32 = 2;

/// A tenant's addresses.
struct Known {
    macs: HashSet<[u8; 6]>,
    addresses: HashSet<IpAddr>,
    secret: [u8; 16],
}

/// Lets every VM of the named tenants send frames of four kinds, and looks for their addresses on
/// every link meanwhile, then in the switches' `tables`: MACs by node.
///
/// # Errors
/// An interface could not be opened, written or read, or a table not be listed.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    tenants: &[&str],
    tables: impl FnOnce() -> Result<BTreeMap<String, Vec<[u8; 6]>>, MeasureError>,
) -> Result<BTreeMap<String, SightResult>, MeasureError> {
    let carried = variant.tenants.iter().filter(|t| tenants.contains(&t.name.as_str()));
    let known: Vec<(&str, Known)> =
        carried.map(|tenant| (tenant.name.as_str(), known(variant, &tenant.name))).collect();
    let mut found = vec![SightResult::default(); known.len()];
    // Both directions of a cable pass its first end.
    let ends = variant.links.iter().map(|link| (&*link.ends[0].node, &*link.ends[0].interface));
    let mut watched =
        Watched::open(place, variant, ends.map(|(node, name)| (node, name, Watch::Both)))?;
    let mut watch = |watched: &mut Watched| {
        watched.look(|seen| {
            for ((_, known), found) in known.iter().zip(&mut found) {
                let link = &variant.links[seen.at].name;
                note(known, found, seen.packet, link);
            }
        })
    };
    let mut failed = None;
    for round in 0..REPEATS {
        for (index, (name, known)) in known.iter().enumerate() {
            send(place, variant, name, known, u32::try_from(index).unwrap_or(0) + round)?;
            failed = failed.or(watch(&mut watched).err());
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while failed.is_none() && Instant::now() < deadline {
        failed = watched.wait(deadline).and_then(|()| watch(&mut watched)).err();
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let missed = watched.missed()?;
    let tables = tables()?;
    let entries = tables.values().map(Vec::len).sum::<usize>() as u64;
    for ((_, known), found) in known.iter().zip(&mut found) {
        found.entries = entries;
        found.missed = missed;
        for (node, macs) in &tables {
            for mac in macs.iter().filter(|mac| known.macs.contains(*mac)) {
                found.own_entries += 1;
                let example = || format!("{} in the table of {node}", text(*mac));
                found.example.get_or_insert_with(example);
            }
        }
    }
    Ok(known.iter().zip(found).map(|((name, _), found)| ((*name).to_owned(), found)).collect())
}

fn known(variant: &Variant, tenant: &str) -> Known {
    let own = variant.tenants.iter().filter(|t| t.name == tenant).flat_map(|t| &t.vms);
    let routers = variant.routers.iter().flat_map(|router| &router.ports);
    let routers = routers.filter(|port| port.tenant == tenant);
    let macs = own.clone().map(|vm| &vm.mac).chain(routers.clone().map(|port| &port.mac));
    let nets = own.flat_map(|vm| std::iter::once(vm.address).chain(vm.address6));
    let nets = nets.chain(routers.flat_map(|p| std::iter::once(p.address).chain(p.address6)));
    Known {
        macs: macs.filter_map(|mac| bytes(mac)).collect(),
        addresses: nets.map(|net| net.addr()).collect(),
        secret: rand::random(),
    }
}

fn bytes(mac: &str) -> Option<[u8; 6]> {
    let mac: crate::wire::ethernet::Mac = mac.parse().ok()?;
    Some(mac.0)
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// One frame of each kind from each VM of a tenant to one on another host.
fn send(
    place: &impl Place,
    variant: &Variant,
    name: &str,
    known: &Known,
    number: u32,
) -> Result<(), MeasureError> {
    let Some(tenant) = variant.tenants.iter().find(|t| t.name == name) else { return Ok(()) };
    for vm in &tenant.vms {
        let Some(aim) = tenant.vms.iter().find(|other| other.host != vm.host) else { continue };
        let (Some(from), Some(to)) = (Station::of(vm), Station::of(aim)) else { continue };
        let port = Watched::open(place, variant, [(&*vm.node, "eth0", Watch::Incoming)])?;
        let token = Token { secret: known.secret, tenant: 0, number };
        for kind in [Kind::Arp, Kind::Unicast, Kind::Broadcast, Kind::Multicast] {
            let frame = frame(kind, &from, &to, &token);
            port.send(0, &frame, &format!("{} frame", kind.name()))?;
        }
    }
    Ok(())
}

/// Notes what a packet shows of a tenant.
fn note(known: &Known, found: &mut SightResult, packet: &[u8], link: &str) {
    found.packets += 1;
    let carried = Token::find(packet).is_some_and(|token| token.secret == known.secret);
    found.carried += u64::from(carried);
    let macs = [packet.first_chunk::<6>(), packet.get(6..).and_then(<[u8]>::first_chunk::<6>)];
    if let Some(mac) = macs.into_iter().flatten().find(|mac| known.macs.contains(*mac)) {
        found.macs += 1;
        found.example.get_or_insert_with(|| format!("MAC {} on {link}", text(*mac)));
    }
    if let Some(ip) = outermost(packet).into_iter().flatten().find(|a| known.addresses.contains(a))
    {
        found.addresses += 1;
        found.example.get_or_insert_with(|| format!("{ip} on {link}"));
    }
}

/// The two addresses of a frame's outermost IP or ARP header.
fn outermost(packet: &[u8]) -> Option<[IpAddr; 2]> {
    let v4 = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<4>()?));
    let v6 = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<16>()?));
    let found = layers(packet, None, None);
    let ip = found.iter().find_map(|layer| match *layer {
        Layer::Ipv4(at) => Some([v4(at + 12)?, v4(at + 16)?]),
        Layer::Ipv6(at) => Some([v6(at + 8)?, v6(at + 24)?]),
        _ => None,
    });
    ip.or_else(|| {
        let tags = found.iter().filter(|layer| matches!(layer, Layer::Tag { .. })).count();
        let at = 14 + 4 * tags;
        let kind = packet.get(at.checked_sub(2)?..)?.first_chunk::<2>()?;
        // RFC 826: sender's and target's protocol addresses.
        let arp = u16::from_be_bytes(*kind) == ethertype::ARP;
        if arp { Some([v4(at + 14)?, v4(at + 24)?]) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(last: u8) -> Station {
        Station {
            mac: [6, 0, 0, 0, 0, last],
            address: [10, 1, 0, last].into(),
            address6: Some(std::net::Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, last.into())),
        }
    }

    #[test]
    fn only_the_outermost_addresses_count() {
        let token = Token { secret: [7; 16], tenant: 0, number: 1 };
        let known = Known {
            macs: HashSet::from([station(1).mac]),
            addresses: HashSet::from([
                station(1).address.into(),
                station(1).address6.unwrap().into(),
            ]),
            secret: [7; 16],
        };
        let seen = |packet: &[u8]| {
            let mut found = SightResult::default();
            note(&known, &mut found, packet, "a-b");
            (found.carried, found.macs, found.addresses)
        };
        for kind in Kind::ALL {
            let bare = frame(kind, &station(1), &station(2), &token);
            assert_eq!(seen(&bare), (1, 1, 1), "{kind:?}");
            let mut tagged = bare.clone();
            tagged.splice(12..12, [0x81, 0, 0, 5]);
            assert_eq!(seen(&tagged), (1, 1, 1), "{kind:?} with a tag");
            // VXLAN: outer Ethernet, IPv4 and UDP of the underlay in front.
            let underlay =
                [Station { mac: [2; 6], address: [10, 255, 0, 1].into(), address6: None }; 2];
            let mut outer = frame(Kind::Unicast, &underlay[0], &underlay[1], &token);
            outer.truncate(42);
            outer.extend([8, 0, 0, 0, 0, 0, 1, 0]);
            outer.extend(&bare);
            assert_eq!(seen(&outer), (1, 0, 0), "{kind:?} in a tunnel");
            for length in 0..bare.len() {
                seen(&bare[..length]);
            }
        }
    }
}
