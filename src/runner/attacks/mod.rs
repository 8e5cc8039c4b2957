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

use super::bench::Bench;
use super::parts;
use crate::lab::{Attack, Attacks};
use crate::measure::result::AttackResult;
use scene::{Scene, Tried};

/// Tries all attacks in a variant, one after the other.
pub(super) fn run(bench: &mut Bench<'_>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let mut attacks = bench.plan.measure.attacks.as_ref().map(Attacks::list).unwrap_or_default();
    // Where packets are numbered, forged ones are ahead of the peer's own and spoil what comes after.
    attacks.sort_by_key(|attack| variant.engine.seq && *attack == Attack::SpoofedSource);
    if !attacks.is_empty() && !bench.stopped() {
        bench.progress.stage(&format!("{}: {} attacks", variant.name, attacks.len()));
    }
    for attack in attacks {
        bench.measure(&parts::attack(attack), |bench| {
            let tried = one(&Scene::of(testbed, variant, attack))?;
            let none = |why| AttackResult::none(attack.name(), attack.words(), why);
            bench.result.attacks.push(tried.unwrap_or_else(none));
            Ok(())
        });
    }
    // In the order in which they are listed everywhere.
    let place = |name: &str| Attack::ALL.iter().position(|attack| attack.name() == name);
    bench.result.attacks.sort_by_key(|result| place(&result.name));
}

fn one(scene: &Scene<'_>) -> Tried {
    match scene.attack {
        Attack::DoubleTag => tags::double_tag(scene),
        Attack::VlanHop => tags::vlan_hop(scene),
        Attack::ForgedId => vm::forged_id(scene),
        Attack::IdSpray => host::id_spray(scene),
        Attack::SpoofedSource => host::spoofed_source(scene),
        Attack::IdGuess => host::id_guess(scene),
        Attack::FdbPoison => poison::fdb(scene),
        Attack::FdbPoisonAcross => poison::fdb_across(scene),
        Attack::SttInject => stt::inject(scene, true),
        Attack::SttInjectBlind => stt::inject(scene, false),
        Attack::ArpPoison => poison::neighbour(scene, false, false),
        Attack::ArpPoisonAcross => poison::neighbour(scene, false, true),
        Attack::NdPoison => poison::neighbour(scene, true, false),
        Attack::NdPoisonAcross => poison::neighbour(scene, true, true),
        Attack::MacFlood => flood::mac_flood(scene, false),
        Attack::MacFloodOwn => flood::mac_flood(scene, true),
        Attack::GreDesync => host::desync(scene),
        Attack::SshResetBlind => ssh::reset(scene, false),
        Attack::SshInject => ssh::inject(scene),
        Attack::SshReset => ssh::reset(scene, true),
    }
}
