//! `expect: - link: ..`: what was observed of links.

use std::str::FromStr;

use super::At;
use crate::lab::link::{Bounds, LinkExpected};
use crate::lab::model::Expected;

const FIGURES: [&str; 5] = ["delay", "jitter", "loss", "reorder", "rate"];

pub(super) fn link(at: &At<'_>) -> Option<Expected> {
    let keys = [&["name"][..], &FIGURES].concat();
    let example = "a map, e.g. `{ name: gw1-core1, delay: { at-least: 10ms } }`";
    let fields = at.fields(example, &keys)?;
    let time = "a time with its unit, e.g. `20ms`";
    let share = "a share in percent, e.g. `1%`";
    let expected = LinkExpected {
        name: fields.get("name").and_then(|at| at.text("the name of a link, e.g. `h1-sw1`")),
        delay: fields.get("delay").and_then(|at| bounds(&at, time)),
        jitter: fields.get("jitter").and_then(|at| bounds(&at, time)),
        loss: fields.get("loss").and_then(|at| bounds(&at, share)),
        reorder: fields.get("reorder").and_then(|at| bounds(&at, share)),
        rate: fields.get("rate").and_then(|at| bounds(&at, "bits per second, e.g. `10M`")),
    };
    if expected.says_nothing() {
        if at.sink.clean(&at.path) {
            at.wrong("says nothing; give `delay`, `jitter`, `loss`, `reorder` or `rate`");
        }
        return None;
    }
    Some(Expected::Link(expected))
}

fn bounds<T: FromStr<Err = String> + PartialOrd>(at: &At<'_>, wanted: &str) -> Option<Bounds<T>> {
    let fields =
        at.fields("a map, e.g. `{ at-least: .., at-most: .. }`", &["at-least", "at-most"])?;
    let read = |key| fields.get(key).and_then(|at| at.parsed(wanted));
    let bounds = Bounds { at_least: read("at-least"), at_most: read("at-most") };
    match (&bounds.at_least, &bounds.at_most) {
        (None, None) => {
            if at.sink.clean(&at.path) {
                at.wrong("says nothing; give `at-least`, `at-most` or both");
            }
            None
        }
        (Some(least), Some(most)) if least > most => {
            at.wrong("nothing lies between these; `at-least` is more than `at-most`");
            None
        }
        _ => Some(bounds),
    }
}
