//! What differs between two runs beside figures over rounds, and whether it is for the worse.
//!
//! What an earlier run showed and a later one does not show any more counts as worse: a check that silently looks at
//! less would hold for ever.

use std::collections::BTreeSet;

use super::super::figures::{flow, overhead_apart};
use super::super::number::{count, fixed};
use super::{Change, variant};
use crate::measure::result::{
    AttackResult, FlowResult, IsolationResult, MtuResult, RunResult, VariantResult,
};

/// A line of changes before it is known whether anything changed.
type Line = (String, String, String, bool);

const MISSING: &str = "not in it";

fn changed(variant: &str, lines: impl IntoIterator<Item = Line>) -> Vec<Change> {
    let differ = lines.into_iter().filter(|(_, before, after, _)| before != after);
    differ
        .map(|(what, before, after, worse)| Change {
            variant: variant.to_owned(),
            what,
            before,
            after,
            worse,
        })
        .collect()
}

/// Whether the runs are whole, and what only the earlier one has.
pub(super) fn of_runs(before: &RunResult, after: &RunResult) -> Vec<Change> {
    let whole = |run: &RunResult| if run.complete { "complete" } else { "interrupted" }.to_owned();
    let worse = before.complete && !after.complete;
    let mut out = changed("", [("the run".to_owned(), whole(before), whole(after), worse)]);
    let lost = |variant: &str, what: String| Change {
        variant: variant.to_owned(),
        what,
        before: "in it".to_owned(),
        after: MISSING.to_owned(),
        worse: true,
    };
    for old in &before.variants {
        match variant(after, &old.name) {
            None => out.push(lost(&old.name, "the whole variant".to_owned())),
            Some(new) => {
                let gone = old.flows.iter().filter(|f| flow(new, &f.label).is_none());
                out.extend(gone.map(|f| lost(&old.name, f.label.clone())));
            }
        }
    }
    out
}

/// Everything of a variant that both runs have.
pub(super) fn of_variants(old: &VariantResult, new: &VariantResult) -> Vec<Change> {
    let lines = flows(old, new)
        .into_iter()
        .chain(sizes(&old.mtu, &new.mtu))
        .chain(isolation(old.isolation.as_ref(), new.isolation.as_ref()))
        .chain(reached(old, new))
        .chain(attacks(old, new))
        .chain(probes(old, new))
        .chain([ledger(old, new)])
        .chain(drops(old, new));
    changed(&old.name, lines)
}

/// Rounds of flows that failed.
fn flows(old: &VariantResult, new: &VariantResult) -> Vec<Line> {
    let failed = |flow: &FlowResult| {
        let rounds = || flow.rounds.iter().filter(|r| !r.left_out);
        (rounds().filter(|r| r.error.is_some()).count(), rounds().count())
    };
    let words = |flow: &FlowResult| match failed(flow) {
        (0, _) => "none".to_owned(),
        (n, of) => {
            let why = flow.rounds.iter().find_map(|r| r.error.as_deref()).unwrap_or_default();
            format!("{n} of {of}: {why}")
        }
    };
    let both = old.flows.iter().filter_map(|f| Some((f, flow(new, &f.label)?)));
    both.map(|(a, b)| {
        let ((was, was_of), (is, is_of)) = (failed(a), failed(b));
        // A round more or less that fails where some did before is no news, but that none is left is.
        let worse = is > 0 && (was == 0 || (is == is_of && was < was_of));
        (format!("{}: rounds that failed", a.label), words(a), words(b), worse)
    })
    .collect()
}

fn sizes(a: &MtuResult, b: &MtuResult) -> Vec<Line> {
    let bytes = |n: Option<u32>| n.map_or("none".to_owned(), |n| format!("{} B", count(n)));
    let counted = |m: &MtuResult| {
        m.overhead_counted.map_or("not counted".to_owned(), |c| format!("{} B", fixed(c, 1)))
    };
    let line = |what: &str, a: Option<u32>, b: Option<u32>, worse: bool| {
        (what.to_owned(), bytes(a), bytes(b), worse)
    };
    let mut all = vec![
        // The lab's choice, which the others follow from.
        line("underlay MTU", Some(a.underlay), Some(b.underlay), false),
        line("inner MTU", Some(a.inner), Some(b.inner), b.inner < a.inner),
        line("inner MTU probed", a.probed, b.probed, b.probed < a.probed),
        line(
            "overhead",
            Some(a.overhead_computed),
            Some(b.overhead_computed),
            b.overhead_computed > a.overhead_computed,
        ),
    ];
    // Half a byte is rounding, as in the report itself.
    let near = match (a.overhead_counted, b.overhead_counted) {
        (Some(a), Some(b)) => (a - b).abs() <= 0.5,
        (a, b) => a.is_some() == b.is_some(),
    };
    if !near {
        let lost = a.overhead_counted.is_some() && b.overhead_counted.is_none();
        let worse = lost || overhead_apart(b) && !overhead_apart(a);
        all.push(("overhead counted".to_owned(), counted(a), counted(b), worse));
    }
    all
}

