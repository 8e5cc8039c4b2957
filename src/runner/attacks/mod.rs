//! The lab's attacks in one variant: tried last of all, since some leave a network broken.

mod flood;
mod host;
mod poison;
mod scene;
mod stt;
mod vm;

use super::{Progress, RunError};
use crate::ids::Encap;
use crate::lab::{Attack, Attacks};
use crate::measure::result::AttackResult;
use crate::plan::{Plan, Variant};
use crate::testbed::Testbed;
use scene::Scene;

/// Tries all attacks in a variant, one after the other.
pub(super) fn run(
    testbed: &Testbed,
    plan: &Plan,
    variant: &Variant,
    progress: &dyn Progress,
) -> Result<Vec<AttackResult>, RunError> {
    let mut attacks = plan.measure.attacks.as_ref().map(Attacks::list).unwrap_or_default();
    if variant.encap == Encap::None {
        return Ok(Vec::new());
    }
    // Where packets are numbered, forged ones are ahead of the peer's own and spoil what comes after.
    attacks.sort_by_key(|attack| variant.engine.seq && *attack == Attack::SpoofedSource);
    if !attacks.is_empty() {
        progress.stage(&format!("{}: {} attacks", variant.name, attacks.len()));
    }
    let mut results = Vec::new();
    for attack in attacks {
        progress.step(attack.name());
        let scene = Scene::of(testbed, variant, attack);
        let tried = match attack {
            Attack::DoubleTag => vm::double_tag(&scene),
            Attack::ForgedId => vm::forged_id(&scene),
            Attack::IdSpray => host::id_spray(&scene),
            Attack::SpoofedSource => host::spoofed_source(&scene),
            Attack::IdGuess => host::id_guess(&scene),
            Attack::FdbPoison => poison::fdb(&scene),
            Attack::SttInject => stt::inject(&scene, true),
            Attack::SttInjectBlind => stt::inject(&scene, false),
            Attack::ArpPoison => poison::neighbour(&scene, false, false),
            Attack::ArpPoisonAcross => poison::neighbour(&scene, false, true),
            Attack::NdPoison => poison::neighbour(&scene, true, false),
            Attack::NdPoisonAcross => poison::neighbour(&scene, true, true),
            Attack::MacFlood => flood::mac_flood(&scene),
            Attack::GreDesync => host::desync(&scene),
        };
        results.push(match tried? {
            Ok(result) => result,
            Err(why) => AttackResult::none(attack.name(), attack.words(), why),
        });
    }
    // In the order in which they are listed everywhere.
    results.sort_by_key(|r| Attack::ALL.iter().position(|attack| attack.name() == r.name));
    Ok(results)
}
