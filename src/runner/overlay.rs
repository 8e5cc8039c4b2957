//! What joins tenants' networks, and what the underlay sees of them, where the lab expects
//! something of it.

use std::collections::BTreeSet;
use std::io;

use super::bum::expected;
use super::{Progress, RunError};
use crate::ids::Encap;
use crate::lab::{Expected, Reach};
use crate::measure::result::VariantResult;
use crate::measure::{self, MeasureError, gateway, isolation, sight, stream, trace};
use crate::plan::{Plan, Variant, VmPlan};
use crate::testbed::Testbed;

/// Measures it all in one variant.
pub(super) fn run(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    result: &mut VariantResult,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let found = &mut result.overlay;
    let mut looked_for: BTreeSet<&str> = BTreeSet::new();
    let vm = |name: &str| -> Option<&VmPlan> {
        let (tenant, vm) = name.split_once('/')?;
        variant.vm(tenant, vm)
    };
    for what in expected(plan, variant) {
        match what {
            Expected::Reachable(Reach::Across(reach))
            | Expected::Unreachable(Reach::Across(reach)) => {
                let carried = |name: &String| variant.tenants.iter().any(|t| t.name == *name);
                if [&reach.from, &reach.to].into_iter().all(carried) {
                    progress.step(&format!("who of {} reaches {}", reach.from, reach.to));
                    let pairs = measure::across(testbed, variant, &reach.from, &reach.to)?;
                    found.across.insert(format!("{} → {}", reach.from, reach.to), pairs);
                }
            }
            Expected::Blind(tenants) | Expected::Seen(tenants) => {
                looked_for.extend(tenants.iter().map(String::as_str));
            }
            Expected::Gateway(name) => {
                let Some(segment) = variant.segments.iter().find(|s| s.name == *name) else {
                    continue;
                };
                progress.step(&format!("frames through the gateway of {name}"));
                let network = |packet: &[u8]| isolation::network(variant, packet);
                let seen = gateway::run(testbed, variant, segment, &network)?;
                found.gateways.insert(name.clone(), seen);
            }
            Expected::Hops { from, to, .. } => {
                if let (Some(from), Some(to)) = (vm(from), vm(to)) {
                    progress.step(&format!("the way to {}", to.name));
                    found.traces.push(trace::run(testbed, variant, from, to)?);
                }
            }
            Expected::Stream(wanted) if variant.encap != Encap::None => {
                if let Some(from) = vm(&wanted.from) {
                    progress.step(&format!("broadcasts at {}bit/s", wanted.rate));
                    let (rate, span) = (wanted.rate.0, wanted.span.0);
                    found.streams.push(stream::run(testbed, variant, from, rate, span)?);
                }
            }
            _ => {}
        }
    }
    if !looked_for.is_empty() {
        progress.step("what the underlay sees of tenants");
        let tenants: Vec<&str> = looked_for.into_iter().collect();
        let tables = || {
            let macs = testbed.underlay().switch_macs(variant);
            macs.map_err(|error| MeasureError::system("list MAC tables")(io::Error::other(error)))
        };
        found.sight = sight::run(testbed, variant, &tenants, tables)?;
    }
    configurations(testbed, plan, variant, result)
}

/// How VMs are configured: of tenants that are compared, in every variant, for any may be what
/// another is compared with.
fn configurations(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    result: &mut VariantResult,
) -> Result<(), RunError> {
    let named: BTreeSet<&str> = plan
        .expect
        .iter()
        .filter_map(|expectation| match &expectation.what {
            Expected::Unaware { within, .. } => Some(within.as_str()),
            _ => None,
        })
        .collect();
    for vm in variant.vms().filter(|vm| named.contains(vm.tenant.as_str())) {
        let lines = testbed.vm_configuration(&variant.namespace(&vm.node))?;
        result.overlay.configurations.insert(format!("{}/{}", vm.tenant, vm.name), lines);
    }
    Ok(())
}
