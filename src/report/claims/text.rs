//! The wall for a terminal and as Markdown.

use std::fmt::Write as _;

use super::super::markdown::escape;
use super::super::terminal::{Paint, plain, wrap};
use super::{Row, State, Wall, found, summary};

/// Verdicts shown per lab on a terminal.
const FIGURES: usize = 2;

/// A block of lines per row, no wider than `width`.
#[must_use]
pub fn terminal(wall: &Wall, width: usize, color: bool) -> String {
    let paint = Paint(color);
    let width = width.clamp(40, 120);
    let mut out = String::new();
    let mut line = |head: &str, indent: usize, text: &str| {
        let room = width.saturating_sub(indent);
        let wrapped = wrap(&plain(text), room, &" ".repeat(indent), str::to_owned);
        let _ = writeln!(out, "{head:indent$}{wrapped}");
    };
    for row in &wall.rows {
        line(&head(row), 6, &row.claim.says);
        line("", 6, &format!("theory: {}", row.claim.theory));
        if row.labs.is_empty() {
            line("", 6, "no lab");
        }
        for proof in &row.labs {
            let run = proof.run();
            let run = if run.is_empty() { run } else { format!(" ({run})") };
            line("", 6, &format!("{}{run}: {}", proof.lab, proof.count()));
            for verdict in proof.telling(FIGURES) {
                line("", 8, &found(verdict));
            }
        }
        for text in row.contradictions() {
            line("", 6, &format!("AGAINST THE LESSON: {text}"));
        }
        if let Some(note) = &row.claim.note {
            line("", 6, &format!("note: {note}"));
        }
        line("", 0, "");
    }
    for unread in &wall.unread {
        line("", 2, &format!("not read: {unread}"));
    }
    line("", 0, &summary(wall));
    painted(&out, wall, paint)
}

/// `✓ C10`.
fn head(row: &Row) -> String {
    format!("{} {:<4}", row.state.mark(), row.claim.id)
}

/// Colours whole lines, which keeps their widths.
fn painted(text: &str, wall: &Wall, paint: Paint) -> String {
    let heads: Vec<(String, State)> = wall.rows.iter().map(|row| (head(row), row.state)).collect();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let head = heads.iter().find(|(head, _)| line.starts_with(head.as_str()));
        let trimmed = line.trim_start();
        let shown = match head {
            Some((_, State::Failed)) => paint.with("1;31", line),
            Some((_, State::OutOfDate)) => paint.with("1;33", line),
            Some(_) => paint.bold(line),
            None if trimmed.starts_with("AGAINST THE LESSON") => paint.with("1;33", line),
            None if trimmed.starts_with("FAILED") => paint.with("31", line),
            None => line.to_owned(),
        };
        out.push_str(&shown);
        out.push('\n');
    }
    out
}

/// One table of all rows.
#[must_use]
pub fn markdown(wall: &Wall) -> String {
    let mut out =
        format!("# What the lesson claims, and what was measured\n\n{}\n\n", summary(wall));
    out.push_str("| Row | The lesson says | Theory | Lab | Measured | Verdict |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for row in &wall.rows {
        let (labs, measured) = cells(row);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {labs} | {measured} | {} {} |",
            row.claim.id,
            escape(&row.claim.says),
            escape(&row.claim.theory),
            row.state.mark(),
            row.state.words()
        );
    }
    for unread in &wall.unread {
        let _ = writeln!(out, "\nNot read: {}", escape(unread));
    }
    out
}

fn cells(row: &Row) -> (String, String) {
    let (mut labs, mut measured) = (Vec::new(), Vec::new());
    for proof in &row.labs {
        let run = proof.run();
        let run = if run.is_empty() { run } else { format!(" ({})", escape(&run)) };
        labs.push(format!("{}{run}: {}", escape(&proof.lab), proof.count()));
        measured.extend(proof.telling(FIGURES).into_iter().map(|v| escape(&found(v))));
    }
    let against = row.contradictions().into_iter();
    measured.extend(against.map(|text| format!("**Against the lesson:** {}", escape(text))));
    measured.extend(row.claim.note.iter().map(|note| format!("Note: {}", escape(note))));
    (labs.join("<br>"), measured.join("<br>"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::wall;
    use super::*;

    #[test]
    fn a_terminal_of_any_width_shows_every_row() {
        for width in [40, 80, 200] {
            let text = terminal(&wall(), width, false);
            assert!(text.lines().all(|l| l.chars().count() <= width), "{width}: {text}");
            for word in
                ["✓ C1 ", "✗ C2 ", "· C3 ", "– C4 ", "↻ C6 ", "AGAINST THE LESSON", "FAILED: vxlan"]
            {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        let coloured = terminal(&wall(), 80, true);
        assert!(coloured.contains("\x1b[1;31m✗ C2"), "{coloured}");
    }

    #[test]
    fn markdown_has_a_line_per_row() {
        let text = markdown(&wall());
        assert_eq!(text.lines().filter(|l| l.starts_with("| C")).count(), 6);
        for part in [
            "2026-01-02 03:04 +00:00, overlab 0.1.0 (0123456789ab)",
            "OUT OF DATE",
            "↻ out of date",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<b>") && text.contains("**Against the lesson:**"), "{text}");
    }
}
