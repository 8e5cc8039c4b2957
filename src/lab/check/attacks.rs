//! Attacks: with somebody who can try them, and tried where something is expected of them.

use std::collections::{BTreeSet, HashSet};

use super::Whole;
use crate::ids::Encap;
use crate::lab::attacks::{Attack, AttackExpected, Attacker, Attacks};

pub(super) fn check(whole: &Whole<'_>) {
    let Some(Attacks::Some(attacks)) = &whole.lab.measure.attacks else { return };
    let path = "measure.attacks";
    if attacks.is_empty() && whole.sink.clean(path) {
        whole.sink.rule(path, "names no attack; write `all`, or leave it out");
    }
    if !all_read(whole) {
        return;
    }
    let mut seen = HashSet::new();
    for (n, attack) in attacks.iter().enumerate() {
        let path = format!("{path}[{n}]");
        if !seen.insert(attack) {
            let message = format!("`{}` stands in this list already", attack.name());
            whole.sink.rule(&path, message);
        }
        if attack.attacker() == Attacker::Host {
            attacker(whole, &path);
        }
        runs(whole, *attack, &path);
    }
}

/// Whether every attack that the lab names could be read.
fn all_read(whole: &Whole<'_>) -> bool {
    match &whole.lab.measure.attacks {
        Some(Attacks::Some(read)) => !whole.sink.has(&format!("measure.attacks[{}]", read.len())),
        Some(Attacks::All(_)) => true,
        None => !whole.sink.has("measure.attacks"),
    }
}

/// There is a host to attack from: one without VMs.
fn attacker(whole: &Whole<'_>, path: &str) {
    let Some(hosts) = &whole.hosts else { return };
    let vms = whole.lab.tenants.iter().flat_map(|tenant| &tenant.vms);
    let used: BTreeSet<&str> = vms.map(|vm| vm.host.as_str()).collect();
    if hosts.iter().all(|host| used.contains(host.as_str())) {
        let message = "needs a host without VMs to attack from, and every host here has some; \
                       add a host to the topology";
        whole.sink.rule(path, message);
    }
}

/// Some encapsulation of the lab has what is attacked.
fn runs(whole: &Whole<'_>, attack: Attack, path: &str) {
    if !whole.all_encaps_read() {
        return;
    }
    let encaps = whole.encaps();
    let (needs, fits): (_, fn(&Encap) -> bool) = match attack {
        Attack::SttInject | Attack::SttInjectBlind => {
            ("is about STT's segments", |encap| *encap == Encap::Stt)
        }
        Attack::GreDesync => {
            ("is about GRE's sequence numbers", |encap| matches!(encap, Encap::Gre | Encap::Gretap))
        }
        Attack::VlanHop => ("is about VLANs", |encap| *encap == Encap::Vlan),
        Attack::SshResetBlind | Attack::SshInject | Attack::SshReset => {
            ("is about OpenSSH's connections", |encap| *encap == Encap::Ssh)
        }
        _ => return,
    };
    if !encaps.iter().any(fits) {
        whole.sink.rule(path, format!("{needs}, and the lab has no such encapsulation"));
    } else if attack == Attack::GreDesync && !whole.lab.carriers().iter().any(|c| c.engine.seq) {
        let message = "no variant of this lab has sequence numbers; add `engine: { seq: true }`";
        whole.sink.rule(path, message);
    }
}

/// An expectation about an attack.
pub(super) fn expected(whole: &Whole<'_>, expected: AttackExpected, path: &str) {
    let tried = whole.lab.measure.attacks.as_ref().map(Attacks::list).unwrap_or_default();
    if !tried.contains(&expected.name) && all_read(whole) {
        let name = expected.name.name();
        let message = format!("`{name}` is not tried; add it to `measure: {{ attacks: [..] }}`");
        whole.sink.rule(&format!("{path}.name"), message);
    }
}
