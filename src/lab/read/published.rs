//! `published`: figures of others.

use super::At;
use crate::lab::published::{Published, PublishedFigure};

pub(super) fn published(at: &At<'_>) -> Option<Published> {
    let wanted = "a map with `source` and `figures`";
    let fields = at.fields(wanted, &["source", "note", "figures"])?;
    let source = "where it was published: title and year";
    let source = fields.need("source", source).and_then(|at| at.text(source));
    let note = fields.get("note").and_then(|at| at.text("what a reader must know"));
    let list = "a list of figures, e.g. `[{ what: bridge, throughput: 9G }]`";
    let at = fields.need("figures", list)?;
    let items = at.list(list)?;
    if items.len() < 2 {
        at.wrong("one figure has no ratio to another; give two or more, the plain one first");
    }
    let figures = items.iter().filter_map(figure).collect();
    Some(Published { source: source?, note, figures })
}

fn figure(at: &At<'_>) -> Option<PublishedFigure> {
    let wanted = "a figure, e.g. `{ what: bridge, throughput: 9G, variant: plain-l2 }`";
    let fields = at.fields(wanted, &["what", "throughput", "cpu", "variant"])?;
    let what = "what they measured";
    let what = fields.need("what", what).and_then(|at| at.text(what));
    let rate = "bits per second, e.g. `9.3G`";
    let rate = fields.need("throughput", rate).and_then(|at| at.parsed(rate));
    let variant = fields.get("variant").and_then(|at| at.text("a variant of this lab"));
    let cpu = fields.get("cpu").and_then(|at| both_sides(&at));
    Some(PublishedFigure { what: what?, throughput: rate?, cpu, variant })
}

/// What the processors of both sides were busy, in percent.
fn both_sides(at: &At<'_>) -> Option<[f64; 2]> {
    let wanted = "the percent of a processor that receiving took, and sending, e.g. `[85, 75]`";
    let sides: Vec<f64> =
        at.list(wanted)?.iter().filter_map(|at| at.positive("percent of a processor")).collect();
    let both = sides.try_into().ok();
    if both.is_none() && at.sink.clean(&at.path) {
        at.wrong(format!("this is {wanted}: two figures"));
    }
    both
}
