//! Attacks that a lab tries, and whether they must succeed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which attacks are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Attacks {
    /// Every one there is.
    All(All),
    /// These.
    Some(Vec<Attack>),
}

/// The word for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// Every attack there is.
    All,
}

impl Attacks {
    /// The attacks, in the order in which they are tried: those that leave a network as it was first.
    #[must_use]
    pub fn list(&self) -> Vec<Attack> {
        match self {
            Attacks::All(All::All) => Attack::ALL.to_vec(),
            Attacks::Some(some) => {
                Attack::ALL.into_iter().filter(|attack| some.contains(attack)).collect()
            }
        }
    }
}

/// One way to break the isolation of tenants.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// A VM sends frames with two tags: its own network's or the usual native VLAN's, and another tenant's.
    DoubleTag,
    /// A host at an access port of a switch sends frames with two tags.
    VlanHop,
    /// A VM sends what its host would send for another tenant: a tagged frame, or a whole tunnel packet.
    ForgedId,
    /// A host that is no peer sends packets under its own address, with the tenants' ids and others.
    IdSpray,
    /// A host that is no peer sends packets with a peer's address and a tenant's id.
    SpoofedSource,
    /// The same with ids drawn at random, as one has to who knows none.
    IdGuess,
    /// A host that is no peer sends under a VM's MAC address, to get what is for the VM.
    FdbPoison,
    /// A VM sends under the MAC address of another tenant's VM, to divert what is for that one.
    FdbPoisonAcross,
    /// A forged segment is put into a frame of another host while it is put together; its id is known.
    SttInject,
    /// The same with ids drawn at random.
    SttInjectBlind,
    /// A VM claims the address of another VM of its tenant (ARP).
    ArpPoison,
    /// A VM claims the address of a VM of another tenant (ARP).
    ArpPoisonAcross,
    /// A VM claims the IPv6 address of another VM of its tenant (neighbour discovery).
    NdPoison,
    /// A VM claims the IPv6 address of a VM of another tenant (neighbour discovery).
    NdPoisonAcross,
    /// A VM sends under thousands of MAC addresses, so that switches can learn no more, and another
    /// tenant's frames go everywhere.
    MacFlood,
    /// The same, to receive what is for other VMs of its own tenant.
    MacFloodOwn,
    /// One forged packet far ahead in the sequence makes the receiver drop the peer's own.
    GreDesync,
    /// A connection of OpenSSH is reset under sequence numbers drawn at random.
    SshResetBlind,
    /// Segments are forged into a connection of OpenSSH.
    SshInject,
    /// A connection of OpenSSH is reset by who sees its sequence numbers.
    SshReset,
}

impl Attack {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Attack; 20] = [
        Attack::DoubleTag,
        Attack::VlanHop,
        Attack::ForgedId,
        Attack::IdSpray,
        Attack::SpoofedSource,
        Attack::IdGuess,
        Attack::SttInjectBlind,
        Attack::SttInject,
        Attack::ArpPoison,
        Attack::ArpPoisonAcross,
        Attack::NdPoison,
        Attack::NdPoisonAcross,
        Attack::FdbPoison,
        Attack::FdbPoisonAcross,
        Attack::MacFlood,
        Attack::MacFloodOwn,
        Attack::GreDesync,
        Attack::SshResetBlind,
        Attack::SshInject,
        Attack::SshReset,
    ];

    /// The name in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Attack::DoubleTag => "double-tag",
            Attack::VlanHop => "vlan-hop",
            Attack::ForgedId => "forged-id",
            Attack::IdSpray => "id-spray",
            Attack::SpoofedSource => "spoofed-source",
            Attack::IdGuess => "id-guess",
            Attack::FdbPoison => "fdb-poison",
            Attack::FdbPoisonAcross => "fdb-poison-across",
            Attack::SttInject => "stt-inject",
            Attack::SttInjectBlind => "stt-inject-blind",
            Attack::ArpPoison => "arp-poison",
            Attack::ArpPoisonAcross => "arp-poison-across",
            Attack::NdPoison => "nd-poison",
            Attack::NdPoisonAcross => "nd-poison-across",
            Attack::MacFlood => "mac-flood",
            Attack::MacFloodOwn => "mac-flood-own",
            Attack::GreDesync => "gre-desync",
            Attack::SshResetBlind => "ssh-reset-blind",
            Attack::SshInject => "ssh-inject",
            Attack::SshReset => "ssh-reset",
        }
    }

    /// Whether it comes from a host of the underlay that has no VMs, rather than from a VM.
    #[must_use]
    pub const fn from_host(self) -> bool {
        matches!(
            self,
            Attack::VlanHop
                | Attack::IdSpray
                | Attack::SpoofedSource
                | Attack::IdGuess
                | Attack::FdbPoison
                | Attack::SttInject
                | Attack::SttInjectBlind
                | Attack::GreDesync
                | Attack::SshResetBlind
                | Attack::SshInject
                | Attack::SshReset
        )
    }

    /// What is done, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Attack::DoubleTag => "a VM sends frames with two tags, the inner one another tenant's",
            Attack::VlanHop => "a host at an access port sends frames with two tags",
            Attack::ForgedId => "a VM sends what a host would send for another tenant",
            Attack::IdSpray => "a host that is no peer sends under its own address",
            Attack::SpoofedSource => "a host that is no peer sends under a peer's address",
            Attack::IdGuess => "a host sends under a peer's address and guesses ids",
            Attack::FdbPoison => "a host that is no peer claims a VM's MAC address",
            Attack::FdbPoisonAcross => "a VM claims the MAC address of another tenant's VM",
            Attack::SttInject => "a segment is put into a frame of which the id is known",
            Attack::SttInjectBlind => "segments are put into frames of which the id is guessed",
            Attack::ArpPoison => "a VM claims the address of a VM of its own tenant (ARP)",
            Attack::ArpPoisonAcross => "a VM claims the address of another tenant's VM (ARP)",
            Attack::NdPoison => "a VM claims the address of a VM of its own tenant (IPv6)",
            Attack::NdPoisonAcross => "a VM claims the address of another tenant's VM (IPv6)",
            Attack::MacFlood => {
                "a VM fills tables with MAC addresses, and others' frames go everywhere"
            }
            Attack::MacFloodOwn => "a VM fills tables, and hears what is for its own tenant's VMs",
            Attack::GreDesync => "one packet far ahead makes the receiver drop the peer's own",
            Attack::SshResetBlind => "a connection is reset under guessed sequence numbers",
            Attack::SshInject => "segments are forged into a connection, without its keys",
            Attack::SshReset => "a connection is reset by who sees its sequence numbers",
        }
    }
}

/// Whether an attack must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttackExpected {
    /// Which.
    pub name: Attack,
    /// Whether at least one of its tries succeeds, or none.
    pub succeeds: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for attack in Attack::ALL {
            assert_eq!(serde_json::to_value(attack).unwrap(), attack.name());
        }
        assert_eq!(Attacks::All(All::All).list().len(), Attack::ALL.len());
        let some = Attacks::Some(vec![Attack::GreDesync, Attack::DoubleTag]);
        assert_eq!(some.list(), [Attack::DoubleTag, Attack::GreDesync]);
    }
}
