//! The compared values crossed into variants, each with its baseline.

use super::place::{Placed, first_overlap};
use super::{PlanError, mtu};
use crate::ids::Encap;
use crate::lab::{
    Carrier, Datapath, EngineSettings, Fabric, Flow, IpVersion, Lab, Loss, Topology, has_ids,
    in_groups, in_udp,
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
    /// Loss of links that have none of their own.
    pub loss: Option<Loss>,
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
    let encaps = axis(&lab.compare.encap, lab.carrier.encap);
    let datapaths = axis(&lab.compare.datapath, lab.carrier.datapath);
    let mtus = axis(&lab.compare.mtu, topology.mtu);
    let losses: Vec<Option<Loss>> = if lab.compare.loss.is_empty() {
        vec![topology.loss]
    } else {
        lab.compare.loss.iter().copied().map(Some).collect()
    };
    let name_mtu = mtus.iter().any(|&mtu| mtu != mtus[0]);
    let name_loss = losses.len() > 1;

    let mut choices: Vec<Choice> = Vec::new();
    for (&mtu, &loss) in mtus.iter().flat_map(|mtu| losses.iter().map(move |loss| (mtu, loss))) {
        let link = Link { mtu, name_mtu, loss, name_loss };
        for &encap in &encaps {
            for &datapath in &datapaths {
                for way in ways(lab, encap) {
                    let choice = choice(lab, &link, encap, datapath, way)?;
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

/// What the links of a variant are that have no properties of their own, and what of that is
/// compared.
struct Link {
    mtu: u32,
    name_mtu: bool,
    loss: Option<Loss>,
    name_loss: bool,
}

/// What is compared within one encapsulation and datapath, and how its variants are called.
struct Way {
    carrier: Carrier,
    name: String,
}

/// All combinations that make a difference to an encapsulation.
fn ways(lab: &Lab, encap: Encap) -> Vec<Way> {
    let compare = &lab.compare;
    let tunnel = encap != Encap::None && !encap.is_tag();
    let carriers = lab.carriers().into_iter();
    let mut ways: Vec<Way> =
        carriers.map(|carrier| Way { name: settings(lab, encap, &carrier), carrier }).collect();
    let learnings = if in_groups(encap) { &compare.learning[..] } else { &[] };
    ways = crossed(ways, learnings, |carrier, &learning| {
        (Carrier { learning, ..carrier }, learning.name().to_owned())
    });
    let addresses = if encap == Encap::Nvgre { &compare.nve_addresses[..] } else { &[] };
    ways = crossed(ways, addresses, |carrier, &count| {
        let engine = EngineSettings { nve_addresses: Some(count), ..carrier.engine };
        (Carrier { engine, ..carrier }, format!("nve{count}"))
    });
    let ports = if in_udp(encap) { &compare.source_ports[..] } else { &[] };
    ways = crossed(ways, ports, |carrier, &count| {
        let engine = EngineSettings { source_ports: Some(count), ..carrier.engine };
        (Carrier { engine, ..carrier }, format!("sport{count}"))
    });
    let ecmps = if tunnel { &compare.ecmp[..] } else { &[] };
    crossed(ways, ecmps, |carrier, &ecmp| (Carrier { ecmp, ..carrier }, ecmp.name().to_owned()))
}

/// Each way with each value, which `with` sets and names; the ways as they are where nothing is
/// compared.
fn crossed<T>(
    ways: Vec<Way>,
    values: &[T],
    with: impl Fn(Carrier, &T) -> (Carrier, String),
) -> Vec<Way> {
    if values.is_empty() {
        return ways;
    }
    let mut all = Vec::with_capacity(ways.len() * values.len());
    for way in ways {
        for value in values {
            let (carrier, part) = with(way.carrier.clone(), value);
            all.push(Way { carrier, name: format!("{}-{part}", way.name) });
        }
    }
    all
}

/// One variant.
fn choice(
    lab: &Lab,
    link: &Link,
    encap: Encap,
    datapath: Datapath,
    Way { carrier, name: way }: Way,
) -> Result<Choice, PlanError> {
    let fabric = fabric(carrier.fabric, encap)?;
    let datapath = resolve(datapath, encap);
    let plain = encap == Encap::None;
    let stem = if plain {
        plain_name(fabric).to_owned()
    } else {
        format!("{}{way}", stem(lab, encap, datapath))
    };
    if !plain && !has_ids(encap) && lab.tenants.len() > 1 {
        return Err(PlanError::NoIds { encap, tenants: lab.tenants.len() });
    }
    let tunnel = !plain && !encap.is_tag();
    Ok(Choice {
        name: with_link(&stem, link),
        encap,
        datapath,
        fabric,
        mtu: link.mtu,
        loss: link.loss,
        underlay: if tunnel { carrier.underlay } else { IpVersion::Ipv4 },
        baseline: (!plain).then(|| with_link(plain_name(fabric), link)),
        overhead: mtu::overhead(encap, &carrier),
        carrier,
        tenants: (0..lab.tenants.len()).collect(),
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
                    loss: choice.loss,
                    carrier: choice.carrier.clone(),
                    underlay: IpVersion::Ipv4,
                    baseline: None,
                    overhead: 0,
                    tenants: baseline_tenant(lab),
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
        let (Flow::Tcp(crate::lab::TcpFlow { from, .. })
        | Flow::Udp(crate::lab::UdpFlow { from, .. })
        | Flow::Rr(crate::lab::RrFlow { from, .. })) = flow;
        let tenant = from.split_once('/')?.0;
        lab.tenants.iter().position(|t| t.name == tenant)
    });
    of_flow.or((!lab.tenants.is_empty()).then_some(0)).into_iter().collect()
}

fn axis<T: Copy>(compared: &[T], single: T) -> Vec<T> {
    if compared.is_empty() { vec![single] } else { compared.to_vec() }
}

fn fabric(wanted: Fabric, encap: Encap) -> Result<Fabric, PlanError> {
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

/// What tells engine settings and MTU modes apart, where they are compared: `-icmp`, `-csum-seq`.
fn settings(lab: &Lab, encap: Encap, carrier: &Carrier) -> String {
    let mode = (lab.compare.mtu_mode.len() > 1).then(|| carrier.mtu_mode.name().to_owned());
    let settings = (lab.compare.engine.len() > 1).then(|| carrier.engine.label(encap));
    let parts = mode.into_iter().chain(settings).filter(|part| !part.is_empty());
    parts.flat_map(|part| ["-".to_owned(), part]).collect()
}

/// A name with what the links are, where that is compared: `vxlan-mtu9000-loss0p5`.
fn with_link(stem: &str, link: &Link) -> String {
    let mut name = stem.to_owned();
    if link.name_mtu {
        name += &format!("-mtu{}", link.mtu);
    }
    if let Some(loss) = link.loss.filter(|_| link.name_loss) {
        // A point parts a variant's name from a node's.
        name += &format!("-loss{}", loss.to_string().trim_end_matches('%').replace('.', "p"));
    }
    name
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
