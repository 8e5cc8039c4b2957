//! The report as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use super::apart::shown;
use super::figures::carried;
use super::number::{bytes, count, plural};
use super::overlay::{Sheet, sheets};
use super::table::{Tone, side_by_side};
use super::{parts, ranking, words};
use crate::measure::result::{RunResult, VariantResult};

/// The whole report.
#[must_use]
pub fn markdown(run: &RunResult) -> String {
    let mut out = format!("# {}\n\n", escape(&run.title));
    let head = words::headline(run);
    if let Some(warning) = head.warning {
        let _ = writeln!(out, "> ⚠ **{warning}**\n");
    }
    let mark = match head.tone {
        Tone::Good => "✓ ",
        Tone::Bad => "✗ ",
        Tone::Plain | Tone::Unclear | Tone::Absent => "",
    };
    let _ = writeln!(out, "**{mark}{}**\n", head.text);
    list(&mut out, &head.failed);
    if let Some(about) = &run.about {
        let _ = writeln!(out, "{}\n", escape(about));
    }
    let _ = writeln!(
        out,
        "Lab `{}`, started {}, overlab {} ({}), seed {}.\n",
        escape(&run.lab).replace('`', "'"),
        escape(&run.started),
        escape(&run.version),
        escape(&run.build),
        run.seed
    );
    if let Some(versus) = super::versus::versus(run) {
        out += &super::versus::markdown(&versus);
    }
    comparison(&mut out, run);
    sheet(&mut out, ranking::sheet(run));
    for (title, lines) in parts::LINES {
        section(&mut out, title, &lines(run));
    }
    expectations(&mut out, run);
    isolation(&mut out, run);
    links(&mut out, run);
    overlay(&mut out, run);
    section(&mut out, "Attacks: the packets", &super::attacks::packets(&run.variants));
    counters(&mut out, "Frames dropped at the edges", "Reason", run, |v| &v.drops);
    counters(&mut out, "MAC table entries at the end", "Node", run, |v| &v.tables);
    section(&mut out, "Notes", &run.notes);
    section(&mut out, "Machine", &words::machine(run));
    section(&mut out, "Method", &words::METHOD.map(str::to_owned));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(out, "## {title}\n");
        list(out, lines);
    }
}

fn list(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "- {}", escape(line));
    }
    if !lines.is_empty() {
        out.push('\n');
    }
}

