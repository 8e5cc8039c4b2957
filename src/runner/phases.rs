//! What is measured once in every variant, beside the flows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::anatomy::{anatomy, decodes, dissect};
use super::bench::Bench;
use super::expect::reach;
use super::{bum, overlay, parts, probes, tables};
use crate::ids::Encap;
use crate::lab::{Expected, Flow, IpVersion, MtuMode, Rate};
use crate::measure::overhead::Overhead;
use crate::measure::result::{PayloadResult, Spread, VariantResult};
use crate::measure::{
    self, MeasureError, felt, isolation, ledger, mtu, overhead, sample, snmp, statistics, told,
    transfer,
};
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;
use crate::traffic;

/// Datagrams that the bytes per packet are counted over.
const COUNTED: u64 = 1000;
/// How long a stream runs on the shaped link, and the parts of it that are looked at by themselves: more than an
/// interval of 95 % needs, so that their median stands a timeout that takes some of them.
const FELT: (Duration, u32) = (Duration::from_millis(1200), 8);
/// Port of that stream's receiver, below those of the rounds.
const FELT_PORT: u16 = 19_999;

/// Measures one variant. What cannot be measured is left out, with the reason in its result and in notes.
pub(super) fn run(bench: &mut Bench<'_>) {
    let plan = bench.plan;
    // First of all, while nobody knows anybody.
    bum::walks(bench);
    tables::growth(bench);
    bench.measure(parts::REACH, reach);
    bum::broadcasts(bench);
    tables::strays(bench);
    bench.result.tunnels = bum::tunnels(bench.testbed, bench.variant);
    overlay::run(bench);
    match bench.variant.tenants.iter().find(|tenant| spans_hosts(tenant)) {
        Some(tenant) => between_hosts(bench, &tenant.name),
        None => nothing_between_hosts(bench),
    }
    if bench.variant.encap != Encap::None {
        probes::run(bench);
    }
    if plan.measure.isolation && bench.variant.tenants.len() > 1 {
        bench.measure(parts::ISOLATION, isolated);
    }
    if let Some(rate) = plan.measure.felt {
        bench.measure(parts::FELT, |bench| felt(bench, rate));
    }
}

/// Who reaches whom within tenants.
fn reach(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (testbed, plan, variant) = (bench.testbed, bench.plan, bench.variant);
    let sample = sample::vms(variant, plan.seed, plan.measure.sample, &reach::named(plan));
    let forget = |namespace: &str| testbed.forget_neighbours(namespace);
    let sampled = (sample.pairs.len() as u64) < sample.of;
    bench.result.reachable_of = sampled.then_some(sample.of);
    for (at, pairs) in measure::reachable_of(testbed, variant, &sample, &forget)? {
        bench.result.reachable.insert(variant.tenants[at].name.clone(), pairs);
    }
    Ok(())
}

/// What takes two VMs of a tenant on different hosts.
fn between_hosts(bench: &mut Bench<'_>, tenant: &str) {
    let (plan, variant) = (bench.plan, bench.variant);
    // Before anybody is told what fits, which a VM's kernel remembers.
    if transfers(plan, variant) {
        bench.measure(parts::TRANSFER, |bench| bulk(bench, tenant));
    }
    if plan.measure.mtu {
        bench.measure(parts::LARGEST, |bench| largest(bench, tenant));
    }
    if plan.measure.overhead {
        bench.measure(parts::BYTES, |bench| bytes(bench, tenant));
    }
    if tells(plan, variant) {
        bench.measure(parts::TOLD, |bench| {
            let told = told::told(bench.testbed, bench.variant, tenant)?;
            bench.result.mtu.told =
                told.into_iter().map(|(ip, mtu)| (ip.to_owned(), mtu)).collect();
            Ok(())
        });
    }
}

/// Says which of that was asked for where there are no two such VMs.
fn nothing_between_hosts(bench: &mut Bench<'_>) {
    let (plan, variant) = (bench.plan, bench.variant);
    let wanted = [
        (transfers(plan, variant), parts::TRANSFER),
        (plan.measure.mtu, parts::LARGEST),
        (plan.measure.overhead, parts::BYTES),
        (tells(plan, variant), parts::TOLD),
    ];
    for (_, part) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
        bench.leave_out(part, &"no tenant has VMs on two hosts, so nothing crosses the underlay");
    }
}

/// Whether a bulk transfer is tried: where VMs of one of the variants send what does not fit, or the lab
/// asks.
fn transfers(plan: &Plan, variant: &Variant) -> bool {
    let behaves = plan.measure.mtu && plan.variants.iter().any(kept);
    variant.encap != Encap::None && (behaves || sends(plan))
}

/// Whether the lab expects something of what leaves a host during a transfer.
fn sends(plan: &Plan) -> bool {
    plan.expect.iter().any(|expectation| {
        matches!(
            expectation.what,
            Expected::Transfer(_) | Expected::LargeSend { .. } | Expected::Handshakes(_)
        )
    })
}

/// Whether somebody may be told that packets are too large.
fn tells(plan: &Plan, variant: &Variant) -> bool {
    variant.encap != Encap::None && kept(variant) && plan.measure.mtu
}

fn bulk(bench: &mut Bench<'_>, tenant: &str) -> anyhow::Result<()> {
    let decodes = decodes(bench.variant);
    let asked = |packet: &[u8]| sends(bench.plan) && decodes(packet);
    bench.result.transfer = Some(transfer::run(bench.testbed, bench.variant, tenant, &asked)?);
    Ok(())
}

