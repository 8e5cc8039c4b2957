//! From a planned edge to the configuration of an engine.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;

use super::TestbedError;
use crate::datapath::user::{EdgeConfig, Extras, Oversize, RouteConfig, Via};
use crate::encap::{
    DropReason, Engine, Geneve, Gre, IpInIp, Nvgre, Plain, Qinq, SentOptions, Sequence, Stt, Vlan,
    Vxlan,
};
use crate::ids::{Encap, VlanId};
use crate::lab::{EngineSettings, GeneveOption, Learning, MtuMode};
use crate::plan::{Edge, EdgeNetwork, Variant};
use crate::vswitch::{NetworkConfig, Peer};
use crate::wire::ethernet::Mac;

/// MAC addresses one tenant's table holds at one host.
pub(super) const MAC_LIMIT: usize = 65_536;

/// The provider's VLAN id of `QinQ`: the outer tag of all tenants.
#[must_use]
pub fn service_tag(settings: &EngineSettings) -> u16 {
    settings.service.map_or(Qinq::default().service, VlanId::value)
}

/// The engine's configuration for one edge of a variant.
pub(super) fn config(
    variant: &Variant,
    edge: &Edge,
    seed: u64,
) -> Result<EdgeConfig, TestbedError> {
    let engine: Arc<dyn Engine> = match variant.encap {
        Encap::Vlan => {
            let inner_tags = variant.engine.inner_tags;
            Arc::new(Vlan { pvid: edge.untagged, inner_tags, ..Vlan::default() })
        }
        _ => engine(variant)?,
    };
    let peer = |vtep: std::net::IpAddr| Peer::Vtep(vtep);
    let networks = edge
        .networks
        .iter()
        .map(|network| {
            let fdb = network.fdb.iter().map(|(mac, vtep)| {
                let mac: Mac = mac.parse().map_err(TestbedError::Mac)?;
                Ok((mac, peer(*vtep)))
            });
            Ok(NetworkConfig {
                id: network.id,
                ports: network.all_ports().count(),
                peers: match edge.vtep {
                    Some(_) => network.peers.iter().copied().map(peer).collect(),
                    None => vec![Peer::Fabric],
                },
                fdb: fdb.collect::<Result<_, TestbedError>>()?,
                learning: variant.learning != Learning::Static,
                mac_limit: MAC_LIMIT,
            })
        })
        .collect::<Result<_, TestbedError>>()?;
    Ok(EdgeConfig {
        host: variant.namespace(&edge.host),
        engine,
        nic: edge.nic.clone(),
        vtep: edge.vtep,
        networks,
        ports: edge.networks.iter().flat_map(|n| n.all_ports().cloned()).collect(),
        inner_mtu: variant.inner_mtu,
        oversize: match variant.mtu_mode {
            MtuMode::Lower | MtuMode::Blackhole => Oversize::Drop,
            MtuMode::Icmp => Oversize::Notify,
            MtuMode::Fragment => Oversize::Fragment,
        },
        delivery: variant.engine.delivery(variant.encap),
        routes: routes(variant, edge)?,
        offloads: variant.offloads,
        direct: true,
        seed: seed ^ fnv(&edge.host),
    })
}

/// What only some edges have.
pub(super) fn extras(variant: &Variant, edge: &Edge) -> Result<Extras, TestbedError> {
    let groups = edge.networks.iter().filter_map(|n| n.group.map(|group| (n.id, group)));
    let others = variant.edges.iter().filter(|other| other.host != edge.host);
    let peers = others.filter_map(|other| Some((other.vtep?, other.more_addresses.clone())));
    let (mut neighbours, mut attached) = (Vec::new(), Vec::new());
    if variant.learning == Learning::Static && variant.encap.carries_ethernet() {
        let ports: Vec<&String> = edge.networks.iter().flat_map(EdgeNetwork::all_ports).collect();
        for network in edge.networks.iter().filter(|_| edge.vtep.is_some()) {
            for (host, port, mac, addresses) in stations(variant, &network.tenant) {
                let mac: Mac = mac.parse().map_err(TestbedError::Mac)?;
                if host == edge.host {
                    let port = ports.iter().position(|own| *own == port);
                    attached.extend(port.map(|port| (port, mac)));
                } else {
                    let addresses = std::iter::once(addresses.0).chain(addresses.1);
                    neighbours.extend(addresses.map(|net| (network.id, net.addr(), mac)));
                }
            }
        }
    }
    let usual = Extras::default();
    Ok(Extras {
        groups: groups.collect(),
        own_addresses: edge.more_addresses.clone(),
        peer_addresses: peers.filter(|(_, more)| !more.is_empty()).collect(),
        source_ports: variant.engine.source_ports.map_or(usual.source_ports, |n| n as usize),
        attached,
        neighbours,
        untagged: edge.untagged.map(u64::from),
        later: later(edge),
    })
}

/// Numbers of the ports that stand empty at first.
fn later(edge: &Edge) -> Vec<usize> {
    let each = |network: &EdgeNetwork| {
        let filled = network.ports.len();
        (0..network.all_ports().count()).map(move |number| number >= filled).collect::<Vec<_>>()
    };
    let empty = edge.networks.iter().flat_map(each).enumerate().filter(|(_, empty)| *empty);
    empty.map(|(number, _)| number).collect()
}

