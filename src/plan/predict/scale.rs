//! A data centre that is only counted: so many hosts, VMs and tenants.

use serde::Serialize;

use super::super::PlanError;
use super::super::edge::Presence;
use super::super::graph::Graph;
use super::carrier::{Asked, Scene, Shared};
use super::{Prediction, whole};
use crate::ids::Encap;
use crate::lab::topology::Generator;
use crate::lab::{Fabric, Topology, fabric};

/// Where the VMs of a tenant are put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// All over the data centre: VM after VM on a host far from the one before.
    #[default]
    Spread,
    /// Close together: a host is filled before the next one.
    Packed,
}

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scale {
    /// Hosts with VMs, of those the topology has: the first ones.
    pub hosts: u64,
    /// VMs of all tenants.
    pub vms: u64,
    /// Tenants; each has as many VMs as the others, or one fewer.
    pub tenants: u64,
    /// Where VMs are put.
    pub placement: Placement,
}

/// Predicts for a scale, for every carrier of labs on the fabric that suits it.
///
/// # Errors
/// A topology that cannot be expanded, or hosts that do not reach each other.
pub fn predict_scale(topology: &Topology, scale: &Scale) -> Result<Prediction, PlanError> {
    let graph = Graph::new(topology)?;
    let present = presence(scale, graph.hosts().count() as u64);
    let tenants = present.iter().collect();
    let mut scene = Scene { graph: &graph, topology, present: tenants, shared: Shared::default() };
    let routed_only = topology.generator().is_some_and(Generator::routed);
    let carriers = carriers()
        .into_iter()
        .filter(|asked| !(routed_only && asked.fabric == Fabric::L2))
        .map(|asked| scene.predict(asked))
        .collect::<Result<_, _>>()?;
    let mut prediction = whole(&graph, topology, &present, carriers);
    prediction.notes.push(match scale.placement {
        Placement::Spread => "VMs of a tenant are spread over all hosts; `packed` fills a host \
                              before the next one."
            .to_owned(),
        Placement::Packed => {
            "VMs fill a host before the next one; `spread` puts those of a tenant \
                              far apart."
                .to_owned()
        }
    });
    Ok(prediction)
}

/// Every way to carry tenants; without encapsulation bridged and routed.
fn carriers() -> Vec<Asked> {
    let asked = |name: &str, encap, fabric, multicast| Asked {
        name: name.to_owned(),
        encap,
        fabric,
        multicast,
    };
    let mut all = vec![asked("plain-l2", Encap::None, Fabric::L2, false)];
    for encap in Encap::ALL {
        let name = if encap == Encap::None { "plain-l3" } else { encap.name() };
        all.push(asked(name, encap, fabric(Fabric::Auto, encap), false));
        if encap == Encap::Vxlan {
            all.push(asked("vxlan-multicast", encap, Fabric::L3, true));
        }
    }
    all
}

/// The VMs of each tenant on hosts.
fn presence(scale: &Scale, there: u64) -> Vec<Presence> {
    let hosts = scale.hosts.clamp(1, there.max(1));
    let tenants = scale.tenants.max(1);
    let each = scale.vms.div_ceil(hosts).max(1);
    let step = step(hosts);
    let mut next = 0;
    (0..tenants)
        .map(|tenant| {
            let vms = scale.vms / tenants + u64::from(tenant < scale.vms % tenants);
            let first = next;
            next += vms;
            Presence::of((first..next).map(|vm| {
                let host = match scale.placement {
                    Placement::Spread => u128::from(vm) * u128::from(step) % u128::from(hosts),
                    Placement::Packed => u128::from(vm / each),
                };
                host as usize
            }))
        })
        .collect()
}

