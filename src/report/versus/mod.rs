//! VLAN against overlay: the questions that a lecturer asks, and what this run answers, for every carrier.
//!
//! `rows` answers each question for one variant; here is decided whether there is enough to compare. The
//! formats draw the same cells.

mod figures;
mod render;
mod rows;

pub use figures::figures;
pub use render::{html, markdown, terminal};

use super::figures::encap;
use crate::ids::Encap;
use crate::measure::result::{RunResult, VariantResult};

/// The table's title.
pub const TITLE: &str = "VLAN against overlay";
/// Questions with answers on both sides, one of them measured, that are enough to show the table.
const ENOUGH: usize = 3;

/// One answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The figure with its unit.
    pub main: String,
    /// What belongs to it, or why there is none.
    pub note: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// Measured in this run.
    Measured,
    /// Computed from formats or the plan.
    Computed,
    /// There is none; the note says why.
    #[default]
    None,
}

/// One question, and its answers in the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub what: String,
    /// What of, where that is not plain.
    pub of: String,
    /// The lesson's row that it is about; empty where none fits.
    pub claim: &'static str,
    /// One answer per column.
    pub answers: Vec<Answer>,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct Versus<'a> {
    /// The carriers compared: tags first, then overlays.
    pub columns: Vec<&'a VariantResult>,
    /// What is asked and has an answer.
    pub questions: Vec<Question>,
    /// What has none in this run, and why.
    pub open: Vec<String>,
}

/// Whether tenants are told apart by tags.
fn is_tag(variant: &VariantResult) -> bool {
    encap(variant).is_some_and(Encap::is_tag)
}

/// The table; `None` where a run does not compare tags with an overlay, or answers too few questions
/// for both.
#[must_use]
pub fn versus(run: &RunResult) -> Option<Versus<'_>> {
    let carriers = run.variants.iter().filter(|v| encap(v) != Some(Encap::None));
    let (tags, overlays): (Vec<_>, Vec<_>) = carriers.partition(|v| is_tag(v));
    let split = tags.len();
    let columns = [tags, overlays].concat();
    let (questions, open): (Vec<Question>, Vec<Question>) = rows::all(run, &columns)
        .into_iter()
        .partition(|q| q.answers.iter().any(|a| a.origin != Origin::None));
    // That routers learn no address needs no measuring.
    let answered = |answers: &[Answer]| answers.iter().any(|a| a.origin != Origin::None);
    let measured = |q: &Question| q.answers.iter().any(|a| a.origin == Origin::Measured);
    let both = |q: &&Question| {
        let (tags, overlays) = q.answers.split_at(split.min(q.answers.len()));
        rows::DECIDE.contains(&q.what.as_str())
            && answered(tags)
            && answered(overlays)
            && measured(q)
    };
    if questions.iter().filter(both).count() < ENOUGH {
        return None;
    }
    let why = |q: &Question| q.answers.first().map_or("", |a| a.note.as_str()).to_owned();
    let open = open.iter().map(|q| format!("{}: {}", q.what, why(q))).collect();
    Some(Versus { columns, questions, open })
}
