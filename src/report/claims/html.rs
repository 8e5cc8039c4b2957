//! The wall as one page: no other file, no script, no network.

use maud::{Markup, html as page};

use super::super::html::frame;
use super::{Proof, Row, State, Wall, found, summary};
use crate::measure::result::Verdict;

/// Verdicts of a lab that are shown before all of them.
const FIGURES: usize = 3;

/// The whole page.
#[must_use]
pub fn html(wall: &Wall) -> String {
    let body = page! {
        header {
            h1 { "What the lesson claims, and what was measured" }
            div.verdict.(verdict(wall)) { p { strong { (summary(wall)) } } }
        }
        main {
            @for row in &wall.rows { (section(row)) }
            @if !wall.unread.is_empty() {
                section.prose { h2 { "Not read" } ul { @for text in &wall.unread { li { (text) } } } }
            }
        }
    };
    frame("What the lesson claims, and what was measured", &body)
}

fn verdict(wall: &Wall) -> &'static str {
    let any = |states: &[State]| wall.rows.iter().any(|row| states.contains(&row.state));
    match () {
        () if any(&[State::Failed]) => "bad",
        () if any(&[State::OutOfDate, State::NotRun, State::NoLab, State::Partly]) => "unclear",
        () => "good",
    }
}

const fn tone(state: State) -> &'static str {
    match state {
        State::Held | State::Partly => "good",
        State::Failed => "bad",
        State::OutOfDate | State::NotRun | State::NoLab => "unclear",
    }
}

fn section(row: &Row) -> Markup {
    page! {
        section.claim id=(row.claim.id) {
            h2 {
                (row.claim.id) " " span.state.(tone(row.state)) { (row.state.mark()) " " (row.state.words()) }
            }
            p { (row.claim.says) }
            p.how { "Theory: " (row.claim.theory) }
            @for text in row.contradictions() {
                p.verdict.unclear { strong { "Against the lesson: " } (text) }
            }
            @if let Some(note) = &row.claim.note { p { strong { "Note: " } (note) } }
            @for proof in &row.labs { (lab(proof)) }
        }
    }
}

fn lab(proof: &Proof) -> Markup {
    page! {
        @if proof.verdicts.is_empty() {
            p { code { (proof.lab) } ": " (proof.count()) }
        } @else {
            @let telling = proof.telling(FIGURES);
            p { code { (proof.lab) } ": " (proof.count()) " (" (proof.run()) ")" }
            (list(&telling))
            @if proof.verdicts.len() > telling.len() {
                details {
                    summary { "All " (proof.verdicts.len()) }
                    (list(&proof.verdicts.iter().collect::<Vec<_>>()))
                }
            }
        }
    }
}

fn list(verdicts: &[&Verdict]) -> Markup {
    page! {
        ul { @for verdict in verdicts {
            li class=[(!verdict.held).then_some("bad")] { (found(verdict)) }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::wall;
    use super::*;

    #[test]
    fn a_page_has_every_row_and_no_markup_of_others() {
        let page = html(&wall());
        assert_eq!(page.matches("<section class=\"claim\"").count(), 6);
        assert!(page.contains("(2026-01-02 03:04 +00:00, overlab 0.1.0 (0123456789ab))"), "{page}");
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
        for foreign in ["<script", "<link", "src=", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