/// Host, port, MAC and addresses.
type Station<'v> = (&'v str, &'v String, &'v str, (IpNet, Option<IpNet>));

/// Everybody with a port in a tenant's network: VMs, bare machines behind a gateway, and routers.
fn stations<'v>(variant: &'v Variant, tenant: &'v str) -> impl Iterator<Item = Station<'v>> {
    let vms = variant.tenants.iter().filter(move |t| t.name == tenant).flat_map(|t| &t.vms);
    let vms = vms.map(|vm| (&*vm.host, &vm.port, &*vm.mac, (vm.address, vm.address6)));
    let routers = variant.routers.iter().flat_map(move |router| {
        let own = router.ports.iter().filter(move |port| port.tenant == tenant);
        own.map(|p| (&*router.host, &p.port, &*p.mac, (p.address, p.address6)))
    });
    vms.chain(routers)
}

/// The ways from an edge to all VMs of its tenants, for encapsulations that carry IP packets.
fn routes(variant: &Variant, edge: &Edge) -> Result<Vec<RouteConfig>, TestbedError> {
    if variant.encap.carries_ethernet() {
        return Ok(Vec::new());
    }
    let ports: Vec<&String> = edge.networks.iter().flat_map(EdgeNetwork::all_ports).collect();
    let mut routes = Vec::new();
    for network in &edge.networks {
        let tenant = variant.tenants.iter().filter(|t| t.name == network.tenant);
        for vm in tenant.flat_map(|t| &t.vms) {
            let port = ports.iter().position(|p| **p == vm.port).filter(|_| vm.host == edge.host);
            let far = variant.edges.iter().find(|e| e.host == vm.host).and_then(|e| e.vtep);
            let via = match (port, far) {
                (Some(port), _) => Via::Port(port, vm.mac.parse().map_err(TestbedError::Mac)?),
                (None, Some(vtep)) => Via::Peer(vtep),
                (None, None) => continue,
            };
            for net in std::iter::once(vm.address).chain(vm.address6) {
                routes.push(RouteConfig { network: network.id, address: net.addr(), via });
                // GRE passes on whatever a router would broadcast (RFC 2784); IP in IP is for
                // packets to one address.
                if let (Encap::Gre, IpNet::V4(net)) = (variant.encap, net) {
                    for address in [net.broadcast(), Ipv4Addr::BROADCAST] {
                        let address = address.into();
                        routes.push(RouteConfig {
                            network: network.id,
                            address,
                            via: Via::Everyone,
                        });
                    }
                }
            }
        }
    }
    Ok(routes)
}

/// GRE with a lab's settings. Tenants of one pair of hosts are told apart by their keys (RFC 2890).
pub(super) fn gre(settings: &EngineSettings, ethernet: bool, sequence: Option<Sequence>) -> Gre {
    Gre {
        ethernet,
        keyed: true,
        checksum: settings.csum,
        sequence,
        strict: settings.strict.unwrap_or_default(),
    }
}

pub(super) fn engine(variant: &Variant) -> Result<Arc<dyn Engine>, TestbedError> {
    let (port, settings) = (variant.port, &variant.engine);
    let gre = |ethernet| gre(settings, ethernet, settings.seq.then(Sequence::default));
    Ok(match variant.encap {
        Encap::None => Arc::new(Plain),
        Encap::Vlan => Arc::new(Vlan::default()),
        Encap::Qinq => Arc::new(Qinq { service: service_tag(settings), ..Qinq::default() }),
        Encap::Vxlan => {
            let usual = Vxlan::default();
            let strict = settings.strict.unwrap_or(usual.strict);
            Arc::new(Vxlan { port, strict, inner_tags: settings.inner_tags })
        }
        Encap::Geneve => Arc::new(geneve(port, settings).map_err(TestbedError::Options)?),
        Encap::Gre => Arc::new(gre(false)),
        Encap::Gretap => Arc::new(gre(true)),
        Encap::Nvgre => {
            let strict = settings.strict.unwrap_or(true);
            Arc::new(Nvgre { small_keys: !strict })
        }
        Encap::Stt => {
            Arc::new(Stt { port, strict: settings.strict.unwrap_or(Stt::default().strict) })
        }
        Encap::Ipip => Arc::new(IpInIp::V4),
        Encap::SixInFour => Arc::new(IpInIp::V6),
        encap @ Encap::Ssh => return Err(TestbedError::NoEngine { encap }),
    })
}

/// Geneve with the lab's options, which both ends know.
fn geneve(port: u16, settings: &EngineSettings) -> Result<Geneve, DropReason> {
    let bytes = |option: &GeneveOption| option.bytes().ok_or(DropReason::BadLength);
    let data = settings.options.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    let all = settings.options.iter().zip(&data);
    let sent = SentOptions::encode(all.map(|(o, data)| (o.class, o.kind, data.as_slice())))?;
    Ok(Geneve {
        port,
        options: sent,
        known: settings.options.iter().map(|option| (option.class, option.kind)).collect(),
        strict: settings.strict.unwrap_or_default(),
    })
}

/// A number that differs from host to host and stays the same from run to run (FNV-1a).
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
