//! A fat tree of equal switches (M. Al-Fares et al., SIGCOMM 2008, section 3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Generator, Wiring};
use crate::lab::units::Rate;

/// Parameters of a fat tree: `k` pods of `k/2` edge and `k/2` aggregation switches, `(k/2)²` cores
/// and `k³/4` hosts, joined by `3 k³/4` cables. Nothing in it is oversubscribed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FatTree {
    /// Ports of each switch; even.
    pub k: u32,
}

impl FatTree {
    /// Ports of a switch towards one side.
    const fn half(&self) -> u32 {
        self.k / 2
    }
}

impl Generator for FatTree {
    fn key(&self) -> &'static str {
        "fat-tree"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["k"]
    }

    fn counts(&self) -> Counts {
        let half = u64::from(self.half());
        let pods = 2 * half;
        let square = half.saturating_mul(half);
        let hosts = pods.saturating_mul(square);
        let switches = square.saturating_add(pods.saturating_mul(pods));
        Counts { hosts, switches, links: hosts.saturating_mul(3) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let half = self.half();
        let each = half as usize;
        let mut wiring = Wiring::default();
        let cores = wiring.add_switches("core", half * half);
        let aggregation = wiring.add_switches("agg", 2 * half * half);
        let edges = wiring.add_switches("edge", 2 * half * half);
        wiring.add_hosts_under(&edges, half);
        if each == 0 {
            return wiring;
        }
        let pods = aggregation.chunks(each).zip(edges.chunks(each));
        for (aggregation, edges) in pods {
            for edge in edges {
                for above in aggregation {
                    wiring.join(edge, above);
                }
            }
            // The first of a pod is joined to the first k/2 cores, the second to the next, and so on.
            for (above, cores) in aggregation.iter().zip(cores.chunks(each)) {
                for core in cores {
                    wiring.join(above, core);
                }
            }
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.k = 2;
        while self.counts().hosts < u64::from(hosts) {
            self.k += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::LinkSpec;
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn pods_are_joined_to_all_cores() {
        let four = expand("fat-tree: { k: 4 }");
        assert_eq!((four.hosts.len(), four.switches.len(), four.links.len()), (16, 20, 48));
        let cables = cables(&four);
        assert_eq!(cables[..3], ["h1-edge1", "h2-edge1", "h3-edge2"]);
        assert_eq!(cables[16..20], ["edge1-agg1", "edge1-agg2", "edge2-agg1", "edge2-agg2"]);
        assert_eq!(cables[20..24], ["agg1-core1", "agg1-core2", "agg2-core3", "agg2-core4"]);
        for k in [2, 6, 8] {
            let fat = expand(&format!("fat-tree: {{ k: {k} }}"));
            assert_eq!((fat.hosts.len(), fat.links.len()), (k * k * k / 4, 3 * k * k * k / 4));
        }
        assert_eq!(grown("fat-tree: { k: 4 }", 1000), 1024);
    }

    #[test]
    fn every_switch_uses_all_its_ports() {
        let six = expand("fat-tree: { k: 6 }");
        let mut ports: BTreeMap<&str, u32> = BTreeMap::new();
        for end in six.links.iter().flat_map(LinkSpec::ends) {
            *ports.entry(end).or_default() += 1;
        }
        assert!(six.switches.iter().all(|switch| ports[switch.as_str()] == 6), "{ports:?}");
    }
}
