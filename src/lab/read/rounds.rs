//! `measure.rounds`: exactly so many, or until figures are sure enough.

use super::At;
use super::tree::Kind;
use crate::lab::limits::{ROUNDS, SURE_ROUNDS};
use crate::lab::rounds::{Rounds, Until};

pub(super) fn rounds(at: &At<'_>) -> Option<Rounds> {
    if !matches!(at.node.kind, Kind::Map(_)) {
        return at.number("number of rounds", &ROUNDS).map(Rounds::Exactly);
    }
    let fields =
        at.fields("a number, or e.g. `{ max: 20, until: 5% }`", &["min", "max", "until", "limit"])?;
    let usual = Until::default();
    let number = |key| {
        let at = fields.get(key)?;
        let number = at.number("number of rounds", &ROUNDS)?;
        if !SURE_ROUNDS.contains(&number) {
            at.wrong(format!(
                "no interval of 95 % can be had from {number} rounds; it takes {} (or write \
                 `rounds: {number}` for exactly so many)",
                SURE_ROUNDS.start()
            ));
            return None;
        }
        Some(number)
    };
    let (min, max) = (number("min"), number("max"));
    let least = min.unwrap_or(usual.min);
    let most = max.unwrap_or(usual.max.max(least));
    if most < least
        && let Some(at) = fields.get("max")
    {
        at.wrong(format!("is less than the {least} of `min`"));
    }
    Some(Rounds::Until(Until {
        min: least,
        max: most,
        until: fields
            .get("until")
            .and_then(|at| at.parsed("half of an interval over its median, e.g. `5%`"))
            .unwrap_or(usual.until),
        limit: fields
            .get("limit")
            .and_then(|at| at.parsed("the time for all rounds, e.g. `60s`"))
            .unwrap_or(usual.limit),
    }))
}
