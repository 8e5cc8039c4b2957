//! Hosts under one switch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of hosts under one switch: `n` hosts make `n` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleSwitch {
    /// Hosts under the switch.
    pub hosts: u32,
}

impl Generator for SingleSwitch {
    fn key(&self) -> &'static str {
        "single-switch"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = u64::from(self.hosts);
        Counts { hosts, switches: 1, links: hosts }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let switch = wiring.add_switches("sw", 1);
        wiring.add_hosts_under(&switch, self.hosts);
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.hosts = hosts;
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn all_hosts_are_on_it() {
        assert_eq!(cables(&expand("single-switch: { hosts: 2 }")), ["h1-sw1", "h2-sw1"]);
        assert_eq!(expand("single-switch: { hosts: 100 }").links.len(), 100);
        assert_eq!(grown("single-switch: { hosts: 2 }", 77), 77);
    }
}
