//! Shortest paths with all equal-cost next hops, and reachability.
//!
//! In an L3 fabric hosts are ends only: no path leads through one. Hosts that hang off the same
//! routers share their paths, so that one search per such group serves all of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::address::Ranges;
use super::graph::Graph;
use super::{PlanError, Route};

/// Hosts behind the same routers, and how far every router is from these.
pub(super) struct Group {
    pub hosts: Vec<usize>,
    pub distance: Vec<Option<u32>>,
}

/// A next hop: `(cable, node at its other end)`.
pub(super) type Hop = (usize, usize);

/// Routes of every node to every host in an L3 fabric.
///
/// `destinations[node]` are the addresses that live at a host, each with a route of its own. Routers
/// get one for each; hosts a default route along the paths that most destinations share, and one
/// for each of the rest.
///
/// # Errors
/// [`PlanError::Unreachable`] where a host does not reach another one.
pub(super) fn routed(
    graph: &Graph,
    ranges: &Ranges,
    destinations: &[Vec<IpAddr>],
) -> Result<Vec<Vec<Route>>, PlanError> {
    let mut routes = vec![Vec::new(); graph.nodes.len()];
    let address = |cable, end| Some(ranges.link(cable, end));
    each(graph, adding(&mut routes, graph, &address, destinations))?;
    Ok(routes)
}

/// As [`routed`], in a network that may be in pieces: what cannot be reached has no route. Addresses
/// are by cable and end.
pub(super) fn around(
    graph: &Graph,
    address: &dyn Fn(usize, usize) -> Option<IpAddr>,
    destinations: &[Vec<IpAddr>],
) -> Vec<Vec<Route>> {
    let mut routes = vec![Vec::new(); graph.nodes.len()];
    // Only unreachable hosts are an error, and here they are none.
    let _ = each_of(graph, false, adding(&mut routes, graph, address, destinations));
    routes
}

/// Adds the routes to a host, or the default one, by next hops.
fn adding<'a>(
    routes: &'a mut [Vec<Route>],
    graph: &'a Graph,
    address: &'a dyn Fn(usize, usize) -> Option<IpAddr>,
    destinations: &'a [Vec<IpAddr>],
) -> impl FnMut(usize, Option<usize>, &[Hop]) + 'a {
    move |node, to, hops| {
        let address = |&(cable, peer): &Hop| address(cable, graph.cables[cable].end_at(peer));
        let via: Vec<IpAddr> = hops.iter().filter_map(address).collect();
        if via.is_empty() {
            return;
        }
        let Some(host) = to else {
            let to = match via.first() {
                Some(IpAddr::V6(_)) => IpNet::V6(Ipv6Net::default()),
                _ => IpNet::V4(Ipv4Net::default()),
            };
            routes[node].push(Route { to, via, device: None });
            return;
        };
        let route =
            |&address: &IpAddr| Route { to: IpNet::from(address), via: via.clone(), device: None };
        routes[node].extend(destinations[host].iter().map(route));
    }
}

/// Calls `add` with every node, the host that its route leads to (`None` for a default route), and
/// the next hops.
///
/// # Errors
/// [`PlanError::Unreachable`] where a host does not reach another one.
pub(super) fn each(
    graph: &Graph,
    add: impl FnMut(usize, Option<usize>, &[Hop]),
) -> Result<(), PlanError> {
    each_of(graph, true, add)
}

fn each_of(
    graph: &Graph,
    whole: bool,
    mut add: impl FnMut(usize, Option<usize>, &[Hop]),
) -> Result<(), PlanError> {
    let groups = groups(graph);
    for node in 0..graph.nodes.len() {
        if graph.nodes[node].host {
            host_routes(graph, whole, &groups, node, |hops, host| add(node, host, hops))?;
            continue;
        }
        for group in &groups {
            let Some(distance) = group.distance[node] else { continue };
            // One hop away from the group the way ends at each host's own link.
            let closer: Vec<Hop> = nearer(graph, group, node, distance);
            for &host in &group.hosts {
                if distance == 0 {
                    add(node, Some(host), &links_to(graph, node, host));
                } else {
                    add(node, Some(host), &closer);
                }
            }
        }
    }
    Ok(())
}

/// The hosts of an L3 fabric by the routers they are joined to.
pub(super) fn groups(graph: &Graph) -> Vec<Group> {
    let mut by_routers: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for host in graph.hosts() {
        let mut routers: Vec<usize> = uplinks(graph, host).map(|(_, peer)| peer).collect();
        routers.sort_unstable();
        routers.dedup();
        by_routers.entry(routers).or_default().push(host);
    }
    by_routers
        .into_iter()
        .map(|(routers, hosts)| Group { hosts, distance: distances(graph, &routers, routers_only) })
        .collect()
}

