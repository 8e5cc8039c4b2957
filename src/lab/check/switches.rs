//! What switches are told: of switches and cables that exist, and in labs that have such switches.

use std::collections::{BTreeMap, BTreeSet};

use super::Whole;
use crate::ids::Encap;
use crate::lab::carriers::fabric;
use crate::lab::model::{Accept, Fabric, SwitchPort, Topology};
use crate::lab::read::{Sink, below, suggestion};

/// Checks a topology's `switch` and `ports`, where its nodes are known for certain.
pub(super) fn check(topology: &Topology, path: &str, sink: &Sink<'_>) {
    if topology.ports.is_empty() && topology.switch.is_empty() {
        return;
    }
    let wiring = topology.wiring();
    let mut cables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for link in &wiring.links {
        let [a, b] = link.ends();
        cables.entry(a).or_default().insert(b);
        cables.entry(b).or_default().insert(a);
    }
    let is_switch = |name: &str, at: &str| {
        if wiring.switches.iter().any(|switch| switch == name) {
            return true;
        }
        if !name.is_empty() {
            let near = suggestion(name, wiring.switches.iter().map(String::as_str));
            let host = wiring.hosts.iter().any(|host| host == name);
            sink.rule(
                at,
                if host {
                    format!("`{name}` is a host; name the switch at the cable's other end")
                } else {
                    format!("there is no switch `{name}`{near}")
                },
            );
        }
        false
    };
    for name in topology.switch.keys() {
        is_switch(name, &below(&below(path, "switch"), name));
    }
    let mut seen = BTreeSet::new();
    for (n, port) in topology.ports.iter().enumerate() {
        let path = format!("{}[{n}]", below(path, "ports"));
        says_one_thing(port, &path, sink);
        if !is_switch(&port.at, &format!("{path}.at")) || port.to.is_empty() {
            continue;
        }
        let around = cables.get(port.at.as_str()).cloned().unwrap_or_default();
        if !around.contains(port.to.as_str()) {
            let near = suggestion(&port.to, around);
            let message = format!("no cable leads from `{}` to `{}`{near}", port.at, port.to);
            sink.rule(&format!("{path}.to"), message);
        } else if !seen.insert((&port.at, &port.to)) {
            let message =
                format!("the port of `{}` to `{}` stands in this list already", port.at, port.to);
            sink.rule(&path, message);
        }
    }
}

fn says_one_thing(port: &SwitchPort, path: &str, sink: &Sink<'_>) {
    if !sink.clean(path) {
        return;
    }
    let trunk = !port.trunk.is_empty();
    if trunk && port.accept != Accept::All {
        let message = "is for access ports: nearly all frames of a trunk have tags";
        sink.rule(&format!("{path}.accept"), message);
    }
    let message = match (port.access, trunk, port.native) {
        (Some(_), false, None) | (None, true, _) => return,
        (Some(_), true, _) => {
            "is `access` and `trunk` at once: an access port has one VLAN, without tags; leave one \
             of them out"
        }
        (Some(vid), false, Some(_)) => {
            let message = format!(
                "`native` is the untagged VLAN of a trunk; an access port's is {vid} already"
            );
            return sink.rule(&format!("{path}.native"), message);
        }
        (None, false, Some(vid)) => {
            let message = format!(
                "`native` is the untagged VLAN of a trunk; give `trunk` too, or `access: {vid}`"
            );
            return sink.rule(&format!("{path}.native"), message);
        }
        (None, false, None) => {
            "says nothing of VLANs; give `access: 101` or `trunk: [101, 110-120]`"
        }
    };
    sink.rule(path, message);
}

/// Whether any variant has what `mac_table`, `mac_limit`, `vlan_learning`, `switch` and `ports` are about.
pub(super) fn used(whole: &Whole<'_>) {
    let Some(topology) = whole.topology.filter(|_| whole.all_encaps_read()) else { return };
    let encaps = whole.encaps();
    let bridged = |e: &&Encap| fabric(whole.lab.carrier.fabric, **e) == Fabric::L2;
    // Of a topology in a file of its own the lab's key is what can be changed here.
    let place = |key: &str| {
        let path = format!("topology.{key}");
        if whole.sink.has(&path) { path } else { "topology".to_owned() }
    };
    if encaps.iter().all(|e| !bridged(&e)) {
        for (key, given) in [
            ("mac_table", topology.mac_table.is_some()),
            ("mac_limit", topology.mac_limit.is_some()),
            ("vlan_learning", topology.vlan_learning.is_some()),
            ("switch", !topology.switch.is_empty()),
            ("ports", !topology.ports.is_empty()),
        ] {
            if given {
                let message = format!(
                    "`{key}` is about bridges, and all switches of this lab are routers, which keep \
                     neither MAC tables nor VLANs; leave it out, or write `carrier: {{ fabric: l2 }}`"
                );
                whole.sink.rule(&place(key), message);
            }
        }
    } else if !encaps.contains(&Encap::Vlan) {
        let names: Vec<&str> = encaps.iter().map(|e| e.name()).collect();
        for (key, given) in [
            ("ports", !topology.ports.is_empty()),
            ("vlan_learning", topology.vlan_learning.is_some()),
        ] {
            if given {
                let message = format!(
                    "`{key}` is about VLANs, and this lab runs {} only; leave it out, or compare \
                     with `vlan`",
                    names.join(", ")
                );
                whole.sink.rule(&place(key), message);
            }
        }
    }
}
