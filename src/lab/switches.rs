//! What the switches of an L2 fabric are told: the VLANs of their ports, and the size of their MAC
//! tables.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::ids::VlanId;

/// VLANs one after another, from the first to the last one. Written as one number or as two: `110-120`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct VlanRange {
    /// The first.
    pub first: VlanId,
    /// The last, which may be the first.
    pub last: VlanId,
}

/// A number is read as the text that it is written as.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

/// Settings of one switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchSettings {
    /// Most MAC addresses that it learns, where not as many as every switch of the topology.
    #[serde(default)]
    pub mac_table: Option<u32>,
    /// Most MAC addresses behind each of its ports to hosts, where not as many as on every switch.
    #[serde(default)]
    pub mac_limit: Option<u32>,
}

/// Whether an address that a switch learns in one VLAN is known in the others too (IEEE 802.1Q clause 8.8.8 leaves
/// both to the switch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VlanLearning {
    /// One table for all VLANs (shared VLAN learning).
    Shared,
    /// A table for each VLAN (independent VLAN learning).
    Independent,
}

/// Which frames a port takes (IEEE 802.1Q clause 6.9, acceptable frame types).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// Those of its VLANs, with tag or without.
    #[default]
    All,
    /// Those without tag, and priority tags (VID 0): "Admit Only Untagged and Priority-tagged frames".
    Priority,
    /// Those without tag only.
    Untagged,
}

impl Accept {
    /// Whether that is what ports take which are told nothing.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks
    pub fn is_all(&self) -> bool {
        *self == Accept::All
    }
}

/// The VLANs of one port of a switch: `access` perhaps with `accept`, or `trunk` perhaps with `native`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchPort {
    /// The switch.
    pub at: String,
    /// The node at the other end of the cable.
    pub to: String,
    /// The one VLAN of the port, whose frames have no tag here.
    #[serde(default)]
    pub access: Option<VlanId>,
    /// VLANs that pass with their tags: numbers and ranges.
    #[serde(default)]
    pub trunk: Vec<VlanRange>,
    /// The VLAN whose frames have no tag on this trunk; without one, frames without tag are dropped.
    #[serde(default)]
    pub native: Option<VlanId>,
    /// Which frames it takes; other than `all` for access ports.
    #[serde(default)]
    pub accept: Accept,
}

impl SwitchPort {
    /// The VLAN whose frames have no tag.
    #[must_use]
    pub fn untagged(&self) -> Option<VlanId> {
        self.access.or(self.native)
    }
}

impl FromStr for VlanRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let id = |part: &str| {
            let number = part.trim().parse::<u64>().map_err(|_| {
                format!("`{text}` names no VLANs; write one number, or two as `110-120`")
            })?;
            VlanId::try_from(number).map_err(|error| error.to_string())
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (id(first)?, id(last)?);
        if first > last {
            return Err(format!("`{text}` ends before it begins; write `{last}-{first}`"));
        }
        Ok(VlanRange { first, last })
    }
}

impl TryFrom<Written> for VlanRange {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl fmt::Display for VlanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl From<VlanRange> for String {
    fn from(range: VlanRange) -> String {
        range.to_string()
    }
}

impl JsonSchema for VlanRange {
    fn schema_name() -> Cow<'static, str> {
        "VlanRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^ *[0-9]+ *(- *[0-9]+ *)?$",
            "minimum": 1,
            "maximum": 4094,
            "description": "one VLAN, or a range as 110-120",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_written() {
        let read = |text: &str| text.parse::<VlanRange>().map(|range| range.to_string());
        assert_eq!(read("101"), Ok("101".into()));
        assert_eq!(read("110-120"), Ok("110-120".into()));
        assert_eq!(read(" 1 - 4094"), Ok("1-4094".into()));
        assert!(read("120-110").unwrap_err().contains("110-120"));
        for wrong in ["0", "4095", "1-4095", "", "-", "a", "1-2-3", "-1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let both: Vec<VlanRange> = serde_yaml::from_str("[101, 110-120]").unwrap();
        assert_eq!(serde_json::to_string(&both).unwrap(), "[\"101\",\"110-120\"]");
    }
}
