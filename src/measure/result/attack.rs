//! What came of attacks: parts of a variant's result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Anatomy, is_zero};

/// One attack in one variant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttackResult {
    /// The attack's name, as in lab files.
    pub name: String,
    /// The name as it stands in tables.
    #[serde(default)]
    pub title: String,
    /// What it is, in words.
    #[serde(default)]
    pub about: String,
    /// What was done, by whom and to whom; empty where nothing was tried.
    pub what: String,
    /// Why it makes no sense here; then nothing was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does_not_apply: Option<String>,
    /// What counts as one try that succeeded.
    pub success: String,
    /// Tries.
    pub tried: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Frames of the attacked tenant's own that were sent meanwhile: the network was alive.
    pub own_sent: u64,
    /// Those of them that were delivered.
    pub own_delivered: u64,
    /// Frames that came too fast to be looked at; there may have been successes among them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// Frames dropped meanwhile at all edges and at switches of this program, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drops: BTreeMap<String, u64>,
    /// What else was counted, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The same again with something in its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_by: Vec<CounterResult>,
    /// The first forged packet as it left the attacker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Evidence>,
    /// The first forged packet on its way, where that tells more: on a trunk, or at the host it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Evidence>,
    /// The first packet that shows the success, where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Evidence>,
}

/// A captured packet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Namespace and interface where it was captured.
    pub place: String,
    /// Its bytes and layers.
    pub packet: Anatomy,
}

/// An attack with something in its way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterResult {
    /// What was put in its way.
    pub by: String,
    /// Tries.
    pub tried: u64,
    /// Those that succeeded all the same.
    pub succeeded: u64,
}

impl AttackResult {
    /// Whether frames of the attacked tenant's own were sent and all arrived, so that a failure means something.
    #[must_use]
    pub fn is_controlled(&self) -> bool {
        self.own_sent > 0 && self.own_delivered == self.own_sent
    }
}
