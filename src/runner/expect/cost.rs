//! Latency under load, and what small packets cost.

use super::finding::Finding;
use super::speed::{bounds, within};
use crate::lab::{CostExpected, RatioExpected, SlowdownExpected};
use crate::measure::result::{CostPart, FlowResult, FlowRound, Latency, Spread, VariantResult};

/// How many times longer answers must take under load, in words.
pub(super) fn slowdown_words(expected: &SlowdownExpected) -> String {
    let bounds = bounds(expected.at_least, expected.at_most);
    format!("under load the median answer takes {bounds} times as long as on the idle path")
}

/// The first flow under load takes so many times as long as its idle one, by the medians.
pub(super) fn slowdown(expected: &SlowdownExpected, found: &VariantResult) -> Finding {
    let latency = |flow: &'_ FlowResult| flow.latency.clone();
    let pair = found.flows.iter().find_map(|flow| {
        let idle = flow.load.as_ref()?.idle.as_ref()?;
        let idle = found.flows.iter().find(|f| f.label == *idle)?;
        Some((latency(idle), latency(flow), flow))
    });
    let Some((idle, loaded, flow)) = pair else {
        return Finding::unknown("no flow of requests ran here both under load and without");
    };
    let Some((idle, loaded)) = idle.zip(loaded) else {
        let why = flow.rounds.iter().find_map(|round| round.error.clone());
        return Finding::unknown(why.unwrap_or_else(|| "no round of both ended well".to_owned()));
    };
    let times = loaded.p50 / idle.p50;
    let shown = |latency: &Latency| format!("{:.0} µs", latency.p50);
    Finding::new(
        within(times, expected.at_least, expected.at_most),
        format!("{} idle, {} under load", shown(&idle), shown(&loaded)),
    )
    .figures(bounds(expected.at_least, expected.at_most), format!("{times:.1}"))
}

/// What a byte must cost, in words.
pub(super) fn cost_words(expected: &CostExpected) -> String {
    format!(
        "a byte in datagrams of {} bytes costs {} times the processor time of one in datagrams of {}",
        expected.size,
        bounds(expected.at_least, expected.at_most),
        expected.of
    )
}

/// Processor time per byte at one size over that at another, round by round, of the first UDP flows of these sizes. All
/// stages count but the rest of the machine, which on a busy one is other programs' as well.
pub(super) fn cost(expected: &CostExpected, found: &VariantResult) -> Finding {
    let of = |size: u64| {
        let udp = |flow: &&FlowResult| flow.kind == "udp" && flow.size == Some(size);
        found.flows.iter().filter(udp).find(|flow| flow.cost.is_some())
    };
    let (Some(small), Some(large)) = (of(expected.size.0), of(expected.of.0)) else {
        return Finding::unknown("no UDP flows of both sizes ran here by themselves");
    };
    let rounds = small.rounds.iter().zip(&large.rounds);
    let both = rounds.filter(|(a, b)| a.counts() && b.counts());
    let Some(ratio) = Spread::of(both.filter_map(|(a, b)| Some(per_byte(a)? / per_byte(b)?)))
    else {
        return Finding::unknown("no round of both ended well");
    };
    Finding::new(
        within(ratio.median, expected.at_least, expected.at_most),
        format!("rounds {:.1} to {:.1}", ratio.min, ratio.max),
    )
    .figures(bounds(expected.at_least, expected.at_most), format!("{:.1}", ratio.median))
}

/// How much processor time a byte must take, in words.
pub(super) fn cpu_words(expected: &RatioExpected) -> String {
    let of = expected.of.as_deref().unwrap_or("the plain path");
    let bounds = bounds(expected.at_least, expected.at_most);
    format!("a byte by TCP costs {bounds} times the processor time that it costs in {of}")
}

/// Processor time per byte of the first TCP flow over another variant's, round by round; what counts is as in
/// [`cost()`].
pub(super) fn cpu(
    expected: &RatioExpected,
    found: &VariantResult,
    all: &[VariantResult],
) -> Finding {
    let of = expected.of.as_ref().or(found.baseline.as_ref());
    let other = of.and_then(|name| all.iter().find(|v| v.name == *name));
    let tcp = |v: &'_ VariantResult| v.flows.iter().find(|flow| flow.kind == "tcp").cloned();
    let Some((here, there)) = tcp(found).zip(other.and_then(tcp)) else {
        return Finding::unknown("no TCP flow was compared with another variant's");
    };
    let rounds = here.rounds.iter().zip(&there.rounds);
    let both = rounds.filter(|(a, b)| a.counts() && b.counts());
    let both: Vec<(f64, f64)> =
        both.filter_map(|(a, b)| Some((per_byte(a)?, per_byte(b)?))).collect();
    let Some(ratio) = Spread::of(both.iter().map(|(a, b)| a / b)) else {
        return Finding::unknown("no round of both ended well with its processor time known");
    };
    let per_gb = |of: fn(&(f64, f64)) -> f64| {
        Spread::of(both.iter().map(of)).map_or(0.0, |seconds| seconds.median * 1e9)
    };
    Finding::new(
        within(ratio.median, expected.at_least, expected.at_most),
        format!(
            "{:.2} s/GB beside {:.2} s/GB; rounds {:.2} to {:.2}",
            per_gb(|(here, _)| *here),
            per_gb(|(_, there)| *there),
            ratio.min,
            ratio.max
        ),
    )
    .figures(bounds(expected.at_least, expected.at_most), format!("{:.2}", ratio.median))
}