fn isolation(old: Option<&IsolationResult>, new: Option<&IsolationResult>) -> Vec<Line> {
    let leaks = |i: Option<&IsolationResult>| {
        i.map_or("not tried".to_owned(), |i| {
            format!("{} of {} leaked", count(i.leaks), count(i.probes))
        })
    };
    let own = |i: Option<&IsolationResult>| {
        i.map_or("not tried".to_owned(), |i| {
            format!("{} of {} arrived", count(i.delivered_own), count(i.expected_own))
        })
    };
    let leaked = |i: Option<&IsolationResult>| i.map_or(0, |i| i.leaks);
    let lost = old.is_some() && new.is_none();
    // Without anything of its own that arrives, that nothing leaks says nothing.
    let alive = |i: Option<&IsolationResult>| i.is_some_and(|i| i.delivered_own > 0);
    vec![
        ("leaks".into(), leaks(old), leaks(new), lost || leaked(new) > leaked(old)),
        ("own probes".into(), own(old), own(new), alive(old) && !alive(new)),
    ]
}

/// Pairs of VMs that reach each other: by tenant, and from one tenant to another.
fn reached(old: &VariantResult, new: &VariantResult) -> Vec<Line> {
    let words = |pairs: Option<&(u32, u32)>| {
        pairs.map_or("not tried".to_owned(), |(n, of)| format!("{n} of {of}"))
    };
    let share = |pairs: Option<&(u32, u32)>| {
        pairs.map_or(0.0, |(n, of)| f64::from(*n) / f64::from((*of).max(1)))
    };
    let mut out = Vec::new();
    for tenant in keys(&old.reachable, &new.reachable) {
        let (a, b) = (old.reachable.get(tenant), new.reachable.get(tenant));
        let worse = a.is_some() && (b.is_none() || share(b) < share(a));
        out.push((format!("{tenant}: pairs that reach each other"), words(a), words(b), worse));
    }
    // Whether tenants are to reach each other is said by expectations alone.
    for pair in keys(&old.overlay.across, &new.overlay.across) {
        let (a, b) = (old.overlay.across.get(pair), new.overlay.across.get(pair));
        out.push((format!("{pair}: pairs that reach each other"), words(a), words(b), false));
    }
    out
}

/// Attacks by whether they succeed at all: of how many tries is chance for some.
fn attacks(old: &VariantResult, new: &VariantResult) -> Vec<Line> {
    let find = |v: &VariantResult, name: &str| v.attacks.iter().find(|a| a.name == name).cloned();
    let tried = |a: &AttackResult| a.does_not_apply.is_none();
    let mut out = Vec::new();
    let names: BTreeSet<&str> =
        [old, new].iter().flat_map(|v| &v.attacks).map(|a| a.name.as_str()).collect();
    for name in names {
        let (a, b) = (find(old, name), find(new, name));
        let was = a.as_ref().is_some_and(|a| a.succeeded > 0);
        let is = b.as_ref().is_some_and(|b| b.succeeded > 0);
        let lost = a.as_ref().is_some_and(tried) && !b.as_ref().is_some_and(tried);
        let words = |a: Option<&AttackResult>| match a {
            None => "not tried",
            Some(a) if !tried(a) => "makes no sense",
            Some(a) if a.succeeded > 0 => "succeeds",
            Some(_) => "fails",
        };
        let (before, after) = (words(a.as_ref()), words(b.as_ref()));
        out.push((format!("attack {name}"), before.into(), after.into(), lost || is && !was));
        let dead = |a: &AttackResult| a.own_sent > 0 && a.own_delivered == 0;
        let alive = |a: Option<&AttackResult>| match a {
            Some(a) if dead(a) => "did not arrive",
            _ => "arrived",
        };
        let (before, after) = (alive(a.as_ref()), alive(b.as_ref()));
        let worse = after != before && b.as_ref().is_some_and(dead);
        out.push((
            format!("attack {name}: the tenant's own frames"),
            before.into(),
            after.into(),
            worse,
        ));
        let counters = [&a, &b].into_iter().flatten().flat_map(|a| &a.stopped_by);
        let by: BTreeSet<&str> = counters.map(|c| c.by.as_str()).collect();
        for by in by {
            let passes = |a: Option<&AttackResult>| {
                a?.stopped_by.iter().find(|c| c.by == by).map(|c| c.succeeded > 0)
            };
            let (was, is) = (passes(a.as_ref()), passes(b.as_ref()));
            let words = |passes| match passes {
                None => "not tried",
                Some(true) => "succeeds",
                Some(false) => "stopped",
            };
            let worse = was == Some(false) && is != Some(false);
            let what = format!("attack {name} against: {by}");
            out.push((what, words(was).into(), words(is).into(), worse));
        }
    }
    out
}

