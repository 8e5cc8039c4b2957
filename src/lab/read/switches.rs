//! What a topology tells its switches: `mac_table`, `mac_limit`, `vlan_learning`, `switch` and `ports`.

use std::collections::BTreeMap;

use super::At;
use crate::lab::limits::MAC_TABLE;
use crate::lab::model::{Accept, SwitchPort, SwitchSettings, VlanLearning, VlanRange};

/// What a port may be told to take.
const ACCEPT: [(&str, Accept); 3] =
    [("all", Accept::All), ("priority", Accept::Priority), ("untagged", Accept::Untagged)];

pub(super) fn mac_table(at: &At<'_>) -> Option<u32> {
    at.number("number of MAC addresses", &MAC_TABLE)
}

pub(super) fn learning(at: &At<'_>) -> Option<VlanLearning> {
    let known = [("shared", VlanLearning::Shared), ("independent", VlanLearning::Independent)];
    at.choice("way of learning", &known)
}

pub(super) fn settings(at: &At<'_>) -> BTreeMap<String, SwitchSettings> {
    let wanted = "settings of switches by name, e.g. `{ leaf1: { mac_table: 100 } }`";
    let one = |(name, at): (String, At<'_>)| {
        let wanted = "settings of a switch, e.g. `{ mac_table: 100 }`";
        let fields = at.fields(wanted, &["mac_table", "mac_limit"]);
        let count = |key| fields.as_ref().and_then(|fields| mac_table(&fields.get(key)?));
        (name, SwitchSettings { mac_table: count("mac_table"), mac_limit: count("mac_limit") })
    };
    at.entries(wanted).unwrap_or_default().into_iter().map(one).collect()
}

/// Ports keep their place in the list, so that the rules find them at their paths.
pub(super) fn ports(at: &At<'_>) -> Vec<SwitchPort> {
    let wanted = "a list of ports, e.g. `[{ at: leaf1, to: h1, access: 101 }]`";
    at.list(wanted).unwrap_or_default().iter().map(port).collect()
}

/// Keys of a port.
const PORT: [&str; 6] = ["at", "to", "access", "trunk", "native", "accept"];

fn port(at: &At<'_>) -> SwitchPort {
    let wanted = "a switch's port, e.g. `{ at: leaf1, to: h1, access: 101 }`";
    let Some(fields) = at.fields(wanted, &PORT) else {
        return SwitchPort::default();
    };
    let node = |key, wanted| fields.need(key, wanted)?.text(wanted);
    let vlan = |key| fields.get(key)?.id("VLAN id");
    SwitchPort {
        at: node("at", "the name of a switch").unwrap_or_default(),
        to: node("to", "the node at the cable's other end").unwrap_or_default(),
        access: vlan("access"),
        trunk: fields.get("trunk").map(|at| ranges(&at)).unwrap_or_default(),
        native: vlan("native"),
        accept: fields
            .get("accept")
            .and_then(|at| at.choice("kind of frames", &ACCEPT))
            .unwrap_or_default(),
    }
}

fn ranges(at: &At<'_>) -> Vec<VlanRange> {
    let wanted = "a list of VLANs, e.g. `[101, 110-120]`";
    let Some(items) = at.list(wanted) else { return Vec::new() };
    items.iter().filter_map(|at| at.parsed("a VLAN, or a range as `110-120`")).collect()
}
