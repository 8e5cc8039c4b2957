//! `expect`: latency under load, and the cost of small packets.

use super::At;
use super::expect::bounded;
use super::traffic::one_size;
use crate::lab::cost::{CostExpected, SlowdownExpected};
use crate::lab::limits::DATAGRAM;
use crate::lab::model::Expected;

pub(super) fn slowdown(at: &At<'_>) -> Option<Expected> {
    let fields = at.fields("a map, e.g. `{ at-least: 1.5 }`", &["at-least", "at-most"])?;
    let ratio = |key| fields.get(key).and_then(|at| at.positive("ratio"));
    let expected = SlowdownExpected { at_least: ratio("at-least"), at_most: ratio("at-most") };
    bounded(at, expected.at_least.is_some() || expected.at_most.is_some())?;
    Some(Expected::Slowdown(expected))
}

pub(super) fn cost(at: &At<'_>) -> Option<Expected> {
    let keys = ["size", "of", "at-least", "at-most"];
    let fields = at.fields("a map, e.g. `{ size: 64, of: 1400, at-least: 2 }`", &keys)?;
    let size = |key| {
        let at = fields.need(key, "the size of a UDP flow's datagrams, e.g. `64`")?;
        one_size(&at, &DATAGRAM)
    };
    let ratio = |key| fields.get(key).and_then(|at| at.positive("ratio"));
    let (size, of) = (size("size"), size("of"));
    let (at_least, at_most) = (ratio("at-least"), ratio("at-most"));
    bounded(at, at_least.is_some() || at_most.is_some())?;
    Some(Expected::Cost(CostExpected { size: size?, of: of?, at_least, at_most }))
}
