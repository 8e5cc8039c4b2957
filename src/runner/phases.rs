//! What is measured once in every variant, beside the flows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::anatomy::{anatomy, decodes, dissect};
use super::expect::reach;
use super::{Progress, RunError, bum, overlay, probes, tables};
use crate::ids::Encap;
use crate::lab::{Expected, Flow, IpVersion, MtuMode, Rate};
use crate::measure::result::{PayloadResult, VariantResult};
use crate::measure::{self, felt, isolation, ledger, mtu, overhead, sample, snmp, told, transfer};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;
use crate::traffic;

/// Datagrams that the bytes per packet are counted over.
const COUNTED: u64 = 1000;
/// How long a stream runs on the shaped link.
const FELT: Duration = Duration::from_secs(1);
/// Port of that stream's receiver, below those of the rounds.
const FELT_PORT: u16 = 19_999;

/// Measures one variant. What cannot be measured is left out, with the reason in `notes`.
pub(super) fn run(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    result: &mut VariantResult,
    notes: &mut Vec<String>,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    // First of all, while nobody knows anybody.
    bum::walks(testbed, plan, variant, result, progress)?;
    tables::growth(testbed, plan, variant, result, progress)?;
    progress.step("who reaches whom");
    let named = reach::named(plan);
    let sample = sample::vms(variant, plan.seed, plan.measure.sample, &named);
    let forget = |namespace: &str| testbed.forget_neighbours(namespace);
    let sampled = (sample.pairs.len() as u64) < sample.of;
    result.reachable_of = sampled.then_some(sample.of);
    for (at, pairs) in measure::reachable_of(testbed, variant, &sample, &forget)? {
        result.reachable.insert(variant.tenants[at].name.clone(), pairs);
    }
    bum::broadcasts(testbed, plan, variant, result, progress)?;
    tables::strays(testbed, plan, variant, result, progress)?;
    result.tunnels = bum::tunnels(testbed, variant);
    overlay::run(testbed, plan, variant, result, progress)?;
    let mut note = |what: &str, error: &dyn std::fmt::Display| {
        notes.push(format!("{}: {what}: {error}", variant.name));
    };
    let Some(tenant) = variant.tenants.iter().find(|t| spans_hosts(t)) else {
        return Ok(());
    };
    // Before anybody is told what fits, which a VM's kernel remembers.
    if variant.encap != Encap::None {
        bulk(testbed, plan, variant, &tenant.name, result, progress)?;
    }
    if plan.measure.mtu {
        progress.step("the largest packet that passes");
        let set = |namespace: &str, mtu: u32| testbed.set_vm_mtu(namespace, mtu);
        let before = too_big(&testbed.drops(variant));
        match mtu::probe(testbed, variant, &tenant.name, &set) {
            Ok(probed) => result.mtu.probed = probed,
            Err(error) => note("the MTU could not be probed", &error),
        }
        result.mtu.dropped_by_search = too_big(&testbed.drops(variant)).saturating_sub(before);
    }
    if plan.measure.overhead {
        progress.step("bytes per packet on the wire");
        let dissect = dissect(variant);
        match overhead::count(testbed, variant, &tenant.name, COUNTED, &dissect) {
            Ok(counted) => {
                result.ledger = counted.ledger;
                if counted.unwatched > 0 {
                    let why = format!("{} interfaces between the hosts' links", counted.unwatched);
                    note("the byte ledger leaves out", &why);
                }
                result.mtu.overhead_counted = counted.per_packet;
                result.mtu.counted_packets = counted.packets;
                result.payload = Some(PayloadResult {
                    delivered: counted.delivered,
                    readable: counted.packets,
                    underlay_per_inner: counted.underlay_per_inner,
                });
                result.anatomy = counted.sample.map(|packet| anatomy(variant, &packet));
                if counted.per_packet.is_none() {
                    let hidden = "none of the packets that arrived can be recognised on the \
                                  underlay, which hides what is in them";
                    note("the bytes per packet were not counted", &hidden);
                }
            }
            Err(error) => note("the bytes per packet could not be counted", &error),
        }
        let more = match variant.encap {
            Encap::Ssh => ledger::stream(testbed, variant, &tenant.name, &dissect),
            _ => ledger::burst(testbed, variant, &tenant.name, &dissect),
        };
        match more {
            Ok(rows) => result.ledger.extend(rows),
            Err(error) => note("the ledger is not whole", &error),
        }
    }
    if variant.encap != Encap::None {
        if kept(variant) && plan.measure.mtu {
            progress.step("what senders of large packets are told");
            let told = told::told(testbed, variant, &tenant.name)?;
            result.mtu.told = told.into_iter().map(|(ip, mtu)| (ip.to_owned(), mtu)).collect();
        }
        if !plan.probes.is_empty() {
            progress.step("crafted packets");
            result.probes = probes::run(testbed, &plan.probes, variant)?;
        }
    }
    if plan.measure.isolation && variant.tenants.len() > 1 {
        progress.step("leaks between tenants");
        let classify = |packet: &[u8]| isolation::network(variant, packet);
        let most = plan.measure.sample.div_ceil(10);
        let pairs = sample::tenants(variant, plan.seed, most, &reach::apart(plan));
        let repeats = isolation::REPEATS;
        result.isolation = Some(isolation::run(testbed, variant, repeats, &pairs, &classify)?);
    }
    if let Some(rate) = plan.measure.felt {
        progress.step(&format!("goodput on a link of {rate}bit/s"));
        match goodput(testbed, plan, variant, rate) {
            Ok(Some(goodput)) => {
                result.mtu.goodput_felt = Some(goodput);
                result.mtu.goodput_ceiling = ceiling(variant);
            }
            Ok(None) => {}
            Err(error) => note("goodput on the shaped link could not be measured", &error),
        }
    }
    Ok(())
}

