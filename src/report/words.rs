//! What the figures say, in sentences; each is computed from the result it stands in.

use std::cmp::Ordering;

use super::figures::{
    Compared, baseline, compared_by, cpu_per_gb, fabric_links, flow, in_fragments, labels,
    overhead_apart, paired, shares, streams,
};
use super::number::{Unit, bounds, bytes, count, digits, fixed, plural, seconds};
use super::rounds;
use super::table::Tone;
use crate::measure::result::{FlowResult, Machine, RunResult, VariantResult};

/// How figures come about, for readers who want to know before they believe.
pub const METHOD: [&str; 5] = [
    "All variants stand at the same time on one machine; each round runs every flow in every variant in turn, so that what the machine does meanwhile falls on all of them. Figures are medians over the rounds, with the smallest and the largest beside them. Rounds are never chosen by what they found: those left out are the first one, where the lab asks for figures of a given width, and those beside much foreign load, which are repeated.",
    "A ratio compares a variant with the plain path of the same fabric in the same round. From six rounds on, brackets hold its median with a probability of 95 % (bootstrap of the median, percentiles widened for few rounds); with fewer they are the smallest and the largest, which hold it with 1 − 2^(1−rounds): 75 % for three. A difference is claimed where the brackets do not hold 1, and with fewer than six rounds only where it is also one and a half times as large as all rounds are apart. Of twenty comparisons at 95 % one may be wrong by chance. Percentiles of latency are taken over all rounds together and follow the verdict of their flow's transaction rate.",
    "Overhead is told three times: computed from the packet formats, counted in bytes on an underlay link, and felt as goodput of one TCP stream on a link shaped to a rate. CPU is that of the whole machine while the flow ran, per 10^9 payload bytes delivered; of engines is the part of the program's own threads.",
    "Every isolation probe carries a token of its tenant; every VM and every host's underlay port is watched. The control counts the probes that the own tenant should have seen, and did: a network that carries nothing leaks nothing.",
    "Bytes of links are interface counters. In namespaces a link is as fast as the processor: ratios carry over to other machines, absolute figures do not.",
];

/// The first line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// Good where all held, bad where one did not, unclear where nothing was to hold.
    pub tone: Tone,
    /// The verdict.
    pub text: String,
    /// One line per expectation that failed.
    pub failed: Vec<String>,
    /// What must be known before reading on: that the run was interrupted.
    pub warning: Option<&'static str>,
}

/// Whether all that had to hold did.
#[must_use]
pub fn headline(run: &RunResult) -> Headline {
    let all = run.expectations.len() as u64;
    let failed: Vec<String> = run
        .expectations
        .iter()
        .filter(|e| !e.held)
        .map(|e| format!("{}: {} ({})", e.variant, e.what, e.figures()))
        .collect();
    let (tone, text) = match (all, failed.len() as u64) {
        (0, _) => (Tone::Unclear, "The lab states no expectations.".to_owned()),
        (1, 0) => (Tone::Good, "The one expectation held.".to_owned()),
        (_, 0) => (Tone::Good, format!("All {} held.", plural(all, "expectation"))),
        (_, n) => (Tone::Bad, format!("{} of {} failed.", count(n), plural(all, "expectation"))),
    };
    let warning = (!run.complete).then_some(
        "Interrupted: not all rounds were run. The figures rest on those that were, and some are missing.",
    );
    Headline { tone, text, failed, warning }
}

/// Machine and duration in one line each.
#[must_use]
pub fn machine(run: &RunResult) -> Vec<String> {
    let (m, t) = (&run.machine, &run.testbed);
    let mut lines = vec![
        format!(
            "{}, {} ({}), {} of memory, {}.",
            m.kernel,
            m.cpu,
            plural(m.cpus as u64, "processor"),
            bytes(m.memory),
            if m.rootless { "in a user namespace without privileges" } else { "as root" },
        ),
        format!(
            "{} built in {}, forwarding after {}, removed in {}; the whole run took {}.",
            plural(t.namespaces as u64, "namespace"),
            seconds(t.build_seconds),
            seconds(t.ready_seconds),
            seconds(t.teardown_seconds),
            seconds(run.seconds),
        ),
    ];
    lines.extend(state(m));
    lines.extend(cost_per_tenant(run));
    lines
}

/// What state the machine was in; nothing of older results.
fn state(m: &Machine) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(
        m.virtual_machine.map(|v| if v { "a virtual machine" } else { "no hypervisor" }.to_owned()),
    );
    parts.extend(m.mhz.map(|mhz| format!("{} MHz", fixed(mhz, 0))));
    parts.extend(m.governor.as_ref().map(|governor| format!("governor {governor}")));
    let load = m.load.map(|[one, ..]| format!("a load of {} at the start", fixed(one, 2)));
    parts.extend(load);
    parts.extend(m.sysctls.iter().map(|(name, value)| format!("{name} {value}")));
    (!parts.is_empty()).then(|| format!("Its state: {}.", parts.join(", ")))
}

