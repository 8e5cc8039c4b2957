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
    /// The attacks, in the order in which they are tried.
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

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attacker {
    /// A VM.
    Vm,
    /// A host of the underlay that has no VMs.
    Host,
}

/// What is known of attacks, all in one table: name in lab files and reports, title where room is short, who attacks,
/// and what is done, in words. Its order is that in which they are tried and shown.
macro_rules! attacks {
    ($($(#[doc = $doc:literal])+ $attack:ident: $name:literal, $title:literal, $from:ident, $words:literal;)+) => {
        /// One way to break the isolation of tenants.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Attack {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $attack,)+
        }

        impl Attack {
            /// All of them, in the order in which they are tried: those that leave a network as it was first.
            pub const ALL: [Attack; [$($name),+].len()] = [$(Attack::$attack),+];

            /// The name in lab files and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Attack::$attack => $name,)+
                }
            }

            /// The name as it stands in tables, where it can be broken.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Attack::$attack => $title,)+
                }
            }

            /// Who attacks.
            #[must_use]
            pub const fn attacker(self) -> Attacker {
                match self {
                    $(Attack::$attack => Attacker::$from,)+
                }
            }

            /// What is done, in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Attack::$attack => $words,)+
                }
            }
        }
    };
}

attacks! {
    /// A VM sends frames with two tags: its own network's or the usual native VLAN's, and another tenant's.
    DoubleTag: "double-tag", "double tag", Vm,
        "a VM sends frames with two tags, the inner one another tenant's";
    /// A host at an access port of a switch sends frames with two tags.
    VlanHop: "vlan-hop", "VLAN hop", Host,
        "a host at an access port sends frames with two tags";
    /// A VM sends what its host would send for another tenant: a tagged frame, or a whole tunnel packet.
    ForgedId: "forged-id", "forged id", Vm,
        "a VM sends what a host would send for another tenant";
    /// A host that is no peer sends packets under its own address, with the tenants' ids and others.
    IdSpray: "id-spray", "id spray", Host,
        "a host that is no peer sends under its own address";
    /// A host that is no peer sends packets with a peer's address and ids drawn at random, as one has to who knows none.
    IdGuess: "id-guess", "id guess", Host,
        "a host sends under a peer's address and guesses ids";
    /// Forged segments are put into a frame of another host while it is put together, with ids drawn at random.
    SttInjectBlind: "stt-inject-blind", "STT inject, blind", Host,
        "segments are put into frames of which the id is guessed";
    /// The same by who knows the frame's id.
    SttInject: "stt-inject", "STT inject", Host,
        "a segment is put into a frame of which the id is known";
    /// A VM claims the address of another VM of its tenant (ARP).
    ArpPoison: "arp-poison", "ARP poison", Vm,
        "a VM claims the address of a VM of its own tenant (ARP)";
    /// A VM claims the address of a VM of another tenant (ARP).
    ArpPoisonAcross: "arp-poison-across", "ARP poison, across", Vm,
        "a VM claims the address of another tenant's VM (ARP)";
    /// A VM claims the IPv6 address of another VM of its tenant (neighbour discovery).
    NdPoison: "nd-poison", "ND poison", Vm,
        "a VM claims the address of a VM of its own tenant (IPv6)";
    /// A VM claims the IPv6 address of a VM of another tenant (neighbour discovery).
    NdPoisonAcross: "nd-poison-across", "ND poison, across", Vm,
        "a VM claims the address of another tenant's VM (IPv6)";
    /// A host that is no peer sends under a VM's MAC address, to get what is for the VM.
    FdbPoison: "fdb-poison", "FDB poison", Host,
        "a host that is no peer claims a VM's MAC address";
    /// A VM sends under the MAC address of another tenant's VM, to divert what is for that one.
    FdbPoisonAcross: "fdb-poison-across", "FDB poison, across", Vm,
        "a VM claims the MAC address of another tenant's VM";
    /// A VM sends under thousands of MAC addresses, so that switches can learn no more, and another
    /// tenant's frames go everywhere.
    MacFlood: "mac-flood", "MAC flood", Vm,
        "a VM fills tables with MAC addresses, and others' frames go everywhere";
    /// The same, to receive what is for other VMs of its own tenant.
    MacFloodOwn: "mac-flood-own", "MAC flood, own", Vm,
        "a VM fills tables, and hears what is for its own tenant's VMs";
    /// A host that is no peer sends packets with a peer's address and a tenant's id. From here on sequence numbers, where
    /// there are any, are ahead of the peer's own, whose frames are lost.
    SpoofedSource: "spoofed-source", "spoofed source", Host,
        "a host that is no peer sends under a peer's address";
    /// As `id-guess`, by who knows roughly where the ids are.
    IdGuessNear: "id-guess-near", "id guess, near", Host,
        "a host sends under a peer's address and guesses ids near the right one";
    /// One forged packet far ahead in the sequence makes the receiver drop the peer's own.
    GreDesync: "gre-desync", "GRE desync", Host,
        "one packet far ahead makes the receiver drop the peer's own";
    /// A connection of OpenSSH is reset under sequence numbers drawn at random.
    SshResetBlind: "ssh-reset-blind", "SSH reset, blind", Host,
        "a connection is reset under guessed sequence numbers";
    /// Segments are forged into a connection of OpenSSH.
    SshInject: "ssh-inject", "SSH inject", Host,
        "segments are forged into a connection, without its keys";
    /// A connection of OpenSSH is reset by who sees its sequence numbers.
    SshReset: "ssh-reset", "SSH reset", Host,
        "a connection is reset by who sees its sequence numbers";
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
