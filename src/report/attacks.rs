//! What came of attacks: a row of the side-by-side table for each, sentences, and a plain table that every
//! format draws alike.

use std::collections::BTreeMap;

use super::number::{NONE, count};
use super::overlay::Sheet;
use super::table::{Cell, Group, Row, Tone};
use crate::measure::result::{AttackResult, VariantResult};

/// The attacks of these variants by name and title, in the order of the results.
fn names(variants: &[VariantResult]) -> Vec<(&str, &str)> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for attack in variants.iter().flat_map(|v| &v.attacks) {
        if !names.iter().any(|(name, _)| *name == attack.name) {
            // Results of earlier versions have no titles.
            let title = if attack.title.is_empty() { &attack.name } else { &attack.title };
            names.push((&attack.name, title));
        }
    }
    names
}

/// The attacks as rows of the side-by-side table, those that make no sense in any variant left out;
/// `None` where none was tried.
pub fn group(variants: &[VariantResult]) -> Option<Group> {
    let row = |(name, title): (&str, &str)| {
        let of = |v: &VariantResult| {
            v.attacks.iter().find(|a| a.name == name).map_or_else(
                || Cell { main: NONE.to_owned(), tone: Tone::Absent, ..Cell::default() },
                cell,
            )
        };
        let ours = |a: &AttackResult| a.name == name && a.does_not_apply.is_none();
        let tried = variants.iter().any(|v| v.attacks.iter().any(ours));
        tried.then(|| Row { figure: title.to_owned(), cells: variants.iter().map(of).collect() })
    };
    let rows: Vec<Row> = names(variants).into_iter().filter_map(row).collect();
    let title = "Attacks: tries that succeeded".to_owned();
    (!rows.is_empty()).then_some(Group { title, rows })
}

fn cell(attack: &AttackResult) -> Cell {
    if attack.does_not_apply.is_some() {
        return Cell { main: "not here".to_owned(), tone: Tone::Absent, ..Cell::default() };
    }
    Cell {
        main: format!("{} of {}", count(attack.succeeded), count(attack.tried)),
        tone: match attack {
            a if a.succeeded > 0 => Tone::Bad,
            a if a.tried == 0 || !a.is_controlled() => Tone::Unclear,
            _ => Tone::Good,
        },
        ..Cell::default()
    }
}

/// For each attack where it succeeds, where it fails, and what stops it.
pub fn sentences(variants: &[VariantResult]) -> Vec<String> {
    names(variants).into_iter().filter_map(|(name, _)| sentence(variants, name)).collect()
}

fn sentence(variants: &[VariantResult], name: &str) -> Option<String> {
    let of = |v: &VariantResult| v.attacks.iter().find(|a| a.name == name).cloned();
    let found: Vec<(&str, AttackResult)> =
        variants.iter().filter_map(|v| Some((v.name.as_str(), of(v)?))).collect();
    let tried = |a: &AttackResult| a.does_not_apply.is_none();
    let about = &found.iter().find(|(_, a)| tried(a))?.1.about;
    let names = |wanted: fn(&AttackResult) -> bool| {
        let fitting = found.iter().filter(|(_, a)| tried(a) && wanted(a));
        fitting.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let mut ends = Vec::new();
    for (word, list) in [
        ("succeeds in", names(|a| a.succeeded > 0)),
        ("fails in", names(|a| a.succeeded == 0 && a.is_controlled())),
        ("shows nothing in", names(|a| a.succeeded == 0 && !a.is_controlled())),
    ] {
        if !list.is_empty() {
            ends.push(format!("{word} {list}"));
        }
    }
    let mut line = format!("{name} ({about}): {}.", ends.join("; "));
    // The same measure in several variants is told once.
    let mut counters: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for counter in found.iter().flat_map(|(_, a)| &a.stopped_by) {
        let sum = counters.entry(counter.by.as_str()).or_default();
        *sum = (sum.0.saturating_add(counter.succeeded), sum.1.saturating_add(counter.tried));
    }
    for (by, (succeeded, tried)) in counters {
        line += &format!(" Where {by}: {} of {}.", count(succeeded), count(tried));
    }
    Some(line)
}

/// All that was tried, and then what was not, with those together that have the same reason.
pub fn sheet(variants: &[VariantResult]) -> Sheet {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for variant in variants {
        let (tried, not): (Vec<_>, Vec<_>) =
            variant.attacks.iter().partition(|a| a.does_not_apply.is_none());
        rows.extend(tried.into_iter().map(|attack| row(variant, attack)));
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for attack in not {
            let why = attack.does_not_apply.as_deref().unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(&attack.name),
                None => reasons.push((why, vec![&attack.name])),
            }
        }
        rows.extend(reasons.into_iter().map(|(why, names)| {
            let (name, none) = (variant.name.clone(), String::new);
            vec![name, names.join(", "), none(), "not here".to_owned(), none(), why.to_owned()]
        }));
    }
    Sheet {
        title: "Attacks",
        head: vec![
            "Variant",
            "Attack",
            "What was done",
            "Succeeded",
            "Own frames",
            "Dropped, and more",
        ],
        rows,
    }
}

