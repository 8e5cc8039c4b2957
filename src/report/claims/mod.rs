//! The wall: every row of the lesson with its labs, theory's figure, what was measured, the verdict.
//!
//! The caller fills a [`Wall`] from labs and results; here it is counted and drawn, as text for a
//! terminal, Markdown, JSON or one HTML page.

mod html;
mod text;

use schemars::JsonSchema;
use serde::Serialize;

use crate::measure::result::{ClaimResult, Verdict};

pub use html::html;
pub use text::{markdown, terminal};

/// All rows.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Wall {
    /// In the lesson's order.
    pub rows: Vec<Row>,
    /// Files that could not be read, each with the reason.
    pub unread: Vec<String>,
}

/// One row of the lesson.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Row {
    /// What the lesson says.
    #[serde(flatten)]
    pub claim: ClaimResult,
    /// What became of it.
    pub state: State,
    /// The labs that name it.
    pub labs: Vec<Proof>,
}

/// What one lab found out about a row.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Proof {
    /// The lab's name: its file without directory and ending.
    pub lab: String,
    /// When its newest run began, RFC 3339; absent where there is no result.
    pub started: Option<String>,
    /// The program that ran it: version and commit; absent where there is no result.
    pub program: Option<String>,
    /// Whether the lab, or a topology that it names, was changed since: what it expects now was not checked.
    pub out_of_date: bool,
    /// The verdicts about this row in that run.
    pub verdicts: Vec<Verdict>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All that its labs expect of it held when they last ran.
    Held,
    /// Something did not.
    Failed,
    /// A lab was changed after its newest run.
    OutOfDate,
    /// There are labs, and no results of them.
    NotRun,
    /// Some of its labs held, others have no results.
    Partly,
    /// No lab is about it.
    NoLab,
}

impl State {
    /// The state in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Failed => "FAILED",
            State::OutOfDate => "out of date",
            State::NotRun => "not run",
            State::Partly => "held so far",
            State::NoLab => "no lab",
        }
    }

    pub(super) const fn mark(self) -> &'static str {
        match self {
            State::Held | State::Partly => "✓",
            State::Failed => "✗",
            State::OutOfDate => "↻",
            State::NotRun => "·",
            State::NoLab => "–",
        }
    }
}

impl Row {
    /// A row and what its labs found.
    #[must_use]
    pub fn new(claim: ClaimResult, labs: Vec<Proof>) -> Row {
        let verdicts = || labs.iter().flat_map(|proof| &proof.verdicts);
        let run = labs.iter().filter(|proof| !proof.verdicts.is_empty()).count();
        let state = match (labs.len(), run) {
            (0, _) => State::NoLab,
            _ if verdicts().any(|v| !v.held) => State::Failed,
            _ if labs.iter().any(|proof| proof.out_of_date) => State::OutOfDate,
            (_, 0) => State::NotRun,
            (all, run) if run < all => State::Partly,
            _ => State::Held,
        };
        Row { claim, state, labs }
    }

    /// What measurement has against the lesson, without repetition.
    #[must_use]
    pub fn contradictions(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for verdict in self.labs.iter().flat_map(|proof| &proof.verdicts) {
            out.extend(verdict.contradicts.as_deref().filter(|text| !out.contains(text)));
        }
        out
    }
}

impl Wall {
    /// Whether every row that has labs was proved by the newest run of each, and all files could be read.
    #[must_use]
    pub fn proved(&self) -> bool {
        let proved = |row: &Row| matches!(row.state, State::Held | State::NoLab);
        self.unread.is_empty() && self.rows.iter().all(proved)
    }
}

impl Proof {
    /// `7 of 7 held`, or that there is no result.
    fn count(&self) -> String {
        let changed =
            if self.out_of_date { ", OUT OF DATE: the lab was changed since" } else { "" };
        if self.verdicts.is_empty() && self.started.is_none() {
            return "no result".to_owned();
        }
        let held = self.verdicts.iter().filter(|v| v.held).count();
        format!("{held} of {} held{changed}", self.verdicts.len())
    }

    /// When the run began, `2026-01-02 03:04 +00:00`, and what ran it; empty without one.
    fn run(&self) -> String {
        let Some(at) = self.started.as_deref() else { return String::new() };
        let parts = (at.get(..10), at.get(11..16), at.get(19..));
        let when = match parts {
            (Some(day), Some(time), Some(zone)) => format!("{day} {time} {zone}"),
            _ => at.to_owned(),
        };
        let program = self.program.iter().map(|program| format!(", overlab {program}"));
        when + &program.collect::<String>()
    }

