//! One network put together.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::address::{Ranges, underlay_mac, vm_address6};
use super::axes::Choice;
use super::graph::Graph;
use super::place::Placed;
use super::{
    Link, LinkEnd, Node, NodeKind, PlanError, Route, TenantPlan, Variant, VmPlan, edge, id, mtu,
    route,
};
use crate::ids::Encap;
use crate::lab::{Fabric, Lab, MtuMode, Switchable, Tenant, point_to_point};

/// Spanning-tree priorities: the first switch becomes the root, the second takes over from it, and
/// the rest keep the standard's default (IEEE 802.1D clause 17.14; multiples of 4096).
const STP_PRIORITIES: [u16; 2] = [4096, 8192];
const STP_DEFAULT: u16 = 32768;

/// Smallest MTU of IPv4 (RFC 791) and the largest packet.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// Plans one variant.
///
/// # Errors
/// Hosts that do not reach each other on its fabric, ids that run out, or sizes that do not fit.
pub(super) fn build(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    ranges: &Ranges,
    placed: &[Vec<Placed>],
) -> Result<Variant, PlanError> {
    let routed = choice.fabric == Fabric::L3;
    let ranges = &ranges.of(choice.underlay);
    if choice.encap == Encap::Qinq {
        check_service_tag(lab, choice, graph, placed)?;
    }
    let links = links(graph, ranges, choice.mtu, routed);
    // The smallest link sets what fits, since any path may lead over it.
    let underlay_mtu = links.iter().map(|l| l.mtu).min().unwrap_or(choice.mtu);
    let inner_mtu = check_mtu(choice, underlay_mtu)?;
    let ids = id::ids(choice.encap, &lab.tenants)?;
    let vteps: Vec<IpAddr> = (0..graph.hosts().count())
        .map(|host| if routed { ranges.loopback(host) } else { ranges.bridged(host) })
        .collect();
    let tenants = tenants(lab, choice, graph, placed, &ids, inner_mtu, underlay_mtu)?;
    let nodes = if routed {
        routers_and_hosts(choice, graph, ranges, placed)?
    } else {
        route::check_bridged(graph)?;
        switches_and_hosts(graph)
    };
    let edges = edge::edges(lab, choice, graph, placed, &ids, &vteps);
    let plain = choice.encap == Encap::None;
    Ok(Variant {
        name: choice.name.clone(),
        encap: choice.encap,
        datapath: choice.datapath,
        fabric: choice.fabric,
        learning: lab.carrier.learning,
        port: lab.carrier.port.unwrap_or(registered_port(choice.encap)),
        offloads: lab.carrier.offloads == Switchable::On,
        stp: graph.stp,
        underlay: choice.underlay,
        mtu_mode: if plain { MtuMode::Lower } else { lab.carrier.mtu_mode },
        engine: lab.carrier.engine.clone(),
        tunnels: if point_to_point(choice.encap) { edge::tunnels(&edges) } else { 0 },
        baseline: choice.baseline.clone(),
        underlay_mtu,
        inner_mtu,
        overhead: choice.overhead,
        nodes,
        links,
        tenants,
        edges,
    })
}

/// Destination port from the registry; 0 where no UDP or TCP header is used.
const fn registered_port(encap: Encap) -> u16 {
    match encap {
        Encap::Vxlan => 4789,  // RFC 7348 section 8
        Encap::Geneve => 6081, // RFC 8926 section 3.3
        Encap::Stt => 7471,    // draft-davie-stt-08 section 8
        _ => 0,
    }
}

fn check_mtu(choice: &Choice, underlay: u32) -> Result<u32, PlanError> {
    let inner = mtu::inner(choice.encap, underlay, choice.overhead);
    if MTU.contains(&inner) && MTU.contains(&underlay) {
        return Ok(inner);
    }
    Err(PlanError::UnderlayMtu { variant: choice.name.clone(), mtu: underlay, inner })
}

/// Provider bridges learn by service tag (IEEE 802.1ad clause 8.8), and customers share one.
fn check_service_tag(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    placed: &[Vec<Placed>],
) -> Result<(), PlanError> {
    let mut seen: HashMap<&str, (usize, &Placed)> = HashMap::new();
    let name = |tenant: usize, vm: &Placed| {
        let host = &graph.nodes[vm.host].name;
        format!("{}/{} on {host}", lab.tenants[tenant].name, vm.name)
    };
    for &tenant in &choice.tenants {
        for vm in &placed[tenant] {
            let (owner, first) = *seen.entry(&vm.mac).or_insert((tenant, vm));
            if first.host != vm.host {
                return Err(PlanError::SharedServiceTag {
                    mac: vm.mac.clone(),
                    first: name(owner, first),
                    second: name(tenant, vm),
                });
            }
        }
    }
    Ok(())
}

