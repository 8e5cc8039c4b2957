//! Flows of requests and responses that bulk TCP runs beside.

use crate::lab::{Flow, RrFlow};
use crate::measure::result::{FlowRound, LoadResult, Spread};
use crate::plan::{Plan, PlannedFlow};

/// What the load of a flow came to over the rounds that count; `None` where it has none.
pub(super) fn load<'a>(
    flow: &PlannedFlow,
    rounds: impl Iterator<Item = &'a FlowRound>,
) -> Option<LoadResult> {
    let Flow::Rr(RrFlow { load: Some(streams), .. }) = flow.flow else { return None };
    let rate = |round: &FlowRound| Some(round.load_bytes? as f64 * 8.0 / round.seconds);
    let rate = Spread::of(rounds.filter_map(rate)).unwrap_or_default();
    Some(LoadResult { streams, rate, idle: None })
}

/// Whether a flow has a load beside it, whose processor time it shares.
pub(super) fn is(flow: &PlannedFlow) -> bool {
    matches!(flow.flow, Flow::Rr(RrFlow { load: Some(_), .. }))
}

/// The label of the flow that is the same without load, and runs alone.
pub(super) fn idle(plan: &Plan, loaded: &PlannedFlow) -> Option<String> {
    let loaded = loaded.flow.requests()?;
    let same = |flow: &&PlannedFlow| {
        flow.together.is_none() && flow.flow.requests().is_some_and(|rr| rr.is_idle_of(loaded))
    };
    plan.flows.iter().find(same).map(|flow| flow.label.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_flow_without_load_is_found() {
        let lab = "{ title: t, topology: { single-switch: { hosts: 2 } },
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
            traffic: [{ rr: { from: red/a, to: red/b, for: 1s, size: 128 } },
                      { rr: { from: red/b, to: red/a, for: 1s } },
                      { rr: { from: red/a, to: red/b, for: 2s } },
                      { rr: { from: red/a, to: red/b, for: 1s, load: 4 } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let [.., flow] = &plan.flows[..] else { panic!() };
        assert_eq!(flow.label, "rr 64 B beside tcp x4 red/a→red/b");
        assert_eq!(idle(&plan, flow).as_deref(), Some("rr 64 B red/a→red/b"));
        let round = FlowRound { seconds: 2.0, load_bytes: Some(1000), ..FlowRound::default() };
        let load = load(flow, [&round].into_iter()).unwrap();
        assert_eq!((load.streams, load.rate.median), (4, 4000.0));
        assert_eq!(super::load(&plan.flows[0], [&round].into_iter()), None);
    }
}
