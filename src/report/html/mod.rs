//! The report as one page: no other file, no script, no network.

mod anatomy;
mod attacks;
mod bytes;
mod chart;
mod charts;
mod cost;
mod frame;
mod heat;
mod ledger;
mod lines;
mod loaded;
mod packets;
mod stack;
mod style;
mod sweep;
mod tables;
mod timeline;
mod transfers;

pub(super) use frame::frame;

use maud::{Markup, html as page};

use super::table::Tone;
use super::{ranking, words};
use crate::measure::result::RunResult;

/// A part of the page.
struct Section {
    title: String,
    content: Markup,
    /// Whether it is text rather than tables and drawings.
    prose: bool,
    /// Whether it begins closed: what only few readers want.
    closed: bool,
}

/// Pages with more sections have a table of contents.
const SHORT: usize = 5;

/// Lists of more lines begin with half as many, and the others can be opened.
const LONG: usize = 16;

/// The whole report.
#[must_use]
pub fn html(run: &RunResult) -> String {
    let head = words::headline(run);
    let sections = sections(run);
    let body = page! {
        header {
            h1 { (run.title) }
            @if let Some(warning) = head.warning { p.verdict.bad { strong { (warning) } } }
            div.verdict.(tone(head.tone)) {
                p { (mark(head.tone)) strong { (head.text) } }
                @if !head.failed.is_empty() {
                    ul { @for failed in &head.failed { li { (failed) } } }
                }
            }
            (key_figures(run))
            @if let Some(about) = &run.about { p.about { (about) } }
            @if sections.len() > SHORT { (contents(&sections)) }
        }
        main { @for section in &sections { (drawn(section)) } }
        footer {
            p {
                "Lab " code { (run.lab) } ", started " (run.started) ", overlab " (run.version) " (" (run.build) ")"
                ", seed " (run.seed) ". Drawn from " code { "result.json" } " beside this page."
            }
        }
    };
    frame(&run.title, &body)
}

/// All parts in the order of the page. A new part is a file and its line here; parts that every
/// format shows are in [`super::parts`] and [`super::overlay`].
fn sections(run: &RunResult) -> Vec<Section> {
    let measured = !run.variants.is_empty();
    let nothing = page! { p { "No variant was measured." } };
    let table = if measured { tables::side_by_side(run) } else { nothing };
    let mut out: Vec<Section> =
        super::versus::versus(run).map(|v| against(run, &v)).into_iter().collect();
    out.push(Section { prose: !measured, ..shown("Side by side", table) });
    out.extend(ranking::sheet(run).map(|s| {
        let how = page! { p.how { (ranking::title(run)) "." } };
        shown(s.title, page! { (how) (tables::sheet(&s)) })
    }));
    out.extend(super::parts::LINES.iter().filter_map(|(title, lines)| listed(title, &lines(run))));
    // Tables that belong to what is said above and drawn below stand with it.
    let mut sheets = super::overlay::sheets(run);
    let mut taken = |title: &str| {
        let at = sheets.iter().position(|sheet| sheet.title == title)?;
        Some(tables::sheet(&sheets.remove(at)))
    };
    for title in [super::loaded::TITLE, super::sizes::TITLE, super::transfers::TITLE] {
        out.extend(taken(title).map(|table| shown(title, table)));
    }
    let weighed = taken(super::ledger::TITLE);
    let costs = taken(super::cost::TITLE).map(|table| cost::costs(run, &table));
    let mut charts = charts::charts(run);
    charts.extend(packets::sizes(run));
    charts.extend(loaded::latencies(run));
    charts.extend(sweep::sweeps(run));
    charts.extend(transfers::charts(run));
    let charts = page! { div.charts { @for chart in &charts { (chart) } } };
    let how =
        page! { p.how { "Headers to scale, in bytes; the inner packet goes on to the right." } };
    let packets = page! { (how) (anatomy::anatomy(run)) };
    let tried = run.variants.iter().any(|v| v.isolation.is_some());
    let linked = run.variants.iter().any(|v| !v.links.is_empty());
    let drawings = [
        (super::events::TITLE, timeline::timeline(run)),
        ("Charts", Some(charts).filter(|c| c.0.contains("<figure"))),
        (super::cost::TITLE, costs),
        ("Packets on the wire", Some(packets).filter(|_| measured)),
        ("Captured packets", bytes::bytes(run)),
        ("Where the bytes go", ledger::ledger(run)),
        (super::ledger::TITLE, weighed),
        ("Attacks", attacks::attacks(run)),
        ("Expectations", (!run.expectations.is_empty()).then(|| tables::expectations(run))),
        ("Isolation", tried.then(|| tables::isolation(run))),
        ("Load of the links", heat::heat(run)),
    ];
    out.extend(drawings.into_iter().filter_map(|(title, content)| Some(shown(title, content?))));
    // The table of events stands below their drawing.
    let sheets = sheets.iter().filter(|s| s.title != super::events::TITLE);
    out.extend(sheets.map(|s| shown(s.title, tables::sheet(s))));
    let details = [
        ("Underlay links in figures", linked.then(|| tables::links(run))),
        ("Frames dropped at the edges", tables::counters(run, "Reason", |v| &v.drops)),
        ("MAC table entries at the end", tables::counters(run, "Node", |v| &v.tables)),
    ];
    let details = details.into_iter().filter_map(|(title, content)| Some(shown(title, content?)));
    out.extend(details.map(|section| Section { closed: true, ..section }));
    out.extend(listed("Notes", &run.notes));
    out.extend(listed("Machine", &words::machine(run)));
    out.extend(listed("Method", &words::METHOD.map(str::to_owned)));
    out
}