/// What a tenant costs, where there are enough to tell it from what everything else costs.
fn cost_per_tenant(run: &RunResult) -> Option<String> {
    const MANY: usize = 100;
    let t = &run.testbed;
    let networks: usize = run.variants.iter().map(|v| v.tenants).fold(0, usize::saturating_add);
    if networks < MANY || t.namespaces < networks {
        return None;
    }
    let each = |of: f64| of / networks as f64;
    let memory = |of: u64| format!("{:.0} kB", each(of as f64) / 1e3);
    Some(format!(
        "Each of {} tenant networks took {:.2} ms to build, {:.2} ms to remove, {} of the machine's memory and {} of the program's own, with its VMs and its part of hosts and links.",
        count(networks as u64),
        each(t.build_seconds) * 1e3,
        each(t.teardown_seconds) * 1e3,
        memory(t.memory_bytes),
        memory(t.resident_bytes),
    ))
}

/// What the figures say.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let carried = || run.variants.iter().filter(|v| v.baseline.is_some());
    let first = |kind: &str| {
        labels(run)
            .into_iter()
            .find(|l| run.variants.iter().any(|v| flow(v, l).is_some_and(|f| f.kind == kind)))
    };
    let mut out = rounds::sentences(run);
    if let Some(label) = first("tcp") {
        out.extend(carried().filter_map(|v| throughput(run, v, label)));
    }
    if let Some(label) = first("rr") {
        out.extend(carried().filter_map(|v| latency(run, v, label)));
    }
    out.extend(carried().map(overhead));
    let any = carried().next().is_some();
    // A plain path shares its fabric's links with what is compared with it.
    out.extend(run.variants.iter().filter(|v| !any || v.baseline.is_some()).filter_map(links));
    out.extend(run.variants.iter().filter_map(isolation));
    out.extend(datapaths(run));
    out.extend(super::switches::who_forwards(run));
    out
}

fn throughput(run: &RunResult, variant: &VariantResult, label: &str) -> Option<String> {
    let plain = baseline(run, variant)?;
    let (here, there) = (flow(variant, label)?, flow(plain, label)?);
    let ratio = paired(here, there, compared_by(&here.kind))?;
    let unit = Unit::bits(there.rate.median.max(here.rate.median));
    let figures = format!(
        "{} against {} of {}",
        unit.show(here.rate.median),
        unit.show(there.rate.median),
        plain.name
    );
    let median = fixed(ratio.spread.median, 2);
    let told = match ratio.apart {
        Some(Ordering::Equal) => format!(
            "{label}: no difference measurable here between {} and its plain path ({figures}; the ratio was {}).",
            variant.name,
            within(&ratio),
        ),
        Some(_) => format!(
            "{label}: {} reached {} times its plain path over {} ({figures}).",
            variant.name,
            within(&ratio),
            plural(ratio.rounds as u64, "round"),
        ),
        None if ratio.rounds == 1 => format!(
            "{label}: {} reached {median} times its plain path in one round, which has no spread to judge it by ({figures}).",
            variant.name,
        ),
        None => format!(
            "{label}: {} reached {} times its plain path in two rounds, too few to judge by ({figures}).",
            variant.name,
            within(&ratio),
        ),
    };
    Some(told + &cost(here, there))
}

/// What a gigabyte costs in processor time, beside the plain path.
fn cost(here: &FlowResult, there: &FlowResult) -> String {
    let (Some(cpu), Some(plain)) = (here.cpu_per_gb, there.cpu_per_gb) else {
        return String::new();
    };
    match paired(here, there, cpu_per_gb) {
        Some(r) if r.apart.is_some_and(Ordering::is_ne) => format!(
            " A gigabyte cost {} CPU-seconds, {} times the plain path's.",
            digits(cpu.median),
            within(&r)
        ),
        _ => format!(
            " A gigabyte cost {} CPU-seconds against {}: no difference measurable here.",
            digits(cpu.median),
            digits(plain.median)
        ),
    }
}

fn latency(run: &RunResult, variant: &VariantResult, label: &str) -> Option<String> {
    let plain = baseline(run, variant)?;
    let (here, there) = (flow(variant, label)?, flow(plain, label)?);
    let (a, b) = (here.latency.as_ref()?, there.latency.as_ref()?);
    let ratio = paired(here, there, compared_by(&here.kind));
    let same = ratio.and_then(|r| r.apart) == Some(Ordering::Equal);
    Some(format!(
        "{label}: half of the requests were answered within {} in {} and {} in {}, 99 of 100 within {} and {}{}.",
        Unit::MICROS.show(a.p50),
        variant.name,
        Unit::MICROS.show(b.p50),
        plain.name,
        Unit::MICROS.show(a.p99),
        Unit::MICROS.show(b.p99),
        if same {
            "; the spread between rounds is wider than that, so no difference is measurable here"
        } else {
            ""
        },
    ))
}