    /// The figures that tell most, at most so many: what failed, then what goes against the lesson,
    /// then what has a figure of theory beside it, each kind of expectation once.
    fn telling(&self, most: usize) -> Vec<&Verdict> {
        let weight = |v: &Verdict| match v {
            v if !v.held => 0,
            v if v.contradicts.is_some() => 1,
            // That anything arrives at all is the ground of the others.
            v if v.what.starts_with("every VM of") => 4,
            v if v.theory.is_some() && v.measured.is_some() => 2,
            v if v.measured.is_some() => 3,
            _ => 4,
        };
        let mut all: Vec<&Verdict> = self.verdicts.iter().collect();
        all.sort_by_key(|v| weight(v));
        let mut out: Vec<&Verdict> = Vec::new();
        for verdict in all {
            if out.len() < most && !out.iter().any(|v| v.held && v.what == verdict.what) {
                out.push(verdict);
            }
        }
        out
    }
}

/// What was measured: `vxlan: each packet grows by 50 bytes: theory 50 B, measured 50.00 B`.
fn found(verdict: &Verdict) -> String {
    let figures = match (&verdict.theory, &verdict.measured) {
        (Some(theory), Some(measured)) => format!("theory {theory}, measured {measured}"),
        (None, Some(measured)) => format!("measured {measured}"),
        _ => verdict.detail.clone(),
    };
    let failed = if verdict.held { "" } else { "FAILED: " };
    format!("{failed}{}: {} ({figures})", verdict.variant, verdict.what)
}

/// `27 rows held, 1 failed, 2 have no lab`.
fn summary(wall: &Wall) -> String {
    let of = |state| wall.rows.iter().filter(|row| row.state == state).count();
    let mut parts = Vec::new();
    for (count, words) in [
        (of(State::Held), "held"),
        (of(State::Partly), "held so far, with labs not run yet"),
        (of(State::Failed), "failed"),
        (of(State::OutOfDate), "out of date"),
        (of(State::NotRun), "not run yet"),
        (of(State::NoLab), "without a lab"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    format!("{} rows of the lesson: {}.", wall.rows.len(), parts.join(", "))
}

/// The wall as JSON.
///
/// # Errors
/// None in practice: all of it serialises.
pub fn json(wall: &Wall) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(wall)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn wall() -> Wall {
        let claim = |id: &str| ClaimResult {
            id: id.into(),
            says: "VXLAN sends a zero checksum.".into(),
            theory: "0".into(),
            note: None,
        };
        let verdict = |what: &str, held: bool| Verdict {
            what: what.into(),
            variant: "vxlan".into(),
            held,
            theory: Some("1".into()),
            measured: Some("2".into()),
            ..Verdict::default()
        };
        let proof = |verdicts: Vec<Verdict>| Proof {
            lab: "sums".into(),
            started: (!verdicts.is_empty()).then(|| "2026-01-02T03:04:05+00:00".into()),
            program: (!verdicts.is_empty()).then(|| "0.1.0 (0123456789ab)".into()),
            out_of_date: false,
            verdicts,
        };
        let against = Verdict {
            contradicts: Some("It sends one that is not zero.".into()),
            ..verdict("sent", true)
        };
        let held = proof(vec![verdict("a", true), verdict("a", true), against]);
        Wall {
            rows: vec![
                Row::new(claim("C1"), vec![held.clone()]),
                Row::new(claim("C2"), vec![held.clone(), proof(vec![verdict("<b>", false)])]),
                Row::new(claim("C3"), vec![proof(Vec::new())]),
                Row::new(claim("C4"), Vec::new()),
                Row::new(claim("C5"), vec![held.clone(), proof(Vec::new())]),
                Row::new(claim("C6"), vec![Proof { out_of_date: true, ..held }]),
            ],
            unread: Vec::new(),
        }
    }

    #[test]
    fn rows_are_judged_by_all_their_labs() {
        use State::{Failed, Held, NoLab, NotRun, OutOfDate, Partly};
        let wall = wall();
        let states: Vec<State> = wall.rows.iter().map(|row| row.state).collect();
        assert_eq!(states, [Held, Failed, NotRun, NoLab, Partly, OutOfDate]);
        assert!(!wall.proved());
        let row = |n: usize| Wall { rows: vec![wall.rows[n].clone()], unread: Vec::new() };
        let proved: Vec<bool> = (0..6).map(|n| row(n).proved()).collect();
        assert_eq!(proved, [true, false, false, true, false, false]);
        assert!(!Wall { unread: vec!["x".into()], ..row(0) }.proved());
        assert_eq!(wall.rows[0].contradictions(), ["It sends one that is not zero."]);
        let telling = wall.rows[0].labs[0].telling(9);
        assert_eq!(telling.iter().map(|v| v.what.as_str()).collect::<Vec<_>>(), ["sent", "a"]);
        assert!(summary(&wall).contains("1 failed"), "{}", summary(&wall));
    }
}