/// Crafted packets that arrive, or where they should not.
fn probes(old: &VariantResult, new: &VariantResult) -> Vec<Line> {
    let mut out = Vec::new();
    for a in &old.probes {
        let what = format!("packets `{}`", a.name);
        let words = |p: &crate::measure::result::ProbeResult| {
            let also = if p.elsewhere > 0 { ", others received some" } else { "" };
            format!("{} of {} delivered{also}", count(p.delivered), count(p.sent))
        };
        let line = match new.probes.iter().find(|p| p.name == a.name) {
            None => (what, words(a), MISSING.to_owned(), true),
            // Whether they are to be delivered is said by expectations alone.
            Some(b) => (what, words(a), words(b), b.elsewhere > 0 && a.elsewhere == 0),
        };
        out.push(line);
    }
    out
}

fn ledger(old: &VariantResult, new: &VariantResult) -> Line {
    let off = |v: &VariantResult| v.ledger.iter().filter(|row| !row.adds_up()).count();
    let words = |v: &VariantResult| match (v.ledger.len(), off(v)) {
        (0, _) => "not counted".to_owned(),
        (_, 0) => "adds up".to_owned(),
        (of, n) => format!("{n} of {of} rows do not add up"),
    };
    let lost = !old.ledger.is_empty() && new.ledger.is_empty();
    ("bytes hop by hop".into(), words(old), words(new), lost || off(new) > off(old))
}

/// Reasons for which edges dropped frames: those that are new or gone, and those whose number doubled or halved. Fewer
/// or more is no judgement, as many are the right answer to what a lab does.
fn drops(old: &VariantResult, new: &VariantResult) -> Vec<Line> {
    let of = |v: &VariantResult, reason: &str| v.drops.get(reason).copied().unwrap_or(0);
    let near = |a: u64, b: u64| a > 0 && b > 0 && a.max(b) <= a.min(b).saturating_mul(2);
    let reasons = keys(&old.drops, &new.drops);
    let counts = reasons.into_iter().map(|r| (r, of(old, r), of(new, r)));
    counts
        .filter(|(_, a, b)| !near(*a, *b))
        .map(|(reason, a, b)| (format!("frames dropped as {reason}"), count(a), count(b), false))
        .collect()
}

fn keys<'a, V>(
    a: &'a std::collections::BTreeMap<String, V>,
    b: &'a std::collections::BTreeMap<String, V>,
) -> BTreeSet<&'a str> {
    a.keys().chain(b.keys()).map(String::as_str).collect()
}

/// Expectations whose verdict is another one.
pub(super) fn expectations(before: &RunResult, after: &RunResult) -> Vec<Change> {
    let word = |held: Option<bool>| match held {
        Some(true) => "held".to_owned(),
        Some(false) => "failed".to_owned(),
        None => "not checked".to_owned(),
    };
    let find = |run: &RunResult, what: &str, variant: &str| {
        let mut same = run.expectations.iter().filter(|e| e.what == what && e.variant == variant);
        // One that stands there twice held if both did.
        let first = same.next()?.held;
        Some(same.fold(first, |held, e| held && e.held))
    };
    let mut out: Vec<Change> = Vec::new();
    for verdict in before.expectations.iter().chain(&after.expectations) {
        let [was, is] = [before, after].map(|run| find(run, &verdict.what, &verdict.variant));
        let what = format!("expectation: {}", verdict.what);
        let known = out.iter().any(|c| c.what == what && c.variant == verdict.variant);
        if was != is && !known {
            out.push(Change {
                variant: verdict.variant.clone(),
                what,
                before: word(was),
                after: word(is),
                worse: is == Some(false) || was == Some(true),
            });
        }
    }
    out
}
