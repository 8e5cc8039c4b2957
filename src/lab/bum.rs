//! What a lab expects of broadcasts and of tunnels, where it is more than one number.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many point-to-point tunnels: of the whole lab, or of each tenant named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TunnelCount {
    /// Of all tenants together.
    All(u64),
    /// By tenant.
    Each(BTreeMap<String, u64>),
}

/// How many packets leave the sender's host for one broadcast of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyCount {
    /// Tenant name.
    pub within: String,
    /// For an ARP request.
    #[serde(default)]
    pub arp: Option<u64>,
    /// For any other broadcast.
    #[serde(default)]
    pub broadcast: Option<u64>,
}
