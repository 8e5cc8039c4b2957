//! What links do to packets: what was asked for, and what was observed between their ends.

use super::number::{Unit, count, digits, plural};
use crate::measure::result::{
    DelayResult, LinkResult, LossResult, ObservedLink, RateResult, ReorderResult, RunResult,
    VariantResult,
};

/// Links of one variant that are told of; all of them are in the result.
const LINKS: usize = 12;

/// One line per link that does anything to packets, and one for all links that only have a rate that was
/// tried.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    for variant in &run.variants {
        out.extend(rates(variant));
        let others = variant.links.iter().filter(|link| only_rate(link).is_none());
        let mut lines: Vec<String> =
            others.filter_map(|link| sentence(&variant.name, link)).collect();
        let more = lines.len().saturating_sub(LINKS);
        lines.truncate(LINKS);
        out.append(&mut lines);
        if more > 0 {
            out.push(format!(
                "{}: {} more; result.json has them.",
                variant.name,
                plural(more as u64, "link")
            ));
        }
    }
    out
}

/// The rate of a link that does nothing else to packets.
fn only_rate(link: &LinkResult) -> Option<&RateResult> {
    let seen = link.observed.as_ref()?;
    let quiet = seen.delay.is_none() && seen.reorder.is_none() && seen.overflowed == 0;
    seen.rate.as_ref().filter(|_| quiet && link.loss.is_none())
}

/// What passed the links that only have a rate: for each rate the slowest and the fastest direction.
fn rates(variant: &VariantResult) -> Option<String> {
    let all: Vec<&RateResult> = variant.links.iter().filter_map(only_rate).collect();
    let mut asked: Vec<f64> = all.iter().map(|rate| rate.configured).collect();
    asked.sort_by(f64::total_cmp);
    asked.dedup();
    let each = asked.into_iter().map(|asked| {
        let same = all.iter().filter(|rate| rate.configured.total_cmp(&asked).is_eq());
        let seen: Vec<f64> = same.clone().flat_map(|rate| rate.observed).collect();
        let (low, high) = seen
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(low, high), seen| (low.min(*seen), high.max(*seen)));
        let unit = Unit::bits(asked);
        let [low, high] = [low, high].map(|rate| unit.show(rate));
        let passed = if low == high { low } else { format!("{low} to {high}") };
        let links = plural(same.count() as u64, "link");
        format!("{links} passed {passed} each way ({} asked for)", unit.show(asked))
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| format!("{}: {}.", variant.name, each.join("; ")))
}

fn sentence(variant: &str, link: &LinkResult) -> Option<String> {
    let seen = link.observed.as_ref();
    let parts = [
        seen.and_then(|s| s.delay.as_ref()).map(delay),
        seen.and_then(|s| s.reorder.as_ref()).map(reorder),
        link.loss.as_ref().map(loss),
        seen.and_then(|s| s.rate.as_ref()).map(rate),
        seen.filter(|s| s.overflowed > 0)
            .map(|s| format!("{} dropped because too many waited", plural(s.overflowed, "frame"))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let by = seen.map(by).unwrap_or_default();
    (!parts.is_empty()).then(|| format!("{variant}: link {}{by}: {}.", link.name, parts.join("; ")))
}

fn by(seen: &ObservedLink) -> String {
    match (seen.by.as_str(), seen.seeded) {
        ("", _) => String::new(),
        (by, true) => format!(" ({by}, seeded)"),
        (by, false) => format!(" ({by}, not seeded)"),
    }
}

/// Milliseconds of both directions, in one figure where they look the same.
fn both(seconds: [f64; 2]) -> String {
    let [there, back] = seconds.map(|s| digits(s * 1e3));
    if there == back { there } else { format!("{there} and {back}") }
}

const fn sum(pair: [u64; 2]) -> u64 {
    pair[0].saturating_add(pair[1])
}

fn delay(delay: &DelayResult) -> String {
    let mut text = format!(
        "median delay {} ms ({} asked for)",
        both(delay.median),
        digits(delay.configured * 1e3)
    );
    text += &format!(
        ", half of them within {} ms ({} asked for)",
        both(delay.spread),
        digits(delay.jitter * 1e3)
    );
    let late = sum(delay.out_of_order);
    if late > 0 {
        text += &format!(", {} out of order", plural(late, "probe"));
    }
    text + &format!(", by {} probes", count(sum(delay.arrived)))
}

fn reorder(reorder: &ReorderResult) -> String {
    format!(
        "{} of {} probes overtook others ({}; {} asked for)",
        count(sum(reorder.overtook)),
        count(sum(reorder.arrived)),
        Unit::PERCENT.show(reorder.share()),
        Unit::PERCENT.show(reorder.configured)
    )
}

fn loss(loss: &LossResult) -> String {
    format!(
        "lost {} of {} ({}; {} asked for)",
        count(sum(loss.lost)),
        plural(sum(loss.offered), "packet"),
        Unit::PERCENT.show(loss.share()),
        Unit::PERCENT.show(loss.configured)
    )
}

fn rate(rate: &RateResult) -> String {
    let unit = Unit::bits(rate.configured);
    let [there, back] = rate.observed.map(|bits| unit.show(bits));
    let observed = if there == back { there } else { format!("{there} and {back}") };
    format!("passed {observed} ({} asked for)", unit.show(rate.configured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_was_asked_for_and_what_came() {
        let delay = DelayResult {
            configured: 0.02,
            jitter: 0.001,
            sent: [100, 100],
            arrived: [100, 100],
            median: [0.0201, 0.0202],
            spread: [0.0011, 0.0011],
            ..DelayResult::default()
        };
        let reorder = ReorderResult { configured: 0.25, arrived: [100, 100], overtook: [26, 22] };
        let seen = ObservedLink {
            by: "relay".into(),
            seeded: true,
            delay: Some(delay),
            reorder: Some(reorder),
            rate: Some(RateResult { configured: 1e7, observed: [9.9e6, 9.9e6] }),
            overflowed: 0,
        };
        let loss = LossResult { configured: 0.01, offered: [900, 100], lost: [8, 3] };
        let link = LinkResult {
            name: "h1-sw1".into(),
            loss: Some(loss),
            observed: Some(seen),
            ..LinkResult::default()
        };
        assert_eq!(
            sentence("vxlan", &link).unwrap(),
            "vxlan: link h1-sw1 (relay, seeded): median delay 20.1 and 20.2 ms (20.0 asked for), \
             half of them within 1.10 ms (1.00 asked for), by 200 probes; 48 of 200 probes overtook others \
             (24.0 %; 25.0 % asked for); lost 11 of 1,000 packets (1.10 %; 1.00 % asked for); passed \
             9.90 Mbit/s (10.0 Mbit/s asked for)."
        );
        assert_eq!(sentence("x", &LinkResult::default()), None);
        let plain = |configured, observed| LinkResult {
            observed: Some(ObservedLink {
                rate: Some(RateResult { configured, observed }),
                ..ObservedLink::default()
            }),
            ..LinkResult::default()
        };
        let links =
            vec![link, plain(5e7, [5e7, 4.97e7]), plain(1e7, [1e7; 2]), plain(5e7, [5e7; 2])];
        let variant = VariantResult { name: "vlan".into(), links, ..VariantResult::default() };
        assert_eq!(
            rates(&variant).unwrap(),
            "vlan: 1 link passed 10.0 Mbit/s each way (10.0 Mbit/s asked for); \
             2 links passed 49.7 Mbit/s to 50.0 Mbit/s each way (50.0 Mbit/s asked for)."
        );
    }
}
