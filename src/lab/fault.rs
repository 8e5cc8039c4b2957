//! What is wrong with a file, for people and for programs.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest part of a source line that is shown, in characters.
const SHOWN: usize = 120;

/// One thing that is wrong in a lab or topology file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file as the user named it.
    pub file: String,
    /// Line, counted from 1; absent where the fault is of the whole file.
    pub line: Option<u32>,
    /// Column in characters, counted from 1.
    pub column: Option<u32>,
    /// Where in the document, e.g. `tenants[1].vni`; empty for the document itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The line itself; absent where `line` is.
    pub source: Option<String>,
}

/// All that is wrong in a lab and its topology, in the order of the files; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl Fault {
    /// A fault of a file as a whole.
    #[must_use]
    pub fn whole(file: &str, message: impl Into<String>) -> Fault {
        Fault {
            file: file.to_owned(),
            line: None,
            column: None,
            path: String::new(),
            message: message.into(),
            source: None,
        }
    }
}

impl Faults {
    /// The only fault, of a file as a whole.
    pub(super) fn whole(file: &str, message: impl Into<String>) -> Faults {
        Faults(vec![Fault::whole(file, message)])
    }
}

impl fmt::Display for Fault {
    /// `file:line:column: path: message`, then the line with a mark under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", printable(&self.path))?;
        }
        writeln!(f, ": {}", printable(&self.message))?;
        if let (Some(line), Some(column), Some(source)) = (self.line, self.column, &self.source) {
            let (shown, before) = window(source, column.saturating_sub(1) as usize);
            let number = line.to_string();
            writeln!(f, "    {number} | {shown}")?;
            writeln!(f, "    {:width$} | {before}^", "", width = number.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Faults {
    /// Every fault, then how many there are and that nothing came of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            fault.fmt(f)?;
        }
        let files: BTreeSet<&str> = self.0.iter().map(|fault| fault.file.as_str()).collect();
        let files: Vec<&str> = files.into_iter().collect();
        let faults = counted(self.0.len(), "fault");
        write!(f, "{faults} in {}; nothing was built", files.join(" and "))
    }
}

/// `1 host`, `2 hosts`.
#[must_use]
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The text without characters that would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The part of a line around a column, and the blanks that lead to that column.
fn window(source: &str, column: usize) -> (String, String) {
    let all: Vec<char> = printable(source.trim_end()).chars().collect();
    let start = if all.len() > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
    let end = all.len().min(start.saturating_add(SHOWN));
    let part = all.get(start..end).unwrap_or_default();
    let (head, tail) = (if start > 0 { "…" } else { "" }, if end < all.len() { "…" } else { "" });
    let shown = format!("{head}{}{tail}", part.iter().collect::<String>());
    // A tab stays a tab, so that the mark stands under its place however wide tabs are.
    let lead = shown.chars().chain(std::iter::repeat(' '));
    let width = column.saturating_sub(start) + head.chars().count();
    let width = width.min(SHOWN + 2);
    (shown.clone(), lead.take(width).map(|c| if c == '\t' { c } else { ' ' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(source: &str, column: u32) -> Fault {
        Fault {
            file: "x.yaml".into(),
            line: Some(7),
            column: Some(column),
            path: "a.b".into(),
            message: "is wrong".into(),
            source: Some(source.into()),
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!((counted(1, "host"), counted(2, "host")), ("1 host".into(), "2 hosts".into()));
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        let text = fault("  vni: 5", 8).to_string();
        assert_eq!(text, "x.yaml:7:8: a.b: is wrong\n    7 |   vni: 5\n      |        ^\n");
        let text = fault("\tvni: 5", 7).to_string();
        assert!(text.ends_with("      | \t     ^\n"), "{text:?}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let long = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let text = fault(&long, 501).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let place = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(place), Some('X'), "{text}");
        assert!(lines[1].chars().count() < 140);
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert!(!fault("a: \u{1b}[2J", 2).to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_fault_of_a_whole_file_has_no_line() {
        let text = Faults::whole("x.yaml", "cannot be read").to_string();
        assert_eq!(text, "x.yaml: cannot be read\n1 fault in x.yaml; nothing was built");
    }
}
