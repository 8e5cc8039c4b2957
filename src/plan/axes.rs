//! The compared values crossed into variants, each with its baseline.

use super::place::{Placed, first_overlap};
use super::{PlanError, mtu};
use crate::ids::Encap;
use crate::lab::{
    Carrier, Datapath, Fabric, Flow, IpVersion, Lab, Loss, Topology, has_ids, in_groups, in_udp,
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
    /// The lab's carrier with this variant's engine settings and MTU mode.
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
    let carriers = lab.carriers();
    let name_mtu = mtus.iter().any(|&mtu| mtu != mtus[0]);
    let name_loss = losses.len() > 1;

    let mut choices: Vec<Choice> = Vec::new();
    for (&mtu, &loss) in mtus.iter().flat_map(|mtu| losses.iter().map(move |loss| (mtu, loss))) {
        let with_link = |stem: &str| with_link(stem, mtu, name_mtu, loss.filter(|_| name_loss));
        for &encap in &encaps {
            for (&datapath, carrier) in
                datapaths.iter().flat_map(|d| carriers.iter().map(move |c| (d, c)))
            {
                for way in ways(lab, carrier, encap) {
                    let choice = choice(lab, (mtu, loss, &with_link), encap, datapath, way)?;
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
#[derive(Clone)]
struct Way {
    carrier: Carrier,
    name: String,
}

impl Way {
    fn with(mut self, name: &str, change: impl FnOnce(&mut Carrier)) -> Way {
        change(&mut self.carrier);
        self.name = format!("{}-{name}", self.name);
        self
    }
}

/// All combinations that make a difference to an encapsulation.
fn ways(lab: &Lab, carrier: &Carrier, encap: Encap) -> Vec<Way> {
    let compare = &lab.compare;
    let tunnel = encap != Encap::None && !encap.is_tag();
    let mut ways = vec![Way { carrier: carrier.clone(), name: String::new() }];
    let learnings = if in_groups(encap) { &compare.learning[..] } else { &[] };
    ways = crossed(ways, learnings, |way, &learning| {
        way.with(learning.name(), |carrier| carrier.learning = learning)
    });
    let addresses = if encap == Encap::Nvgre { &compare.nve_addresses[..] } else { &[] };
    ways = crossed(ways, addresses, |way, &count| {
        way.with(&format!("nve{count}"), |c| c.engine.nve_addresses = Some(count))
    });
    let ports = if in_udp(encap) { &compare.source_ports[..] } else { &[] };
    ways = crossed(ways, ports, |way, &count| {
        way.with(&format!("sport{count}"), |c| c.engine.source_ports = Some(count))
    });
    let ecmps = if tunnel { &compare.ecmp[..] } else { &[] };
    crossed(ways, ecmps, |way, &ecmp| way.with(ecmp.name(), |carrier| carrier.ecmp = ecmp))
}

/// Each way with each value; the ways as they are where nothing is compared.
fn crossed<T>(ways: Vec<Way>, values: &[T], with: impl Fn(Way, &T) -> Way) -> Vec<Way> {
    if values.is_empty() {
        return ways;
    }
    let each = |way: &Way| values.iter().map(|value| with(way.clone(), value)).collect::<Vec<_>>();
    ways.iter().flat_map(each).collect()
}

/// One variant on links of this MTU and loss, which may be part of its name.
fn choice(
    lab: &Lab,
    (mtu, loss, with_link): (u32, Option<Loss>, &dyn Fn(&str) -> String),
    encap: Encap,
    datapath: Datapath,
    way: Way,
) -> Result<Choice, PlanError> {
    let carrier = way.carrier;
    let fabric = fabric(carrier.fabric, encap)?;
    let datapath = resolve(datapath, encap);
    let plain = encap == Encap::None;
    let stem = if plain {
        plain_name(fabric).to_owned()
    } else {
        format!("{}{}", stem(lab, encap, datapath, &carrier), way.name)
    };
    if !plain && !has_ids(encap) && lab.tenants.len() > 1 {
        return Err(PlanError::NoIds { encap, tenants: lab.tenants.len() });
    }
    let tunnel = !plain && !encap.is_tag();
    Ok(Choice {
        name: with_link(&stem),
        encap,
        datapath,
        fabric,
        mtu,
        loss,
        underlay: if tunnel { carrier.underlay } else { IpVersion::Ipv4 },
        baseline: (!plain).then(|| with_link(plain_name(fabric))),
        overhead: mtu::overhead(encap, &carrier),
        tenants: (0..lab.tenants.len()).collect(),
        carrier,
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
                    carrier: Carrier { ecmp: lab.carrier.ecmp, ..choice.carrier.clone() },
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

/// `vxlan`, `vxlan-kernel`, and `-mixed` where some hosts have another datapath; where engine
/// settings or MTU modes are compared, what tells them apart: `gretap-csum-seq`, `nvgre-icmp`.
fn stem(lab: &Lab, encap: Encap, datapath: Datapath, carrier: &Carrier) -> String {
    let kernel = if datapath == Datapath::Kernel { "-kernel" } else { "" };
    let mut others = lab.carrier.datapath_on.values();
    let mixed = if others.any(|&other| resolve(other, encap) != datapath) { "-mixed" } else { "" };
    let mut name = format!("{encap}{kernel}{mixed}");
    let mode = (lab.compare.mtu_mode.len() > 1).then(|| carrier.mtu_mode.name());
    let settings = carrier.engine.label(encap);
    let settings = (lab.compare.engine.len() > 1 && !settings.is_empty()).then_some(settings);
    for part in mode.map(str::to_owned).into_iter().chain(settings) {
        name.push('-');
        name.push_str(&part);
    }
    name
}

/// A name with what the links are, where that is compared: `vxlan-mtu9000-loss0p5`.
fn with_link(stem: &str, mtu: u32, name_mtu: bool, loss: Option<Loss>) -> String {
    let mut name = stem.to_owned();
    if name_mtu {
        name += &format!("-mtu{mtu}");
    }
    if let Some(loss) = loss {
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
