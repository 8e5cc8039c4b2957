//! The questions, and how each is answered from a result.

use super::super::figures::{encap, fabric_links, flow, labels, shares, streams};
use super::super::number::{Unit, bytes, count, fixed, plural, seconds};
use super::{Answer, Origin, Question};
use crate::ids::Encap;
use crate::measure::bum::BroadcastResult;
use crate::measure::result::{EventResult, RunResult, VariantResult};

/// Share of the fabric's bytes from which on a link counts as used: what spanning tree and ARP send is less.
pub(super) const USED: f64 = 0.01;
/// From here on a count of ids is shown as a power.
const POWER: f64 = 1e12;

const LINKS: &str = "Links used";
const TOGETHER: &str = "All flows together";
const SWITCH: &str = "MAC addresses in a switch";
const MOVED: &str = "Downtime of a moved VM";
const CUT: &str = "Downtime after a cut";
const BROADCAST: &str = "One broadcast";
/// Questions that decide whether the table is shown: those that tags and overlays answer differently by
/// what they are.
pub(super) const DECIDE: [&str; 6] = [LINKS, TOGETHER, SWITCH, MOVED, CUT, BROADCAST];

/// All questions with an answer for each column.
pub(super) fn all(run: &RunResult, columns: &[&VariantResult]) -> Vec<Question> {
    let row = |what: &str, of: String, claim, answer: &dyn Fn(&VariantResult) -> Answer| Question {
        what: what.to_owned(),
        of,
        claim,
        answers: columns.iter().map(|v| answer(v)).collect(),
    };
    let plain = String::new;
    let sum = together(run);
    let tenant = broadcast_tenant(columns);
    let like = columns.iter().find_map(|v| v.new_tenant.as_ref());
    let like = like.map_or_else(plain, |new| {
        format!("like {}, with VMs on {}", new.like, plural(new.hosts, "host"))
    });
    let vms = columns.iter().map(|v| v.vms).max().unwrap_or(0);
    let vms = if vms > 0 { format!("with {}", plural(vms as u64, "VM")) } else { plain() };
    vec![
        row("Tenants possible", plain(), "A1", &tenants),
        row(LINKS, "between switches, by the flows".into(), "A2", &links),
        row(TOGETHER, plain(), "A2", &|v| flows(v, sum)),
        row(
            SWITCH,
            format!("the fullest one, {vms}").trim_end_matches([',', ' ']).into(),
            "A3",
            &switch,
        ),
        row("… at a host's edge", "the fullest one".into(), "A3", &edge),
        row(MOVED, "the longer direction".into(), "C3", &|v| {
            downtime(v, &["move"], "no VM moves in this lab")
        }),
        row(CUT, "of a link or switch".into(), "A2", &|v| {
            downtime(v, &["cut", "kill"], "no link is cut in this lab")
        }),
        row(BROADCAST, tenant.map_or_else(plain, |t| format!("of a VM of {t}")), "C20", &|v| {
            broadcast(v, tenant)
        }),
        row("One more tenant", like, "B8", &new_tenant),
        row("Bytes added to a packet", plain(), "C19", &overhead),
    ]
}

fn measured(main: String, note: String) -> Answer {
    Answer { main, note, origin: Origin::Measured }
}

fn computed(main: String, note: String) -> Answer {
    Answer { main, note, origin: Origin::Computed }
}

fn none(why: &str) -> Answer {
    Answer {
        main: super::super::number::NONE.to_owned(),
        note: why.to_owned(),
        origin: Origin::None,
    }
}