/// A table with its header line; the first column left, the others as they come.
pub(super) fn table(out: &mut String, header: &[String], rows: &[Vec<String>]) {
    let _ = writeln!(out, "| {} |", header.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(header.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

fn comparison(out: &mut String, run: &RunResult) {
    if run.variants.is_empty() {
        out.push_str("No variant was measured.\n\n");
        return;
    }
    out.push_str("## Side by side\n\n");
    let header: Vec<String> = std::iter::once(String::new())
        .chain(run.variants.iter().map(|v| escape(&v.name)))
        .collect();
    let mut rows = Vec::new();
    for group in side_by_side(run) {
        let mut title = vec![format!("**{}**", escape(&group.title))];
        title.resize(header.len(), String::new());
        rows.push(title);
        for row in group.rows {
            let cells = row.cells.iter().map(|c| match c.tone {
                Tone::Bad => format!("**{}**", escape(&c.line())),
                _ => escape(&c.line()),
            });
            rows.push(std::iter::once(row.figure.clone()).chain(cells).collect());
        }
    }
    table(out, &header, &rows);
}

fn expectations(out: &mut String, run: &RunResult) {
    if run.expectations.is_empty() {
        return;
    }
    out.push_str("## Expectations\n\n");
    let rows: Vec<Vec<String>> = run
        .expectations
        .iter()
        .map(|e| {
            vec![
                if e.held { "✓ held" } else { "✗ **failed**" }.to_owned(),
                escape(&e.variant),
                escape(&e.what),
                escape(e.theory.as_deref().unwrap_or("")),
                escape(e.measured.as_deref().unwrap_or("")),
                escape(&e.detail),
                escape(e.claim.as_deref().unwrap_or("")),
            ]
        })
        .collect();
    table(
        out,
        &["", "Variant", "What must hold", "Theory", "Measured", "Detail", "Claim"].map(Into::into),
        &rows,
    );
}

fn isolation(out: &mut String, run: &RunResult) {
    let tried: Vec<_> =
        run.variants.iter().filter_map(|v| Some((v, v.isolation.as_ref()?))).collect();
    if tried.is_empty() {
        return;
    }
    out.push_str("## Isolation\n\n");
    let rows: Vec<Vec<String>> = tried
        .iter()
        .flat_map(|(v, i)| shown(i).into_iter().map(move |p| (v, p)))
        .map(|(v, p)| {
            vec![
                escape(&v.name),
                format!("{} → {}", escape(&p.from), escape(&p.to)),
                escape(&p.kind),
                format!("{} of {}", count(p.leaks), count(p.probes)),
            ]
        })
        .collect();
    table(out, &["Variant", "From → watched", "Kind", "Leaked"].map(Into::into), &rows);
    for (v, i) in tried {
        list(out, &i.evidence.iter().map(|e| format!("{}: {e}", v.name)).collect::<Vec<_>>());
    }
}

fn overlay(out: &mut String, run: &RunResult) {
    let tried = Some(super::attacks::sheet(&run.variants)).filter(|sheet| !sheet.rows.is_empty());
    sheet(out, sheets(run).into_iter().chain(tried));
}

/// Tables, each under its title.
fn sheet(out: &mut String, sheets: impl IntoIterator<Item = Sheet>) {
    for sheet in sheets {
        let _ = writeln!(out, "## {}\n", sheet.title);
        let head: Vec<String> = sheet.head.into_iter().map(str::to_owned).collect();
        let rows: Vec<Vec<String>> =
            sheet.rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
        table(out, &head, &rows);
    }
}

fn links(out: &mut String, run: &RunResult) {
    if run.variants.iter().all(|v| v.links.is_empty()) {
        return;
    }
    out.push_str("## Underlay links\n\n");
    let rows: Vec<Vec<String>> = run
        .variants
        .iter()
        .flat_map(|v| v.links.iter().map(move |l| (v, l)))
        .map(|(v, l)| {
            vec![
                escape(&v.name),
                escape(&l.name),
                bytes(l.bytes[0]),
                bytes(l.bytes[1]),
                plural(l.packets[0].saturating_add(l.packets[1]), "packet"),
                match (l.blocked, carried(l) > 0.0) {
                    (true, _) => "**blocked**".to_owned(),
                    (false, true) => "forwards".to_owned(),
                    (false, false) => "silent".to_owned(),
                },
            ]
        })
        .collect();
    table(
        out,
        &["Variant", "Link a-b", "a → b", "b → a", "Packets", "State"].map(Into::into),
        &rows,
    );
}

/// A table of counters by name and variant, of those that are not all zero.
fn counters(
    out: &mut String,
    title: &str,
    what: &str,
    run: &RunResult,
    of: fn(&VariantResult) -> &std::collections::BTreeMap<String, u64>,
) {
    let (variants, rows) = super::figures::counters(run, of);
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "## {title}\n");
    let header: Vec<String> =
        std::iter::once(what.to_owned()).chain(variants.iter().map(|v| escape(&v.name))).collect();
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, numbers)| {
            let cells =
                numbers.into_iter().map(|n| n.map_or(super::number::NONE.to_owned(), count));
            std::iter::once(escape(name)).chain(cells).collect()
        })
        .collect();
    table(out, &header, &rows);
}

/// Text that stays text: no markup, no table cell's end, no line's end.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '&' | '*' | '`' | '[' | ']' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(escape("a|b\n<c> *d*"), "a\\|b \\<c\\> \\*d\\*");
    }
}
