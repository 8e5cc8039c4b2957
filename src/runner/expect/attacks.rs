//! Whether attacks succeeded.

use super::finding::Finding;
use crate::lab::AttackExpected;
use crate::measure::result::VariantResult;

/// What must come of an attack, in words.
pub(super) fn words(expected: AttackExpected) -> String {
    let ends = if expected.succeeds { "succeeds" } else { "fails" };
    format!("attack `{}` {ends}: {}", expected.name.name(), expected.name.words())
}

/// What came of it. One that failed shows nothing unless all frames of the tenant's own arrived meanwhile.
pub(super) fn attack(expected: AttackExpected, found: &VariantResult) -> Finding {
    let Some(attack) = found.attacks.iter().find(|a| a.name == expected.name.name()) else {
        return Finding::unknown("it was not tried in this variant");
    };
    if let Some(why) = &attack.does_not_apply {
        return Finding::unknown(format!("it does not apply here: {why}"));
    }
    let held = attack.tried > 0 && (attack.succeeded > 0) == expected.succeeds;
    let mut detail = format!("control: {} of {} own", attack.own_delivered, attack.own_sent);
    for (reason, count) in &attack.drops {
        detail += &format!(", {count} {reason}");
    }
    let theory = if expected.succeeds { "≥ 1 success" } else { "0 successes" };
    Finding::new(held && (expected.succeeds || attack.is_controlled()), detail)
        .figures(theory, format!("{} of {}", attack.succeeded, attack.tried))
        .unless_missed(if expected.succeeds { 0 } else { attack.missed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Attack;
    use crate::measure::result::AttackResult;

    fn held(succeeds: bool, attack: AttackResult) -> bool {
        let found = VariantResult { attacks: vec![attack], ..VariantResult::default() };
        super::attack(AttackExpected { name: Attack::IdSpray, succeeds }, &found).held
    }

    #[test]
    fn nothing_tried_and_nothing_alive_prove_nothing() {
        let tried = AttackResult {
            name: "id-spray".into(),
            tried: 10,
            own_sent: 5,
            own_delivered: 5,
            ..AttackResult::default()
        };
        assert!(held(false, tried.clone()) && !held(true, tried.clone()));
        let through = AttackResult { succeeded: 1, ..tried.clone() };
        assert!(held(true, through.clone()) && !held(false, through.clone()));
        for (own_sent, own_delivered) in [(5, 0), (5, 4), (0, 0)] {
            assert!(!held(false, AttackResult { own_sent, own_delivered, ..tried.clone() }));
        }
        assert!(held(true, AttackResult { missed: 1, ..through }), "it succeeded all the same");
        assert!(!held(false, AttackResult { missed: 1, ..tried.clone() }));
        assert!(!held(false, AttackResult { tried: 0, ..tried.clone() }));
        assert!(!held(false, AttackResult { name: "id-guess".into(), ..tried.clone() }));
        let not_here = AttackResult { does_not_apply: Some("no".into()), ..tried };
        assert!(!held(false, not_here));
    }
}