fn tenants(v: &VariantResult) -> Answer {
    let Some(ids) = v.ids.as_ref().filter(|ids| ids.usable.is_finite()) else {
        return match encap(v) {
            Some(Encap::Ssh) => none("a connection is the network: no id limits them"),
            Some(Encap::Ipip | Encap::SixInFour) => none("packets name no tenant: there is one"),
            _ => none("not in this result"),
        };
    };
    let main = if ids.usable >= POWER { power(ids.usable) } else { fixed(ids.usable, 0) };
    let field = match encap(v) {
        Some(Encap::Qinq) => format!("{}-bit id under each provider's tag", ids.bits),
        _ => format!("{}-bit id", ids.bits),
    };
    let here = match &v.refused {
        Some((number, _)) => format!("the {}th was refused here", count(*number as u64)),
        None if v.tenants > 0 => format!("{} in this run", count(v.tenants as u64)),
        None => return computed(main, field),
    };
    computed(main, format!("{field}; {here}"))
}

/// The power of two that is nearest: `2⁶⁴`.
fn power(count: f64) -> String {
    let raised = |digit: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize);
    let exponent: String = format!("{:.0}", count.log2()).chars().filter_map(raised).collect();
    format!("2{exponent}")
}

fn links(v: &VariantResult) -> Answer {
    let fabric = fabric_links(v);
    let shares = shares(&fabric);
    let Some(most) = shares.iter().copied().reduce(f64::max) else {
        let why =
            if fabric.is_empty() { "no links between switches" } else { "no flow crossed them" };
        return none(why);
    };
    let used = shares.iter().filter(|share| **share >= USED).count();
    let blocked = fabric.iter().filter(|link| link.blocked).count();
    let blocked = match (blocked, v.fabric.as_str()) {
        (0, "l3") => "all may be used".to_owned(),
        (0, _) => "none blocked".to_owned(),
        (n, _) => format!("{} blocked by spanning tree", count(n as u64)),
    };
    measured(
        format!("{used} of {}", fabric.len()),
        format!("{blocked}; the busiest carried {}", Unit::PERCENT.show(most)),
    )
}

/// The label of the first sum of flows that ran at the same time.
fn together(run: &RunResult) -> Option<&str> {
    let part = |label: &str| {
        run.variants.iter().flat_map(|v| &v.flows).any(|f| f.together.as_deref() == Some(label))
    };
    labels(run).into_iter().find(|label| part(label))
}

fn flows(v: &VariantResult, sum: Option<&str>) -> Answer {
    let Some(label) = sum else { return none("no flows run together in this lab") };
    let Some(flow) = flow(v, label).filter(|f| f.rate.median > 0.0) else {
        return none("they carried nothing here");
    };
    let rate = flow.rate.median;
    let rounds = flow.rounds.iter().filter(|r| r.counts()).count() as u64;
    measured(Unit::bits(rate).show(rate), format!("goodput, {}", plural(rounds, "round")))
}

/// Entries of the fullest table of one kind of nodes.
pub(super) fn fullest<'v>(v: &'v VariantResult, kind: &str) -> Option<(&'v str, u64)> {
    let nodes = v.nodes.iter().filter(|node| node.kind == kind);
    let entries = |name: &String| v.tables.get(name).copied().unwrap_or_default();
    nodes
        .map(|node| (node.name.as_str(), entries(&node.name)))
        .min_by_key(|(_, n)| std::cmp::Reverse(*n))
}

fn switch(v: &VariantResult) -> Answer {
    match fullest(v, "switch") {
        Some((name, entries)) => measured(count(entries), name.to_owned()),
        None if v.nodes.iter().any(|node| node.kind == "router") => {
            computed("0".to_owned(), "routers learn none".to_owned())
        }
        None => none("no switches"),
    }
}

fn edge(v: &VariantResult) -> Answer {
    match fullest(v, "host") {
        Some((name, entries)) if entries > 0 => measured(count(entries), name.to_owned()),
        _ => none("hosts keep no table that can be read"),
    }
}

/// The event of some kinds with the longest downtime.
pub(super) fn worst<'v>(v: &'v VariantResult, kinds: &[&str]) -> Option<&'v EventResult> {
    let events = v.events.iter().filter(|e| kinds.contains(&e.kind.as_str()));
    events.max_by(|a, b| a.downtime_at_event().0.total_cmp(&b.downtime_at_event().0))
}

