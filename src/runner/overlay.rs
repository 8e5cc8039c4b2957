//! What joins tenants' networks, and what the underlay sees of them, where the lab expects
//! something of it.

use std::collections::BTreeSet;
use std::io;

use super::bench::Bench;
use super::bum::expected;
use super::parts;
use crate::ids::Encap;
use crate::lab::{Expected, Reach};
use crate::measure::{self, MeasureError, gateway, isolation, sight, stream, trace};
use crate::plan::VmPlan;

/// Measures it all in one variant.
pub(super) fn run(bench: &mut Bench<'_>) {
    let mut looked_for: BTreeSet<&str> = BTreeSet::new();
    for what in expected(bench.plan, bench.variant) {
        if let Expected::Blind(tenants) | Expected::Seen(tenants) = what {
            looked_for.extend(tenants.iter().map(String::as_str));
        } else {
            one(bench, what);
        }
    }
    if !looked_for.is_empty() {
        let tenants: Vec<&str> = looked_for.into_iter().collect();
        bench.measure(parts::SIGHT, |bench| seen(bench, &tenants));
    }
    // Of tenants that are compared, in every variant, for any may be what another is compared with.
    let compared = bench.plan.expect.iter().filter_map(|expectation| match &expectation.what {
        Expected::Unaware { within, .. } => Some(within.as_str()),
        _ => None,
    });
    let compared: BTreeSet<&str> = compared.collect();
    if !compared.is_empty() {
        bench.measure(parts::CONFIGURATIONS, |bench| configurations(bench, &compared));
    }
}

/// What one expectation is about.
fn one(bench: &mut Bench<'_>, what: &Expected) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let vm = |name: &str| -> Option<&VmPlan> {
        let (tenant, vm) = name.split_once('/')?;
        variant.vm(tenant, vm)
    };
    match what {
        Expected::Reachable(Reach::Across(reach)) | Expected::Unreachable(Reach::Across(reach)) => {
            let carried = |name: &String| variant.tenants.iter().any(|t| t.name == *name);
            if [&reach.from, &reach.to].into_iter().all(carried) {
                bench.measure(&parts::across(&reach.from, &reach.to), |bench| {
                    let pairs = measure::across(testbed, variant, &reach.from, &reach.to)?;
                    let name = format!("{} → {}", reach.from, reach.to);
                    bench.result.overlay.across.insert(name, pairs);
                    Ok(())
                });
            }
        }
        Expected::Gateway(name) => {
            if let Some(segment) = variant.segments.iter().find(|s| s.name == *name) {
                bench.measure(&parts::gateway(name), |bench| {
                    let network = |packet: &[u8]| isolation::network(variant, packet);
                    let seen = gateway::run(testbed, variant, segment, &network)?;
                    bench.result.overlay.gateways.insert(name.clone(), seen);
                    Ok(())
                });
            }
        }
        Expected::Hops { from, to, .. } => {
            if let (Some(near), Some(far)) = (vm(from), vm(to)) {
                bench.measure(&parts::trace(from, to), |bench| {
                    let trace = trace::run(testbed, variant, near, far)?;
                    bench.result.overlay.traces.push(trace);
                    Ok(())
                });
            }
        }
        Expected::Stream(wanted) if variant.encap != Encap::None => {
            if let Some(from) = vm(&wanted.from) {
                bench.measure(&parts::stream(&wanted.from), |bench| {
                    let (rate, span) = (wanted.rate.0, wanted.span.0);
                    let stream = stream::run(testbed, variant, from, rate, span)?;
                    bench.result.overlay.streams.push(stream);
                    Ok(())
                });
            }
        }
        _ => {}
    }
}

fn seen(bench: &mut Bench<'_>, tenants: &[&str]) -> anyhow::Result<()> {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let tables = || {
        let macs = testbed.underlay().switch_macs(variant);
        macs.map_err(|error| MeasureError::system("list MAC tables")(io::Error::other(error)))
    };
    bench.result.overlay.sight = sight::run(testbed, variant, tenants, tables)?;
    Ok(())
}

/// How VMs of some tenants are configured.
fn configurations(bench: &mut Bench<'_>, tenants: &BTreeSet<&str>) -> anyhow::Result<()> {
    let (testbed, variant) = (bench.testbed, bench.variant);
    for vm in variant.vms().filter(|vm| tenants.contains(vm.tenant.as_str())) {
        let lines = testbed.vm_configuration(&variant.namespace(&vm.node))?;
        let name = format!("{}/{}", vm.tenant, vm.name);
        bench.result.overlay.configurations.insert(name, lines);
    }
    Ok(())
}
