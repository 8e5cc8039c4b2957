//! What became of crafted packets.

use super::finding::Finding;
use crate::lab::{Answer, ProbeExpected};
use crate::measure::result::{ProbeResult, VariantResult};

/// What must become of a probe, in words.
pub(super) fn words(expected: &ProbeExpected) -> String {
    let mut parts = Vec::new();
    parts.extend(expected.delivered.map(|count| format!("{count} are delivered")));
    parts.extend(expected.dropped.as_ref().map(|reason| format!("all are dropped as {reason}")));
    parts.extend(expected.answered.map(|answer| format!("the sender is told {}", answer.name())));
    format!("of the packets `{}` {}", expected.name, parts.join(", and "))
}

/// What became of it.
pub(super) fn probe(expected: &ProbeExpected, found: &VariantResult) -> Finding {
    let Some(probe) = found.probes.iter().find(|probe| probe.name == expected.name) else {
        return Finding::unknown("this variant does not carry such packets");
    };
    let mut held = probe.sent > 0;
    let (mut theory, mut measured) = (Vec::new(), Vec::new());
    if let Some(count) = expected.delivered {
        held &= probe.delivered == u64::from(count);
        theory.push(format!("{count} delivered"));
        measured.push(format!("{} delivered", probe.delivered));
    }
    if let Some(reason) = &expected.dropped {
        let count = probe.drops.get(reason).copied().unwrap_or_default();
        held &= probe.delivered == 0 && count >= probe.sent;
        theory.push(format!("{} {reason}", probe.sent));
        measured.push(format!("{count} {reason}"));
    }
    if let Some(answer) = expected.answered {
        let count = answers(probe, answer);
        held &= probe.delivered == 0 && count > 0;
        theory.push(format!("≥ 1 {}", answer.name()));
        measured.push(all_answers(probe));
    }
    let delivered = match probe.delivered {
        0 => ", none delivered".to_owned(),
        count => format!(", {count} delivered"),
    };
    let delivered = if expected.delivered.is_some() { String::new() } else { delivered };
    Finding::new(held, format!("{} sent{delivered}", probe.sent))
        .figures(theory.join(", "), measured.join(", "))
}

fn answers(probe: &ProbeResult, answer: Answer) -> u64 {
    let fitting = probe.answers.iter().filter(|(name, _)| answer.covers(name));
    fitting.map(|(_, count)| count).sum()
}

fn all_answers(probe: &ProbeResult) -> String {
    if probe.answers.is_empty() {
        return "no answer".into();
    }
    let each = probe.answers.iter().map(|(name, count)| format!("{count} {name}"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(probe: ProbeResult) -> VariantResult {
        VariantResult { probes: vec![probe], ..VariantResult::default() }
    }

    fn expected(name: &str) -> ProbeExpected {
        ProbeExpected { name: name.into(), delivered: None, dropped: None, answered: None }
    }

    #[test]
    fn delivery_is_exact() {
        let sent =
            ProbeResult { name: "a".into(), sent: 10, delivered: 9, ..ProbeResult::default() };
        let nine = ProbeExpected { delivered: Some(9), ..expected("a") };
        assert!(probe(&nine, &found(sent.clone())).held);
        let ten = ProbeExpected { delivered: Some(10), ..expected("a") };
        assert!(!probe(&ten, &found(sent.clone())).held);
        assert!(!probe(&nine, &VariantResult::default()).held);
        let other = ProbeResult { name: "b".into(), ..sent };
        assert!(!probe(&nine, &found(other)).held);
    }

    #[test]
    fn a_drop_is_counted_for_every_packet_and_none_arrives() {
        let mut sent = ProbeResult { name: "a".into(), sent: 3, ..ProbeResult::default() };
        let dropped = ProbeExpected { dropped: Some("inner_tag".into()), ..expected("a") };
        assert!(!probe(&dropped, &found(sent.clone())).held);
        sent.drops.insert("inner_tag".into(), 3);
        assert!(probe(&dropped, &found(sent.clone())).held);
        sent.delivered = 1;
        assert!(!probe(&dropped, &found(sent.clone())).held);
        (sent.delivered, sent.sent) = (0, 4);
        assert!(!probe(&dropped, &found(sent)).held);
    }

    #[test]
    fn an_answer_is_of_the_kind_asked_for() {
        let mut sent = ProbeResult { name: "a".into(), sent: 10, ..ProbeResult::default() };
        sent.answers.insert("port-unreachable".into(), 6);
        let with = |answer| ProbeExpected { answered: Some(answer), ..expected("a") };
        assert!(probe(&with(Answer::PortUnreachable), &found(sent.clone())).held);
        assert!(probe(&with(Answer::Unreachable), &found(sent.clone())).held);
        assert!(!probe(&with(Answer::ProtocolUnreachable), &found(sent)).held);
    }
}
