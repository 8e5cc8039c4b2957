//! Tables and files drawn from a result: pure functions from a [`RunResult`] to text.
//!
//! | function | gives |
//! |---|---|
//! | [`terminal`] | verdict, side-by-side table, sentences; fits the width it is told |
//! | [`markdown`] | the whole report as GitHub-flavoured Markdown |
//! | [`html`] | the whole report as one self-contained page with charts |
//! | [`claims`] | the lesson's rows over many results |
//! | [`csv`] | one figure per line |
//! | [`json`], [`read`] | the result document, there and back |
//! | [`write`] | all of the files in a directory |
//!
//! `table` and `words` decide what is said, for every format alike; the formats only draw it.
//! No function here panics, whatever the result holds: a figure that is missing or not finite is
//! shown as a dash.
//!
//! [`RunResult`]: crate::measure::result::RunResult

mod apart;
mod attacks;
mod behaviour;
pub mod claims;
mod columns;
mod cost;
mod csv;
pub mod diff;
mod events;
mod figures;
mod files;
mod html;
mod impaired;
mod json;
mod key;
mod ledger;
mod lesson;
mod loaded;
mod markdown;
mod number;
mod overlay;
mod packets;
mod parts;
mod published;
mod ranking;
mod rounds;
mod sizes;
mod switches;
mod table;
mod terminal;
mod transfers;
mod versus;
mod words;

pub use csv::csv;
pub use files::{Files, write};
pub use html::html;
pub use json::{ReadError, json, read, schema};
pub use markdown::markdown;
pub use terminal::{closing, terminal};