fn row(variant: &VariantResult, attack: &AttackResult) -> Vec<String> {
    let mut row = vec![variant.name.clone(), attack.name.clone(), attack.what.clone()];
    row.push(format!("{} of {}", count(attack.succeeded), count(attack.tried)));
    row.push(format!("{} of {} delivered", count(attack.own_delivered), count(attack.own_sent)));
    row.push(more(attack).join("; "));
    row
}

/// What success is, drops, what was put in the way, and notes.
pub fn more(attack: &AttackResult) -> Vec<String> {
    let mut more = vec![format!("success: {}", attack.success)];
    more.extend(attack.drops.iter().map(|(reason, n)| format!("{} {reason}", count(*n))));
    more.extend(attack.stopped_by.iter().map(|counter| {
        format!("where {}: {} of {}", counter.by, count(counter.succeeded), count(counter.tried))
    }));
    more.extend(attack.notes.iter().map(|note| note.trim_end_matches('.').to_owned()));
    more
}

/// The first packets, one line each: where it was, its layers, and the bytes of its headers.
pub fn packets(variants: &[VariantResult]) -> Vec<String> {
    let all = variants.iter().flat_map(|v| v.attacks.iter().map(move |a| (v, a)));
    let each = all.flat_map(|(v, a)| {
        let ends = [("sent", &a.sent), ("passed", &a.between), ("seen", &a.seen)];
        ends.map(|(what, evidence)| {
            let evidence = evidence.as_ref()?;
            let layers: Vec<_> =
                evidence.packet.layers.iter().map(|layer| layer.protocol.as_str()).collect();
            Some(format!(
                "{}, {}, {what} at {}: {}; {}",
                v.name,
                a.name,
                evidence.place,
                layers.join(" / "),
                evidence.packet.frame
            ))
        })
    });
    each.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::CounterResult;

    fn run() -> Vec<VariantResult> {
        let spoofed = AttackResult {
            name: "spoofed-source".into(),
            about: "a host sends as a peer".into(),
            tried: 20,
            succeeded: 20,
            own_sent: 10,
            own_delivered: 10,
            stopped_by: vec![CounterResult { by: "x filters".into(), tried: 20, succeeded: 0 }],
            ..AttackResult::default()
        };
        let variant = |name: &str, attack: AttackResult| VariantResult {
            name: name.into(),
            attacks: vec![attack],
            ..VariantResult::default()
        };
        // One frame of its own that is lost is enough for nothing to be shown.
        let dead = AttackResult { succeeded: 0, own_delivered: 9, ..spoofed.clone() };
        let failed = AttackResult { succeeded: 0, stopped_by: Vec::new(), ..spoofed.clone() };
        vec![
            variant("vxlan", spoofed),
            variant("ssh", failed),
            variant("stt", dead),
            variant(
                "vlan",
                AttackResult {
                    name: "spoofed-source".into(),
                    does_not_apply: Some("tags have none".into()),
                    ..AttackResult::default()
                },
            ),
        ]
    }

    #[test]
    fn success_is_bad_failure_good_and_silence_nothing() {
        let group = group(&run()).unwrap();
        let tones: Vec<_> = group.rows[0].cells.iter().map(|cell| cell.tone).collect();
        assert_eq!(tones, [Tone::Bad, Tone::Good, Tone::Unclear, Tone::Absent]);
        assert_eq!(group.rows[0].cells[0].main, "20 of 20");
    }

    #[test]
    fn a_sentence_says_where_and_what_stops_it() {
        assert_eq!(
            sentences(&run()),
            [
                "spoofed-source (a host sends as a peer): succeeds in vxlan; fails in ssh; shows nothing in stt. \
              Where x filters: 0 of 40."
            ]
        );
        assert!(sheet(&run()).rows[3].contains(&"tags have none".to_owned()));
    }
}