/// The table for the wall, on a sheet of its own in print.
fn against(run: &RunResult, versus: &super::versus::Versus<'_>) -> Section {
    let all = colors(run);
    let place = |v: &&crate::measure::result::VariantResult| {
        run.variants.iter().position(|other| other.name == v.name).and_then(|n| all.get(n))
    };
    let colors: Vec<u8> = versus.columns.iter().map(|v| place(v).copied().unwrap_or(0)).collect();
    shown(super::versus::TITLE, super::versus::html(run, versus, &colors))
}

fn shown(title: &str, content: Markup) -> Section {
    Section { title: title.to_owned(), content, prose: false, closed: false }
}

/// A part that is a list of sentences, the first ones open; `None` where there are none.
fn listed(title: &str, lines: &[String]) -> Option<Section> {
    let open = if lines.len() > LONG { LONG / 2 } else { lines.len() };
    let (open, rest) = lines.split_at(open);
    let list = |lines: &[String]| page! { ul { @for line in lines { li { (line) } } } };
    let content = page! {
        (list(open))
        @if !rest.is_empty() {
            details.rest { summary { (rest.len()) " more" } (list(rest)) }
        }
    };
    (!lines.is_empty()).then(|| Section { prose: true, ..shown(title, content) })
}

/// The name by which the table of contents finds a part.
fn anchor(title: &str) -> String {
    title
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect()
}

fn contents(sections: &[Section]) -> Markup {
    page! {
        nav aria-label="Contents" {
            ul { @for s in sections { li { a href={ "#" (anchor(&s.title)) } { (s.title) } } } }
        }
    }
}

fn drawn(section: &Section) -> Markup {
    let prose = section.prose.then_some("prose");
    page! {
        section id=(anchor(&section.title)) class=[prose] {
            @if section.closed {
                details { summary { h2 { (section.title) } } (section.content) }
            } @else {
                h2 { (section.title) }
                (section.content)
            }
        }
    }
}

fn key_figures(run: &RunResult) -> Markup {
    let keys = super::key::keys(run);
    page! {
        @if !keys.is_empty() {
            ul.keys { @for key in &keys {
                li { b { (key.value) } " " (key.what) " " small { (key.sure) } }
            } }
        }
    }
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
                (style::GREYS, style::HUES * style::CYCLES, &mut carried)
            };
            let color = base + *next % size;
            *next = (*next + 1) % size;
            color
        })
        .collect()
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
