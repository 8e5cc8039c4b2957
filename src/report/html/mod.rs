//! The report as one page: no other file, no script, no network.

mod anatomy;
mod attacks;
mod bytes;
mod chart;
mod charts;
mod style;
mod tables;

pub(super) use style::sheet;

use maud::{DOCTYPE, Markup, PreEscaped, html as page};

use super::table::Tone;
use super::{ranking, words};
use crate::measure::result::RunResult;

/// The whole report.
#[must_use]
pub fn html(run: &RunResult) -> String {
    let head = words::headline(run);
    let charts = charts::charts(run);
    page! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "overlab " (run.version) };
                title { (run.title) }
                style { (PreEscaped(style::sheet())) }
            }
            body {
                header {
                    h1 { (run.title) }
                    @if let Some(warning) = head.warning { p.verdict.bad { strong { (warning) } } }
                    div.verdict.(tone(head.tone)) {
                        p { (mark(head.tone)) strong { (head.text) } }
                        @if !head.failed.is_empty() {
                            ul { @for failed in &head.failed { li { (failed) } } }
                        }
                    }
                    @if let Some(about) = &run.about { p.about { (about) } }
                }
                main {
                    @if run.variants.is_empty() {
                        p { "No variant was measured." }
                    } @else {
                        (section("Side by side", &tables::side_by_side(run)))
                    }
                    @if let Some(sheet) = ranking::sheet(run) {
                        (section(sheet.title, &tables::sheet(&sheet)))
                    }
                    @for (title, lines) in super::parts::LINES { (list(title, &lines(run))) }
                    @if !charts.is_empty() {
                        (section("Charts", &page! { div.charts { @for chart in &charts { (chart) } } }))
                    }
                    @if !run.variants.is_empty() {
                        (section("Packets on the wire", &page! {
                            p.how { "Headers to scale, in bytes; the inner packet goes on to the right." }
                            (anatomy::anatomy(run))
                        }))
                    }
                    @if let Some(bytes) = bytes::bytes(run) { (section("Captured packets", &bytes)) }
                    @if let Some(attacks) = attacks::attacks(run) { (section("Attacks", &attacks)) }
                    @if !run.expectations.is_empty() {
                        (section("Expectations", &tables::expectations(run)))
                    }
                    @if run.variants.iter().any(|v| v.isolation.is_some()) {
                        (section("Isolation", &tables::isolation(run)))
                    }
                    @if run.variants.iter().any(|v| !v.links.is_empty()) {
                        (section("Underlay links", &tables::links(run)))
                    }
                    @for sheet in super::overlay::sheets(run) {
                        (section(sheet.title, &tables::sheet(&sheet)))
                    }
                    (counters("Frames dropped at the edges", tables::counters(run, "Reason", |v| &v.drops).as_ref()))
                    (counters("MAC table entries at the end", tables::counters(run, "Node", |v| &v.tables).as_ref()))
                    (list("Notes", &run.notes))
                    (list("Machine", &words::machine(run)))
                    (list("Method", &words::METHOD.map(str::to_owned)))
                }
                footer {
                    p {
                        "Lab " code { (run.lab) } ", started " (run.started) ", overlab " (run.version)
                        ", seed " (run.seed) ". Drawn from " code { "result.json" } " beside this page."
                    }
                }
            }
        }
    }
    .into_string()
}

/// A colour number per variant: plain paths share the greys, the others go round the palette.
fn colors(run: &RunResult) -> Vec<u8> {
    let (mut plain, mut carried) = (0, 0);
    run.variants
        .iter()
        .map(|v| {
            let (base, size, next) = if v.baseline.is_none() && v.encap == "none" {
                (0, style::GREYS, &mut plain)
            } else {
                (style::GREYS, style::HUES, &mut carried)
            };
            let color = base + *next % size;
            *next = (*next + 1) % size;
            color
        })
        .collect()
}

fn section(title: &str, content: &Markup) -> Markup {
    page! { section { h2 { (title) } (content) } }
}

fn list(title: &str, lines: &[String]) -> Markup {
    page! {
        @if !lines.is_empty() {
            section.prose { h2 { (title) } ul { @for line in lines { li { (line) } } } }
        }
    }
}

fn counters(title: &str, table: Option<&Markup>) -> Markup {
    page! { @if let Some(table) = table { (section(title, table)) } }
}

const fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Unclear => "unclear",
        Tone::Absent => "absent",
    }
}

const fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓ ",
        Tone::Bad => "✗ ",
        Tone::Plain | Tone::Unclear | Tone::Absent => "",
    }
}
