//! A difference as text.

use std::fmt::Write as _;

use super::super::markdown::{escape, table};
use super::super::number::{bounds, fixed};
use super::super::terminal::wrap;
use super::{Diff, Figure, Told};

impl Diff {
    /// For a terminal of so many columns. Ends with a line feed.
    #[must_use]
    pub fn terminal(&self, width: usize) -> String {
        let width = width.max(40);
        let mut out = String::new();
        for (run, which) in self.runs.iter().zip(["earlier", "later"]) {
            let _ = writeln!(
                out,
                "{which:8} {} ({}, {})",
                plain(&run.title),
                plain(&run.lab),
                plain(&run.started)
            );
        }
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{title}");
            }
            for line in lines {
                let text = wrap(&plain(&line), width.saturating_sub(2), "  ", str::to_owned);
                let _ = writeln!(out, "· {text}");
            }
        };
        section("Before comparing", self.cautions.clone());
        section("Figures", self.figures.iter().map(sentence).collect());
        section("Other changes", self.changes.iter().map(change).collect());
        section("Only in one of them", self.only.clone());
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    /// GitHub-flavoured Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::from("# What changed between two runs\n\n");
        for (run, which) in self.runs.iter().zip(["Earlier", "Later"]) {
            let (title, lab) = (escape(&run.title), escape(&run.lab));
            let _ = writeln!(out, "- {which}: {title} ({lab}, {})", escape(&run.started));
        }
        let _ = writeln!(out, "\n**{}**\n", escape(&self.summary()));
        for (title, lines) in
            [("Before comparing", &self.cautions), ("Only in one of them", &self.only)]
        {
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(out, "## {title}\n");
            for line in lines {
                let _ = writeln!(out, "- {}", escape(line));
            }
            out.push('\n');
        }
        if !self.figures.is_empty() {
            out.push_str("## Figures\n\n");
            let head = ["Variant", "Flow", "Figure", "Earlier", "Later", "Later / earlier", "Told"];
            let rows: Vec<Vec<String>> = self.figures.iter().map(row).collect();
            table(&mut out, &head.map(Into::into), &rows);
        }
        if !self.changes.is_empty() {
            out.push_str("## Other changes\n\n");
            let row = |c: &super::Change| {
                [&c.variant, &c.what, &c.before, &c.after].map(|cell| escape(cell)).to_vec()
            };
            let rows: Vec<Vec<String>> = self.changes.iter().map(row).collect();
            table(&mut out, &["Variant", "What", "Earlier", "Later"].map(Into::into), &rows);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// One line that says how many of what changed.
    #[must_use]
    pub fn summary(&self) -> String {
        let told = self.figures.iter().filter(|f| matches!(f.told, Told::Larger | Told::Smaller));
        let worse = self.changes.iter().filter(|c| c.worse).count();
        format!(
            "{} of {} figures differ measurably; {} other changes, {worse} of them for the worse.",
            told.count(),
            self.figures.len(),
            self.changes.len()
        )
    }
}

pub(super) fn told(figure: &Figure) -> &'static str {
    match figure.told {
        Told::Larger => "larger",
        Told::Smaller => "smaller",
        Told::NoDifference => "no difference measurable",
        Told::TooFewRounds => "too few rounds to tell",
    }
}

fn ratio(figure: &Figure) -> String {
    let within = figure.interval.map(|i| format!(" {}", bounds(i))).unwrap_or_default();
    format!("{}{within}", fixed(figure.ratio, 2))
}

fn sentence(figure: &Figure) -> String {
    let (name, [before, after]) = figure.shown();
    format!(
        "{}, {}: {name} {before} → {after}, {} times: {}",
        figure.variant,
        figure.flow,
        ratio(figure),
        told(figure)
    )
}

fn row(figure: &Figure) -> Vec<String> {
    let (name, [before, after]) = figure.shown();
    let told = match figure.told {
        Told::Larger | Told::Smaller => format!("**{}**", told(figure)),
        _ => told(figure).to_owned(),
    };
    let (variant, flow) = (escape(&figure.variant), escape(&figure.flow));
    vec![variant, flow, name.to_owned(), before, after, escape(&ratio(figure)), told]
}

fn change(change: &super::Change) -> String {
    let worse = if change.worse { " (for the worse)" } else { "" };
    format!("{}, {}: {} → {}{worse}", change.variant, change.what, change.before, change.after)
}

/// A text from a lab without what would steer a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
