//! What a later run must not hide.

use super::*;
use crate::measure::result::{AttackResult, CounterResult, FlowRound, LedgerRow};

fn run() -> RunResult {
    super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap()
}

/// The difference from the fixture to one whose VXLAN was changed.
fn vxlan(change: impl Fn(&mut VariantResult)) -> Diff {
    between(|_| {}, change)
}

fn between(before: impl Fn(&mut VariantResult), after: impl Fn(&mut VariantResult)) -> Diff {
    let with = |change: &dyn Fn(&mut VariantResult)| {
        let mut run = run();
        change(run.variants.iter_mut().find(|v| v.name == "vxlan").unwrap());
        run
    };
    diff(&with(&before), &with(&after))
}

fn fail(round: &mut FlowRound) {
    *round = FlowRound { error: Some("connection refused".into()), ..FlowRound::default() };
}

/// The one change for the worse.
fn worse(diff: &Diff) -> String {
    let worse: Vec<_> = diff.changes.iter().filter(|c| c.worse).collect();
    assert!(diff.regressed() && worse.len() == 1, "{:#?}", diff.changes);
    format!("{}, {}: {} → {}", worse[0].variant, worse[0].what, worse[0].before, worse[0].after)
}

#[test]
fn the_same_is_no_regression() {
    let same = vxlan(|_| {});
    assert!(!same.regressed() && same.changes.is_empty(), "{:#?}", same.changes);
    assert!(same.gate.judged > 0);
}

#[test]
fn a_flow_that_fails_is_a_regression() {
    let dead = vxlan(|v| v.flows[0].rounds.iter_mut().for_each(fail));
    let said = worse(&dead);
    assert!(said.starts_with("vxlan, tcp red/vm1→red/vm2: rounds that failed: none → "), "{said}");
    assert!(said.ends_with("connection refused"), "{said}");
    let once = vxlan(|v| fail(&mut v.flows[0].rounds[0]));
    assert!(worse(&once).contains("1 of "), "{}", worse(&once));
    // The other way round it is good news.
    let healed = between(|v| v.flows[0].rounds.iter_mut().for_each(fail), |_| {});
    assert!(!healed.regressed() && healed.changes.len() == 1, "{:#?}", healed.changes);
}

#[test]
fn lost_reachability_is_a_regression() {
    let lost = |v: &mut VariantResult| v.reachable = [("red".to_owned(), (0, 12))].into();
    let all = |v: &mut VariantResult| v.reachable = [("red".to_owned(), (12, 12))].into();
    let said = worse(&between(all, lost));
    assert!(said.ends_with("12 of 12 → 0 of 12"), "{said}");
    assert!(!between(lost, all).regressed());
    let untried = between(all, |v| v.reachable.clear());
    assert!(worse(&untried).ends_with("12 of 12 → not tried"));
}

#[test]
fn an_attack_that_begins_to_succeed_is_a_regression() {
    let with = |succeeded, stopped: Option<u64>| {
        move |v: &mut VariantResult| {
            let counter = |succeeded| CounterResult { by: "a filter".into(), tried: 10, succeeded };
            v.attacks = vec![AttackResult {
                name: "spoof".into(),
                tried: 10,
                succeeded,
                own_sent: 10,
                own_delivered: 10,
                stopped_by: stopped.map(counter).into_iter().collect(),
                ..AttackResult::default()
            }];
        }
    };
    assert!(worse(&between(with(0, None), with(1, None))).ends_with("spoof: fails → succeeds"));
    assert!(!between(with(9, None), with(10, None)).regressed());
    assert!(!between(with(9, None), with(0, None)).regressed());
    let stopped = between(with(9, Some(0)), with(9, Some(3)));
    assert!(worse(&stopped).ends_with("against: a filter: stopped → succeeds"));
    assert!(worse(&between(with(0, None), |_| {})).ends_with("fails → not tried"));
}

#[test]
fn smaller_packets_and_bytes_that_do_not_add_up_are_regressions() {
    assert!(worse(&vxlan(|v| v.mtu.inner -= 20)).contains("inner MTU"));
    assert!(worse(&vxlan(|v| v.mtu.probed = None)).ends_with("→ none"));
    assert!(!vxlan(|v| v.mtu.inner += 20).regressed());
    let row = || LedgerRow { inner: 10, outer: 10, ..LedgerRow::default() };
    let off = |v: &mut VariantResult| v.ledger = vec![row(), LedgerRow { outer: 11, ..row() }];
    let right = |v: &mut VariantResult| v.ledger = vec![row(), row()];
    assert!(worse(&between(right, off)).ends_with("adds up → 1 of 2 rows do not add up"));
    let drops = |n| move |v: &mut VariantResult| v.drops = [("no_tenant".to_owned(), n)].into();
    let changes = between(drops(0), drops(7)).changes;
    assert!(changes.len() == 1 && !changes[0].worse, "{changes:#?}");
}

#[test]
fn what_is_missing_is_a_regression() {
    let (before, mut after) = (run(), run());
    after.variants.retain(|v| v.name != "vxlan");
    let found = diff(&before, &after);
    assert!(found.changes.iter().any(|c| c.worse && c.what == "the whole variant"));
    assert!(!diff(&after, &before).changes.iter().any(|c| c.what == "the whole variant"));
    assert_eq!(diff(&after, &before).only, ["variant vxlan is only in the later run"]);
    assert!(worse(&vxlan(|v| drop(v.flows.remove(0)))).contains("in it → not in it"));
    let mut interrupted = run();
    interrupted.complete = false;
    assert!(worse(&diff(&before, &interrupted)).contains("complete → interrupted"));
    let mut unchecked = run();
    let kept = unchecked.expectations.iter().position(|e| e.held).unwrap();
    unchecked.expectations.remove(kept);
    assert!(worse(&diff(&before, &unchecked)).ends_with("held → not checked"));
}

#[test]
fn a_figure_of_zero_is_told_as_what_it_is() {
    let found = between(|v| v.flows[0].rounds.iter_mut().for_each(|r| r.bytes = 0), |_| {});
    let rate = |f: &&Figure| f.variant == "vxlan" && f.what == What::Rate && f.kind == "tcp";
    let rate = found.figures.iter().find(rate).unwrap();
    assert_eq!((rate.told, rate.ratio), (Told::Larger, None));
    let text = found.terminal(200);
    assert!(text.contains("(the earlier is 0): larger") && !text.contains("too few"), "{text}");
    // A loss may be 0, and is told by how much it grew.
    let lossy = vxlan(|v| {
        let udp = v.flows.iter_mut().find(|f| f.kind == "udp").unwrap();
        udp.rounds.iter_mut().for_each(|r| r.sent = r.received * 2);
    });
    let loss = lossy.figures.iter().find(|f| f.variant == "vxlan" && f.what == What::Loss);
    assert!(loss.is_some_and(|f| f.told == Told::Larger && f.ratio.is_none()), "{loss:#?}");
    assert!(lossy.figures.iter().any(|f| f.what == What::LatencyP99));
}

#[test]
fn the_level_of_few_rounds_is_that_of_two_medians() {
    let found = vxlan(|v| v.flows[0].rounds.truncate(3));
    let interval = found.figures.iter().find(|f| f.rounds[1] == 3).unwrap().interval.unwrap();
    assert!(interval.level < 0.75, "{interval:?}");
}
