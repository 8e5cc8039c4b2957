//! The compared values crossed into variants, each with its baseline.

use super::place::{Placed, first_overlap};
use super::{PlanError, mtu};
use crate::ids::Encap;
use crate::lab::{
    Datapath, Ecmp, EngineSettings, Fabric, Flow, IpVersion, Lab, Learning, Topology, has_ids,
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
    /// IP version of the underlay; the plain path of IPv4 tenants is IPv4.
    pub underlay: IpVersion,
    /// How hosts learn.
    pub learning: Learning,
    /// What routers choose paths by.
    pub ecmp: Ecmp,
    /// What the engines are told.
    pub engine: EngineSettings,
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
    let carrier = &lab.carrier;
    let encaps = axis(&lab.compare.encap, carrier.encap);
    let datapaths = axis(&lab.compare.datapath, carrier.datapath);
    let mtus = axis(&lab.compare.mtu, topology.mtu);
    let name_mtu = mtus.iter().any(|&mtu| mtu != mtus[0]);

    let mut choices: Vec<Choice> = Vec::new();
    for &mtu in &mtus {
        for &encap in &encaps {
            for &datapath in &datapaths {
                for way in ways(lab, encap) {
                    let choice = choice(lab, (mtu, name_mtu), encap, datapath, way)?;
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

/// What is compared within one encapsulation and datapath, and how its variants are called.
struct Way {
    learning: Learning,
    ecmp: Ecmp,
    engine: EngineSettings,
    name: String,
}

/// All combinations that make a difference to an encapsulation.
fn ways(lab: &Lab, encap: Encap) -> Vec<Way> {
    let (carrier, compare) = (&lab.carrier, &lab.compare);
    let tunnel = encap != Encap::None && !encap.is_tag();
    let mut ways = vec![Way {
        learning: carrier.learning,
        ecmp: carrier.ecmp,
        engine: carrier.engine.clone(),
        name: String::new(),
    }];
    let learnings = if in_groups(encap) { &compare.learning[..] } else { &[] };
    ways = crossed(ways, learnings, |way, &learning| Way {
        learning,
        name: format!("{}-{}", way.name, learning.name()),
        ..way
    });
    let addresses = if encap == Encap::Nvgre { &compare.nve_addresses[..] } else { &[] };
    ways = crossed(ways, addresses, |way, &count| Way {
        engine: EngineSettings { nve_addresses: Some(count), ..way.engine },
        name: format!("{}-nve{count}", way.name),
        ..way
    });
    let ports = if in_udp(encap) { &compare.source_ports[..] } else { &[] };
    ways = crossed(ways, ports, |way, &count| Way {
        engine: EngineSettings { source_ports: Some(count), ..way.engine },
        name: format!("{}-sport{count}", way.name),
        ..way
    });
    let ecmps = if tunnel { &compare.ecmp[..] } else { &[] };
    crossed(ways, ecmps, |way, &ecmp| Way {
        ecmp,
        name: format!("{}-{}", way.name, ecmp.name()),
        ..way
    })
}

/// Each way with each value; the ways as they are where nothing is compared.
fn crossed<T>(ways: Vec<Way>, values: &[T], with: impl Fn(Way, &T) -> Way) -> Vec<Way> {
    if values.is_empty() {
        return ways;
    }
    let mut all = Vec::with_capacity(ways.len() * values.len());
    for way in ways {
        for value in values {
            let Way { learning, ecmp, ref engine, ref name } = way;
            let way = Way { learning, ecmp, engine: engine.clone(), name: name.clone() };
            all.push(with(way, value));
        }
    }
    all
}

/// One variant.
fn choice(
    lab: &Lab,
    (mtu, name_mtu): (u32, bool),
    encap: Encap,
    datapath: Datapath,
    way: Way,
) -> Result<Choice, PlanError> {
    let fabric = fabric(lab.carrier.fabric, encap)?;
    let datapath = resolve(datapath, encap);
    let plain = encap == Encap::None;
    let stem = if plain {
        plain_name(fabric).to_owned()
    } else {
        format!("{}{}", stem(lab, encap, datapath), way.name)
    };
    if !plain && !has_ids(encap) && lab.tenants.len() > 1 {
        return Err(PlanError::NoIds { encap, tenants: lab.tenants.len() });
    }
    let tunnel = !plain && !encap.is_tag();
    Ok(Choice {
        name: with_mtu(&stem, mtu, name_mtu),
        encap,
        datapath,
        fabric,
        mtu,
        underlay: if tunnel { lab.carrier.underlay } else { IpVersion::Ipv4 },
        learning: way.learning,
        ecmp: way.ecmp,
        engine: way.engine,
        baseline: (!plain).then(|| with_mtu(plain_name(fabric), mtu, name_mtu)),
        overhead: mtu::overhead(encap, &lab.carrier),
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
                    underlay: IpVersion::Ipv4,
                    learning: lab.carrier.learning,
                    ecmp: lab.carrier.ecmp,
                    engine: lab.carrier.engine.clone(),
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

fn with_mtu(stem: &str, mtu: u32, named: bool) -> String {
    if named { format!("{stem}-mtu{mtu}") } else { stem.to_owned() }
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
