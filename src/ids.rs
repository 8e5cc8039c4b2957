//! The identifiers of tenant networks and the names of the encapsulations.
//!
//! Every id is a type of its own, checked once where it enters the program, so that
//! no later stage can hold a VNI of 2^24 or VLAN 4095.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number that is no valid id, with the range that would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no {what}: it must lie between {min} and {max}{because}")]
pub struct IdError {
    /// The refused number.
    pub value: u64,
    /// The kind of id, e.g. `VXLAN VNI`.
    pub what: &'static str,
    /// Smallest valid value.
    pub min: u64,
    /// Largest valid value.
    pub max: u64,
    /// Why the range ends there, as a parenthesis; may be empty.
    pub because: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty) $what:literal $min:literal ..= $max:expr; $because:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name($inner);

        impl $name {
            /// Smallest valid value.
            pub const MIN: u64 = $min;
            /// Largest valid value.
            pub const MAX: u64 = $max;

            /// The plain number.
            #[must_use]
            pub const fn value(self) -> $inner {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = IdError;
            // `$min` may be 0 and `$max` the whole width of u64.
            #[allow(
                unused_comparisons,
                clippy::absurd_extreme_comparisons,
                clippy::manual_range_contains
            )]
            fn try_from(value: u64) -> Result<Self, IdError> {
                if value < Self::MIN || value > Self::MAX {
                    return Err(IdError { value, what: $what, min: $min, max: $max, because: $because });
                }
                // In range of the inner type by the check above.
                Ok(Self(value as $inner))
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> u64 {
                u64::from(id.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "integer", "minimum": $min, "maximum": Self::MAX, "description": $what })
            }
        }
    };
}

id!(
    /// VLAN identifier, 12 bits; 0 and 4095 are reserved (IEEE 802.1Q, table 9-2).
    VlanId(u16) "VLAN id" 1 ..= 4094; " (12 bits; 0 marks priority tags and 4095 is reserved)"
);
id!(
    /// VXLAN or Geneve network identifier, 24 bits (RFC 7348 section 5, RFC 8926 section 3.4).
    Vni(u32) "VNI" 0 ..= 0xFF_FFFF; " (24 bits)"
);
id!(
    /// NVGRE virtual subnet id, 24 bits with reserved ends (RFC 7637 section 3.2).
    Vsid(u32) "NVGRE VSID" 0x1000 ..= 0xFF_FFFE; " (24 bits; 0 to 4095 and 16777215 are reserved)"
);
id!(
    /// NVGRE flow id, 8 bits (RFC 7637 section 3.2).
    FlowId(u8) "NVGRE FlowID" 0 ..= 0xFF; " (8 bits)"
);
id!(
    /// STT context id, 64 bits (draft-davie-stt-08 section 3.1.1).
    ContextId(u64) "STT context id" 0 ..= 0xFFFF_FFFF_FFFF_FFFF; " (64 bits)"
);
id!(
    /// GRE key, 32 bits; 0 is a key, different from no key (RFC 2890 section 2.1).
    GreKey(u32) "GRE key" 0 ..= 0xFFFF_FFFF; " (32 bits)"
);

/// How tenants' packets are carried.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Encap {
    /// No encapsulation: the plain path every other one is compared with.
    None,
    /// IEEE 802.1Q tag.
    Vlan,
    /// IEEE 802.1ad, two tags.
    Qinq,
    /// IPv4 (or IPv6) in IP, protocol 4 (RFC 2003, RFC 2473).
    Ipip,
    /// IPv6 in IP, protocol 41 (RFC 4213, RFC 2473).
    #[serde(rename = "6in4")]
    SixInFour,
    /// Generic routing encapsulation of IP packets (RFC 2784, RFC 2890).
    Gre,
    /// Ethernet in GRE (protocol type 0x6558).
    Gretap,
    /// Virtual extensible LAN (RFC 7348).
    Vxlan,
    /// Network virtualisation using GRE (RFC 7637).
    Nvgre,
    /// Stateless transport tunnelling (draft-davie-stt-08).
    Stt,
    /// Generic network virtualisation encapsulation (RFC 8926).
    Geneve,
    /// OpenSSH device forwarding (`tun@openssh.com`).
    Ssh,
}

impl Encap {
    /// All of them, in the order of the lesson.
    pub const ALL: [Encap; 12] = [
        Encap::None,
        Encap::Vlan,
        Encap::Qinq,
        Encap::Ipip,
        Encap::SixInFour,
        Encap::Gre,
        Encap::Gretap,
        Encap::Vxlan,
        Encap::Nvgre,
        Encap::Stt,
        Encap::Geneve,
        Encap::Ssh,
    ];

    /// The name used in lab files, reports and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Encap::None => "none",
            Encap::Vlan => "vlan",
            Encap::Qinq => "qinq",
            Encap::Ipip => "ipip",
            Encap::SixInFour => "6in4",
            Encap::Gre => "gre",
            Encap::Gretap => "gretap",
            Encap::Vxlan => "vxlan",
            Encap::Nvgre => "nvgre",
            Encap::Stt => "stt",
            Encap::Geneve => "geneve",
            Encap::Ssh => "ssh",
        }
    }

    /// Whether it lives in the Ethernet header and so needs one L2 domain below.
    #[must_use]
    pub const fn is_tag(self) -> bool {
        matches!(self, Encap::Vlan | Encap::Qinq)
    }

    /// Whether it carries Ethernet frames (and so ARP, broadcast and non-IP), not only IP packets.
    #[must_use]
    pub const fn carries_ethernet(self) -> bool {
        !matches!(self, Encap::Ipip | Encap::SixInFour | Encap::Gre)
    }
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Encap {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Encap::ALL.into_iter().find(|e| e.name() == text).ok_or_else(|| {
            let names: Vec<_> = Encap::ALL.iter().map(|e| e.name()).collect();
            format!("`{text}` is no encapsulation; known are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_does_not_fit_their_field() {
        assert!(VlanId::try_from(0).is_err());
        assert!(VlanId::try_from(4095).is_err());
        assert_eq!(VlanId::try_from(4094).map(VlanId::value), Ok(4094));
        assert!(Vni::try_from(1 << 24).is_err());
        assert!(Vni::try_from((1 << 24) - 1).is_ok());
        assert!(Vsid::try_from(0xFFF).is_err());
        assert!(ContextId::try_from(u64::MAX).is_ok());
        let error = Vni::try_from(1 << 24).unwrap_err().to_string();
        assert_eq!(error, "16777216 is no VNI: it must lie between 0 and 16777215 (24 bits)");
    }

    #[test]
    fn encapsulation_names_round_trip() {
        for encap in Encap::ALL {
            assert_eq!(encap.name().parse(), Ok(encap));
            assert_eq!(serde_json::to_value(encap).unwrap(), encap.name());
        }
    }
}
