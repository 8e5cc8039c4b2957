//! What links were observed to do.

use super::finding::Finding;
use crate::lab::{Bounds, LinkExpected, Loss, Reorder};
use crate::measure::result::{LinkResult, VariantResult};

/// A figure that is bounded: its name, its bounds in words, whether it lies between them, and how
/// it is written.
struct Figure {
    what: &'static str,
    bounds: String,
    held: bool,
    found: String,
}

/// What must have been observed, in words.
pub(super) fn words(expected: &LinkExpected) -> String {
    let LinkExpected { name, delay, jitter, loss, reorder, rate } = expected;
    let link =
        name.as_ref().map_or("every impaired link".to_owned(), |name| format!("link {name}"));
    let parts = [
        delay.as_ref().map(|b| format!("a delay of {}", written(b))),
        jitter.as_ref().map(|b| format!("a jitter of {}", written(b))),
        loss.as_ref().map(|b| format!("a loss of {}", written(b))),
        reorder.as_ref().map(|b| format!("a share of {} that overtakes", written(b))),
        rate.as_ref().map(|b| format!("a rate of {}bit/s", written(b))),
    ];
    format!("{link} has {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Each of the links, or the one of this name, was observed to be within the bounds.
pub(super) fn link(expected: &LinkExpected, found: &VariantResult) -> Finding {
    let named = |link: &&LinkResult| match &expected.name {
        Some(name) => link.name == *name,
        None => link.observed.as_ref().is_some_and(|seen| !seen.by.is_empty()),
    };
    let links: Vec<&LinkResult> = found.links.iter().filter(named).collect();
    if links.is_empty() {
        return Finding::unknown(match &expected.name {
            Some(name) => format!("there is no link `{name}`"),
            None => "no link of this variant does anything to packets".to_owned(),
        });
    }
    let mut held = true;
    let (mut bounds, mut measured) = (Vec::new(), Vec::new());
    for link in &links {
        let figures = match figures(expected, link) {
            Ok(figures) => figures,
            Err(missing) => {
                return Finding::unknown(format!("no {missing} was observed on {}", link.name));
            }
        };
        let one = links.len() == 1;
        for Figure { what, bounds: wanted, held: holds, found } in figures {
            held &= holds;
            let wanted = format!("{what} {wanted}");
            if !bounds.contains(&wanted) {
                bounds.push(wanted);
            }
            let place = if one { String::new() } else { format!("{}: ", link.name) };
            measured.push(format!("{place}{what} {found}"));
        }
    }
    Finding::new(held, "between the ends of the link")
        .figures(bounds.join(", "), measured.join(", "))
}

/// The figures that are bounded, or the name of one that was not observed.
fn figures(expected: &LinkExpected, link: &LinkResult) -> Result<Vec<Figure>, &'static str> {
    let seen = link.observed.as_ref();
    let mut figures = Vec::new();
    let time = |seconds: &f64| format!("{:.3}ms", seconds * 1e3);
    let share = |share: &f64| format!("{:.2}%", share * 100.0);
    if let Some(bounds) = &expected.delay {
        let median = seen.and_then(|s| s.delay.as_ref()).ok_or("delay")?.median;
        figures.push(figure("delay", bounds, |d| d.time().as_secs_f64(), &median, time));
    }
    if let Some(bounds) = &expected.jitter {
        let spread = seen.and_then(|s| s.delay.as_ref()).ok_or("jitter")?.spread;
        figures.push(figure("jitter", bounds, |d| d.time().as_secs_f64(), &spread, time));
    }
    if let Some(bounds) = &expected.loss {
        let lost = link.loss.as_ref().filter(|loss| loss.offered != [0, 0]).ok_or("loss")?.share();
        figures.push(figure("loss", bounds, Loss::share, &[lost], share));
    }
    if let Some(bounds) = &expected.reorder {
        let ahead = seen.and_then(|s| s.reorder.as_ref()).ok_or("reordering")?.share();
        figures.push(figure("reordered", bounds, Reorder::share, &[ahead], share));
    }
    if let Some(bounds) = &expected.rate {
        let observed = seen.and_then(|s| s.rate.as_ref()).ok_or("rate")?.observed;
        let bits = |bits: &f64| format!("{:.3}Mbit/s", bits / 1e6);
        figures.push(figure("rate", bounds, |r| r.0 as f64, &observed, bits));
    }
    Ok(figures)
}

fn figure<T: Copy + std::fmt::Display>(
    what: &'static str,
    bounds: &Bounds<T>,
    value: impl Fn(T) -> f64,
    found: &[f64],
    write: impl Fn(&f64) -> String,
) -> Figure {
    let least = bounds.at_least.map(&value);
    let most = bounds.at_most.map(&value);
    let within = |figure: &f64| {
        least.is_none_or(|least| *figure >= least) && most.is_none_or(|most| *figure <= most)
    };
    Figure {
        what,
        bounds: written(bounds),
        held: found.iter().all(within),
        found: found.iter().map(write).collect::<Vec<_>>().join(" and "),
    }
}

fn written<T: std::fmt::Display>(bounds: &Bounds<T>) -> String {
    let least = bounds.at_least.as_ref().map(|least| format!("≥ {least}"));
    let most = bounds.at_most.as_ref().map(|most| format!("≤ {most}"));
    least.into_iter().chain(most).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Delay;
    use crate::measure::result::{DelayResult, LossResult, ObservedLink};

    fn found() -> VariantResult {
        let delay = DelayResult { median: [0.010, 0.012], ..DelayResult::default() };
        let observed =
            ObservedLink { by: "relay".into(), delay: Some(delay), ..ObservedLink::default() };
        let loss = LossResult { configured: 0.01, offered: [900, 100], lost: [10, 0] };
        let link = LinkResult {
            name: "a-b".into(),
            observed: Some(observed),
            loss: Some(loss),
            ..LinkResult::default()
        };
        VariantResult { links: vec![link, LinkResult::default()], ..VariantResult::default() }
    }

    fn expected(least: Option<u32>, most: Option<u32>) -> LinkExpected {
        let delay = Bounds { at_least: least.map(Delay), at_most: most.map(Delay) };
        LinkExpected {
            name: None,
            delay: Some(delay),
            jitter: None,
            loss: None,
            reorder: None,
            rate: None,
        }
    }

    #[test]
    fn both_directions_lie_within_the_bounds() {
        let found = found();
        assert!(link(&expected(Some(10_000), Some(12_000)), &found).held);
        assert!(!link(&expected(Some(10_001), None), &found).held);
        assert!(!link(&expected(None, Some(11_999)), &found).held);
        let finding = link(&expected(Some(10_000), None), &found);
        assert_eq!(finding.theory.as_deref(), Some("delay ≥ 10ms"));
        assert_eq!(finding.measured.as_deref(), Some("delay 10.000ms and 12.000ms"));
    }

    #[test]
    fn what_was_not_observed_does_not_hold() {
        let bounds = Bounds { at_least: Some(Loss(10_000)), at_most: Some(Loss(10_000)) };
        let lossy = LinkExpected { loss: Some(bounds), ..expected(Some(1), None) };
        assert!(link(&lossy, &found()).held);
        assert!(!link(&lossy, &VariantResult::default()).held);
        let other = LinkExpected { name: Some("x".into()), ..lossy.clone() };
        assert!(link(&other, &found()).detail.contains("no link `x`"));
        let jitter = Some(Bounds { at_least: None, at_most: Some(Delay(1)) });
        let mut without = found();
        without.links[0].observed.as_mut().unwrap().delay = None;
        assert!(!link(&LinkExpected { jitter, ..lossy }, &without).held);
    }
}