/// A stride near the golden section that meets every host before it meets one again.
fn step(hosts: u64) -> u64 {
    let golden = (hosts as f64 * 0.618_034).round() as u64;
    // The number after a multiple of the hosts meets all of them, if nothing before does.
    (golden.max(1)..=hosts + 1).find(|&step| gcd(step, hosts) == 1).unwrap_or(1)
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(hosts: u64, vms: u64, tenants: u64, placement: Placement) -> Scale {
        Scale { hosts, vms, tenants, placement }
    }

    fn fabric(leaves: u32) -> Topology {
        serde_yaml::from_str(&format!("leaf-spine: {{ leaves: {leaves}, spines: 2, hosts: 4 }}"))
            .unwrap()
    }

    fn of<'a>(prediction: &'a Prediction, name: &str) -> &'a super::super::CarrierPrediction {
        prediction.carriers.iter().find(|c| c.name == name).unwrap()
    }

    #[test]
    fn every_host_gets_its_share() {
        for placement in [Placement::Spread, Placement::Packed] {
            let all = presence(&scale(10, 1000, 7, placement), 10);
            let mut at = [0; 10];
            for (host, vms) in all.iter().flat_map(Presence::hosts) {
                at[host] += vms;
            }
            assert_eq!(at, [100; 10], "{placement:?}");
            assert_eq!(all.iter().map(Presence::vms).collect::<Vec<_>>()[..2], [143, 143]);
        }
        let packed = presence(&scale(10, 1000, 10, Placement::Packed), 10);
        assert!(packed.iter().all(|tenant| tenant.hosts().count() == 1));
        let spread = presence(&scale(10, 1000, 10, Placement::Spread), 10);
        assert!(spread.iter().all(|tenant| tenant.hosts().count() == 10));
    }

    #[test]
    fn one_tenant_everywhere_is_the_formula() {
        let found = predict_scale(&fabric(4), &scale(16, 64, 1, Placement::Spread)).unwrap();
        assert_eq!((found.hosts, found.tors, found.spines, found.links), (16, 4, 2, 24));
        let gretap = of(&found, "gretap");
        assert_eq!((gretap.tunnels, gretap.endpoints), (16 * 15 / 2, 16));
        let vxlan = of(&found, "vxlan");
        assert_eq!((vxlan.tunnels, vxlan.peers.max, vxlan.fdb.max), (0, 15, 64));
        assert_eq!((vxlan.tor_macs.max, vxlan.tor_routes.max), (0, 16));
        // Three hosts in the own rack are two links away, twelve in others four.
        assert_eq!(vxlan.broadcast.copies.max, 15);
        assert_eq!(vxlan.broadcast.crossings.max, 3 * 2 + 12 * 4);
        // Up once, down to three leaves by one spine, and every host's own link.
        let group = of(&found, "vxlan-multicast").broadcast;
        assert_eq!((group.copies.max, group.crossings.max), (1, 16 + 1 + 3));
        let vlan = of(&found, "vlan");
        assert_eq!((vlan.tor_macs.max, vlan.spine_macs.max, vlan.blocked), (64, 64, 8 - 5));
        assert_eq!((vlan.broadcast.copies.max, vlan.broadcast.crossings.max), (1, 24));
        let plain = of(&found, "plain-l3");
        assert_eq!(plain.spine_routes.max, 16 + 64);
        assert_eq!(plain.broadcast.crossings.max, 0, "routers forward no broadcast");
        assert_eq!(of(&found, "ipip").broadcast.copies.max, 0, "nor do tunnels of IP packets");
    }

    #[test]
    fn ids_run_out_where_they_are_short() {
        let found = predict_scale(&fabric(4), &scale(16, 10_000, 5000, Placement::Packed)).unwrap();
        let fits = |name: &str| of(&found, name).ids.fits;
        assert!(!fits("vlan") && !fits("ipip") && !fits("plain-l3"));
        assert!(fits("vxlan") && fits("stt") && fits("ssh"));
        assert_eq!(of(&found, "vlan").ids.available, Some(4094));
        assert_eq!(of(&found, "stt").ids.available, Some(1 << 64));
        assert_eq!(of(&found, "vlan").broadcast.bothered.max, 15);
    }

    #[test]
    fn a_data_centre_that_no_machine_here_holds() {
        let topology: Topology =
            serde_yaml::from_str("leaf-spine: { leaves: 250, spines: 16, hosts: 40 }").unwrap();
        let large = scale(10_000, 500_000, 5000, Placement::Spread);
        let found = predict_scale(&topology, &large).unwrap();
        assert_eq!((found.hosts_used, found.vms), (10_000, 500_000));
        // 100 VMs of a tenant on 100 hosts: 4950 tunnels each.
        assert_eq!(of(&found, "gre").tunnels, 5000 * 4950);
        assert_eq!(of(&found, "vxlan").endpoints, 10_000);
        assert_eq!(of(&found, "vxlan").fdb.max, 50 * 100);
        assert_eq!(of(&found, "vlan").tor_macs.max, 500_000);
        assert_eq!(of(&found, "vxlan").tor_routes.max, 10_000);
    }
}
