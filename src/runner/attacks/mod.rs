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
use crate::lab::{Attack, Attacks, IpVersion};
use crate::measure::result::AttackResult;
use host::Ids;
use scene::{Numbers, Scene, Tried, Untried, Victims};

/// Tries all attacks in a variant, one after the other.
pub(super) fn run(bench: &mut Bench<'_>) {
    let (testbed, variant) = (bench.testbed, bench.variant);
    let attacks = bench.plan.measure.attacks.as_ref().map(Attacks::list).unwrap_or_default();
    if !attacks.is_empty() && !bench.stopped() {
        bench.progress.stage(&format!("{}: {} attacks", variant.name, attacks.len()));
    }
    for attack in attacks {
        bench.measure(&parts::attack(attack), |bench| {
            let scene = Scene::of(testbed, variant, attack);
            let mut result = match tried(&scene) {
                Ok(result) => result,
                Err(Untried::NotHere(why)) => {
                    AttackResult { does_not_apply: Some(why), ..scene.result(String::new(), "") }
                }
                Err(Untried::Failed(error)) => return Err(error.into()),
            };
            result.missed = scene.missed.get();
            bench.missed(&parts::attack(attack), result.missed);
            bench.result.attacks.push(result);
            Ok(())
        });
    }
}

fn tried(scene: &Scene<'_>) -> Tried {
    match scene.attack {
        Attack::DoubleTag => tags::double_tag(scene),
        Attack::VlanHop => tags::vlan_hop(scene),
        Attack::ForgedId => vm::forged_id(scene),
        Attack::IdSpray => host::id_spray(scene),
        Attack::SpoofedSource => host::spoofed_source(scene),
        Attack::IdGuess => host::id_guess(scene, Ids::All),
        Attack::IdGuessNear => host::id_guess(scene, Ids::Near),
        Attack::FdbPoison => poison::fdb(scene),
        Attack::FdbPoisonAcross => poison::fdb_across(scene),
        Attack::SttInject => stt::inject(scene, Numbers::Seen),
        Attack::SttInjectBlind => stt::inject(scene, Numbers::Guessed),
        Attack::ArpPoison => poison::neighbour(scene, IpVersion::Ipv4, Victims::Own),
        Attack::ArpPoisonAcross => poison::neighbour(scene, IpVersion::Ipv4, Victims::Others),
        Attack::NdPoison => poison::neighbour(scene, IpVersion::Ipv6, Victims::Own),
        Attack::NdPoisonAcross => poison::neighbour(scene, IpVersion::Ipv6, Victims::Others),
        Attack::MacFlood => flood::mac_flood(scene, Victims::Others),
        Attack::MacFloodOwn => flood::mac_flood(scene, Victims::Own),
        Attack::GreDesync => host::desync(scene),
        Attack::SshResetBlind => ssh::reset(scene, Numbers::Guessed),
        Attack::SshInject => ssh::inject(scene),
        Attack::SshReset => ssh::reset(scene, Numbers::Seen),
    }
}
