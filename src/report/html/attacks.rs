//! The packets of attacks, byte by byte: as they left the attacker, and where they turned up.

use maud::{Markup, html};

use super::super::attacks as tried;
use super::bytes::packet;
use super::tables::sheet;
use crate::measure::result::{AttackResult, Evidence, RunResult};

/// Packets of an attack, in the order of their way, each with what it is.
fn evidence(attack: &AttackResult) -> impl Iterator<Item = (&'static str, &Evidence)> {
    let all = [("Sent", &attack.sent), ("Passed", &attack.between), ("Seen", &attack.seen)];
    all.into_iter().filter_map(|(what, evidence)| Some((what, evidence.as_ref()?)))
}

/// What was tried, and the packets of it under each variant; `None` where nothing was.
pub fn attacks(run: &RunResult) -> Option<Markup> {
    let shown = |a: &&AttackResult| evidence(a).next().is_some();
    let found: Vec<_> = run
        .variants
        .iter()
        .map(|v| (&v.name, v.attacks.iter().filter(shown).collect::<Vec<_>>()))
        .filter(|(_, attacks)| !attacks.is_empty())
        .collect();
    run.variants.iter().any(|v| !v.attacks.is_empty()).then(|| {
        html! {
            (sheet(&tried::sheet(&run.variants)))
            p.how { "The first forged packet as it left the attacker, perhaps on its way, and the first that shows the success." }
            @for (name, attacks) in found {
                h3 { (name) }
                @for attack in attacks {
                    details.packet {
                        summary {
                            b.(if attack.succeeded > 0 { "bad" } else { "good" }) {
                                (attack.name) " " (attack.succeeded) " of " (attack.tried)
                            }
                            " " (attack.what)
                        }
                        @for (what, evidence) in evidence(attack) {
                            p { (what) " at " code { (evidence.place) } }
                            (packet(&evidence.packet))
                        }
                    }
                }
            }
        }
    })
}
