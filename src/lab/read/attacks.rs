//! `measure.attacks` and what is expected of attacks.

use super::At;
use super::tree::Kind;
use crate::lab::attacks::{All, Attack, AttackExpected, Attacks};

fn attack(at: &At<'_>) -> Option<Attack> {
    at.choice("attack", &Attack::ALL.map(|attack| (attack.name(), attack)))
}

pub(super) fn attacks(at: &At<'_>) -> Option<Attacks> {
    if !matches!(at.node.kind, Kind::List(_)) {
        return Some(Attacks::All(at.choice("set of attacks", &[("all", All::All)])?));
    }
    let items = at.list("`all`, or a list of attacks, e.g. `[spoofed-source]`")?;
    Some(Attacks::Some(items.iter().filter_map(attack).collect()))
}

pub(super) fn expected(at: &At<'_>) -> Option<AttackExpected> {
    let example = "a map, e.g. `{ name: spoofed-source, succeeds: true }`";
    let fields = at.fields(example, &["name", "succeeds"])?;
    let name = fields.need("name", "the name of an attack, e.g. `spoofed-source`");
    let succeeds = fields.need("succeeds", "`true` or `false`");
    let (name, succeeds) = (name.and_then(|at| attack(&at)), succeeds.and_then(|at| at.truth()));
    Some(AttackExpected { name: name?, succeeds: succeeds? })
}
