//! When a network forwards: read from the kernel, waited for by its notifications.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rtnetlink::packet_route::link::BridgePortState;

use super::cable;
use super::error::{Error, Result};
use super::event::{LinkEvents, wait_any};
use super::link::{self, LinkState};
use super::namespaces::Namespaces;
use super::ping::ping;
use super::socket::Netlink;
use crate::lab::{Datapath, Fabric};
use crate::plan::{Edge, NodeKind, Variant};

/// State is read again at least this often, should a notification have been lost or the wait be
/// given up.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// A namespace with ends of links.
struct Spot<'a> {
    /// The node's name.
    node: &'a str,
    kind: NodeKind,
    interfaces: Vec<String>,
}

struct Watched<'a> {
    spot: Spot<'a>,
    netlink: Netlink,
}

pub(super) fn wait(
    namespaces: &Namespaces,
    variant: &Variant,
    limit: Duration,
    stop: &AtomicBool,
) -> Result<Duration> {
    let begun = Instant::now();
    let deadline = begun + limit;
    let wires = wires(variant);
    let spots = spots(variant, &wires);
    // Without spanning tree links are nearly always ready by now, and nothing has to be watched.
    let tree = variant.stp && variant.fabric == Fabric::L2;
    if tree || !first_look(namespaces, variant, &spots, &wires)? {
        links(namespaces, variant, (spots, &wires), (limit, deadline), stop)?;
    }
    if stop.load(Relaxed) {
        return Ok(begun.elapsed());
    }
    let unreachable = vteps_unreachable(namespaces, variant, deadline)?;
    if !unreachable.is_empty() {
        return Err(not_ready(variant, limit, unreachable));
    }
    Ok(begun.elapsed())
}

/// Two interfaces that are plugged into each other: nodes and names.
type Wire<'a> = [(&'a str, String); 2];

/// All links; those that are made of two pairs of interfaces as both.
fn wires(variant: &Variant) -> Vec<Wire<'_>> {
    let middles: HashMap<usize, [String; 2]> =
        cable::impaired(variant).map(|(n, _)| (n, cable::interfaces(n))).collect();
    let mut wires = Vec::with_capacity(variant.links.len() + middles.len());
    for (n, link) in variant.links.iter().enumerate() {
        let [a, b] = link.ends.each_ref().map(|end| (end.node.as_str(), end.interface.clone()));
        match middles.get(&n) {
            Some(middle) => {
                let [to_a, to_b] = middle.each_ref().map(|name| (cable::MIDDLE, name.clone()));
                wires.extend([[a, to_a], [b, to_b]]);
            }
            None => wires.push([a, b]),
        }
    }
    wires
}

