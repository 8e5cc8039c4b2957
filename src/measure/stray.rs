//! Unicast frames at ports that they are not for: what a switch floods because it does not know
//! where to.
//!
//! Every VM of a tenant sends frames to others of it on other hosts, each with a token that is
//! known wherever it is in a packet. The `eth0` of every VM and the underlay interface of every host
//! are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::{tenant, wait};
use super::error::{MeasureError, within};
use super::isolation::{Station, Token};
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{NodeKind, Variant, VmPlan};
use crate::wire::ethernet;

/// For local experiments (IEEE 802 clause 9.2.4): no stack answers, and an answer would quote the token.
const ETHERTYPE: u16 = 0x88B5;
/// VMs that each one sends a frame to.
const AIMS: usize = 4;
/// How long frames are awaited.
const PATIENCE: Duration = Duration::from_millis(600);
/// How long strays are still awaited when every frame has reached its aim.
const GRACE: Duration = Duration::from_millis(100);
/// Bytes of frames that may wait to be read at each port.
const ROOM: usize = 1 << 20;

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
}

/// A place where frames are seen.
struct Port {
    name: String,
    /// The VM's number, or none for a host's interface.
    vm: Option<usize>,
    host: String,
    tap: Tap,
}

/// Lets the VMs of a tenant send to one another, and counts what is seen elsewhere.
///
/// # Errors
/// No such tenant, or a port could not be opened, written or read.
pub fn run(place: &impl Place, variant: &Variant, name: &str) -> Result<StrayResult, MeasureError> {
    tenant(variant, name)?;
    let all: Vec<&VmPlan> = variant.vms().collect();
    let ports = ports(place, variant, &all)?;
    let own: Vec<usize> = (0..all.len()).filter(|n| all[*n].tenant == name).collect();
    let secret: [u8; 16] = rand::random();
    let mut sent: Vec<usize> = Vec::new();
    for (at, &from) in own.iter().enumerate() {
        let others = own.iter().cycle().skip(at + 1).take(own.len() - 1);
        for &to in others.filter(|to| all[**to].host != all[from].host).take(AIMS) {
            send(
                variant,
                &ports,
                [from, to],
                &all,
                Token { secret, tenant: 0, number: u32::try_from(sent.len()).unwrap_or(u32::MAX) },
            )?;
            sent.push(to);
        }
    }
    let seen = watch(&ports, secret, &sent).map_err(MeasureError::system("watch for frames"))?;
    let mut result = StrayResult {
        sent: sent.len() as u64,
        watched: ports.len() as u64,
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

fn ports(
    place: &impl Place,
    variant: &Variant,
    vms: &[&VmPlan],
) -> Result<Vec<Port>, MeasureError> {
    let open = |node: &str, interface: &str| {
        let operation = format!("watch `{interface}`");
        within(place, &variant.namespace(node), &operation, || {
            Tap::open(interface, Watch::Incoming, ROOM)
        })
    };
    let mut ports = Vec::new();
    for (number, vm) in vms.iter().enumerate() {
        ports.push(Port {
            name: format!("{}/{}", vm.tenant, vm.name),
            vm: Some(number),
            host: vm.host.clone(),
            tap: open(&vm.node, "eth0")?,
        });
    }
    let host = |name: &str| {
        variant.nodes.iter().any(|node| node.name == name && node.kind == NodeKind::Host)
    };
    for end in variant.links.iter().flat_map(|link| &link.ends).filter(|end| host(&end.node)) {
        ports.push(Port {
            name: end.node.clone(),
            vm: None,
            host: end.node.clone(),
            tap: open(&end.node, &end.interface)?,
        });
    }
    Ok(ports)
}

fn send(
    variant: &Variant,
    ports: &[Port],
    [from, to]: [usize; 2],
    vms: &[&VmPlan],
    token: Token,
) -> Result<(), MeasureError> {
    let namespace = || variant.namespace(&vms[from].node);
    let station = |vm: usize| {
        Station::of(vms[vm]).ok_or_else(|| MeasureError::Namespace {
            operation: format!("read the MAC `{}`", vms[vm].mac),
            namespace: namespace(),
            source: io::ErrorKind::InvalidInput.into(),
        })
    };
    let mut bytes = [station(to)?.mac, station(from)?.mac].concat();
    bytes.extend(ETHERTYPE.to_be_bytes());
    bytes.extend(token.bytes());
    bytes.resize(ethernet::MIN_FRAME, 0);
    ports[from].tap.send(&bytes).map_err(|source| MeasureError::Namespace {
        operation: "send a unicast frame".into(),
        namespace: namespace(),
        source,
    })
}

/// Which frames are seen at which ports, each pair once.
fn watch(ports: &[Port], secret: [u8; 16], sent: &[usize]) -> io::Result<BTreeSet<(usize, usize)>> {
    let mut seen = BTreeSet::new();
    let mut buffer = vec![0; BUFFER];
    let mut segmenter = Segmenter::default();
    let taps: Vec<_> = ports.iter().map(|port| port.tap.as_fd()).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut end = deadline;
    while Instant::now() < end {
        wait(&taps, end)?;
        for (at, port) in ports.iter().enumerate() {
            while let Some(frame) = port.tap.next(&mut buffer)? {
                segmenter.each(&frame, |packet| {
                    let token = Token::find(packet).filter(|token| token.secret == secret);
                    if let Some(token) = token.filter(|t| (t.number as usize) < sent.len()) {
                        seen.insert((token.number as usize, at));
                    }
                });
            }
        }
        // VMs' ports stand first, in their order.
        let all = sent.iter().enumerate().all(|(number, aim)| seen.contains(&(number, *aim)));
        if end == deadline && all {
            end = deadline.min(Instant::now() + GRACE);
        }
    }
    Ok(seen)
}
