//! Unicast frames at ports that they are not for: what a switch floods because it does not know
//! where to.
//!
//! Every VM of a tenant sends frames to others of it on other hosts, each with a token that is
//! known wherever it is in a packet. The `eth0` of every VM and the underlay interface of every host
//! are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::tenant;
use super::error::MeasureError;
use super::isolation::{Station, Token};
use super::result::is_zero;
use super::tap::Watch;
use super::watched::{Patience, Watched};
use crate::plan::{NodeKind, Variant, VmPlan};
use crate::wire::ethernet;

/// For local experiments (IEEE 802 clause 9.2.4): no stack answers, and an answer would quote the token.
const ETHERTYPE: u16 = 0x88B5;
/// VMs that each one sends a frame to.
const AIMS: usize = 4;
/// How long frames are awaited, and strays when every frame has reached its aim.
const PATIENCE: Patience =
    Patience { most: Duration::from_millis(600), grace: Duration::from_millis(100) };

/// What became of a tenant's unicast frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrayResult {
    /// Frames sent to VMs on other hosts.
    pub sent: u64,
    /// Those that their VM received.
    pub delivered: u64,
    /// Frames seen at ports that they are not for, once for each frame and port.
    pub strays: u64,
    /// Ports watched: VMs' and hosts'.
    pub watched: u64,
    /// Strays by port, where there were any: a host's name, or `tenant/vm`.
    pub ports: BTreeMap<String, u64>,
    /// Frames that came too fast to be looked at; there may have been more strays.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// A place where frames are seen.
struct Port<'v> {
    node: &'v str,
    interface: &'v str,
    name: String,
    /// The VM's number, or none for a host's interface.
    vm: Option<usize>,
    host: &'v str,
}

/// Lets the VMs of a tenant send to one another, and counts what is seen elsewhere.
///
/// # Errors
/// No such tenant, or a port could not be opened, written or read.
pub fn run(place: &impl Place, variant: &Variant, name: &str) -> Result<StrayResult, MeasureError> {
    tenant(variant, name)?;
    let all: Vec<&VmPlan> = variant.vms().collect();
    let ports = ports(variant, &all);
    let at = ports.iter().map(|port| (port.node, port.interface, Watch::Incoming));
    let mut watched = Watched::open(place, variant, at)?;
    let own: Vec<usize> = (0..all.len()).filter(|n| all[*n].tenant == name).collect();
    let secret: [u8; 16] = rand::random();
    let mut sent: Vec<usize> = Vec::new();
    for (at, &from) in own.iter().enumerate() {
        let others = own.iter().cycle().skip(at + 1).take(own.len() - 1);
        for &to in others.filter(|to| all[**to].host != all[from].host).take(AIMS) {
            let number = u32::try_from(sent.len()).unwrap_or(u32::MAX);
            let token = Token { secret, tenant: 0, number };
            let frame = frame([all[from], all[to]].map(|vm| Station::known(variant, vm)), &token)?;
            // VMs' ports stand first, in their order.
            watched.send(from, &frame, "unicast frame")?;
            sent.push(to);
        }
    }
    // Which frames are seen at which ports, each pair once.
    let mut seen: BTreeSet<(usize, usize)> = BTreeSet::new();
    watched.settle(
        PATIENCE,
        &mut seen,
        |seen, sight| {
            let token = Token::find(sight.packet).filter(|token| token.secret == secret);
            if let Some(token) = token.filter(|token| (token.number as usize) < sent.len()) {
                seen.insert((token.number as usize, sight.at));
            }
        },
        |seen| sent.iter().enumerate().all(|(number, aim)| seen.contains(&(number, *aim))),
    )?;
    let mut result = StrayResult {
        sent: sent.len() as u64,
        watched: ports.len() as u64,
        missed: watched.missed()?,
        ..StrayResult::default()
    };
    for (number, port) in seen {
        let (aim, port) = (sent[number], &ports[port]);
        match port.vm {
            Some(vm) if vm == aim => result.delivered += 1,
            None if port.host == all[aim].host => {}
            _ => {
                result.strays += 1;
                *result.ports.entry(port.name.clone()).or_default() += 1;
            }
        }
    }
    Ok(result)
}

/// The `eth0` of every VM, then the interfaces of hosts.
fn ports<'v>(variant: &'v Variant, vms: &[&'v VmPlan]) -> Vec<Port<'v>> {
    let host = |name: &str| {
        variant.nodes.iter().any(|node| node.name == name && node.kind == NodeKind::Host)
    };
    let eth0 = vms.iter().enumerate().map(|(number, vm)| Port {
        node: &vm.node,
        interface: "eth0",
        name: format!("{}/{}", vm.tenant, vm.name),
        vm: Some(number),
        host: &vm.host,
    });
    let ends = variant.links.iter().flat_map(|link| &link.ends).filter(|end| host(&end.node));
    let nics = ends.map(|end| Port {
        node: &end.node,
        interface: &end.interface,
        name: end.node.clone(),
        vm: None,
        host: &end.node,
    });
    eth0.chain(nics).collect()
}

fn frame(ends: [Result<Station, MeasureError>; 2], token: &Token) -> Result<Vec<u8>, MeasureError> {
    let [from, to] = ends;
    let mut bytes = [to?.mac, from?.mac].concat();
    bytes.extend(ETHERTYPE.to_be_bytes());
    bytes.extend(token.bytes());
    bytes.resize(ethernet::MIN_FRAME, 0);
    Ok(bytes)
}
