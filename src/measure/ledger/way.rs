//! The links that packets from one host to another may take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::lab::Fabric;
use crate::plan::{LinkEnd, NodeKind, Variant};

/// One link in the direction of the packets.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'v> {
    /// The end that they leave by.
    pub from: &'v LinkEnd,
    /// The end that they come out of.
    pub to: &'v LinkEnd,
    /// Links from the sending host up to and with this one.
    pub place: u32,
}

/// All links of the shortest ways between two hosts, in the order of the way: where paths have equal
/// costs all of these, where a spanning tree leaves one that one.
///
/// A host takes part in an L2 fabric with its first link only, and no way leads through a host.
pub fn hops<'v>(variant: &'v Variant, from: &str, to: &str) -> Vec<Hop<'v>> {
    let hosts: BTreeSet<&str> = variant
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Host)
        .map(|node| node.name.as_str())
        .collect();
    let mut ways: BTreeMap<&str, Vec<[&'v LinkEnd; 2]>> = BTreeMap::new();
    let tree = (variant.fabric == Fabric::L2).then(|| variant.spanning_tree());
    for (n, link) in variant.links.iter().enumerate() {
        let [a, b] = &link.ends;
        let again = |end: &LinkEnd| hosts.contains(&*end.node) && ways.contains_key(&*end.node);
        if tree.as_ref().is_some_and(|tree| tree.blocks(n) || again(a) || again(b)) {
            continue;
        }
        ways.entry(&a.node).or_default().push([a, b]);
        ways.entry(&b.node).or_default().push([b, a]);
    }
    let after = distances(&ways, &hosts, from);
    let before = distances(&ways, &hosts, to);
    let Some(whole) = after.get(to) else { return Vec::new() };
    let mut hops: Vec<Hop<'v>> = ways
        .values()
        .flatten()
        .filter_map(|[a, b]| {
            let place = after.get(&*a.node)? + 1;
            let fits = place + before.get(&*b.node)? == *whole;
            fits.then_some(Hop { from: a, to: b, place })
        })
        .collect();
    hops.sort_by_key(|hop| hop.place);
    hops
}

/// Links between a host and every node.
fn distances<'a>(
    ways: &BTreeMap<&'a str, Vec<[&'a LinkEnd; 2]>>,
    hosts: &BTreeSet<&str>,
    start: &'a str,
) -> BTreeMap<&'a str, u32> {
    let mut distance = BTreeMap::from([(start, 0)]);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((node, steps)) = queue.pop_front() {
        if node != start && hosts.contains(node) {
            continue;
        }
        for [_, next] in ways.get(node).into_iter().flatten() {
            if !distance.contains_key(&*next.node) {
                distance.insert(&next.node, steps + 1);
                queue.push_back((&next.node, steps + 1));
            }
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;
    use crate::plan::plan;

    fn ways(topology: &str, encap: &str) -> Vec<String> {
        let text = format!(
            "title: t\ntopology: {topology}\ncarrier: {{ encap: {encap} }}\n\
             tenants: [{{ name: red, subnet: 10.0.0.0/24, vms: {{ a: h1, b: h2 }} }}]\n\
             measure: {{ baseline: false }}\n"
        );
        let loaded = lab::read_str("way.yaml", &text).unwrap();
        let plan = plan(&loaded.lab, &loaded.topology).unwrap();
        hops(&plan.variants[0], "h1", "h2")
            .iter()
            .map(|hop| format!("{} {}>{}", hop.place, hop.from.node, hop.to.node))
            .collect()
    }

    #[test]
    fn routers_use_all_ways_of_equal_cost() {
        let found = ways("{ leaf-spine: { leaves: 2, spines: 2, hosts: 1 } }", "vxlan");
        let expected = [
            "1 h1>leaf1",
            "2 leaf1>spine1",
            "2 leaf1>spine2",
            "3 spine1>leaf2",
            "3 spine2>leaf2",
            "4 leaf2>h2",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_spanning_tree_leaves_one_way() {
        let found = ways("{ leaf-spine: { leaves: 2, spines: 2, hosts: 1 } }", "vlan");
        assert_eq!(found, ["1 h1>leaf1", "2 leaf1>spine1", "3 spine1>leaf2", "4 leaf2>h2"]);
    }

    #[test]
    fn a_second_link_is_used_where_routers_are_and_no_way_leads_through_a_host() {
        let topology = "{ hosts: [h1, h2, h3], switches: [s1, s2], links: [[h1, s1], [h1, s2], \
                        [h2, s1], [h2, s2], [h3, s1], [h3, s2], [s1, s2]] }";
        let routed = ways(topology, "vxlan");
        assert_eq!(routed, ["1 h1>s1", "1 h1>s2", "2 s1>h2", "2 s2>h2"]);
        assert_eq!(ways(topology, "vlan"), ["1 h1>s1", "2 s1>h2"]);
    }
}
