//! MAC tables that grow, and frames that stray, where the lab expects something of them.

use std::collections::BTreeSet;

use super::bum::expected;
use super::{Progress, RunError};
use crate::ids::Encap;
use crate::lab::{Expected, Fabric};
use crate::measure::result::VariantResult;
use crate::measure::{stray, tables};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;

/// Counts the entries of all tables while VMs begin to speak.
pub(super) fn growth(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    result: &mut VariantResult,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let asked = expected(plan, variant).filter_map(|what| match what {
        Expected::Tables(table) => Some(table.vms),
        _ => None,
    });
    let asked: Vec<Option<u32>> = asked.collect();
    if asked.is_empty() {
        return Ok(());
    }
    progress.step("MAC tables while VMs begin to speak");
    let wanted: BTreeSet<usize> = asked.iter().flatten().map(|vms| *vms as usize).collect();
    let read = || Ok::<_, RunError>(testbed.tables(variant)?);
    result.table_growth = tables::grow(testbed, variant, &wanted, &read)?;
    Ok(())
}

/// Counts unicast frames at ports that they are not for.
pub(super) fn strays(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    result: &mut VariantResult,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    // A router sees packets only.
    if !variant.encap.carries_ethernet()
        || variant.encap == Encap::None && variant.fabric == Fabric::L3
    {
        return Ok(());
    }
    let named = expected(plan, variant).filter_map(|what| match what {
        Expected::Stray(stray) => Some(stray.within.as_str()),
        _ => None,
    });
    let named: BTreeSet<&str> = named.collect();
    for tenant in variant.tenants.iter().filter(|tenant| named.contains(tenant.name.as_str())) {
        progress.step(&format!("stray frames of {}", tenant.name));
        let found = stray::run(testbed, variant, &tenant.name)?;
        result.strays.insert(tenant.name.clone(), found);
    }
    Ok(())
}