fn downtime(v: &VariantResult, kinds: &[&str], why: &str) -> Answer {
    let Some(event) = worst(v, kinds) else { return none(why) };
    let (ms, healed) = event.downtime_at_event();
    let main = if healed { seconds(ms / 1e3) } else { format!("over {}", seconds(ms / 1e3)) };
    let tcp = match (&event.tcp.error, event.tcp.survived) {
        (None, true) => {
            format!("TCP went on, silent for {} at most", seconds(event.tcp.gap_ms / 1e3))
        }
        _ => "TCP did not go on".to_owned(),
    };
    let mut note = Vec::new();
    if !healed {
        note.push("not healed by then".to_owned());
    }
    // Where a VM moves this is most of it, whatever carries its frames.
    if event.kind == "move" && event.took_ms > 0.0 {
        note.push(format!("moving took {}", seconds(event.took_ms / 1e3)));
    }
    note.push(tcp);
    measured(main, note.join("; "))
}

/// The tenant whose broadcasts most others are to get, in any column.
pub(super) fn broadcast_tenant<'v>(columns: &[&'v VariantResult]) -> Option<&'v str> {
    let all = columns.iter().flat_map(|v| &v.broadcasts);
    let each = all.filter_map(|(tenant, kinds)| {
        let kind = kinds.get("broadcast")?;
        Some((tenant.as_str(), kind.expected.checked_div(kind.sent)?))
    });
    // Of equal ones the first.
    each.min_by_key(|(_, others)| std::cmp::Reverse(*others)).map(|(tenant, _)| tenant)
}

fn broadcast(v: &VariantResult, tenant: Option<&str>) -> Answer {
    let Some(tenant) = tenant else { return none("no broadcast is tried in this lab") };
    let found = v.broadcasts.get(tenant).and_then(|kinds| kinds.get("broadcast"));
    let Some(BroadcastResult { copies, on_links, bytes_on_links, delivered, expected, .. }) = found
    else {
        return none("not tried here");
    };
    if !bytes_on_links.is_finite() || *bytes_on_links < 0.0 {
        return none("not counted");
    }
    let missed = if delivered < expected {
        format!("; {delivered} of {expected} delivered")
    } else {
        String::new()
    };
    measured(
        plural(on_links.round() as u64, "packet"),
        format!(
            "{} on all links; {} of them from the sender's host{missed}",
            bytes(bytes_on_links.round() as u64),
            fixed(copies.median, 0)
        ),
    )
}

fn new_tenant(v: &VariantResult) -> Answer {
    let Some(new) = &v.new_tenant else {
        let one = ["ipip", "6in4"].contains(&v.encap.as_str());
        return none(if one { "no second one can be told apart" } else { "not in this result" });
    };
    let at_switches = match new.switch_entries {
        0 => "nothing at switches".to_owned(),
        n => format!("{} at ports of {}", count(n), several(new.switches, "switch")),
    };
    let at_hosts = format!("{} at {}", count(new.host_entries), plural(new.hosts, "host"));
    computed(
        several(new.entries(), "entry"),
        format!("at {}: {at_switches}, {at_hosts}", plural(new.nodes(), "node")),
    )
}

fn several(number: u64, noun: &str) -> String {
    match (number, noun) {
        (1, _) => format!("1 {noun}"),
        (n, "entry") => format!("{} entries", count(n)),
        (n, _) => format!("{} {noun}es", count(n)),
    }
}

fn overhead(v: &VariantResult) -> Answer {
    if streams(v) {
        return none("not one number: a stream");
    }
    let by_format = u64::from(v.mtu.overhead_computed);
    match v.mtu.overhead_counted.filter(|counted| counted.is_finite()) {
        Some(counted) => measured(
            format!("{} B", fixed(counted, usize::from(counted.fract().abs() >= 0.05))),
            format!("over {}", plural(v.mtu.counted_packets, "packet")),
        ),
        None => computed(format!("{} B", count(by_format)), "by the format".to_owned()),
    }
}