fn links(graph: &Graph, ranges: &Ranges, mtu: u32, routed: bool) -> Vec<Link> {
    let numbers = graph.host_numbers();
    let cables = graph.cables.iter().enumerate();
    cables
        .map(|(number, cable)| {
            let end = |end: usize| {
                let node = cable.ends[end];
                let spot = &graph.nodes[node];
                let first = spot.adjacent.first().is_some_and(|&(first, _)| first == number);
                let addresses = if routed {
                    ranges.link_nets(number, end)
                } else if spot.host && first {
                    // The one address of a host in an L2 fabric is on its first NIC.
                    ranges.bridged_nets(numbers[node])
                } else {
                    Vec::new()
                };
                LinkEnd {
                    node: spot.name.clone(),
                    interface: cable.interfaces[end].clone(),
                    mac: underlay_mac(number, end),
                    addresses,
                }
            };
            Link {
                name: cable.name.clone(),
                ends: [end(0), end(1)],
                mtu: cable.mtu.unwrap_or(mtu),
                rate: cable.rate,
            }
        })
        .collect()
}

fn switches_and_hosts(graph: &Graph) -> Vec<Node> {
    let mut priorities = STP_PRIORITIES.into_iter();
    graph
        .nodes
        .iter()
        .map(|spot| Node {
            name: spot.name.clone(),
            kind: if spot.host { NodeKind::Host } else { NodeKind::Switch },
            stp_priority: (graph.stp && !spot.host)
                .then(|| priorities.next().unwrap_or(STP_DEFAULT)),
            routes: Vec::new(),
            loopback: Vec::new(),
        })
        .collect()
}

fn routers_and_hosts(
    choice: &Choice,
    graph: &Graph,
    ranges: &Ranges,
    placed: &[Vec<Placed>],
) -> Result<Vec<Node>, PlanError> {
    let loopback: Vec<Option<IpAddr>> = {
        let mut hosts = 0..;
        let next = |spot: &super::graph::Spot| if spot.host { hosts.next() } else { None };
        graph.nodes.iter().map(next).map(|number| number.map(|n| ranges.loopback(n))).collect()
    };
    let mut at_host: Vec<Vec<IpAddr>> =
        loopback.iter().map(|address| address.iter().copied().collect()).collect();
    let mut ports: Vec<Vec<Route>> = vec![Vec::new(); graph.nodes.len()];
    if choice.encap == Encap::None {
        // Without a tunnel the fabric itself must know where each VM is.
        for vm in choice.tenants.iter().flat_map(|&tenant| &placed[tenant]) {
            at_host[vm.host].push(vm.address.addr().into());
            ports[vm.host].push(Route {
                to: IpNet::V4(Ipv4Net::from(vm.address.addr())),
                via: Vec::new(),
                device: Some(vm.port.clone()),
            });
        }
    }
    let routes = route::routed(graph, ranges, &at_host)?;
    let spots = graph.nodes.iter().zip(loopback).zip(ports.into_iter().zip(routes));
    Ok(spots
        .map(|((spot, loopback), (mut routes, to_others))| {
            routes.extend(to_others);
            Node {
                name: spot.name.clone(),
                kind: if spot.host { NodeKind::Host } else { NodeKind::Router },
                stp_priority: None,
                routes,
                loopback: loopback.map(IpNet::from).into_iter().collect(),
            }
        })
        .collect())
}

fn tenants(
    lab: &Lab,
    choice: &Choice,
    graph: &Graph,
    placed: &[Vec<Placed>],
    ids: &[u64],
    inner_mtu: u32,
    underlay_mtu: u32,
) -> Result<Vec<TenantPlan>, PlanError> {
    let lower = choice.encap == Encap::None || lab.carrier.mtu_mode == MtuMode::Lower;
    let usual = if lower { inner_mtu } else { underlay_mtu };
    let vm_plan = |tenant: &Tenant, vm: &Placed| {
        let mtu = vm.mtu.unwrap_or(usual);
        let address6 = tenant.subnet6.and_then(|net| vm_address6(vm.address, net)).map(IpNet::V6);
        let (address, address6) = match (choice.encap, choice.fabric) {
            (Encap::SixInFour, _) => {
                let name = tenant.name.clone();
                (address6.ok_or(PlanError::NoSubnet6 { tenant: name })?, None)
            }
            // What carries IPv4 only: IP in IP, and a fabric that routes to IPv4 addresses.
            (Encap::Ipip, _) | (Encap::None, Fabric::L3) => (vm.address.into(), None),
            _ => (vm.address.into(), address6),
        };
        let tenant = &tenant.name;
        if mtu > inner_mtu && lower {
            return Err(PlanError::VmMtu {
                vm: format!("{tenant}/{}", vm.name),
                mtu,
                variant: choice.name.clone(),
                inner: inner_mtu,
                arithmetic: mtu::arithmetic(
                    choice.encap,
                    choice.underlay,
                    &lab.carrier.engine,
                    underlay_mtu,
                    inner_mtu,
                ),
            });
        }
        Ok(VmPlan {
            name: vm.name.clone(),
            tenant: tenant.clone(),
            host: graph.nodes[vm.host].name.clone(),
            node: format!("{tenant}.{}", vm.name),
            port: vm.port.clone(),
            address,
            address6,
            mac: vm.mac.clone(),
            mtu,
        })
    };
    let plan = |&tenant: &usize| {
        let of = &lab.tenants[tenant];
        let vms = placed[tenant].iter().map(|vm| vm_plan(of, vm)).collect::<Result<_, _>>()?;
        Ok(TenantPlan { name: of.name.clone(), id: ids[tenant], vms })
    };
    choice.tenants.iter().map(plan).collect()
}
