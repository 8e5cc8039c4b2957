//! What a topology tells its switches, put into a variant.

use super::{NodeKind, PortVlans, Variant};
use crate::ids::Encap;
use crate::lab::{SwitchPort, Topology};

/// Bounds the switches' MAC tables and the addresses behind their ports and, where frames are tagged,
/// gives their ports VLANs. Routers have none of it.
pub(super) fn tell(topology: &Topology, variant: &mut Variant) {
    for node in variant.nodes.iter_mut().filter(|node| node.kind == NodeKind::Switch) {
        let own = topology.switch.get(&node.name).and_then(|settings| settings.mac_table);
        node.mac_table = own.or(topology.mac_table);
        node.vlan_learning = topology.vlan_learning.filter(|_| variant.encap == Encap::Vlan);
    }
    let of_kind = |kind: NodeKind| {
        let found = variant.nodes.iter().filter(move |node| node.kind == kind);
        found.map(|node| node.name.as_str()).collect::<Vec<&str>>()
    };
    let (switches, hosts) = (of_kind(NodeKind::Switch), of_kind(NodeKind::Host));
    for link in &mut variant.links {
        for end in 0..2 {
            let [own, other] = [end, 1 - end].map(|end| link.ends[end].node.as_str());
            if switches.contains(&own) && hosts.contains(&other) {
                let limit = topology.switch.get(own).and_then(|settings| settings.mac_limit);
                link.ends[end].mac_limit = limit.or(topology.mac_limit);
            }
        }
    }
    if variant.encap != Encap::Vlan || switches.is_empty() {
        return;
    }
    let of = |at: &str, to: &str| {
        let port = topology.ports.iter().find(|port| port.at == at && port.to == to)?;
        switches.contains(&at).then(|| vlans(port))
    };
    for link in &mut variant.links {
        let nodes = [0, 1].map(|end| link.ends[end].node.clone());
        for end in 0..2 {
            link.ends[end].vlans = of(&nodes[end], &nodes[1 - end]);
        }
    }
    for edge in &mut variant.edges {
        let at = variant.links.iter().find_map(|link| {
            let own = link.ends.iter().position(|e| e.node == edge.host && e.interface == edge.nic);
            link.ends.get(1 - own?)
        });
        edge.untagged = at.and_then(|far| far.vlans.as_ref()).and_then(|vlans| vlans.untagged);
    }
}

fn vlans(port: &SwitchPort) -> PortVlans {
    let ranges = port.trunk.iter().map(|range| (range.first.value(), range.last.value()));
    let mut tagged: Vec<(u16, u16)> = ranges.collect();
    tagged.sort_unstable();
    // Ranges that meet or overlap become one.
    tagged.dedup_by(|next, kept| {
        let joined = next.0 <= kept.1.saturating_add(1);
        if joined {
            kept.1 = kept.1.max(next.1);
        }
        joined
    });
    PortVlans {
        tagged,
        untagged: port.untagged().map(crate::ids::VlanId::value),
        accept: port.accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Accept, VlanLearning, read_str};

    #[test]
    fn ports_and_tables_reach_the_variants_they_are_about() {
        let lab = "
            title: t
            topology:
              hosts: [h1, h2, h3]
              switches: [s1, s2]
              links: [[h1, s1], [h2, s1], [h3, s2], [s1, s2]]
              mac_table: 50
              vlan_learning: shared
              switch: { s2: { mac_table: 7, mac_limit: 2 } }
              mac_limit: 5
              ports:
                - { at: s1, to: h1, access: 101, accept: untagged }
                - { at: s1, to: s2, trunk: [103-105, 101, 102, 200], native: 1 }
            compare: { encap: [vlan, vxlan] }
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2, c: h3 } }]
        ";
        let loaded = read_str("lab.yaml", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let variant = |name: &str| plan.variants.iter().find(|v| v.name == name).unwrap();
        let vlan = variant("vlan");
        let table = |v: &Variant, n: &str| v.nodes.iter().find(|x| x.name == n).unwrap().mac_table;
        assert_eq!((table(vlan, "s1"), table(vlan, "s2")), (Some(50), Some(7)));
        assert_eq!(table(variant("plain-l2"), "s2"), Some(7));
        assert_eq!(table(variant("vxlan"), "s2"), None, "a router");
        let learning = |v: &Variant| v.nodes.iter().find_map(|node| node.vlan_learning);
        assert_eq!(learning(vlan), Some(VlanLearning::Shared));
        assert_eq!((learning(variant("plain-l2")), learning(variant("vxlan"))), (None, None));
        let link = |name: &str| vlan.links.iter().find(|l| l.name == name).unwrap();
        assert_eq!(link("h1-s1").ends[0].vlans, None);
        let access = PortVlans { tagged: vec![], untagged: Some(101), accept: Accept::Untagged };
        assert_eq!(link("h1-s1").ends[1].vlans, Some(access));
        let trunk = PortVlans {
            tagged: vec![(101, 105), (200, 200)],
            untagged: Some(1),
            accept: Accept::All,
        };
        assert_eq!(link("s1-s2").ends[0].vlans, Some(trunk));
        assert_eq!(link("s1-s2").ends[1].vlans, None, "the other end is another port");
        let limits = |v: &Variant| -> Vec<_> {
            v.links.iter().flat_map(|l| l.ends.iter().map(|end| end.mac_limit)).collect()
        };
        let (five, two) = (Some(5), Some(2));
        assert_eq!(limits(vlan), [None, five, None, five, None, two, None, None]);
        assert_eq!(limits(variant("plain-l2")), limits(vlan));
        assert!(limits(variant("vxlan")).iter().all(Option::is_none), "routers");
        let untagged: Vec<_> = vlan.edges.iter().map(|edge| edge.untagged).collect();
        assert_eq!(untagged, [Some(101), None, None]);
        let bare = |v: &Variant| v.links.iter().flat_map(|l| &l.ends).all(|e| e.vlans.is_none());
        assert!(bare(variant("plain-l2")) && bare(variant("vxlan")));
    }
}
