//! Routes around links that are dead, from a plan and nothing else: what a routing protocol would
//! come to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::graph::{Cable, Graph, Spot};
use super::{NodeKind, Route, Variant, route};

/// Shortest paths of every node of an L3 fabric, in the order of [`Variant::nodes`], where the links
/// of these positions are dead. Destinations to which no path is left have no route. Routes to a
/// host's own ports are not among them.
#[must_use]
pub fn reroute(variant: &Variant, dead: &BTreeSet<usize>) -> Vec<Vec<Route>> {
    let position = |name: &str| variant.nodes.iter().position(|node| node.name == name);
    let mut nodes: Vec<Spot> = variant
        .nodes
        .iter()
        .map(|node| {
            let host = node.kind == NodeKind::Host;
            Spot { name: node.name.clone(), host, adjacent: Vec::new() }
        })
        .collect();
    let mut cables = Vec::with_capacity(variant.links.len());
    for (number, link) in variant.links.iter().enumerate() {
        let [a, b] = [0, 1].map(|end: usize| position(&link.ends[end].node).unwrap_or_default());
        if !dead.contains(&number) {
            nodes[a].adjacent.push((number, b));
            nodes[b].adjacent.push((number, a));
        }
        cables.push(Cable { ends: [a, b], ..Cable::default() });
    }
    let graph = Graph { nodes, cables, stp: false };
    let destinations: Vec<Vec<IpAddr>> = variant
        .nodes
        .iter()
        .map(|node| {
            // Of a VM without a tunnel the fabric knows by which host it was placed.
            let ports = node.routes.iter().filter(|route| route.device.is_some());
            let own = node.loopback.iter().copied().chain(ports.map(|route| route.to));
            if node.kind == NodeKind::Host {
                own.map(|net| net.addr()).collect()
            } else {
                Vec::new()
            }
        })
        .collect();
    let address = |cable: usize, end: usize| {
        variant.links[cable].ends[end].addresses.first().map(ipnet::IpNet::addr)
    };
    route::around(&graph, &address, &destinations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(yaml: &str) -> Variant {
        let loaded = crate::lab::read_str("lab", yaml).unwrap();
        crate::plan::plan(&loaded.lab, &loaded.topology).unwrap().variants.remove(0)
    }

    const FABRIC: &str = "{ title: t, topology: { leaf-spine: { leaves: 2, spines: 2, hosts: 1 } },
        tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
        compare: { encap: [vxlan, none] } }";

    fn dead(variant: &Variant, names: &[&str]) -> BTreeSet<usize> {
        let is = |link: &str| variant.links.iter().position(|l| l.name == link).unwrap();
        names.iter().map(|name| is(name)).collect()
    }

    #[test]
    fn with_no_link_dead_the_routes_are_the_plans() {
        let loaded = crate::lab::read_str("lab", FABRIC).unwrap();
        for variant in crate::plan::plan(&loaded.lab, &loaded.topology).unwrap().variants {
            let routes = reroute(&variant, &BTreeSet::new());
            for (node, routes) in variant.nodes.iter().zip(routes) {
                let planned = node.routes.iter().filter(|route| route.device.is_none());
                assert_eq!(routes, planned.cloned().collect::<Vec<_>>(), "{}", node.name);
            }
        }
    }

    #[test]
    fn dead_links_are_gone_around_as_long_as_there_is_a_way() {
        let variant = variant(FABRIC);
        let of = |routes: &[Vec<Route>], name: &str| {
            routes[variant.nodes.iter().position(|n| n.name == name).unwrap()].clone()
        };
        let routes = reroute(&variant, &dead(&variant, &["leaf1-spine1"]));
        let leaf2 = of(&routes, "leaf2");
        assert!(leaf2.iter().all(|route| route.via.len() == 1), "no ECMP over spine1: {leaf2:?}");
        // spine1 still reaches h1, by leaf2 and spine2.
        assert_eq!(of(&routes, "spine1").len(), 2);
        let routes = reroute(&variant, &dead(&variant, &["leaf1-spine1", "leaf1-spine2"]));
        assert_eq!(of(&routes, "leaf2").len(), 1, "h1 is not to be reached");
        assert!(routes.iter().flatten().all(|route| !route.via.is_empty()));
        let routes = reroute(&variant, &dead(&variant, &["h1-leaf1"]));
        assert!(of(&routes, "h1").is_empty());
        assert!(routes.iter().flatten().all(|route| !route.via.is_empty()));
    }
}