/// Breadth-first distances from `sources` over the cables that `follow` allows.
fn distances(
    graph: &Graph,
    sources: &[usize],
    follow: fn(&Graph, usize, Hop) -> bool,
) -> Vec<Option<u32>> {
    let mut distance = vec![None; graph.nodes.len()];
    let mut queue: VecDeque<(usize, u32)> = sources.iter().map(|&node| (node, 0)).collect();
    for &node in sources {
        distance[node] = Some(0);
    }
    while let Some((node, steps)) = queue.pop_front() {
        for &hop in &graph.nodes[node].adjacent {
            if distance[hop.1].is_none() && follow(graph, node, hop) {
                distance[hop.1] = Some(steps + 1);
                queue.push_back((hop.1, steps + 1));
            }
        }
    }
    distance
}

fn routers_only(graph: &Graph, _: usize, (_, peer): Hop) -> bool {
    !graph.nodes[peer].host
}

/// A host joins an L2 fabric with its first link only.
fn bridged_only(graph: &Graph, node: usize, (cable, peer): Hop) -> bool {
    [node, peer].into_iter().all(|end| {
        let spot = &graph.nodes[end];
        !spot.host || spot.adjacent.first().is_some_and(|&(first, _)| first == cable)
    })
}

/// Cables of a node that lead to switches.
pub(super) fn uplinks(graph: &Graph, host: usize) -> impl Iterator<Item = Hop> {
    graph.nodes[host].adjacent.iter().copied().filter(|&(_, peer)| !graph.nodes[peer].host)
}

fn links_to(graph: &Graph, node: usize, to: usize) -> Vec<Hop> {
    graph.nodes[node].adjacent.iter().copied().filter(|&(_, peer)| peer == to).collect()
}

/// Hops from a router to routers one step nearer to the group.
fn nearer(graph: &Graph, group: &Group, node: usize, distance: u32) -> Vec<Hop> {
    let Some(wanted) = distance.checked_sub(1) else { return Vec::new() };
    uplinks(graph, node).filter(|&(_, peer)| group.distance[peer] == Some(wanted)).collect()
}

/// Calls `add` with the next hops of a host: to one host, or (`None`) the default ones.
fn host_routes(
    graph: &Graph,
    whole: bool,
    groups: &[Group],
    host: usize,
    mut add: impl FnMut(&[Hop], Option<usize>),
) -> Result<(), PlanError> {
    // Hosts joined by a cable need no router.
    let mut direct: Vec<usize> = graph.nodes[host].adjacent.iter().map(|&(_, peer)| peer).collect();
    direct.retain(|&peer| graph.nodes[peer].host);
    direct.sort_unstable();
    direct.dedup();
    for &peer in &direct {
        add(&links_to(graph, host, peer), Some(peer));
    }

    let mut shared: HashMap<Vec<Hop>, usize> = HashMap::new();
    let mut paths: Vec<(&Group, Vec<Hop>)> = Vec::new();
    for group in groups {
        let nearest = uplinks(graph, host).filter_map(|(_, r)| group.distance[r]).min();
        let hops: Vec<Hop> = uplinks(graph, host)
            .filter(|&(_, router)| nearest.is_some() && group.distance[router] == nearest)
            .collect();
        if hops.is_empty() {
            let others = group.hosts.iter();
            if let Some(&lost) = others
                .into_iter()
                .find(|&&other| other != host && direct.binary_search(&other).is_err())
                .filter(|_| whole)
            {
                return Err(unreachable(
                    graph,
                    host,
                    lost,
                    " (paths lead through switches, not through hosts)",
                ));
            }
            continue;
        }
        *shared.entry(hops.clone()).or_default() += group.hosts.len();
        paths.push((group, hops));
    }
    // The most shared hops; among equals the first, so that the plan is always the same.
    let Some(default) = paths.iter().map(|(_, hops)| hops).rev().max_by_key(|&hops| shared[hops])
    else {
        return Ok(());
    };
    let default = default.clone();
    add(&default, None);
    for (group, hops) in paths.iter().filter(|(_, hops)| *hops != default) {
        for &other in group.hosts.iter().filter(|&&other| other != host) {
            if direct.binary_search(&other).is_err() {
                add(hops, Some(other));
            }
        }
    }
    Ok(())
}

