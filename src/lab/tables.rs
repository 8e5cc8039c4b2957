//! What is expected of MAC tables, and of frames that stray because a table does not know better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries in the MAC table of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableExpected {
    /// A switch or a host.
    pub node: String,
    /// Once so many VMs have spoken, in the order of the lab; absent means at the end of the run.
    #[serde(default)]
    pub vms: Option<u32>,
    /// Fewest entries.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<u32>,
    /// Most entries.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<u32>,
}

/// Unicast frames between VMs of one tenant, counted at every port that they are not for: once for
/// each frame and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StrayExpected {
    /// Tenant name.
    pub within: String,
    /// Fewest.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<u32>,
    /// Most.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<u32>,
}
