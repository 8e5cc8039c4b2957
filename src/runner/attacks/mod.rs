//! The lab's attacks in one variant: tried last of all, since some leave a network broken.

mod flood;
mod host;
mod plain;
mod poison;
mod scene;
mod ssh;
mod stt;
mod tags;
mod vm;

use super::{Progress, RunError};
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
    // Where packets are numbered, forged ones are ahead of the peer's own and spoil what comes after.
    attacks.sort_by_key(|attack| variant.engine.seq && *attack == Attack::SpoofedSource);
    if !attacks.is_empty() {
        progress.stage(&format!("{}: {} attacks", variant.name, attacks.len()));
    }
    let mut results: Vec<AttackResult> = Vec::new();
    for attack in attacks {
        progress.step(attack.name());
        let scene = Scene::of(testbed, variant, attack);
        let tried = match attack {
            Attack::DoubleTag => tags::double_tag(&scene),
            Attack::VlanHop => tags::vlan_hop(&scene),
            Attack::ForgedId => vm::forged_id(&scene),
            Attack::IdSpray => host::id_spray(&scene),
            Attack::SpoofedSource => host::spoofed_source(&scene),
            Attack::IdGuess => host::id_guess(&scene),
            Attack::FdbPoison => poison::fdb(&scene),
            Attack::FdbPoisonAcross => poison::fdb_across(&scene),
            Attack::SttInject => stt::inject(&scene, true),
            Attack::SttInjectBlind => stt::inject(&scene, false),
            Attack::ArpPoison => poison::neighbour(&scene, false, false),
            Attack::ArpPoisonAcross => poison::neighbour(&scene, false, true),
            Attack::NdPoison => poison::neighbour(&scene, true, false),
            Attack::NdPoisonAcross => poison::neighbour(&scene, true, true),
            Attack::MacFlood => flood::mac_flood(&scene, false),
            Attack::MacFloodOwn => flood::mac_flood(&scene, true),
            Attack::GreDesync => host::desync(&scene),
            Attack::SshResetBlind => ssh::reset(&scene, false),
            Attack::SshInject => ssh::inject(&scene),
            Attack::SshReset => ssh::reset(&scene, true),
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
