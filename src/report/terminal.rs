//! The report for a terminal.

use std::fmt::Write as _;

use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::{Modify, Padding, Panel, Style, Width};

use super::columns::columns;
use super::files::Files;
use super::table::{Cell, Group, Tone, side_by_side};
use super::{overlay, parts, ranking, words};
use crate::measure::result::{RunResult, VariantResult};

/// Narrowest column of a variant: `no difference` and `0 of 96 leaked` fit.
const COLUMN: usize = 15;
/// Widest column of a variant: wider ones only pull the figures apart.
const WIDEST: usize = 30;
/// Column of the figures' names, its gap included.
const NAMES: usize = 14;
/// Narrowest terminal that is laid out for.
const NARROWEST: usize = 32;

/// Paints where colours are wanted.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub bool);

impl Paint {
    pub(super) fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
    fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => self.bold(text),
            Tone::Good => self.with("1;32", text),
            Tone::Bad => self.with("1;31", text),
            Tone::Unclear => self.with("33", text),
            Tone::Absent => self.dim(text),
        }
    }
}

/// The report in `width` columns; escape codes only with `color`. Ends with a line feed.
#[must_use]
pub fn terminal(run: &RunResult, width: usize, color: bool) -> String {
    let width = width.max(NARROWEST);
    let paint = Paint(color);
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(wrap(&plain(&run.title), width, "", |t| paint.bold(t)));
    let head = words::headline(run);
    if let Some(warning) = head.warning {
        line(wrap(warning, width, "", |t| paint.tone(Tone::Bad, t)));
    }
    line(wrap(&head.text, width, "", |t| paint.tone(head.tone, t)));
    for failed in &head.failed {
        line(bullet("✗", failed, width, |t| paint.with("31", t)));
    }
    if let Some(versus) = super::versus::versus(run) {
        line(String::new());
        line(paint.bold(super::versus::TITLE));
        super::versus::terminal(&versus, width).into_iter().for_each(&mut line);
    }
    let groups = side_by_side(run);
    // The last column needs no gap behind it.
    let fit = ((width + 2).saturating_sub(NAMES) / (COLUMN + 2)).max(1);
    for (index, variants) in run.variants.chunks(fit).enumerate() {
        line(String::new());
        line(table(variants, index * fit, &groups, width, paint));
    }
    section(&mut line, &ranking::title(run), ranking::sentences(run), width, paint);
    for (title, lines) in parts::LINES {
        section(&mut line, title, lines(run), width, paint);
    }
    if !run.expectations.is_empty() {
        line(String::new());
        line(paint.bold("Expectations"));
    }
    for e in &run.expectations {
        let claim = e.claim.as_ref().map(|c| format!("[{c}] ")).unwrap_or_default();
        let text = format!("{claim}{}: {} ({})", e.variant, e.what, e.figures());
        let (mark, tone) = if e.held { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        line(bullet(&paint.tone(tone, mark), &text, width, str::to_owned));
    }
    for sheet in overlay::sheets(run) {
        line(String::new());
        line(paint.bold(sheet.title));
        line(columns(&sheet, width));
    }
    section(&mut line, "Frames dropped at the edges", drops(run), width, paint);
    section(&mut line, "Notes", run.notes.clone(), width, paint);
    section(&mut line, "Machine", words::machine(run), width, paint);
    out
}

/// The closing lines: where the files are.
#[must_use]
pub fn closing(files: &Files, color: bool) -> String {
    let paint = Paint(color);
    let [first, rest @ ..] = files.paths();
    let rest: Vec<String> = rest
        .iter()
        .map(|p| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()))
        .collect();
    format!(
        "Report: {}\n        {}\n",
        paint.bold(&first.display().to_string()),
        paint.dim(&format!("beside it {}", rest.join(", ")))
    )
}

fn section(
    line: &mut impl FnMut(String),
    title: &str,
    texts: Vec<String>,
    width: usize,
    paint: Paint,
) {
    if texts.is_empty() {
        return;
    }
    line(String::new());
    line(wrap(title, width, "", |part| paint.bold(part)));
    for text in texts {
        line(bullet("·", &text, width, str::to_owned));
    }
}

fn drops(run: &RunResult) -> Vec<String> {
    run.variants
        .iter()
        .filter_map(|v| {
            let reasons: Vec<String> = v
                .drops
                .iter()
                .filter(|(_, n)| **n > 0)
                .map(|(reason, n)| format!("{reason} {}", super::number::count(*n)))
                .collect();
            (!reasons.is_empty()).then(|| format!("{}: {}", v.name, reasons.join(", ")))
        })
        .collect()
}

