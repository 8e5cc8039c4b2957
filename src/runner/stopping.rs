//! When rounds are enough, and which of them count: by their number, their width and the load beside
//! them, never by what they found ([measuring.md](../../../docs/measuring.md)).

use std::time::Duration;

use crate::lab::{Rounds, Until};
use crate::measure::foreign::NOISY;
use crate::measure::result::{Ended, RoundMark};

/// What is known after some rounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// Rounds that were run, warm-up included.
    pub run: u32,
    /// The least that any compared figure has of quiet rounds, its plain path quiet too.
    pub quiet: u32,
    /// The widest half interval over its median; `None` where one cannot be told yet.
    pub widest: Option<f64>,
    /// Since the first round began.
    pub elapsed: Duration,
    /// Of the last round.
    pub last: Duration,
}

/// Why no further round is begun, if so.
pub(super) fn ended(rounds: Rounds, state: &State) -> Option<Ended> {
    let until = match rounds {
        Rounds::Exactly(rounds) => return (state.run >= rounds).then_some(Ended::Exact),
        Rounds::Until(until) => until,
    };
    let counted = state.run.saturating_sub(Until::WARM_UP);
    if counted < until.min {
        return None;
    }
    let narrow = state.widest.is_some_and(|widest| widest <= until.until.share());
    if narrow && state.quiet >= until.min {
        return Some(Ended::Narrow);
    }
    if state.quiet >= until.max || counted >= until.max.saturating_mul(2) {
        return Some(Ended::Most);
    }
    (state.elapsed + state.last > until.limit.0).then_some(Ended::Limit)
}

/// What sets a round apart: the first ones where the lab does not ask for exactly so many, and those beside
/// much foreign load.
pub(super) fn mark(rounds: Rounds, round: u32, foreign: Option<f64>) -> Option<RoundMark> {
    match rounds {
        Rounds::Until(_) if round < Until::WARM_UP => Some(RoundMark::WarmUp),
        _ => foreign.is_some_and(|share| share > NOISY).then_some(RoundMark::Noisy),
    }
}

/// What a person is told of a round that begins.
pub(super) fn words(rounds: Rounds, round: u32) -> String {
    match rounds {
        Rounds::Exactly(rounds) => format!("traffic, round {} of {rounds}", round + 1),
        Rounds::Until(_) if round < Until::WARM_UP => "traffic, a round to warm up".to_owned(),
        Rounds::Until(until) => {
            let (round, Until { min, max, .. }) = (round + 1 - Until::WARM_UP, until);
            format!("traffic, round {round} of {min} to {max}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: State = State {
        run: 7,
        quiet: 6,
        widest: Some(0.04),
        elapsed: Duration::from_secs(7),
        last: Duration::from_secs(1),
    };

    fn until() -> Rounds {
        Rounds::Until(Until { limit: "60s".parse().unwrap(), max: 10, ..Until::default() })
    }

    #[test]
    fn exactly_so_many_are_exactly_so_many() {
        let after = |run| ended(Rounds::Exactly(3), &State { run, ..QUIET });
        assert_eq!((after(2), after(3)), (None, Some(Ended::Exact)));
        let late = State { run: 2, elapsed: Duration::from_secs(9999), ..QUIET };
        assert_eq!(ended(Rounds::Exactly(3), &late), None);
    }

    #[test]
    fn narrow_intervals_end_it() {
        assert_eq!(ended(until(), &QUIET), Some(Ended::Narrow));
        assert_eq!(ended(until(), &State { widest: Some(0.06), ..QUIET }), None);
        assert_eq!(ended(until(), &State { widest: None, ..QUIET }), None);
        assert_eq!(ended(until(), &State { run: 6, ..QUIET }), None, "the warm-up is none of six");
    }

    #[test]
    fn noisy_rounds_are_repeated_within_bounds() {
        assert_eq!(ended(until(), &State { quiet: 5, ..QUIET }), None);
        let noisy = State { run: 20, quiet: 5, ..QUIET };
        assert_eq!(ended(until(), &noisy), None);
        assert_eq!(ended(until(), &State { run: 21, ..noisy }), Some(Ended::Most));
        let wide = State { run: 13, quiet: 10, widest: Some(0.3), ..QUIET };
        assert_eq!(ended(until(), &wide), Some(Ended::Most));
        let mark = |round, foreign| mark(until(), round, foreign);
        assert_eq!(mark(0, Some(0.9)), Some(RoundMark::WarmUp));
        assert_eq!((mark(1, Some(0.16)), mark(1, Some(0.1))), (Some(RoundMark::Noisy), None));
    }

    #[test]
    fn time_ends_it_after_the_least() {
        let wide = State { widest: Some(0.3), elapsed: Duration::from_millis(59_500), ..QUIET };
        assert_eq!(ended(until(), &wide), Some(Ended::Limit), "another round would be too long");
        assert_eq!(ended(until(), &State { run: 6, ..wide }), None);
        assert_eq!(ended(until(), &State { elapsed: Duration::from_secs(58), ..wide }), None);
    }
}
