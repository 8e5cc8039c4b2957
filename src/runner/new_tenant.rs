//! How many tenants there may be, and what one more takes, as the result tells it.

use crate::measure::result::{IdSpaceResult, NewTenantResult};
use crate::plan::{Variant, id_space};

/// Both of a variant; each is absent where there is no such thing.
pub(super) fn of(variant: &Variant) -> (Option<IdSpaceResult>, Option<NewTenantResult>) {
    let ids =
        id_space(variant.encap).map(|(bits, usable)| IdSpaceResult { bits, usable: usable as f64 });
    let new = variant.new_tenant().map(|new| NewTenantResult {
        switch_entries: new.ports,
        host_entries: new.ids + new.peers + new.groups + new.macs,
        peers: new.peers,
        hosts: new.hosts,
        switches: new.switches,
        like: new.like,
    });
    (ids, new)
}
