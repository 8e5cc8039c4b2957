//! When a network forwards: read from the kernel, waited for by its notifications.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rtnetlink::packet_route::link::BridgePortState;

use super::error::{Error, Result};
use super::event::{LinkEvents, wait_any};
use super::link::{self, LinkState};
use super::namespaces::Namespaces;
use super::ping::ping;
use super::socket::Netlink;
use crate::lab::Datapath;
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
    let mut watched = Vec::with_capacity(variant.nodes.len());
    let mut events = Vec::with_capacity(variant.nodes.len());
    for node in &variant.nodes {
        let name = variant.namespace(&node.name);
        let ends = variant.links.iter().flat_map(|cable| &cable.ends);
        let interfaces =
            ends.filter(|end| end.node == node.name).map(|end| end.interface.as_str()).collect();
        // Subscribed before the first look, so that nothing happens in between.
        let (event, netlink) =
            namespaces.inside(&name, || Ok((LinkEvents::open(&name)?, Netlink::open(&name)?)))?;
        events.push(event);
        watched.push(Watched { node, interfaces, netlink });
    }
    loop {
        for event in &mut events {
            event.drain()?;
        }
        let missing = links_missing(&mut watched, variant.stp)?;
        if missing.is_empty() {
            break;
        }
        if stop.load(Relaxed) {
            return Ok(begun.elapsed());
        }
        if Instant::now() >= deadline {
            return Err(not_ready(variant, limit, missing));
        }
        wait_any(&events, deadline.min(Instant::now() + READ_AGAIN))?;
    }
    let unreachable = vteps_unreachable(namespaces, variant, deadline)?;
    if !unreachable.is_empty() {
        return Err(not_ready(variant, limit, unreachable));
    }
    Ok(begun.elapsed())
}

fn not_ready(variant: &Variant, waited: Duration, missing: Vec<String>) -> Error {
    Error::NotReady { what: format!("network {}", variant.name), waited, missing }
}

fn links_missing(watched: &mut [Watched<'_>], stp: bool) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let mut roots = BTreeSet::new();
    for Watched { node, interfaces, netlink } in watched {
        let links = link::list(netlink)?;
        for interface in interfaces.iter() {
            let Some(state) = links.iter().find(|link| link.name == *interface) else {
                missing.push(format!("{}: no interface {interface}", node.name));
                continue;
            };
            if let Some(why) = unfit(node, state) {
                missing.push(format!("{} {interface}: {why}", node.name));
            }
            // A host's own edge bridge takes no part in spanning tree and is its own root.
            if stp && node.kind == NodeKind::Switch {
                roots.extend(state.root);
            }
        }
    }
    if missing.is_empty() && roots.len() > 1 {
        missing.push(format!("the switches see {} spanning-tree roots", roots.len()));
    }
    Ok(missing)
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