fn largest(bench: &mut Bench<'_>, tenant: &str) -> anyhow::Result<()> {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let set = |namespace: &str, mtu: u32| testbed.set_vm_mtu(namespace, mtu);
    let before = too_big(&testbed.drops(variant));
    let probed = mtu::probe(testbed, variant, tenant, &set);
    bench.result.mtu.dropped_by_search = too_big(&testbed.drops(variant)).saturating_sub(before);
    bench.result.mtu.probed = probed?;
    Ok(())
}

/// Bytes per packet, and the ledger.
fn bytes(bench: &mut Bench<'_>, tenant: &str) -> anyhow::Result<()> {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let dissect = dissect(variant);
    let counted = overhead::count(testbed, variant, tenant, COUNTED, &dissect);
    let more = match variant.encap {
        Encap::Ssh => ledger::stream(testbed, variant, tenant, &dissect),
        _ => ledger::burst(testbed, variant, tenant, &dissect),
    };
    let rows = more.map_err(|error| bench.note("the ledger is not whole", &error));
    let counted = counted.map(|counted| take(bench, counted));
    bench.result.ledger.extend(rows.unwrap_or_default());
    Ok(counted?)
}

fn take(bench: &mut Bench<'_>, counted: Overhead) {
    if counted.unwatched > 0 {
        let why = format!("{} interfaces between the hosts' links", counted.unwatched);
        bench.note("the byte ledger leaves out", &why);
    }
    if counted.per_packet.is_none() {
        let hidden = "none of the packets that arrived can be recognised on the underlay, which \
                      hides what is in them";
        bench.note("the bytes per packet were not counted", &hidden);
    }
    let result = &mut *bench.result;
    result.ledger = counted.ledger;
    result.mtu.overhead_counted = counted.per_packet;
    result.mtu.counted_packets = counted.packets;
    result.payload = Some(PayloadResult {
        delivered: counted.delivered,
        readable: counted.packets,
        underlay_per_inner: counted.underlay_per_inner,
    });
    result.anatomy = counted.sample.map(|packet| anatomy(bench.variant, &packet));
}

fn isolated(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (plan, variant) = (bench.plan, bench.variant);
    let classify = |packet: &[u8]| isolation::network(variant, packet);
    let most = plan.measure.sample.div_ceil(10);
    let pairs = sample::tenants(variant, plan.seed, most, &reach::apart(plan));
    let repeats = isolation::REPEATS;
    let found = isolation::run(bench.testbed, variant, repeats, &pairs, &classify)?;
    bench.missed(parts::ISOLATION, found.missed);
    bench.result.isolation = Some(found);
    Ok(())
}

fn felt(bench: &mut Bench<'_>, rate: Rate) -> anyhow::Result<()> {
    if let Some(goodput) = goodput(bench.testbed, bench.plan, bench.variant, rate)? {
        let parts: Vec<f64> = goodput.iter().map(|bits| bits / rate.0 as f64).collect();
        bench.result.mtu.goodput_felt = Spread::of(parts.iter().copied()).map(|s| s.median);
        bench.result.mtu.goodput_interval = statistics::interval(&parts);
        bench.result.mtu.goodput_ceiling = ceiling(bench.variant);
    }
    Ok(())
}

/// Whether VMs keep the underlay's MTU, so that they send packets that do not fit.
fn kept(variant: &Variant) -> bool {
    variant.mtu_mode != MtuMode::Lower
}

/// What hosts and tables have counted once the flows are over; `early` are the drops from before all links
/// forwarded.
pub(super) fn after_flows(bench: &mut Bench<'_>, early: &BTreeMap<String, u64>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    match testbed.underlay().blocked(variant) {
        Ok(blocked) => {
            for (link, blocked) in bench.result.links.iter_mut().zip(blocked) {
                link.blocked = blocked;
            }
        }
        Err(error) => bench.leave_out(parts::BLOCKED, &error),
    }
    bench.result.drops = measure::since(testbed.drops(variant), early);
    without_search(bench.result);
    match testbed.tables(variant) {
        Ok(tables) => bench.result.tables = tables,
        Err(error) => bench.leave_out(parts::TABLES, &error),
    }
}

/// Fragments that the hosts of each variant have made so far; `None` where they are to make none.
pub(super) fn fragments(testbed: &Testbed, plan: &Plan) -> Result<Vec<Option<u64>>, MeasureError> {
    let of = |variant: &Variant| {
        if variant.mtu_mode != MtuMode::Fragment {
            return Ok(None);
        }
        let hosts = variant.edges.iter().map(|edge| variant.namespace(&edge.host));
        hosts
            .map(|host| Ok(snmp::counted(testbed, &host)?.fragments))
            .sum::<Result<u64, _>>()
            .map(Some)
    };
    plan.variants.iter().map(of).collect()
}

fn too_big(drops: &BTreeMap<String, u64>) -> u64 {
    drops.get("too_big").copied().unwrap_or_default()
}

/// Takes off a variant's drops those that the search for the largest packet made.
fn without_search(result: &mut VariantResult) {
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

/// Goodput of the first bulk flow's ends on their shaped link, in parts of its time; `None` where no bulk flow crosses hosts
/// here.
fn goodput(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    rate: Rate,
) -> Result<Option<Vec<f64>>, anyhow::Error> {
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
        return Ok(Some(traffic::goodput(testbed, variant, &flow.tenant, ends, FELT_PORT, FELT)?));
    }
    Ok(None)
}
