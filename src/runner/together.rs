//! Flows that run at the same time, and what they come to together.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lab::Flow;
use crate::measure::result::{CpuParts, FlowRound};
use crate::plan::{Plan, PlannedFlow, Variant};
use crate::testbed::Testbed;
use crate::traffic::{self, Outcome};

/// How long flows wait for each other at the beginning of their windows.
const PATIENCE: Duration = Duration::from_secs(10);

/// The flows that a sum at this position of the plan consists of; none of a flow that runs alone.
pub(super) fn members(plan: &Plan, at: usize) -> &[PlannedFlow] {
    let rest = plan.flows.get(at + 1..).unwrap_or_default();
    let Some(sum) = plan.flows.get(at) else { return &[] };
    let belong = |flow: &&PlannedFlow| flow.together.as_ref() == Some(&sum.label);
    let count = rest.iter().take_while(belong).count();
    rest.get(..count).unwrap_or_default()
}

/// What kind of figure a flow has: that of a sum is TCP's where one of its flows is.
pub(super) fn kind(flow: &Flow) -> &'static str {
    match flow {
        Flow::Together(all) if all.iter().any(|one| matches!(one, Flow::Tcp(_))) => "tcp",
        Flow::Together(_) => "udp",
        one => one.kind(),
    }
}

/// Runs a flow, or the members of a sum at the same time, with receivers on ports from `port` up.
/// The sum's outcome comes before its members'.
pub(super) fn run(
    testbed: &Testbed,
    variant: &Variant,
    flow: &PlannedFlow,
    members: &[PlannedFlow],
    port: u16,
) -> Vec<Outcome> {
    let carrier = || testbed.carrier_time(variant);
    if members.is_empty() {
        return vec![traffic::run_flow(testbed, variant, flow, port, &carrier)];
    }
    let gate = Gate::new(members.len());
    let one = |flow: &PlannedFlow, port| {
        // The processors' time is what a generator asks for when its window begins.
        let arrived = AtomicBool::new(false);
        let begin = || {
            if !arrived.swap(true, Relaxed) {
                gate.pass(PATIENCE);
            }
            testbed.carrier_time(variant)
        };
        let outcome = traffic::run_flow(testbed, variant, flow, port, &begin);
        if !arrived.load(Relaxed) {
            gate.leave();
        }
        outcome
    };
    let mut outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let one = &one;
        let ports = (0..).map(|n| port.saturating_add(n));
        let flows = members.iter().zip(ports);
        let running: Vec<_> =
            flows.map(|(flow, port)| scope.spawn(move || one(flow, port))).collect();
        let panicked = || Outcome {
            round: FlowRound { error: Some("a generator panicked".into()), ..FlowRound::default() },
            latency: None,
        };
        running.into_iter().map(|flow| flow.join().unwrap_or_else(|_| panicked())).collect()
    });
    let rounds: Vec<&FlowRound> = outcomes.iter().map(|outcome| &outcome.round).collect();
    let round = sum(members, &rounds);
    outcomes.insert(0, Outcome { round, latency: None });
    outcomes
}

/// Where flows wait until all have warmed up, so that their windows are the same.
struct Gate {
    /// How many are still to come.
    missing: Mutex<usize>,
    all: Condvar,
}

impl Gate {
    fn new(flows: usize) -> Self {
        Gate { missing: Mutex::new(flows), all: Condvar::new() }
    }

    /// Waits for all others, or until `patience` is over.
    fn pass(&self, patience: Duration) {
        self.leave();
        let deadline = Instant::now() + patience;
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        while *missing > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.all.wait_timeout(missing, left);
            missing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// One less is to be waited for.
    fn leave(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.all.notify_all();
        }
    }
}