/// The places where wires end.
fn spots<'a>(variant: &'a Variant, wires: &[Wire<'a>]) -> Vec<Spot<'a>> {
    let mut interfaces: HashMap<&str, Vec<String>> = HashMap::new();
    for (node, interface) in wires.iter().flatten() {
        interfaces.entry(node).or_default().push(interface.clone());
    }
    let nodes = variant.nodes.iter().map(|node| (node.name.as_str(), node.kind));
    nodes
        .chain([(cable::MIDDLE, NodeKind::Host)])
        .filter_map(|(node, kind)| Some(Spot { node, kind, interfaces: interfaces.remove(node)? }))
        .collect()
}

/// Whether every link is ready, looked at from several threads.
fn first_look(
    namespaces: &Namespaces,
    variant: &Variant,
    spots: &[Spot<'_>],
    wires: &[Wire<'_>],
) -> Result<bool> {
    let spots = spots.iter().map(|spot| (variant.namespace(spot.node), spot)).collect();
    let looks = namespaces.each(spots, |name, spot| {
        let links = link::list(&mut Netlink::open(name)?)?;
        Ok((missing_at(spot, &links), noticed_at(spot, &links)))
    })?;
    let (missing, noticed): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
    let noticed = noticed.into_iter().flatten().collect();
    Ok(missing.iter().all(Vec::is_empty) && unnoticed(wires, &noticed).is_empty())
}

/// Waits until all links are ready, or `stop` is true.
fn links(
    namespaces: &Namespaces,
    variant: &Variant,
    (spots, wires): (Vec<Spot<'_>>, &[Wire<'_>]),
    (limit, deadline): (Duration, Instant),
    stop: &AtomicBool,
) -> Result<()> {
    let mut watched = Vec::with_capacity(spots.len());
    let mut events = Vec::with_capacity(spots.len());
    for spot in spots {
        let name = variant.namespace(spot.node);
        // Subscribed before the first look, so that nothing happens in between.
        let (event, netlink) =
            namespaces.inside(&name, || Ok((LinkEvents::open(&name)?, Netlink::open(&name)?)))?;
        events.push(event);
        watched.push(Watched { spot, netlink });
    }
    loop {
        for event in &events {
            event.drain()?;
        }
        let missing = links_missing(&mut watched, wires, variant.stp)?;
        if missing.is_empty() || stop.load(Relaxed) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(not_ready(variant, limit, missing));
        }
        wait_any(&events, deadline.min(Instant::now() + READ_AGAIN))?;
    }
}

fn not_ready(variant: &Variant, waited: Duration, missing: Vec<String>) -> Error {
    Error::NotReady { what: format!("network {}", variant.name), waited, missing }
}

fn links_missing(
    watched: &mut [Watched<'_>],
    wires: &[Wire<'_>],
    stp: bool,
) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let (mut roots, mut noticed) = (BTreeSet::new(), HashSet::new());
    for Watched { spot, netlink } in watched {
        let links = link::list(netlink)?;
        missing.extend(missing_at(spot, &links));
        noticed.extend(noticed_at(spot, &links));
        // A host's own edge bridge takes no part in spanning tree and is its own root.
        if stp && spot.kind == NodeKind::Switch {
            let ports = links.iter().filter(|link| spot.interfaces.contains(&link.name));
            roots.extend(ports.filter_map(|link| link.root));
        }
    }
    missing.extend(unnoticed(wires, &noticed));
    if missing.is_empty() && roots.len() > 1 {
        missing.push(format!("the switches see {} spanning-tree roots", roots.len()));
    }
    Ok(missing)
}

/// What is missing at the ends of links in one place.
fn missing_at(spot: &Spot<'_>, links: &[LinkState]) -> Vec<String> {
    let by_name: HashMap<&str, &LinkState> =
        links.iter().map(|link| (link.name.as_str(), link)).collect();
    let missing = spot.interfaces.iter().filter_map(|interface| {
        let Some(state) = by_name.get(interface.as_str()) else {
            return Some(format!("{}: no interface {interface}", spot.node));
        };
        unfit(spot.kind, state).map(|why| format!("{} {interface}: {why}", spot.node))
    });
    missing.collect()
}

/// The ends of links in one place whose carrier the kernel has noticed.
fn noticed_at<'a>(spot: &Spot<'a>, links: &[LinkState]) -> Vec<(&'a str, String)> {
    let noticed = links.iter().filter(|link| link.operational);
    let ends = noticed.filter(|link| spot.interfaces.contains(&link.name));
    ends.map(|link| (spot.node, link.name.clone())).collect()
}

/// Wires that may still lose what they are given.
///
/// The end that was brought up first had no carrier yet, and sends nothing until the kernel notices
/// it, which it does at once; the other end sends from the beginning, but the kernel may take a
/// second to say so. So one of them is enough.
fn unnoticed(wires: &[Wire<'_>], noticed: &HashSet<(&str, String)>) -> Vec<String> {
    let without = wires.iter().filter(|wire| !wire.iter().any(|end| noticed.contains(end)));
    let told = |[(node, interface), _]: &Wire<'_>| {
        format!("{node} {interface}: the kernel has not yet noticed the carrier")
    };
    without.map(told).collect()
}

fn unfit(kind: NodeKind, state: &LinkState) -> Option<String> {
    if !state.carrier {
        return Some("no carrier".to_owned());
    }
    match (kind, &state.port_state) {
        (NodeKind::Switch, Some(BridgePortState::Forwarding | BridgePortState::Blocking)) => None,
        (NodeKind::Switch, Some(other)) => {
            Some(format!("spanning tree is {}", format!("{other:?}").to_lowercase()))
        }
        (NodeKind::Switch, None) => Some("not yet a bridge port".to_owned()),
        _ => None,
    }
}

/// Pings every VTEP from its predecessor in the ring of edges: each host's outgoing and incoming
/// way is tried once, and the neighbour tables on the way are filled.
fn vteps_unreachable(
    namespaces: &Namespaces,
    variant: &Variant,
    deadline: Instant,
) -> Result<Vec<String>> {
    // A host whose NIC belongs to an engine answers nobody.
    let deaf = |edge: &Edge| edge.datapath == Datapath::User && variant.encap.is_tag();
    let edges: Vec<(&Edge, std::net::IpAddr)> = variant
        .edges
        .iter()
        .filter(|edge| !deaf(edge))
        .filter_map(|edge| Some((edge, edge.vtep?)))
        .collect();
    let mut unreachable = Vec::new();
    if edges.len() < 2 {
        return Ok(unreachable);
    }
    for (at, (edge, vtep)) in edges.iter().enumerate() {
        let (next, to) = edges[(at + 1) % edges.len()];
        let namespace = variant.namespace(&edge.host);
        if !ping(namespaces, &namespace, *vtep, to, deadline)? {
            unreachable
                .push(format!("{} does not reach the VTEP {to} of {}", edge.host, next.host));
        }
    }
    Ok(unreachable)
}
