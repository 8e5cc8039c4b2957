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
    let fields = at.fields(wanted, &["what", "throughput", "variant"])?;
    let what = "what they measured";
    let what = fields.need("what", what).and_then(|at| at.text(what));
    let rate = "bits per second, e.g. `9.3G`";
    let rate = fields.need("throughput", rate).and_then(|at| at.parsed(rate));
    let variant = fields.get("variant").and_then(|at| at.text("a variant of this lab"));
    Some(PublishedFigure { what: what?, throughput: rate?, variant })
}
