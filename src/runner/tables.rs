//! MAC tables that grow, and frames that stray, where the lab expects something of them.

use std::collections::BTreeSet;

use super::bench::Bench;
use super::bum::expected;
use super::{RunError, parts};
use crate::ids::Encap;
use crate::lab::{Expected, Fabric};
use crate::measure::{stray, tables};

/// Counts the entries of all tables while VMs begin to speak.
pub(super) fn growth(bench: &mut Bench<'_>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let asked = expected(bench.plan, variant).filter_map(|what| match what {
        Expected::Tables(table) => Some(table.vms),
        _ => None,
    });
    let asked: Vec<Option<u32>> = asked.collect();
    if asked.is_empty() {
        return;
    }
    let wanted: BTreeSet<usize> = asked.iter().flatten().map(|vms| *vms as usize).collect();
    bench.measure(parts::GROWTH, |bench| {
        let read = || Ok::<_, RunError>(testbed.tables(variant)?);
        bench.result.table_growth = tables::grow(testbed, variant, &wanted, &read)?;
        Ok(())
    });
}

/// Counts unicast frames at ports that they are not for.
pub(super) fn strays(bench: &mut Bench<'_>) {
    let variant = bench.variant;
    // A router sees packets only.
    if !variant.encap.carries_ethernet()
        || variant.encap == Encap::None && variant.fabric == Fabric::L3
    {
        return;
    }
    let named = expected(bench.plan, variant).filter_map(|what| match what {
        Expected::Stray(stray) => Some(stray.within.as_str()),
        _ => None,
    });
    let named: BTreeSet<&str> = named.collect();
    for tenant in variant.tenants.iter().filter(|tenant| named.contains(tenant.name.as_str())) {
        let part = parts::strays(&tenant.name);
        bench.measure(&part, |bench| {
            let found = stray::run(bench.testbed, variant, &tenant.name)?;
            bench.missed(&part, found.missed);
            bench.result.strays.insert(tenant.name.clone(), found);
            Ok(())
        });
    }
}