/// Checks that all hosts of an L2 fabric are in one broadcast domain.
///
/// # Errors
/// [`PlanError::Unreachable`] for the first host that is not.
pub(super) fn check_bridged(graph: &Graph) -> Result<(), PlanError> {
    let Some(first) = graph.hosts().next() else { return Ok(()) };
    let distance = distances(graph, &[first], bridged_only);
    match graph.hosts().find(|&host| distance[host].is_none()) {
        None => Ok(()),
        Some(lost) => {
            Err(unreachable(graph, first, lost, " (a host joins an L2 fabric with its first link)"))
        }
    }
}

fn unreachable(graph: &Graph, from: usize, to: usize, hint: &'static str) -> PlanError {
    let name = |node: usize| graph.nodes[node].name.clone();
    PlanError::Unreachable { from: name(from), to: name(to), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(yaml: &str) -> Graph {
        Graph::new(&serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    fn routes(graph: &Graph) -> Result<Vec<Vec<Route>>, PlanError> {
        let lab = serde_yaml::from_str("{ title: t, topology: t, tenants: [] }").unwrap();
        let ranges = Ranges::new(&lab, graph).unwrap();
        let mut hosts = 0;
        let destinations: Vec<_> = graph
            .nodes
            .iter()
            .map(|spot| {
                hosts += usize::from(spot.host);
                if spot.host { vec![ranges.loopback(hosts - 1)] } else { vec![] }
            })
            .collect();
        routed(graph, &ranges, &destinations)
    }

    fn of<'a>(graph: &Graph, routes: &'a [Vec<Route>], node: &str) -> &'a [Route] {
        &routes[graph.nodes.iter().position(|n| n.name == node).unwrap()]
    }

    #[test]
    fn a_leaf_uses_every_spine_and_a_spine_the_one_leaf() {
        let graph = graph("leaf-spine: { leaves: 2, spines: 2, hosts: 1 }");
        let routes = routes(&graph).unwrap();
        let leaf1 = of(&graph, &routes, "leaf1");
        assert_eq!(leaf1.len(), 2);
        assert_eq!(leaf1[0].via, ["10.255.0.1".parse::<IpAddr>().unwrap()], "its own host");
        assert_eq!(leaf1[1].to.to_string(), "10.254.0.2/32");
        assert_eq!(leaf1[1].via.len(), 2, "both spines");
        assert!(of(&graph, &routes, "spine1").iter().all(|route| route.via.len() == 1));
        let host = of(&graph, &routes, "h1");
        assert_eq!(host.len(), 1, "one uplink needs one route");
        assert_eq!(host[0].to.to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_host_with_two_uplinks_uses_the_nearer_one_where_they_differ() {
        // far1 and far2 are as near by s1 as by s2; near hangs off s1.
        let graph = graph(
            "{ hosts: [h1, near, far1, far2], switches: [s1, s2, s3],
               links: [[h1, s1], [h1, s2], [near, s1], [far1, s3], [far2, s3], [s1, s3], [s2, s3]] }",
        );
        let routes = routes(&graph).unwrap();
        let ways: Vec<_> = of(&graph, &routes, "h1")
            .iter()
            .map(|route| (route.to.to_string(), route.via.len()))
            .collect();
        assert_eq!(ways, [("0.0.0.0/0".to_owned(), 2), ("10.254.0.2/32".to_owned(), 1)]);
    }

    #[test]
    fn no_path_leads_through_a_host() {
        let graph = graph(
            "{ hosts: [h1, h2, h3], switches: [s1, s2],
               links: [[h1, s1], [h2, s1], [h2, s2], [h3, s2]] }",
        );
        let error = routes(&graph).unwrap_err().to_string();
        assert!(error.starts_with("no path leads from host `h1` to host `h3`"), "{error}");
        assert!(check_bridged(&graph).is_err());
    }

    #[test]
    fn hosts_joined_by_a_cable_need_no_router() {
        let graph = graph("{ hosts: [h1, h2], links: [[h1, h2]] }");
        let routes = routes(&graph).unwrap();
        assert_eq!(of(&graph, &routes, "h1").len(), 1);
        assert_eq!(of(&graph, &routes, "h1")[0].to.to_string(), "10.254.0.2/32");
        assert!(check_bridged(&graph).is_ok());
    }

    #[test]
    fn a_thousand_hosts_need_one_search_per_rack_and_one_route_per_router_and_host() {
        let graph = graph("leaf-spine: { leaves: 25, spines: 4, hosts: 40 }");
        assert_eq!(groups(&graph).len(), 25);
        let routes = routes(&graph).unwrap();
        assert_eq!(routes.iter().map(Vec::len).sum::<usize>(), 29 * 1000 + 1000);
    }
}