/// The side-by-side table of some of the variants, `first` being the place of the first of them.
fn table(
    variants: &[VariantResult],
    first: usize,
    groups: &[Group],
    width: usize,
    paint: Paint,
) -> String {
    let shown = variants.len();
    let column = ((width + 2).saturating_sub(NAMES) / shown.max(1)).saturating_sub(2);
    let column = column.clamp(8, WIDEST);
    let mut builder = Builder::default();
    let names: Vec<String> = variants
        .iter()
        .map(|v| wrap(&plain(&v.name), column, "", |part| paint.bold(part)))
        .collect();
    let header = names.iter().map(|n| n.lines().count()).max().unwrap_or(1).max(1);
    builder.push_record(std::iter::once(String::new()).chain(names));
    let mut titles = Vec::new();
    let mut at = 1;
    for group in groups {
        titles.push((at, plain(&group.title)));
        at += group.rows.len() + 1;
        for row in &group.rows {
            let cells = row.cells.iter().skip(first).take(shown).map(|c| cell(c, column, paint));
            builder.push_record(std::iter::once(row.figure.clone()).chain(cells));
        }
    }
    let mut table = builder.build();
    table
        .with(Style::empty())
        .with(Padding::new(0, 2, 0, 0))
        .with(Modify::new(Columns::new(1..)).with(Width::wrap(column).keep_words(true)))
        .with(Modify::new(Columns::new(1..)).with(Width::increase(column)))
        .with(Modify::new(Columns::first()).with(Width::wrap(NAMES - 2).keep_words(true)));
    for (at, title) in &titles {
        table.with(Panel::horizontal(*at, paint.with("1;36", title)));
    }
    for (at, _) in &titles {
        table.with(Modify::new(Rows::one(*at)).with(Width::wrap(width)));
    }
    let text = table.to_string();
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let rule = "─".repeat((NAMES + shown * (column + 2) - 2).min(width));
    lines.insert(header.min(lines.len()), &rule);
    lines.join("\n")
}

/// A cell's pieces, on as few lines as fit.
fn cell(cell: &Cell, column: usize, paint: Paint) -> String {
    let mut lines = vec![(plain(&cell.main), 0)];
    let pieces = [&cell.ratio, &cell.spread, &cell.note];
    for (piece, dim) in pieces.into_iter().zip([1, 2, 2]) {
        let Some(piece) = piece else { continue };
        let piece = plain(piece);
        for part in wrap(&piece, column, "", str::to_owned).lines() {
            lines.push((part.to_owned(), dim));
        }
    }
    let mut out = String::new();
    for (index, (text, kind)) in lines.iter().enumerate() {
        let text = match kind {
            // It is the comparison that cannot be told, not the figure.
            0 if cell.ratio.is_some() => paint.bold(text),
            0 => paint.tone(cell.tone, text),
            1 if cell.tone == Tone::Unclear => paint.tone(Tone::Unclear, text),
            1 => text.clone(),
            _ => paint.dim(text),
        };
        let _ = write!(out, "{}{text}", if index == 0 { "" } else { "\n" });
    }
    out
}

fn bullet(mark: &str, text: &str, width: usize, paint: impl Fn(&str) -> String) -> String {
    format!("{mark} {}", wrap(&plain(text), width.saturating_sub(2), "  ", paint))
}

/// Breaks a text at spaces so that no line is wider than `width`; further lines are indented.
pub(super) fn wrap(
    text: &str,
    width: usize,
    indent: &str,
    paint: impl Fn(&str) -> String,
) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut word = word;
        loop {
            let used = lines.last().map_or(0, |l| l.chars().count());
            let length = word.chars().count();
            if used == 0 && length > width.max(1) {
                // A word wider than the line is cut.
                let cut = word.char_indices().nth(width.max(1)).map_or(word.len(), |(i, _)| i);
                lines.pop();
                lines.push(word[..cut].to_owned());
                lines.push(String::new());
                word = &word[cut..];
            } else if used > 0 && used + 1 + length > width {
                lines.push(String::new());
            } else {
                if let Some(last) = lines.last_mut() {
                    if used > 0 {
                        last.push(' ');
                    }
                    last.push_str(word);
                }
                break;
            }
        }
    }
    lines.iter().map(|l| paint(l)).collect::<Vec<_>>().join(&format!("\n{indent}"))
}

/// A text from a lab without what would steer the terminal or break a line.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_keeps_the_width_and_the_words() {
        assert_eq!(wrap("one two three", 7, "  ", str::to_owned), "one two\n  three");
        assert_eq!(wrap("abcdefgh ij", 3, "", str::to_owned), "abc\ndef\ngh\nij");
        assert_eq!(wrap("", 3, "", str::to_owned), "");
    }

    #[test]
    fn escape_codes_of_a_lab_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\nc"), "a [31mb c");
    }
}
