//! Switches in a circle: the smallest loop there is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a circle of switches: `s` switches with `h` hosts each make `s h + s` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Switches, each joined to the next and the last to the first; at least three.
    pub switches: u32,
    /// Hosts under each switch.
    pub hosts: u32,
}

impl Generator for Ring {
    fn key(&self) -> &'static str {
        "ring"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["switches", "hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.switches, self.hosts);
        let switches = u64::from(self.switches);
        Counts { hosts, switches, links: hosts.saturating_add(switches) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let switches = wiring.add_switches("sw", self.switches);
        wiring.add_hosts_under(&switches, self.hosts);
        for (switch, next) in switches.iter().zip(switches.iter().cycle().skip(1)) {
            wiring.join(switch, next);
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.switches = hosts.div_ceil(self.hosts.max(1)).max(3);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn the_last_is_joined_to_the_first() {
        let four = expand("ring: { switches: 4, hosts: 1 }");
        assert_eq!(cables(&four)[4..], ["sw1-sw2", "sw2-sw3", "sw3-sw4", "sw4-sw1"]);
        assert_eq!(expand("ring: { switches: 10, hosts: 2 }").links.len(), 30);
        assert_eq!(grown("ring: { switches: 4, hosts: 2 }", 5), 6);
        assert_eq!(grown("ring: { switches: 4, hosts: 2 }", 1), 6);
    }
}
