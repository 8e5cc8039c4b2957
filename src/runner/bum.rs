//! Broadcasts, walks and tunnels, where the lab expects something of them.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::Bench;
use super::parts;
use crate::lab::{Expected, Learning, point_to_point};
use crate::measure::result::TunnelResult;
use crate::measure::{bum, walk};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// What the lab expects of a variant.
pub(super) fn expected<'p>(
    plan: &'p Plan,
    variant: &'p Variant,
) -> impl Iterator<Item = &'p Expected> {
    let about = |e: &&crate::lab::Expectation| {
        e.only.is_none_or(|encap| encap == variant.encap)
            && e.variant.as_ref().is_none_or(|name| *name == variant.name)
    };
    plan.expect.iter().filter(about).map(|expectation| &expectation.what)
}

/// Replays the first packets that the lab wants to see.
pub(super) fn walks(bench: &mut Bench<'_>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    if variant.edges.iter().all(|edge| edge.vtep.is_none()) {
        return;
    }
    for what in expected(bench.plan, variant) {
        let Expected::Walk { from, to } = what else { continue };
        let part = parts::walk(from, to);
        bench.measure(&part, |bench| {
            let learned =
                |host: &str, network, mac: &str| testbed.learned(variant, host, network, mac);
            bench.result.walks.push(walk::walk(testbed, variant, [from, to], &learned)?);
            Ok(())
        });
    }
}

/// Counts what becomes of broadcasts of the tenants that the lab speaks of.
pub(super) fn broadcasts(bench: &mut Bench<'_>) {
    let variant = bench.variant;
    let named = expected(bench.plan, variant).filter_map(|what| match what {
        Expected::Copies(count) => Some(count.within.as_str()),
        Expected::Broadcast { within } | Expected::NoBroadcast { within } => Some(within),
        _ => None,
    });
    let named: BTreeSet<&str> = named.collect();
    for tenant in variant.tenants.iter().filter(|tenant| named.contains(tenant.name.as_str())) {
        let part = parts::broadcasts(&tenant.name);
        bench.measure(&part, |bench| {
            let kinds = bum::run(bench.testbed, variant, &tenant.name)?;
            let missed = kinds.values().map(|kind| kind.missed).max().unwrap_or_default();
            bench.missed(&part, missed);
            bench.result.broadcasts.insert(tenant.name.clone(), kinds);
            Ok(())
        });
    }
}

/// What hosts have to know of each other, as their engines hold it, or as the plan has it where
/// the kernel does the work.
pub(super) fn tunnels(testbed: &Testbed, variant: &Variant) -> BTreeMap<String, TunnelResult> {
    let mut tunnels: BTreeMap<String, TunnelResult> = BTreeMap::new();
    // With a group one endpoint is enough even where Linux calls its device a tunnel.
    let pairs = point_to_point(variant.encap) && variant.learning != Learning::Multicast;
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for edge in variant.edges.iter().filter(|edge| edge.vtep.is_some()) {
        for network in &edge.networks {
            let planned = || {
                let peers = network.peers.len();
                (peers, if network.group.is_some() { 1 } else { peers })
            };
            let held = testbed.remotes(variant, &edge.host, network.id);
            let tenant = tunnels.entry(network.tenant.clone()).or_default();
            tenant.planned |= held.is_none();
            let (peers, entries) = held.unwrap_or_else(planned);
            tenant.hosts += 1;
            tenant.entries += entries as u64;
            tenant.entries_per_host = tenant.entries_per_host.max(entries as u64);
            *ends.entry(&network.tenant).or_default() += if pairs { peers as u64 } else { 0 };
        }
    }
    for (tenant, ends) in ends {
        if let Some(tenant) = tunnels.get_mut(tenant) {
            tenant.tunnels = ends / 2;
        }
    }
    tunnels
}
