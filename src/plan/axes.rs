//! The compared values crossed into variants, each with its baseline.

use super::axis::{Draft, crossed, of_carrier, of_links};
use super::place::{Placed, first_overlap};
use super::{PlanError, Refusal, id, mtu};
use crate::ids::Encap;
use crate::lab::{
    Carrier, Datapath, Fabric, Flow, Impaired, IpVersion, Lab, Rate, Topology, has_ids,
};

/// One variant to build.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    /// Short unique name.
    pub name: String,
    /// Encapsulation.
    pub encap: Encap,
    /// Resolved datapath.
    pub datapath: Datapath,
    /// Resolved fabric.
    pub fabric: Fabric,
    /// MTU of links that have none of their own, in bytes.
    pub mtu: u32,
    /// What links do to packets that say nothing of it themselves.
    pub impaired: Impaired,
    /// Rate that the topology gives its links.
    pub rate: Option<Rate>,
    /// The lab's carrier with what this variant has of what is compared.
    pub carrier: Carrier,
    /// IP version of the underlay; the plain path of IPv4 tenants is IPv4.
    pub underlay: IpVersion,
    /// Name of the plain variant it is compared with.
    pub baseline: Option<String>,
    /// Bytes per packet.
    pub overhead: u32,
    /// Tenants carried, as indices.
    pub tenants: Vec<usize>,
    /// The first that no id is left for, where the lab expects one.
    pub refused: Option<Refusal>,
}

/// All variants in the order they are reported: a baseline stands before what is compared with it.
///
/// Combinations that come to the same are built once (the plain path always is the kernel's
/// forwarding, so that `none` ignores `datapath`).
///
/// # Errors
/// An encapsulation that cannot be carried on this fabric, or tenants that a plain path would mix
/// up.
pub(super) fn cross(
    lab: &Lab,
    topology: &Topology,
    placed: &[Vec<Placed>],
) -> Result<Vec<Choice>, PlanError> {
    let encaps = lab.encaps();
    let datapaths = lab.datapaths();
    let (of_links, of_carrier) = (of_links(&lab.compare), of_carrier(&lab.compare));
    let single = Draft {
        carrier: lab.carrier.clone(),
        mtu: topology.mtu,
        impaired: topology.impaired(),
        rate: topology.rate,
    };
    let mut choices: Vec<Choice> = Vec::new();
    for (draft, link) in crossed(&single, &of_links, Encap::None) {
        for &encap in &encaps {
            for &datapath in &datapaths {
                for (draft, way) in crossed(&draft, &of_carrier, encap) {
                    let choice = choice(lab, draft, encap, datapath, [&way, &link])?;
                    if choices.iter().any(|c| c.name == choice.name) {
                        continue;
                    }
                    if encap == Encap::None {
                        check_overlap(lab, placed)?;
                    }
                    choices.push(choice);
                }
            }
        }
    }
    Ok(with_baselines(lab, choices))
}

/// One variant, called after its carrier (`way`) and then its links.
fn choice(
    lab: &Lab,
    Draft { carrier, mtu, impaired, rate }: Draft,
    encap: Encap,
    datapath: Datapath,
    [way, link]: [&str; 2],
) -> Result<Choice, PlanError> {
    let fabric = fabric(carrier.fabric, encap)?;
    let datapath = resolve(datapath, encap);
    let plain = encap == Encap::None;
    let stem = if plain { plain_name(fabric).to_owned() } else { stem(lab, encap, datapath) + way };
    if !plain && !has_ids(encap) && lab.tenants.len() > 1 {
        return Err(PlanError::NoIds { encap, tenants: lab.tenants.len() });
    }
    let tunnel = !plain && !encap.is_tag();
    let refused = lab.expects_refusal(encap).then(|| id::refused(encap, &lab.tenants)).flatten();
    let carried = refused.as_ref().map_or(lab.tenants.len(), |refused| refused.number - 1);
    Ok(Choice {
        name: stem + link,
        encap,
        datapath,
        fabric,
        mtu,
        impaired,
        rate,
        underlay: if tunnel { carrier.underlay } else { IpVersion::Ipv4 },
        baseline: (!plain).then(|| plain_name(fabric).to_owned() + link),
        overhead: mtu::overhead(encap, &carrier),
        carrier,
        tenants: (0..carried).collect(),
        refused,
    })
}

