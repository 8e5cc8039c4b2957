//! Switches in a row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of switches in a row: `s` switches with `h` hosts each make `s h + s - 1` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Switches, each joined to the next.
    pub switches: u32,
    /// Hosts under each switch.
    pub hosts: u32,
}

impl Generator for Linear {
    fn key(&self) -> &'static str {
        "linear"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["switches", "hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.switches, self.hosts);
        let switches = u64::from(self.switches);
        Counts { hosts, switches, links: hosts.saturating_add(switches.saturating_sub(1)) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let switches = wiring.add_switches("sw", self.switches);
        wiring.add_hosts_under(&switches, self.hosts);
        for pair in switches.windows(2) {
            wiring.join(&pair[0], &pair[1]);
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
    fn every_switch_is_joined_to_the_next() {
        let three = expand("linear: { switches: 3, hosts: 1 }");
        assert_eq!(cables(&three), ["h1-sw1", "h2-sw2", "h3-sw3", "sw1-sw2", "sw2-sw3"]);
        assert_eq!(expand("linear: { switches: 1, hosts: 2 }").links.len(), 2);
        assert_eq!(expand("linear: { switches: 100, hosts: 1 }").links.len(), 199);
        assert_eq!(grown("linear: { switches: 3, hosts: 4 }", 9), 12);
    }
}
