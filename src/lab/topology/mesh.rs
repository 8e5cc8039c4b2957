//! Switches of which each is joined to every other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a full mesh: `s` switches with `h` hosts each make `s h + s (s - 1) / 2` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// Switches, each joined to every other.
    pub switches: u32,
    /// Hosts under each switch.
    pub hosts: u32,
}

impl Generator for Mesh {
    fn key(&self) -> &'static str {
        "mesh"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["switches", "hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.switches, self.hosts);
        let pairs = times(self.switches, self.switches.saturating_sub(1)) / 2;
        Counts { hosts, switches: self.switches.into(), links: hosts.saturating_add(pairs) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let switches = wiring.add_switches("sw", self.switches);
        wiring.add_hosts_under(&switches, self.hosts);
        for (at, switch) in switches.iter().enumerate() {
            for other in &switches[at + 1..] {
                wiring.join(switch, other);
            }
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.switches = hosts.div_ceil(self.hosts.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn every_pair_has_a_cable() {
        let three = expand("mesh: { switches: 3, hosts: 1 }");
        assert_eq!(cables(&three)[3..], ["sw1-sw2", "sw1-sw3", "sw2-sw3"]);
        assert_eq!(expand("mesh: { switches: 10, hosts: 1 }").links.len(), 10 + 45);
        assert_eq!(expand("mesh: { switches: 1, hosts: 3 }").links.len(), 3);
        assert_eq!(grown("mesh: { switches: 3, hosts: 2 }", 9), 10);
    }
}
