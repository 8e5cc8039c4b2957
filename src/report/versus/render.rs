//! The table in every format.

use std::fmt::Write as _;

use maud::{Markup, html as page};

use super::super::columns::grid;
use super::super::markdown::{escape, table};
use super::super::terminal::{plain, wrap};
use super::{Answer, Origin, Question, TITLE, Versus};
use crate::measure::result::RunResult;

/// Narrowest column of a carrier in a terminal.
const COLUMN: usize = 16;
/// Column of the questions.
const QUESTIONS: usize = 24;

/// How the table is to be read.
const HOW: &str = "Each column is one way to carry the same tenants over the same cables. Figures were measured in this run; those \
                   marked “computed” follow from the format or from the plan that the run was built by.";

/// Where and when, for a page that hangs alone.
fn source(run: &RunResult) -> String {
    format!(
        "{}, {}, {} ({} processors), overlab {}",
        run.lab, run.started, run.machine.kernel, run.machine.cpus, run.version
    )
}

fn question(q: &Question) -> String {
    let claim = if q.claim.is_empty() { String::new() } else { format!(" [{}]", q.claim) };
    let of = if q.of.is_empty() { String::new() } else { format!(", {}", q.of) };
    format!("{}{of}{claim}", q.what)
}

fn answer(a: &Answer) -> String {
    let mark = if a.origin == Origin::Computed { " (computed)" } else { "" };
    let note = if a.note.is_empty() { String::new() } else { format!("; {}", a.note) };
    format!("{}{mark}{note}", a.main)
}

/// Lines of at most `width` columns; carriers that do not fit stand below the others.
#[must_use]
pub fn terminal(versus: &Versus<'_>, width: usize) -> Vec<String> {
    let room = width.saturating_sub(QUESTIONS) / (COLUMN + 2);
    let mut out = Vec::new();
    for (part, columns) in versus.columns.chunks(room.max(1)).enumerate() {
        let first = part * room.max(1);
        let head = std::iter::once(String::new()).chain(columns.iter().map(|v| plain(&v.name)));
        let mut rows = vec![head.collect::<Vec<_>>()];
        for q in &versus.questions {
            let answers = q.answers.iter().skip(first).take(columns.len());
            let cells = answers.map(|a| plain(&answer(a)));
            rows.push(std::iter::once(plain(&question(q))).chain(cells).collect());
        }
        if part > 0 {
            out.push(String::new());
        }
        out.extend(grid(&rows, width));
    }
    let open = versus.open.iter().map(|open| format!("Not in this run: {}", plain(open)));
    out.extend(open.map(|line| wrap(&line, width, "", str::to_owned)));
    out
}

/// A part of the Markdown report.
#[must_use]
pub fn markdown(versus: &Versus<'_>) -> String {
    let mut out = format!("## {TITLE}\n\n{HOW}\n\n");
    let names = versus.columns.iter().map(|v| escape(&v.name));
    let head: Vec<String> = std::iter::once(String::new()).chain(names).collect();
    let row = |q: &Question| {
        let cells = q.answers.iter().map(|a| escape(&answer(a)));
        std::iter::once(escape(&question(q))).chain(cells).collect::<Vec<_>>()
    };
    table(&mut out, &head, &versus.questions.iter().map(row).collect::<Vec<_>>());
    for open in &versus.open {
        let _ = writeln!(out, "- Not in this run: {}", escape(open));
    }
    if !versus.open.is_empty() {
        out.push('\n');
    }
    out
}

/// A part of the page that prints on a sheet of its own; `colors` are those of the columns.
#[must_use]
pub fn html(run: &RunResult, versus: &Versus<'_>, colors: &[u8]) -> Markup {
    // Each row of the lesson is told where it stands first.
    let first = |n: usize, id: &str| !versus.questions.iter().take(n).any(|q| q.claim == id);
    let claim = |n: usize, id: &str| run.claims.iter().find(|c| c.id == id && first(n, id));
    page! {
        p.how { (HOW) " " (source(run)) "." }
        div.scroll role="region" aria-label=(TITLE) tabindex="0" {
            table.compare.versus style={ "--columns:" (versus.columns.len()) } {
                thead { tr {
                    td {}
                    @for (v, color) in versus.columns.iter().zip(colors) {
                        th scope="col" {
                            span.key.{ "v" (color) } {} (v.name)
                            small { @if v.fabric == "l2" { "switches" } @else { "routers" } " between hosts" }
                        }
                    }
                } }
                tbody {
                    @for (n, q) in versus.questions.iter().enumerate() {
                        tr {
                            th scope="row" {
                                strong { (q.what) }
                                @if !q.of.is_empty() { small { (q.of) } }
                                @if let Some(claim) = claim(n, q.claim) { small.says { (claim.id) ": " (claim.says) } }
                            }
                            @for (a, v) in q.answers.iter().zip(&versus.columns) {
                                td.absent[a.origin == Origin::None] data-of=(v.name) { div {
                                    b { (a.main) }
                                    @if a.origin == Origin::Computed { " " i { "computed" } }
                                    @if !a.note.is_empty() { small { (a.note) } }
                                } }
                            }
                        }
                    }
                }
            }
        }
        @if !versus.open.is_empty() { p.how { "Not in this run: " (versus.open.join("; ")) "." } }
    }
}