/// Puts the missing baselines in front of what is compared with them; where the lab wants none,
/// takes away the references to those that are not there.
fn with_baselines(lab: &Lab, choices: Vec<Choice>) -> Vec<Choice> {
    let chosen: Vec<String> = choices.iter().map(|c| c.name.clone()).collect();
    let mut all: Vec<Choice> = Vec::new();
    for mut choice in choices {
        if let Some(baseline) = &choice.baseline
            && !chosen.contains(baseline)
        {
            if !lab.measure.baseline {
                choice.baseline = None;
            } else if !all.iter().any(|c| c.name == *baseline) {
                all.push(Choice {
                    name: baseline.clone(),
                    encap: Encap::None,
                    datapath: Datapath::Kernel,
                    fabric: choice.fabric,
                    mtu: choice.mtu,
                    impaired: choice.impaired,
                    rate: choice.rate,
                    carrier: choice.carrier.clone(),
                    underlay: IpVersion::Ipv4,
                    baseline: None,
                    overhead: 0,
                    tenants: baseline_tenant(lab),
                    refused: None,
                });
            }
        }
        all.push(choice);
    }
    all
}

/// The one tenant of a baseline: that of the first flow, so that there is something to compare,
/// or else the first.
fn baseline_tenant(lab: &Lab) -> Vec<usize> {
    let of_flow = lab.traffic.first().and_then(|flow| {
        let (from, _, _) = flow.members().first().and_then(Flow::ends)?;
        let tenant = from.split_once('/')?.0;
        lab.tenants.iter().position(|t| t.name == tenant)
    });
    of_flow.or((!lab.tenants.is_empty()).then_some(0)).into_iter().collect()
}

/// What `auto` stands for.
pub(super) fn fabric(wanted: Fabric, encap: Encap) -> Result<Fabric, PlanError> {
    match wanted {
        Fabric::Auto if encap.is_tag() => Ok(Fabric::L2),
        Fabric::Auto => Ok(Fabric::L3),
        Fabric::L3 if encap.is_tag() => Err(PlanError::TagOnRouters { encap }),
        fabric => Ok(fabric),
    }
}

/// `auto` is `user`, and the plain path is always the kernel's.
pub(super) fn resolve(datapath: Datapath, encap: Encap) -> Datapath {
    match datapath {
        _ if encap == Encap::None => Datapath::Kernel,
        Datapath::Auto => Datapath::User,
        datapath => datapath,
    }
}

const fn plain_name(fabric: Fabric) -> &'static str {
    match fabric {
        Fabric::L2 => "plain-l2",
        Fabric::L3 | Fabric::Auto => "plain-l3",
    }
}

/// `vxlan`, `vxlan-kernel`, and `-mixed` where some hosts have another datapath.
fn stem(lab: &Lab, encap: Encap, datapath: Datapath) -> String {
    let kernel = if datapath == Datapath::Kernel { "-kernel" } else { "" };
    let mut others = lab.carrier.datapath_on.values();
    let mixed = if others.any(|&other| resolve(other, encap) != datapath) { "-mixed" } else { "" };
    format!("{encap}{kernel}{mixed}")
}

fn check_overlap(lab: &Lab, placed: &[Vec<Placed>]) -> Result<(), PlanError> {
    match first_overlap(placed) {
        None => Ok(()),
        Some((tenant, vm, other_tenant, other, what)) => Err(PlanError::PlainOverlap {
            first: format!("{}/{}", lab.tenants[tenant].name, vm.name),
            second: format!("{}/{}", lab.tenants[other_tenant].name, other.name),
            what,
        }),
    }
}
