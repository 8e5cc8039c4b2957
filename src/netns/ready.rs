//! When a network forwards: read from the kernel, waited for by its notifications.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rtnetlink::packet_route::link::BridgePortState;

use super::error::{Error, Result};
use super::event::{LinkEvents, wait_any};
use super::link::{self, LinkState};
use super::namespaces::Namespaces;
use super::ping::ping;
use super::socket::Netlink;
use crate::lab::{Datapath, Fabric};
use crate::plan::{Edge, Node, NodeKind, Variant};

/// State is read again at least this often, should a notification have been lost or the wait be
/// given up.
const READ_AGAIN: Duration = Duration::from_millis(500);

struct Watched<'a> {
    node: &'a Node,
    interfaces: Vec<&'a str>,
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
    let interfaces = interfaces(variant);
    // Without spanning tree links are nearly always ready by now, and nothing has to be watched.
    let tree = variant.stp && variant.fabric == Fabric::L2;
    if tree || !first_look(namespaces, variant, &interfaces)? {
        links(namespaces, variant, interfaces, (limit, deadline), stop)?;
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

type Interfaces<'a> = HashMap<&'a str, Vec<&'a str>>;

/// The interfaces of each node's links.
fn interfaces(variant: &Variant) -> Interfaces<'_> {
    let mut interfaces = Interfaces::new();
    for end in variant.links.iter().flat_map(|cable| &cable.ends) {
        interfaces.entry(&end.node).or_default().push(&end.interface);
    }
    interfaces
}

/// Whether every link is ready, looked at from several threads.
fn first_look(
    namespaces: &Namespaces,
    variant: &Variant,
    interfaces: &Interfaces<'_>,
) -> Result<bool> {
    let nodes = variant.nodes.iter().map(|node| (variant.namespace(&node.name), node)).collect();
    let looked = namespaces.each(nodes, |name, node| {
        let interfaces = interfaces.get(node.name.as_str()).cloned().unwrap_or_default();
        let links = link::list(&mut Netlink::open(name)?)?;
        Ok(missing_at(node, &interfaces, &links).is_empty())
    })?;
    Ok(looked.into_iter().all(|fit| fit))
}

/// Waits until all links are ready, or `stop` is true.
fn links(
    namespaces: &Namespaces,
    variant: &Variant,
    mut interfaces: Interfaces<'_>,
    (limit, deadline): (Duration, Instant),
    stop: &AtomicBool,
) -> Result<()> {
    let mut watched = Vec::with_capacity(variant.nodes.len());
    let mut events = Vec::with_capacity(variant.nodes.len());
    for node in &variant.nodes {
        let name = variant.namespace(&node.name);
        let interfaces = interfaces.remove(node.name.as_str()).unwrap_or_default();
        // Subscribed before the first look, so that nothing happens in between.
        let (event, netlink) =
            namespaces.inside(&name, || Ok((LinkEvents::open(&name)?, Netlink::open(&name)?)))?;
        events.push(event);
        watched.push(Watched { node, interfaces, netlink });
    }
    loop {
        for event in &events {
            event.drain()?;
        }
        let missing = links_missing(&mut watched, variant.stp)?;
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

fn links_missing(watched: &mut [Watched<'_>], stp: bool) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let mut roots = BTreeSet::new();
    for Watched { node, interfaces, netlink } in watched {
        let links = link::list(netlink)?;
        missing.extend(missing_at(node, interfaces, &links));
        // A host's own edge bridge takes no part in spanning tree and is its own root.
        if stp && node.kind == NodeKind::Switch {
            let ports = links.iter().filter(|link| interfaces.contains(&link.name.as_str()));
            roots.extend(ports.filter_map(|link| link.root));
        }
    }
    if missing.is_empty() && roots.len() > 1 {
        missing.push(format!("the switches see {} spanning-tree roots", roots.len()));
    }
    Ok(missing)
}

/// What is missing at a node's interfaces.
fn missing_at(node: &Node, interfaces: &[&str], links: &[LinkState]) -> Vec<String> {
    let by_name: HashMap<&str, &LinkState> =
        links.iter().map(|link| (link.name.as_str(), link)).collect();
    let missing = interfaces.iter().filter_map(|interface| {
        let Some(state) = by_name.get(interface) else {
            return Some(format!("{}: no interface {interface}", node.name));
        };
        unfit(node, state).map(|why| format!("{} {interface}: {why}", node.name))
    });
    missing.collect()
}

fn unfit(node: &Node, state: &LinkState) -> Option<String> {
    if !state.carrier {
        return Some("no carrier".to_owned());
    }
    match (node.kind, &state.port_state) {
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