/// Seconds of all stages but the rest, per payload byte delivered.
fn per_byte(round: &FlowRound) -> Option<f64> {
    let all = CostPart::All.seconds(round)? - CostPart::Rest.seconds(round)?;
    let bytes = round.bytes as f64;
    Some(all / bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::ByteSize;
    use crate::measure::result::{CpuParts, FlowCost, LoadResult};

    #[test]
    fn answers_under_load_are_compared_with_idle_ones() {
        let flow = |label: &str, p50: f64, idle: Option<&str>| FlowResult {
            label: label.into(),
            latency: Some(Latency { p50, ..Latency::default() }),
            load: idle.map(|idle| LoadResult { idle: Some(idle.into()), ..LoadResult::default() }),
            ..FlowResult::default()
        };
        let flows = vec![flow("a", 10.0, None), flow("b", 45.0, Some("a"))];
        let mut found = VariantResult { flows, ..VariantResult::default() };
        let held = |found: &VariantResult, at_least, at_most| {
            slowdown(&SlowdownExpected { at_least, at_most }, found).held
        };
        assert!(held(&found, Some(4.5), Some(4.5)) && !held(&found, Some(4.6), None));
        assert!(!held(&found, None, Some(4.4)));
        found.flows[1].latency = None;
        assert!(!held(&found, Some(0.1), None));
        found.flows.pop();
        assert!(!held(&found, Some(0.1), None));
    }

    #[test]
    fn bytes_are_compared_and_the_rest_of_the_machine_does_not_count() {
        let flow = |size, bytes, sender, machine| FlowResult {
            kind: "udp".into(),
            size: Some(size),
            cost: Some(FlowCost::default()),
            rounds: vec![FlowRound {
                bytes,
                cpu_seconds: machine,
                cpu: Some(CpuParts { sender: Some(sender), ..CpuParts::default() }),
                ..FlowRound::default()
            }],
            ..FlowResult::default()
        };
        let flows = vec![flow(64, 100, 1.0, 1.0), flow(1400, 1000, 2.0, 4.0)];
        let found = VariantResult { flows, ..VariantResult::default() };
        let held = |size, of, at_least, at_most| {
            let [size, of] = [size, of].map(ByteSize);
            cost(&CostExpected { size, of, at_least, at_most }, &found).held
        };
        assert!(held(64, 1400, Some(5.0), Some(5.0)) && !held(64, 1400, Some(5.1), None));
        assert!(!held(64, 512, Some(0.1), None), "nobody sends these");
    }

    #[test]
    fn the_processor_time_of_a_byte_is_compared_with_another_variants() {
        let of = |name: &str, bytes, sender, baseline: Option<&str>| {
            let parts = CpuParts { sender: Some(sender), ..CpuParts::default() };
            let round =
                FlowRound { bytes, cpu_seconds: 9.0, cpu: Some(parts), ..FlowRound::default() };
            let flow =
                FlowResult { kind: "tcp".into(), rounds: vec![round], ..FlowResult::default() };
            VariantResult {
                name: name.into(),
                baseline: baseline.map(str::to_owned),
                flows: vec![flow],
                ..VariantResult::default()
            }
        };
        // A tenth of the bytes in half of the time are five times the time of a byte.
        let all = [of("plain", 1000, 1.0, None), of("gre", 100, 0.5, Some("plain"))];
        let held = |at_least, at_most, of: Option<&str>| {
            let expected = RatioExpected { at_least, at_most, of: of.map(str::to_owned) };
            cpu(&expected, &all[1], &all).held
        };
        for of in [None, Some("plain")] {
            assert!(held(Some(4.9), Some(5.1), of), "{of:?}");
            assert!(!held(Some(5.1), None, of) && !held(None, Some(4.9), of), "{of:?}");
        }
        assert!(!held(Some(0.1), None, Some("nobody")));
        let plain = RatioExpected { at_least: Some(0.1), at_most: None, of: None };
        assert!(!cpu(&plain, &all[0], &all).held, "it is compared with nobody");
    }
}