/// One round of what flows come to together: bytes, packets and retransmissions added up over the
/// longest of their windows. Processor time is the machine's, which all of them share. Request and
/// response has no bytes of its own in a sum.
pub(super) fn sum(flows: &[PlannedFlow], rounds: &[&FlowRound]) -> FlowRound {
    let failed = flows.iter().zip(rounds).find_map(|(flow, round)| {
        round.error.as_ref().map(|error| format!("{}: {error}", flow.label))
    });
    if failed.is_some() {
        return FlowRound { error: failed, ..FlowRound::default() };
    }
    let bulk = flows.iter().zip(rounds).filter(|(f, _)| !matches!(f.flow, Flow::Rr(_)));
    let bulk: Vec<&FlowRound> = bulk.map(|(_, round)| *round).collect();
    let total = |of: fn(&FlowRound) -> u64| bulk.iter().map(|round| of(round)).sum();
    let most = |of: fn(&FlowRound) -> f64| bulk.iter().map(|round| of(round)).fold(0.0, f64::max);
    FlowRound {
        seconds: most(|r| r.seconds),
        bytes: total(|r| r.bytes),
        sent: total(|r| r.sent),
        received: total(|r| r.received),
        retransmits: total(|r| r.retransmits),
        cpu_seconds: most(|r| r.cpu_seconds),
        engine_seconds: most(|r| r.engine_seconds),
        cpu: parts(rounds),
        ..FlowRound::default()
    }
}

/// Processor time by who took it: each flow has its own threads, and all have the same engines.
fn parts(rounds: &[&FlowRound]) -> Option<CpuParts> {
    let each: Vec<CpuParts> = rounds.iter().map(|round| round.cpu).collect::<Option<_>>()?;
    let sum = |of: fn(&CpuParts) -> Option<f64>| each.iter().map(of).sum();
    let most = |of: fn(&CpuParts) -> Option<f64>| each.iter().filter_map(of).reduce(f64::max);
    Some(CpuParts {
        sender: sum(|p| p.sender),
        receiver: sum(|p| p.receiver),
        encap: most(|p| p.encap),
        decap: most(|p| p.decap),
        switches: most(|p| p.switches),
        others: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Span, TcpFlow, Tool};

    fn flow(together: Option<&str>) -> PlannedFlow {
        let span = Duration::from_secs(1);
        let (from, to) = ("red/a".to_owned(), "red/b".to_owned());
        let tcp = TcpFlow { from, to, span: Span(span), streams: 1, tool: Tool::Builtin };
        PlannedFlow {
            label: "tcp".into(),
            tenant: "red".into(),
            from: "a".into(),
            to: "b".into(),
            span,
            flow: Flow::Tcp(tcp),
            to_tenant: None,
            together: together.map(str::to_owned),
        }
    }

    #[test]
    fn a_sum_is_followed_by_its_members() {
        let lab = "{ title: t, topology: { single-switch: { hosts: 2 } },
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
            traffic: [{ together: [{ tcp: { from: red/a, to: red/b, for: 1s } },
                                   { udp: { from: red/b, to: red/a, for: 1s } }] },
                      { rr: { from: red/a, to: red/b, for: 1s } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let kinds: Vec<_> = plan.flows.iter().map(|flow| kind(&flow.flow)).collect();
        assert_eq!(kinds, ["tcp", "tcp", "udp", "rr"]);
        let counts: Vec<_> = (0..4).map(|at| members(&plan, at).len()).collect();
        assert_eq!(counts, [2, 0, 0, 0]);
    }

    #[test]
    fn a_gate_opens_when_all_have_come_or_left() {
        let gate = Gate::new(3);
        std::thread::scope(|scope| {
            let begun = Instant::now();
            let waiting = [(); 2].map(|()| scope.spawn(|| gate.pass(Duration::from_secs(60))));
            gate.leave();
            for one in waiting {
                one.join().unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(60));
        });
        Gate::new(2).pass(Duration::from_millis(1));
    }

    #[test]
    fn a_sum_is_of_bytes_and_fails_with_any_of_them() {
        let flows = [flow(Some("x")), flow(Some("x"))];
        let round = |bytes, seconds| FlowRound { seconds, bytes, ..FlowRound::default() };
        let (a, b) = (round(100, 1.0), round(50, 1.25));
        let both = sum(&flows, &[&a, &b]);
        assert_eq!((both.bytes, both.seconds, both.error), (150, 1.25, None));
        let failed = FlowRound { error: Some("stalled".into()), ..FlowRound::default() };
        let none = sum(&flows, &[&a, &failed]);
        assert_eq!((none.bytes, none.error.as_deref()), (0, Some("tcp: stalled")));
    }
}
