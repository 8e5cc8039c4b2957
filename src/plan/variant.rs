//! One network put together.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::address::{Ranges, underlay_mac, vm_address6};
use super::axes::Choice;
use super::graph::Graph;
use super::place::{Kind, Placed, Trunk};
use super::{
    Link, LinkEnd, Node, NodeKind, PlanError, Route, TenantPlan, Variant, VmPlan, edge, id, joined,
    mtu, multicast, route,
};
use crate::ids::Encap;
use crate::lab::{Fabric, Lab, Learning, MtuMode, Switchable, Tenant, point_to_point};

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
    trunks: &[Trunk],
) -> Result<Variant, PlanError> {
    let vms_alone;
    let placed = if choice.encap == Encap::None {
        let vms = |of: &Vec<Placed>| of.iter().filter(|p| p.kind == Kind::Vm).cloned().collect();
        vms_alone = placed.iter().map(vms).collect::<Vec<Vec<Placed>>>();
        &vms_alone
    } else {
        placed
    };
    let routed = choice.fabric == Fabric::L3;
    let ranges = &ranges.of(choice.underlay);
    if choice.encap == Encap::Qinq {
        check_service_tag(lab, choice, graph, placed)?;
    }
    let vteps = vteps(choice, graph, ranges);
    let each = vteps.first().map_or(1, Vec::len);
    let links = links(graph, ranges, choice, routed, each, lab.seed);
    // The smallest link sets what fits, since any path may lead over it.
    let underlay_mtu = links.iter().map(|l| l.mtu).min().unwrap_or(choice.mtu);
    let inner_mtu = check_mtu(choice, underlay_mtu)?;
    // Those that are refused take no ids.
    let with_ids = choice.refused.as_ref().map_or(lab.tenants.len(), |refused| refused.number - 1);
    let ids = id::ids(choice.encap, &lab.tenants[..with_ids])?;
    let tenants = tenants(lab, choice, graph, placed, &ids, inner_mtu, underlay_mtu)?;
    let mut nodes = if routed {
        routers_and_hosts(choice, graph, ranges, placed, &vteps)?
    } else {
        route::check_bridged(graph)?;
        switches_and_hosts(graph)
    };
    let edges = edge::edges(lab, choice, graph, placed, &ids, &vteps);
    if routed {
        let routes = multicast::routes(graph, &edges)?;
        for (node, routes) in nodes.iter_mut().zip(routes) {
            node.multicast = routes;
        }
    }
    let plain = choice.encap == Encap::None;
    Ok(Variant {
        name: choice.name.clone(),
        encap: choice.encap,
        datapath: choice.datapath,
        fabric: choice.fabric,
        learning: choice.carrier.learning,
        port: choice.carrier.port.unwrap_or(registered_port(choice.encap)),
        offloads: choice.carrier.offloads == Switchable::On,
        stp: graph.stp,
        underlay: choice.underlay,
        mtu_mode: if plain { MtuMode::Lower } else { choice.carrier.mtu_mode },
        engine: choice.carrier.engine.clone(),
        ecmp: choice.carrier.ecmp,
        tunnels: if point_to_point(choice.encap) && choice.carrier.learning != Learning::Multicast {
            edge::tunnels(&edges)
        } else {
            0
        },
        refused: choice.refused.clone(),
        baseline: choice.baseline.clone(),
        underlay_mtu,
        inner_mtu,
        overhead: choice.overhead,
        nodes,
        links,
        tenants,
        edges,
        routers: joined::routers(lab, choice, placed, inner_mtu, underlay_mtu),
        segments: joined::segments(lab, choice, graph, placed, trunks, underlay_mtu),
    })
}

/// The addresses that tunnels to each host end at, the first one first, by host number.
fn vteps(choice: &Choice, graph: &Graph, ranges: &Ranges) -> Vec<Vec<IpAddr>> {
    let hosts = graph.hosts().count();
    let each = match choice.encap {
        Encap::Nvgre => choice.carrier.engine.nve_addresses.map_or(1, |n| n as usize),
        _ => 1,
    };
    let own = |host: usize, n: usize| match choice.fabric {
        Fabric::L3 => ranges.loopback(n * hosts + host),
        _ => ranges.bridged(n * hosts + host),
    };
    let written = |node: usize| {
        let address = choice.carrier.vtep.get(&graph.nodes[node].name).copied();
        address.filter(|_| choice.encap != Encap::None && choice.fabric == Fabric::L3)
    };
    let numbered = graph.hosts().enumerate();
    numbered
        .map(|(host, node)| {
            let first = written(node).unwrap_or_else(|| own(host, 0));
            std::iter::once(first).chain((1..each).map(|n| own(host, n))).collect()
        })
        .collect()
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

/// What a link does at random depends on the lab's seed and its name only, so that it does the same
/// to the packets of every variant (FNV-1a over the name).
fn link_seed(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

fn links(
    graph: &Graph,
    ranges: &Ranges,
    choice: &Choice,
    routed: bool,
    each: usize,
    seed: u64,
) -> Vec<Link> {
    let hosts = graph.hosts().count();
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
                    ranges.bridged_nets(numbers[node], hosts, each)
                } else {
                    Vec::new()
                };
                LinkEnd {
                    node: spot.name.clone(),
                    interface: cable.interfaces[end].clone(),
                    mac: underlay_mac(number, end),
                    addresses,
                    vlans: None,
                    mac_limit: None,
                }
            };
            Link {
                name: cable.name.clone(),
                ends: [end(0), end(1)],
                mtu: cable.mtu.unwrap_or(choice.mtu),
                rate: cable.rate,
                impaired: cable.impaired.or(choice.impaired).real(),
                seed: link_seed(seed, &cable.name),
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
            mac_table: None,
            vlan_learning: None,
            stp_priority: (graph.stp && !spot.host)
                .then(|| priorities.next().unwrap_or(STP_DEFAULT)),
            routes: Vec::new(),
            loopback: Vec::new(),
            multicast: Vec::new(),
        })
        .collect()
}

fn routers_and_hosts(
    choice: &Choice,
    graph: &Graph,
    ranges: &Ranges,
    placed: &[Vec<Placed>],
    vteps: &[Vec<IpAddr>],
) -> Result<Vec<Node>, PlanError> {
    let loopback: Vec<Vec<IpAddr>> = {
        let mut hosts = vteps.iter();
        let next = |spot: &super::graph::Spot| if spot.host { hosts.next() } else { None };
        graph.nodes.iter().map(next).map(|found| found.cloned().unwrap_or_default()).collect()
    };
    let mut at_host = loopback.clone();
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
                mac_table: None,
                vlan_learning: None,
                stp_priority: None,
                routes,
                loopback: loopback.into_iter().map(IpNet::from).collect(),
                multicast: Vec::new(),
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
    let lower = choice.encap == Encap::None || choice.carrier.mtu_mode == MtuMode::Lower;
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
                    &choice.carrier.engine,
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
        let vms = placed[tenant].iter().filter(|vm| !matches!(vm.kind, Kind::Router(_)));
        let vms = vms.map(|vm| vm_plan(of, vm)).collect::<Result<_, _>>()?;
        Ok(TenantPlan { name: of.name.clone(), id: ids[tenant], vms })
    };
    choice.tenants.iter().map(plan).collect()
}
