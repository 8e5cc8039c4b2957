//! The parts of a report that every format shows alike. A new part is a file with a function from a
//! result to lines, or to a [`Sheet`], and its line here.
//!
//! [`Sheet`]: super::overlay::Sheet

use super::{attacks, behaviour, cost, impaired, lesson, loaded, published, sizes, words};
use crate::measure::result::RunResult;

/// A title, and what there is to say under it; nothing is shown where that is nothing.
pub type Lines = (&'static str, fn(&RunResult) -> Vec<String>);

/// Parts of lines, in the order of the page, after the comparison.
pub const LINES: [Lines; 10] = [
    ("Against the lesson", lesson::contradictions),
    ("Remarks on the lesson", lesson::remarks),
    ("In words", words::sentences),
    ("Over the underlay's MTU", sizes::sentences),
    ("Latency under load", loaded::sentences),
    ("Processor time", cost::sentences),
    ("Links, asked for and observed", impaired::sentences),
    ("Published figures", published::sentences),
    ("Single packets and transfers", behaviour::sentences),
    ("Attacks in words", |run| attacks::sentences(&run.variants)),
];