/// Whether VMs keep the underlay's MTU, so that they send packets that do not fit.
fn kept(variant: &Variant) -> bool {
    variant.mtu_mode != MtuMode::Lower
}

/// Whether bulk transfers pass, where VMs of one of the variants send what does not fit, or the lab asks.
fn bulk(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    tenant: &str,
    result: &mut VariantResult,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let wants = |kind: fn(&Expected) -> bool| plan.expect.iter().any(|e| kind(&e.what));
    let sends = |what: &Expected| {
        matches!(what, Expected::Transfer(_) | Expected::LargeSend { .. } | Expected::Handshakes(_))
    };
    let behaves = plan.measure.mtu && plan.variants.iter().any(kept);
    if behaves || wants(sends) {
        progress.step("a bulk transfer");
        let decodes = decodes(variant);
        let asked = |packet: &[u8]| wants(sends) && decodes(packet);
        result.transfer = Some(transfer::run(testbed, variant, tenant, &asked)?);
    }
    Ok(())
}

/// Fragments that the hosts of each variant have made so far.
pub(super) fn fragments(testbed: &Testbed, plan: &Plan) -> Result<Vec<u64>, RunError> {
    let of = |variant: &Variant| {
        let hosts = variant.edges.iter().map(|edge| variant.namespace(&edge.host));
        let each = hosts.map(|host| Ok(snmp::counted(testbed, &host)?.fragments));
        each.sum::<Result<u64, RunError>>()
    };
    plan.variants.iter().map(of).collect()
}

fn too_big(drops: &BTreeMap<String, u64>) -> u64 {
    drops.get("too_big").copied().unwrap_or_default()
}

/// Drops by reason, less those that were counted before.
pub(super) fn since(
    mut now: BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    for (reason, count) in &mut now {
        *count = count.saturating_sub(before.get(reason).copied().unwrap_or_default());
    }
    now
}

/// Takes off a variant's drops those that the search for the largest packet made.
pub(super) fn without_search(result: &mut VariantResult) {
    let searched = result.mtu.dropped_by_search;
    if let Some(count) = result.drops.get_mut("too_big") {
        *count = count.saturating_sub(searched);
    }
    result.drops.retain(|_, count| *count > 0);
}

/// The part of a shaped link's rate that is goodput, by arithmetic.
fn ceiling(variant: &Variant) -> Option<f64> {
    let (inner, overhead) = (variant.inner_mtu, variant.overhead);
    let ipv6 = variant.underlay == IpVersion::Ipv6;
    let full = variant.vms().map(|vm| vm.mtu).min().filter(|mtu| *mtu > inner);
    let pieces =
        full.filter(|_| variant.mtu_mode == MtuMode::Fragment && variant.encap != Encap::Stt);
    let pieces =
        pieces.and_then(|mtu| felt::fragmented_ceiling(mtu, overhead, variant.underlay_mtu, ipv6));
    pieces.or_else(|| felt::goodput_ceiling(inner, overhead, variant.encap))
}

fn spans_hosts(tenant: &crate::plan::TenantPlan) -> bool {
    tenant.vms.iter().any(|vm| vm.host != tenant.vms[0].host)
}

/// Goodput of the first bulk flow's ends over the rate of their shaped link; `None` where no bulk
/// flow crosses hosts here.
fn goodput(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    rate: Rate,
) -> Result<Option<f64>, anyhow::Error> {
    for flow in plan.flows.iter().filter(|f| matches!(f.flow, Flow::Tcp(_))) {
        let Some([from, to]) = flow.ends(variant).filter(|_| flow.to_tenant.is_none()) else {
            continue;
        };
        if from.host == to.host {
            continue;
        }
        let Some(edge) = variant.edges.iter().find(|e| e.host == from.host) else { continue };
        let host = variant.namespace(&from.host);
        let _shaped = testbed.shape(&host, &edge.nic, rate.0, variant.underlay_mtu)?;
        let ends = [flow.from.as_str(), flow.to.as_str()];
        let bits = traffic::goodput(testbed, variant, &flow.tenant, ends, FELT_PORT, FELT)?;
        return Ok(Some(bits / rate.0 as f64));
    }
    Ok(None)
}
