//! Sites behind gateway routers, joined by the Internet or a provider's network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wiring::times;
use super::{Counts, Generator, LinkFull, Wiring};
use crate::lab::units::{Delay, Loss, Rate, Reorder};

/// Parameters of sites behind routers: `s` sites with `h` hosts each and `c` core routers make
/// `s h + s + c - 1` cables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wan {
    /// Sites, each with a gateway router.
    pub sites: u32,
    /// Hosts in each site, joined to its gateway.
    pub hosts: u32,
    /// Core routers in a row; the sites are spread along it. One is the Internet as a whole.
    #[serde(default = "one")]
    pub cores: u32,
    /// MTU of the links between routers, where not the topology's.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Rate of the links between routers, where not the topology's.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Loss of the links between routers, where not the topology's.
    #[serde(default)]
    pub loss: Option<Loss>,
    /// Delay of the links between routers, where not the topology's.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// Jitter of the links between routers, where not the topology's.
    #[serde(default)]
    pub jitter: Option<Delay>,
    /// Reordering by the links between routers, where not the topology's.
    #[serde(default)]
    pub reorder: Option<Reorder>,
}

const fn one() -> u32 {
    1
}

impl Generator for Wan {
    fn key(&self) -> &'static str {
        "wan"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["sites", "hosts", "cores"]
    }

    fn counts(&self) -> Counts {
        let hosts = times(self.sites, self.hosts);
        let switches = u64::from(self.sites) + u64::from(self.cores);
        Counts { hosts, switches, links: hosts.saturating_add(switches.saturating_sub(1)) }
    }

    fn wire(&self, _: Option<Rate>) -> Wiring {
        let mut wiring = Wiring::default();
        let cores = wiring.add_switches("core", self.cores);
        let gateways = wiring.add_switches("gw", self.sites);
        let between = LinkFull {
            mtu: self.mtu,
            rate: self.rate,
            loss: self.loss,
            delay: self.delay,
            jitter: self.jitter,
            reorder: self.reorder,
            ..LinkFull::default()
        };
        wiring.add_hosts_under(&gateways, self.hosts);
        for (site, gateway) in gateways.iter().enumerate() {
            let Some(core) = cores.get(site * cores.len() / gateways.len()) else { continue };
            wiring.join_as(gateway, core, between.clone());
        }
        for pair in cores.windows(2) {
            wiring.join_as(&pair[0], &pair[1], between.clone());
        }
        wiring
    }

    fn grow(&mut self, hosts: u32) {
        self.sites = hosts.div_ceil(self.hosts.max(1));
    }

    fn routed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::wiring::tests::{cables, expand, grown};

    #[test]
    fn sites_are_joined_by_the_core() {
        let two = expand("wan: { sites: 2, hosts: 1 }");
        assert_eq!(two.switches, ["core1", "gw1", "gw2"]);
        assert_eq!(cables(&two), ["h1-gw1", "h2-gw2", "gw1-core1", "gw2-core1"]);
        let chain = expand("wan: { sites: 4, hosts: 1, cores: 2 }");
        let wanted = ["gw1-core1", "gw2-core1", "gw3-core2", "gw4-core2", "core1-core2"];
        assert_eq!(cables(&chain)[4..], wanted);
        assert_eq!(expand("wan: { sites: 10, hosts: 3, cores: 5 }").links.len(), 44);
        assert_eq!(grown("wan: { sites: 2, hosts: 3 }", 10), 12);
    }

    #[test]
    fn links_between_routers_have_their_own_mtu_and_rate() {
        let slow = expand("wan: { sites: 2, hosts: 1, mtu: 1400, rate: 100M }");
        assert_eq!((slow.links[0].mtu(), slow.links[0].rate()), (None, None));
        assert_eq!(slow.links[2].mtu(), Some(1400));
        assert_eq!(slow.links[3].rate().map(|r| r.0), Some(100_000_000));
        let far = expand("wan: { sites: 2, hosts: 1, delay: 10ms, jitter: 1ms }");
        assert!(!far.links[0].impaired().any());
        assert_eq!(far.links[2].impaired().delay, Some(crate::lab::Delay(10_000)));
    }
}
