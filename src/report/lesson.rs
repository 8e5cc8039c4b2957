//! Where measurement goes against the lesson that a lab is about, and what standards say of it.

use crate::measure::result::{RunResult, Verdict};

/// One line per contradiction that was measured.
#[must_use]
pub fn contradictions(run: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    let mut told: Vec<(&str, &str)> = Vec::new();
    for verdict in &run.expectations {
        let Some(text) = verdict.contradicts.as_deref().filter(|_| verdict.held) else { continue };
        let claim = verdict.claim.as_deref().unwrap_or_default();
        if !told.contains(&(claim, text)) {
            told.push((claim, text));
            out.push(contradiction(run, claim, text));
        }
    }
    out
}

/// What standards or later practice say of the rows that a lab is about, whatever it measured.
#[must_use]
pub fn remarks(run: &RunResult) -> Vec<String> {
    let noted = run.claims.iter().filter_map(|c| Some((c, c.note.as_ref()?)));
    noted.map(|(claim, note)| format!("{}: {note}", claim.id)).collect()
}

/// The lesson's sentence, what goes against it, and where that was measured.
fn contradiction(run: &RunResult, claim: &str, text: &str) -> String {
    let says = run.claims.iter().find(|c| c.id == claim).map(|c| c.says.as_str());
    let says = says.map_or_else(String::new, |says| format!("the lesson says: {says} "));
    let same = |v: &&Verdict| v.held && v.contradicts.as_deref() == Some(text);
    let found: Vec<String> = run.expectations.iter().filter(same).map(evidence).collect();
    format!("{claim}: {says}Measurement contradicts it. {text} ({})", found.join("; "))
}

fn evidence(verdict: &Verdict) -> String {
    let figures = verdict.figures();
    let figures = if figures.is_empty() { String::new() } else { format!(", {figures}") };
    format!("{}: {}{figures}", verdict.variant, verdict.what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::ClaimResult;

    #[test]
    fn only_what_held_contradicts_and_each_text_is_told_once() {
        let mut run: RunResult =
            super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        let verdict = |variant: &str, held| Verdict {
            claim: Some("C10".into()),
            contradicts: Some("It sends one.".into()),
            variant: variant.into(),
            what: "sums are sent".into(),
            measured: Some("12 of 12".into()),
            held,
            ..Verdict::default()
        };
        run.expectations = vec![verdict("a", true), verdict("b", true), verdict("c", false)];
        run.claims = vec![ClaimResult {
            id: "C10".into(),
            says: "Zero is sent.".into(),
            theory: "0".into(),
            note: Some("An RFC is softer.".into()),
        }];
        assert_eq!(
            contradictions(&run),
            ["C10: the lesson says: Zero is sent. Measurement contradicts it. It sends one. \
                 (a: sums are sent, measured 12 of 12; b: sums are sent, measured 12 of 12)"]
        );
        assert_eq!(remarks(&run), ["C10: An RFC is softer."]);
        // A remark goes against nothing.
        run.expectations.truncate(0);
        assert!(contradictions(&run).is_empty() && remarks(&run).len() == 1);
    }
}
