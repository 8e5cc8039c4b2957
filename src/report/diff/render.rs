//! A difference as text.

use std::fmt::Write as _;

use super::super::markdown::{escape, table};
use super::super::number::{NONE, Unit, bounds, fixed};
use super::super::terminal::{plain, wrap};
use super::{Diff, Figure, Gate, Told, What};

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
        section("Only in the later", self.only.clone());
        for text in [self.summary(), self.together()] {
            let _ = writeln!(out, "\n{}", wrap(&text, width, "", str::to_owned));
        }
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
        let _ = writeln!(out, "{}\n", escape(&self.together()));
        for (title, lines) in
            [("Before comparing", &self.cautions), ("Only in the later", &self.only)]
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
                let after = escape(&c.after);
                let after = if c.worse { format!("**{after}** (worse)") } else { after };
                vec![escape(&c.variant), escape(&c.what), escape(&c.before), after]
            };
            let rows: Vec<Vec<String>> = self.changes.iter().map(row).collect();
            table(&mut out, &["Variant", "What", "Earlier", "Later"].map(Into::into), &rows);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// What differs, each figure by itself.
    #[must_use]
    pub fn summary(&self) -> String {
        let told = self.figures.iter().filter(|f| matches!(f.told, Told::Larger | Told::Smaller));
        let by_round = self.figures.iter().filter(|f| f.told != Told::NotByRound);
        let worse = self.changes.iter().filter(|c| c.worse).count();
        format!(
            "{} of {} figures differ measurably, each by itself; {} other changes, {worse} of them for the worse.",
            told.count(),
            by_round.count(),
            self.changes.len()
        )
    }

    /// What ratios say when they are held together: what `--fail-on-regression` goes by, beside changes for the worse.
    #[must_use]
    pub fn together(&self) -> String {
        let Gate { level, judged, unjudged, worse } = self.gate;
        let figures = if self.figures.iter().any(|f| f.what == What::RatioToPlain) {
            "ratios to the plain path"
        } else {
            "rates"
        };
        let mut out = if judged == 0 {
            format!("None of the {figures} can be judged for a regression.")
        } else {
            format!(
                "{worse} of {judged} {figures} are lower beyond chance, held together so that a run of the same would have any in at most {} of cases.",
                Unit::PERCENT.show(level)
            )
        };
        if unjudged > 0 {
            let _ = write!(
                out,
                " {unjudged} could not be judged: that takes at least three rounds in both runs."
            );
        }
        out
    }
}

pub(super) fn told(figure: &Figure) -> &'static str {
    match figure.told {
        _ if figure.worse => "smaller, beyond chance among all",
        Told::Larger => "larger",
        Told::Smaller => "smaller",
        Told::NoDifference => "no difference measurable",
        Told::TooFewRounds => "too few rounds to tell",
        Told::NotByRound => "of all rounds together, not judged",
    }
}

/// Later over earlier with its interval, or what a loss grew by.
pub(super) fn ratio(figure: &Figure) -> [String; 2] {
    let points = |v: f64| fixed(v * 100.0, 1);
    match (figure.ratio, figure.interval) {
        (_, within) if figure.what == What::Loss => {
            let grew = figure.after - figure.before;
            let sign = if grew > 0.0 { "+" } else { "" };
            let within = within.map(|i| format!("[{}–{}]", points(i.low), points(i.high)));
            [format!("{sign}{} points", points(grew)), within.unwrap_or_default()]
        }
        (Some(ratio), within) => [fixed(ratio, 2), within.map(bounds).unwrap_or_default()],
        (None, _) => [NONE.to_owned(), "(the earlier is 0)".to_owned()],
    }
}

fn sentence(figure: &Figure) -> String {
    let (name, [before, after]) = figure.shown();
    let [change, within] = ratio(figure);
    let times = if figure.ratio.is_some() { " times" } else { "" };
    let change = format!("{change} {within}");
    format!(
        "{}, {}: {name} {before} → {after}, {}{times}: {}",
        figure.variant,
        figure.flow,
        change.trim_end(),
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
    let change = ratio(figure).join(" ");
    vec![variant, flow, name.to_owned(), before, after, escape(change.trim_end()), told]
}

fn change(change: &super::Change) -> String {
    let worse = if change.worse { " (for the worse)" } else { "" };
    let whose = if change.variant.is_empty() { "" } else { ", " };
    format!("{}{whose}{}: {} → {}{worse}", change.variant, change.what, change.before, change.after)
}
