//! A difference as one page: no other file, no script, no network.

use maud::{Markup, html as page};

use super::super::html::frame;
use super::render::{ratio, told};
use super::{Change, Diff, Figure, Told};

/// The strips reach from half to twice; what lies beyond stands at the end.
const DOUBLINGS: f64 = 1.0;

impl Diff {
    /// The whole page.
    #[must_use]
    pub fn html(&self) -> String {
        let worse = self.regressed();
        let body = page! {
            header {
                h1 { "What changed between two runs" }
                div.verdict.(if worse { "bad" } else { "unclear" }) { p { strong { (self.summary()) } } p { (self.together()) } }
                @for (run, which) in self.runs.iter().zip(["Earlier", "Later"]) {
                    p { (which) ": " strong { (run.title) } ", " (run.started) " " small { (run.lab) } }
                }
            }
            main {
                (list("Before comparing", &self.cautions))
                @if !self.figures.is_empty() { section {
                    h2 { "Figures" }
                    p.how {
                        "Medians, and later over earlier with its interval, drawn from half to twice; the line in the middle is no change. A difference is told, of each figure by itself, where the interval does not hold 1. A loss is drawn nowhere, as it may be 0: it stands with what it grew by."
                    }
                    (figures(&self.figures))
                } }
                @if !self.changes.is_empty() { section {
                    h2 { "Other changes" }
                    (changes(&self.changes))
                } }
                (list("Only in the later", &self.only))
            }
        };
        frame("What changed between two runs", &body)
    }
}

fn list(title: &str, lines: &[String]) -> Markup {
    page! {
        @if !lines.is_empty() { section.prose {
            h2 { (title) }
            ul { @for line in lines { li { (line) } } }
        } }
    }
}

fn figures(all: &[Figure]) -> Markup {
    page! {
        div.scroll role="region" aria-label="Figures" tabindex="0" { table {
            thead { tr {
                @for name in ["Variant", "Flow", "Figure", "Earlier", "Later", "Later / earlier", "", "Told"] {
                    th scope="col" { (name) }
                }
            } }
            tbody { @for figure in all {
                @let (name, [before, after]) = figure.shown();
                tr {
                    td { (figure.variant) } td { (figure.flow) } td { (name) } td { (before) } td { (after) }
                    @let [change, within] = ratio(figure);
                    td { (change) small { (within) } }
                    td { @if let Some(ratio) = figure.ratio { (strip(figure, ratio)) } }
                    td.bad[figure.worse].unclear[!matches!(figure.told, Told::Larger | Told::Smaller)] { (told(figure)) }
                }
            } }
        } }
    }
}

/// The ratio and its interval on a line from half to twice.
fn strip(figure: &Figure, ratio: f64) -> Markup {
    let at = |ratio: f64| {
        let place = (ratio.log2() / DOUBLINGS).clamp(-1.0, 1.0);
        if place.is_finite() { (place + 1.0) * 50.0 } else { 0.0 }
    };
    let [low, high] = figure.interval.map_or([ratio; 2], |i| [i.low, i.high]).map(at);
    page! {
        div.strip aria-hidden="true" {
            span style=(format!("left:{low:.1}%;width:{:.1}%", high - low)) {}
            b style=(format!("left:{:.1}%", at(ratio))) {}
        }
    }
}

fn changes(all: &[Change]) -> Markup {
    page! {
        div.scroll role="region" aria-label="Other changes" tabindex="0" { table {
            thead { tr { @for name in ["Variant", "What", "Earlier", "Later"] { th scope="col" { (name) } } } }
            tbody { @for change in all { tr {
                td { (change.variant) } td { (change.what) } td { (change.before) }
                td.bad[change.worse] { (change.after) @if change.worse { small { "for the worse" } } }
            } } }
        } }
    }
}