fn overhead(variant: &VariantResult) -> String {
    let mtu = &variant.mtu;
    if streams(variant) {
        let carried = variant.payload.as_ref().and_then(|p| p.underlay_per_inner);
        let carried = carried.map_or(String::new(), |c| {
            format!("; the underlay carried {} bytes for each of the VMs' frames", fixed(c, 2))
        });
        return format!(
            "{} is a stream: no packet grows by a number of bytes{carried}.",
            variant.name
        );
    }
    let counted = mtu.overhead_counted.map_or(String::new(), |counted| {
        let apart = if overhead_apart(mtu) { ": format and wire are apart" } else { "" };
        let packets = plural(mtu.counted_packets, "packet");
        format!(" ({} counted on the wire over {packets}{apart})", fixed(counted, 1))
    });
    let probed = match mtu.probed {
        Some(p) if p == mtu.inner => ", and so large a packet passed".to_owned(),
        Some(p) if in_fragments(variant) => {
            format!(", and {} passed in outer fragments", count(p))
        }
        Some(p) => format!(", but the largest that passed had {}", count(p)),
        None => String::new(),
    };
    let felt = match (mtu.goodput_felt, mtu.goodput_ceiling) {
        (Some(felt), Some(ceiling)) => format!(
            ". On the shaped link {} of the rate was goodput, where arithmetic allows {}",
            Unit::PERCENT.show(felt),
            Unit::PERCENT.show(ceiling)
        ),
        _ => String::new(),
    };
    format!(
        "{} makes every packet {} longer by its format{counted}; {} of the underlay's {} bytes are left for the inner packet{probed}{felt}.",
        variant.name,
        plural(u64::from(mtu.overhead_computed), "byte"),
        count(mtu.inner),
        count(mtu.underlay),
    )
}

fn links(variant: &VariantResult) -> Option<String> {
    let fabric = fabric_links(variant);
    let shares = shares(&fabric);
    let (least, most) =
        (shares.iter().copied().reduce(f64::min)?, shares.iter().copied().reduce(f64::max)?);
    let blocked: Vec<_> = fabric.iter().zip(&shares).filter(|(l, _)| l.blocked).collect();
    if blocked.is_empty() {
        return (fabric.len() > 1).then(|| {
            format!(
                "{}: none of the {} between switches is blocked; the busiest carried {} of their bytes, the least busy {}.",
                variant.name,
                plural(fabric.len() as u64, "link"),
                Unit::PERCENT.show(most),
                Unit::PERCENT.show(least),
            )
        });
    }
    let names: Vec<_> = blocked.iter().map(|(l, _)| l.name.as_str()).collect();
    Some(format!(
        "{}: spanning tree blocks {} of {} between switches ({}), which carried {} of their bytes.",
        variant.name,
        count(blocked.len() as u64),
        plural(fabric.len() as u64, "link"),
        names.join(", "),
        Unit::PERCENT.show(blocked.iter().map(|(_, s)| **s).sum()),
    ))
}

fn isolation(variant: &VariantResult) -> Option<String> {
    let i = variant.isolation.as_ref()?;
    let control = format!(
        "{} of {} control probes reached their own tenant",
        count(i.delivered_own),
        count(i.expected_own)
    );
    Some(if i.leaks > 0 {
        format!(
            "{}: {} of {} LEAKED to another tenant; {control}.",
            variant.name,
            count(i.leaks),
            plural(i.probes, "probe")
        )
    } else if i.delivered_own < i.expected_own || i.probes == 0 {
        format!(
            "{}: none of {} leaked, but only {control}, so that this is weak evidence.",
            variant.name,
            plural(i.probes, "probe")
        )
    } else if i.missed > 0 {
        format!(
            "{}: no leak of {} was seen, but {} came too fast to be looked at, so that this is weak evidence; \
             {control}.",
            variant.name,
            plural(i.probes, "probe"),
            plural(i.missed, "frame")
        )
    } else {
        format!(
            "{}: 0 of {} leaked to another tenant, while {control}.",
            variant.name,
            plural(i.probes, "probe")
        )
    })
}

/// A comparison never mixes datapaths without saying so.
fn datapaths(run: &RunResult) -> Option<String> {
    let mut kinds: Vec<&str> =
        run.variants.iter().filter(|v| v.baseline.is_some()).map(|v| v.datapath.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let plain: Vec<&str> = run
        .variants
        .iter()
        .filter(|v| run.variants.iter().any(|w| w.baseline.as_ref() == Some(&v.name)))
        .map(|v| v.datapath.as_str())
        .filter(|d| !kinds.contains(d))
        .collect();
    match (kinds.len(), plain.first()) {
        (2.., _) => Some(format!(
            "The variants mix datapaths ({}): differences between them are of the implementation as well as of the format.",
            kinds.join(", ")
        )),
        (1, Some(plain)) => Some(format!(
            "The plain paths are carried by the {plain} datapath and the others by the {} datapath: a ratio holds the cost of that implementation as well as of the format.",
            kinds[0]
        )),
        _ => None,
    }
}

/// `0.54 [0.52–0.56]`.
fn within(ratio: &Compared) -> String {
    let interval = ratio.interval.map(|i| format!(" {}", bounds(i))).unwrap_or_default();
    format!("{}{interval}", fixed(ratio.spread.median, 2))
}
