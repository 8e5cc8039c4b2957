//! How many tenants there may be, and what one more of them takes: parts of a variant's result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ids that packets name tenants by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdSpaceResult {
    /// Bits of the field.
    pub bits: u32,
    /// Ids that a tenant may have; exact up to 2^64, as a power of two is.
    pub usable: f64,
}

/// What one more tenant takes in configuration: counted in the plan of a tenant that the lab has, so of one
/// with as many VMs at the same hosts. Attaching VMs to their hosts is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewTenantResult {
    /// The tenant that it is like: the one at most hosts.
    pub like: String,
    /// Hosts where something has to be entered.
    pub hosts: u64,
    /// Switches where something has to be entered.
    pub switches: u64,
    /// Entries at switches: ports at which its VLAN is allowed.
    pub switch_entries: u64,
    /// Entries at hosts: ids, other ends of tunnels, groups, and MAC addresses where hosts do not learn.
    pub host_entries: u64,
    /// Of these the other ends of tunnels, or places that broadcasts are sent to.
    pub peers: u64,
}

impl NewTenantResult {
    /// Nodes to touch.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.hosts.saturating_add(self.switches)
    }

    /// Entries to make.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.switch_entries.saturating_add(self.host_entries)
    }
}
