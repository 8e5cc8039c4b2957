//! Expectations of latency under load and of what packets cost: about flows that the lab has.

use super::Whole;
use crate::lab::cost::{CostExpected, SlowdownExpected};
use crate::lab::model::Flow;
use crate::lab::units::ByteSize;

/// A flow under load, and the same one without.
pub(super) fn slowdown(whole: &Whole<'_>, wanted: &SlowdownExpected, path: &str) {
    ordered(whole, [wanted.at_least, wanted.at_most], path);
    let flows = || whole.lab.traffic.iter().filter_map(Flow::requests);
    let paired = flows().any(|rr| flows().any(|other| rr.is_idle_of(other)));
    if !paired && whole.sink.clean("traffic") {
        let message = "is about a flow of requests under load and the same one without, which the lab has \
                       not; write both, `- rr: { .. }` and `- rr: { .., load: 4 }`";
        whole.sink.rule(path, message);
    }
}

/// Two sizes of UDP flows.
pub(super) fn cost(whole: &Whole<'_>, wanted: &CostExpected, path: &str) {
    ordered(whole, [wanted.at_least, wanted.at_most], path);
    let sizes: Vec<ByteSize> = whole
        .lab
        .traffic
        .iter()
        .filter_map(|flow| match flow {
            Flow::Udp(udp) => Some(udp.size.all()),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    for (key, size) in [("size", wanted.size), ("of", wanted.of)] {
        if !sizes.contains(&size) && whole.sink.clean("traffic") {
            let message = format!(
                "no UDP flow of the lab, by itself, has datagrams of {size} bytes; add one with `size: [{}, {}]`",
                wanted.size, wanted.of
            );
            whole.sink.rule(&format!("{path}.{key}"), message);
        }
    }
}

fn ordered(whole: &Whole<'_>, [least, most]: [Option<f64>; 2], path: &str) {
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        whole.sink.rule(path, format!("at least {least} and at most {most} can never hold"));
    }
}
