//! What forwards in the switches of an L2 fabric: the kernel's bridge where it can do what the plan
//! wants, and otherwise a switch of this program, whose ports the bridge keeps for spanning tree.

use std::collections::{BTreeSet, HashMap};

use super::error::Result;
use super::socket::Request;
use super::world::World;
use super::{link, probe};
use crate::ids::Encap;
use crate::lab::{Accept, Fabric, VlanLearning};
use crate::plan::{LinkEnd, PortVlans, Variant};

/// What forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switching {
    /// Linux's bridge, for which tags are payload: one MAC table for all VLANs.
    Bridge,
    /// Linux's bridge with VLAN filtering, where frames are tagged.
    VlanBridge,
    /// A switch of this program.
    Switch,
}

impl Switching {
    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Switching::Bridge => "bridge",
            Switching::VlanBridge => "vlan-bridge",
            Switching::Switch => "switch",
        }
    }
}

/// What these variants need. All of them get the same, so that none has a faster switch than what
/// it is compared with.
pub(super) fn choose(world: &World, variants: &[&Variant]) -> Result<Switching> {
    let told = |learning| variants.iter().any(|variant| learns(variant) == Some(learning));
    let (shared, independent) = (told(VlanLearning::Shared), told(VlanLearning::Independent));
    if shared && independent || variants.iter().any(|variant| beyond_bridges(variant)) {
        return Ok(Switching::Switch);
    }
    let tagged = variants.iter().any(|variant| !vids(variant).is_empty());
    // A bridge that filters has a table for each VLAN.
    let filters = tagged && !shared && probe::filters_vlans(world)?;
    if !filters && independent {
        return Ok(Switching::Switch);
    }
    if !filters && variants.iter().any(|variant| needs_vlans(variant)) {
        return Ok(Switching::Switch);
    }
    let bounded = variants.iter().any(|variant| bounded(variant));
    if bounded && !probe::bounds_tables(world)? {
        return Ok(Switching::Switch);
    }
    Ok(if filters { Switching::VlanBridge } else { Switching::Bridge })
}

/// The VLANs that a variant's bridges must tell apart; none where it has no tags.
#[must_use]
pub fn vids(variant: &Variant) -> Vec<u16> {
    if variant.encap != Encap::Vlan {
        return Vec::new();
    }
    let networks = variant.edges.iter().flat_map(|edge| &edge.networks);
    let vids: BTreeSet<u16> = networks.filter_map(|n| u16::try_from(n.id).ok()).collect();
    vids.into_iter().collect()
}

/// Whether a switch's table has a bound.
fn bounded(variant: &Variant) -> bool {
    variant.nodes.iter().any(|node| node.mac_table.is_some())
}

/// How a variant's switches are to learn in VLANs, where it says so.
fn learns(variant: &Variant) -> Option<VlanLearning> {
    variant.nodes.iter().find_map(|node| node.vlan_learning)
}

/// Whether ports do what no bridge of Linux can: refuse tags, or count addresses.
fn beyond_bridges(variant: &Variant) -> bool {
    let mut ends = variant.links.iter().flat_map(|link| &link.ends);
    ends.any(|end| {
        end.mac_limit.is_some() || end.vlans.as_ref().is_some_and(|v| !v.accept.is_all())
    })
}

/// Whether a bridge that takes tags for payload would behave otherwise than one that does not.
fn needs_vlans(variant: &Variant) -> bool {
    if variant.encap != Encap::Vlan || variant.fabric != Fabric::L2 {
        return false;
    }
    let told = variant.links.iter().flat_map(|link| &link.ends).any(|end| end.vlans.is_some());
    let mut seen: HashMap<&str, (&str, &str)> = HashMap::new();
    let shared = variant.vms().any(|vm| {
        let (tenant, host) = *seen.entry(&vm.mac).or_insert((&vm.tenant, &vm.host));
        // Behind the same port one entry serves both, but counts once.
        host != vm.host || bounded(variant) && tenant != vm.tenant
    });
    // Where one table is wanted, what equal addresses do in it is wanted too.
    told || shared && learns(variant).is_none()
}

/// The requests that let its VLANs pass a switch's port, where the kernel tells them apart.
pub(super) fn of_port(index: u32, end: &LinkEnd, vids: &[u16]) -> Vec<Request> {
    let vlans = end.vlans.clone().unwrap_or_else(|| default_port(vids));
    link::port_vlans(index, &end.interface, &vlans)
}

/// The VLANs of a port that is told none: those of all tenants with their tag, and without tag
/// VLAN 1, as switches come, unless that is a tenant's.
#[must_use]
pub fn default_port(vids: &[u16]) -> PortVlans {
    PortVlans {
        tagged: vids.iter().map(|&vid| (vid, vid)).collect(),
        untagged: (!vids.contains(&1)).then_some(1),
        accept: Accept::All,
    }
}
