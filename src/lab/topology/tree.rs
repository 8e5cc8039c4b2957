//! A tree of switches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a tree: `depth` levels of switches of which each has `fanout` children make
/// `fanout^depth` hosts and `(fanout^depth - 1) / (fanout - 1)` switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Levels of switches.
    pub depth: u32,
    /// Children of each switch: switches, and hosts at the lowest level.
    pub fanout: u32,
}

impl Tree {
    /// Switches of a level, counted from 0 at the root; hosts at the level of the depth.
    fn at(&self, level: u32) -> u64 {
        u64::from(self.fanout).saturating_pow(level)
    }
}

impl Generator for Tree {
    fn key(&self) -> &'static str {
        "tree"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["depth", "fanout"]
    }

    fn counts(&self) -> Counts {
        let hosts = self.at(self.depth);
        // A sum that doubles at least with each level is at the largest number soon.
        let levels = if self.fanout < 2 { 1 } else { self.depth.min(64) };
        let sum = (0..levels).fold(0, |sum: u64, level| sum.saturating_add(self.at(level)));
        let switches = if self.fanout < 2 { u64::from(self.depth) } else { sum };
        // Every node but the root has one cable upwards.
        Counts { hosts, switches, links: hosts.saturating_add(switches).saturating_sub(1) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let counts = self.counts();
        let switches = wiring.add_switches("sw", u32::try_from(counts.switches).unwrap_or(0));
        // Breadth first: the children of switch n are n fanout + 1 and on, both counted from 0.
        let lowest = self.at(self.depth.saturating_sub(1));
        let first_lowest = counts.switches.saturating_sub(lowest);
        wiring.add_hosts_under(
            switches.get(first_lowest as usize..).unwrap_or_default(),
            self.fanout,
        );
        let fanout = self.fanout.max(1) as usize;
        for (child, name) in switches.iter().enumerate().skip(1) {
            wiring.join(name, &switches[(child - 1) / fanout]);
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        // More levels where that helps; with one child each it never does.
        self.fanout = self.fanout.max(2);
        self.depth = 1;
        while self.at(self.depth) < u64::from(hosts) {
            self.depth += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn levels_are_numbered_breadth_first() {
        let small = expand("tree: { depth: 2, fanout: 2 }");
        assert_eq!(small.switches, ["sw1", "sw2", "sw3"]);
        let wanted = ["h1-sw2", "h2-sw2", "h3-sw3", "h4-sw3", "sw2-sw1", "sw3-sw1"];
        assert_eq!(cables(&small), wanted);
        let deep = cables(&expand("tree: { depth: 3, fanout: 2 }"));
        assert_eq!(deep[8..], ["sw2-sw1", "sw3-sw1", "sw4-sw2", "sw5-sw2", "sw6-sw3", "sw7-sw3"]);
    }

    #[test]
    fn sizes_are_those_of_the_formula() {
        for (depth, fanout, hosts, switches) in
            [(1, 4, 4, 1), (4, 4, 256, 85), (2, 16, 256, 17), (2, 32, 1024, 33), (3, 1, 1, 3)]
        {
            let tree = expand(&format!("tree: {{ depth: {depth}, fanout: {fanout} }}"));
            assert_eq!((tree.hosts.len(), tree.switches.len()), (hosts, switches));
            assert_eq!(tree.links.len(), hosts + switches - 1);
        }
        assert_eq!(grown("tree: { depth: 1, fanout: 4 }", 100), 256);
    }
}
