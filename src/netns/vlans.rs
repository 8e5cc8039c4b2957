//! Bridges and VLANs: one MAC table for each where the kernel can, and what cannot be carried where
//! it keeps one for all.

use std::collections::HashMap;

use super::error::{Error, Result};
use crate::ids::Encap;
use crate::plan::{Variant, VmPlan};

/// The VLANs that a variant's bridges must tell apart; none where it has no tags.
pub(super) fn vids(variant: &Variant) -> Vec<u16> {
    if variant.encap != Encap::Vlan {
        return Vec::new();
    }
    let networks = variant.edges.iter().flat_map(|edge| &edge.networks);
    let mut vids: Vec<u16> = networks.filter_map(|n| u16::try_from(n.id).ok()).collect();
    vids.sort_unstable();
    vids.dedup();
    vids
}

/// Checks that no MAC lives on two hosts, where all VLANs share the bridges' tables.
///
/// # Errors
/// [`Error::SharedTable`] for the first that does.
pub(super) fn check_shared(variant: &Variant) -> Result<()> {
    if variant.encap != Encap::Vlan {
        return Ok(());
    }
    let mut seen: HashMap<&str, &VmPlan> = HashMap::new();
    let name = |vm: &VmPlan| format!("{}/{} on {}", vm.tenant, vm.name, vm.host);
    for vm in variant.vms() {
        let first = seen.entry(&vm.mac).or_insert(vm);
        if first.host != vm.host {
            return Err(Error::SharedTable {
                variant: variant.name.clone(),
                mac: vm.mac.clone(),
                first: name(first),
                second: name(vm),
            });
        }
    }
    Ok(())
}
