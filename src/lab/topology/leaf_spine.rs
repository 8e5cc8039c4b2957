//! Racks under leaf switches, which are all joined to every spine (a folded Clos network).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a generated leaf-spine fabric: `l` leaves with `h` hosts each and `s` spines make
/// `l h + l s` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeafSpine {
    /// Leaf (top-of-rack) switches.
    pub leaves: u32,
    /// Spine switches, each wired to every leaf.
    pub spines: u32,
    /// Hosts under each leaf.
    pub hosts: u32,
    /// How many times more the hosts of a rack may send than its uplinks take; the uplinks' rate
    /// follows from it and the topology's `rate`, which is then that of the hosts.
    #[serde(default)]
    pub oversubscription: Option<f64>,
}

impl LeafSpine {
    /// Rate of each leaf-to-spine link where the hosts' links have `rate`; `None` where it has none
    /// of its own.
    #[must_use]
    pub fn uplink(&self, rate: Option<Rate>) -> Option<Rate> {
        let (Rate(host), times) = (rate?, self.oversubscription?);
        let rack = host as f64 * f64::from(self.hosts);
        // At least 1 bit/s, since nothing crosses a link with less.
        Some(Rate(((rack / (times * f64::from(self.spines))).round() as u64).max(1)))
    }
}

impl Generator for LeafSpine {
    fn key(&self) -> &'static str {
        "leaf-spine"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["leaves", "spines", "hosts"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.leaves, self.hosts);
        Counts {
            hosts,
            switches: u64::from(self.leaves) + u64::from(self.spines),
            links: hosts.saturating_add(times(self.leaves, self.spines)),
        }
    }

    fn wire(&self, rate: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let spines = wiring.add_switches("spine", self.spines);
        let leaves = wiring.add_switches("leaf", self.leaves);
        wiring.add_hosts_under(&leaves, self.hosts);
        let uplink = self.uplink(rate);
        for leaf in &leaves {
            for spine in &spines {
                wiring.join_with(leaf, spine, None, uplink);
            }
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.leaves = hosts.div_ceil(self.hosts.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn every_leaf_is_joined_to_every_spine() {
        let two = expand("leaf-spine: { leaves: 2, spines: 3, hosts: 2 }");
        assert_eq!(two.switches, ["spine1", "spine2", "spine3", "leaf1", "leaf2"]);
        let cables = cables(&two);
        assert_eq!(cables[..4], ["h1-leaf1", "h2-leaf1", "h3-leaf2", "h4-leaf2"]);
        assert_eq!(cables[4..6], ["leaf1-spine1", "leaf1-spine2"]);
        assert_eq!(cables.len(), 4 + 6);
        assert_eq!(grown("leaf-spine: { leaves: 2, spines: 2, hosts: 40 }", 10_000), 10_000);
        assert_eq!(grown("leaf-spine: { leaves: 2, spines: 2, hosts: 40 }", 10_001), 10_040);
    }

    #[test]
    fn uplinks_have_what_the_oversubscription_leaves() {
        // 40 hosts of 10G are 400G; three times less over 4 spines is 33.3G each.
        let fabric = expand(
            "{ leaf-spine: { leaves: 2, spines: 4, hosts: 40, oversubscription: 3 }, rate: 10G }",
        );
        let rates: Vec<_> = fabric.links.iter().map(|l| l.rate().map(|r| r.0)).collect();
        assert!(rates[..80].iter().all(Option::is_none), "hosts have the topology's");
        assert!(rates[80..].iter().all(|rate| *rate == Some(33_333_333_333)));
        let even = expand(
            "{ leaf-spine: { leaves: 2, spines: 2, hosts: 2, oversubscription: 1 }, rate: 1G }",
        );
        assert_eq!(even.links[4].rate().map(|r| r.0), Some(1_000_000_000));
    }
}
