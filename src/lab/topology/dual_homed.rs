//! Racks with two leaves: every host has a link to both.
//!
//! There is no bonding. In an L3 fabric a host routes over both links at once (its VTEP is on its
//! loopback, equal-cost multipath, RFC 2992), and any one of them is enough. In an L2 fabric a
//! host takes part with its first link only; the other one stands by idle. Hosts take turns in
//! which leaf of their pair is first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a leaf-spine fabric with hosts on two leaves: `p` pairs of leaves with `h` hosts
/// each and `s` spines make `2 p h + 2 p s` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DualHomed {
    /// Pairs of leaves.
    pub pairs: u32,
    /// Spine switches, each wired to every leaf.
    pub spines: u32,
    /// Hosts under each pair of leaves.
    pub hosts: u32,
}

impl Generator for DualHomed {
    fn key(&self) -> &'static str {
        "dual-homed"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["pairs", "spines", "hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.pairs, self.hosts);
        let leaves = 2 * u64::from(self.pairs);
        let uplinks = leaves.saturating_mul(self.spines.into());
        Counts {
            hosts,
            switches: leaves + u64::from(self.spines),
            links: hosts.saturating_mul(2).saturating_add(uplinks),
        }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let spines = wiring.add_switches("spine", self.spines);
        let leaves = wiring.add_switches("leaf", self.pairs.saturating_mul(2));
        for pair in leaves.chunks_exact(2) {
            for host in 0..self.hosts {
                let [first, second] = if host % 2 == 0 { [0, 1] } else { [1, 0] };
                wiring.add_host(&[&pair[first], &pair[second]]);
            }
        }
        for leaf in &leaves {
            for spine in &spines {
                wiring.join(leaf, spine);
            }
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.pairs = hosts.div_ceil(self.hosts.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn hosts_take_turns_in_which_leaf_is_first() {
        let one = cables(&expand("dual-homed: { pairs: 1, spines: 1, hosts: 2 }"));
        let wanted =
            ["h1-leaf1", "h1-leaf2", "h2-leaf2", "h2-leaf1", "leaf1-spine1", "leaf2-spine1"];
        assert_eq!(one, wanted);
        let large = expand("dual-homed: { pairs: 5, spines: 3, hosts: 7 }");
        assert_eq!(large.links.len(), 2 * 5 * 7 + 2 * 5 * 3);
        assert_eq!(grown("dual-homed: { pairs: 1, spines: 2, hosts: 4 }", 9), 12);
    }
}
