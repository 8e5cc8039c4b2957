//! What a topology tells its switches: `mac_table`, `switch` and `ports`.

use std::collections::BTreeMap;

use super::At;
use crate::lab::limits::MAC_TABLE;
use crate::lab::model::{SwitchPort, SwitchSettings, VlanRange};

pub(super) fn mac_table(at: &At<'_>) -> Option<u32> {
    at.number("number of MAC addresses", &MAC_TABLE)
}

pub(super) fn settings(at: &At<'_>) -> BTreeMap<String, SwitchSettings> {
    let wanted = "settings of switches by name, e.g. `{ leaf1: { mac_table: 100 } }`";
    let one = |(name, at): (String, At<'_>)| {
        let fields = at.fields("settings of a switch, e.g. `{ mac_table: 100 }`", &["mac_table"]);
        let table = fields.and_then(|fields| mac_table(&fields.get("mac_table")?));
        (name, SwitchSettings { mac_table: table })
    };
    at.entries(wanted).unwrap_or_default().into_iter().map(one).collect()
}

/// Ports keep their place in the list, so that the rules find them at their paths.
pub(super) fn ports(at: &At<'_>) -> Vec<SwitchPort> {
    let wanted = "a list of ports, e.g. `[{ at: leaf1, to: h1, access: 101 }]`";
    at.list(wanted).unwrap_or_default().iter().map(port).collect()
}

fn port(at: &At<'_>) -> SwitchPort {
    let wanted = "a switch's port, e.g. `{ at: leaf1, to: h1, access: 101 }`";
    let Some(fields) = at.fields(wanted, &["at", "to", "access", "trunk", "native"]) else {
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
    }
}

fn ranges(at: &At<'_>) -> Vec<VlanRange> {
    let wanted = "a list of VLANs, e.g. `[101, 110-120]`";
    let Some(items) = at.list(wanted) else { return Vec::new() };
    items.iter().filter_map(|at| at.parsed("a VLAN, or a range as `110-120`")).collect()
}
