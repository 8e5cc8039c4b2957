//! One end of a tunnel outside any lab: a TAP or TUN device of this machine's own, the engines'
//! datapath behind it, and an ordinary interface below.
//!
//! Everything is checked before anything is made, and what is made lives as long as its
//! descriptors: whatever ends the process, nothing is left.

mod engine;
mod error;
mod machine;
mod request;
mod ssh;

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

pub use error::Error;
pub use request::{GeneveOption, Request};

use crate::datapath::ssh::{Client, Connect, Error as SshError};
use crate::datapath::user::{self, Edge, EdgeConfig, Oversize, Tap, UserDatapath};
use crate::encap::{Delivery, Engine};
use crate::ids::Encap;
use crate::measure::Place;
use crate::measure::capture::{Capture, Port};
use crate::vswitch::{Direction, NetworkConfig, Peer};

/// MAC addresses the table of an endpoint holds.
const MAC_LIMIT: usize = 65_536;
/// Bytes a capture may hold.
const CAPTURE_LIMIT: u64 = 1 << 30;

/// An endpoint as it is to be, with everything checked that can be checked beforehand.
#[derive(Debug)]
pub struct Checked {
    /// What carries the packets.
    pub carried: Carried,
    /// Name of the device.
    pub device: String,
    /// Whether it is a TUN device.
    pub bare: bool,
    /// Id of the network on the wire; 0 where there is none.
    pub network: u64,
    /// Where the tunnel starts; tags have none.
    pub local: Option<IpAddr>,
    /// Where it ends; none for tags.
    pub remotes: Vec<IpAddr>,
    /// Interface below; empty where nobody needs to know.
    pub nic: String,
    /// MTU of the device.
    pub mtu: u32,
    /// Where to capture the interface below.
    pub pcap: Option<PathBuf>,
}

/// What carries an endpoint's packets.
#[derive(Debug, Clone)]
pub enum Carried {
    /// An engine of this program.
    Engine {
        /// The encapsulation with its settings.
        engine: Arc<dyn Engine>,
        /// How outer headers are filled in.
        delivery: Delivery,
    },
    /// OpenSSH's client.
    Ssh(Connect),
}

/// What runs.
#[derive(Debug)]
enum Carrier {
    Engine(UserDatapath),
    Ssh(Client),
}

/// A running endpoint. Dropping it takes the device away.
#[derive(Debug)]
pub struct Endpoint {
    carrier: Carrier,
    device: String,
    capture: Option<Capture>,
    /// One line that says what it is.
    pub summary: String,
}

/// This thread's own namespace.
struct Here;

impl Place for Here {
    fn within<T>(&self, _: &str, work: impl FnOnce() -> T) -> std::io::Result<T> {
        Ok(work())
    }
}

impl Endpoint {
    /// Makes the device and starts to carry its frames.
    ///
    /// # Errors
    /// A name in use, what the system refuses; nothing is left then.
    pub fn start(checked: &Checked) -> Result<Self, Error> {
        let (engine, delivery) = match &checked.carried {
            Carried::Engine { engine, delivery } => (Arc::clone(engine), *delivery),
            Carried::Ssh(connect) => return Self::over_ssh(checked, connect),
        };
        let tap =
            Tap::create(&checked.device, checked.bare).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => Error::InUse { name: checked.device.clone() },
                _ => Error::System { operation: "make the device".into(), source },
            })?;
        tap.up(checked.mtu).map_err(system("set the device up"))?;
        let peers = match checked.local {
            Some(_) => checked.remotes.iter().copied().map(Peer::Vtep).collect(),
            None => vec![Peer::Fabric],
        };
        let summary = summary(checked, engine.encap());
        let config = EdgeConfig {
            host: checked.device.clone(),
            engine,
            nic: checked.nic.clone(),
            vtep: checked.local,
            networks: vec![NetworkConfig {
                id: checked.network,
                ports: 1,
                peers,
                fdb: Vec::new(),
                learning: true,
                mac_limit: MAC_LIMIT,
            }],
            ports: Vec::new(),
            inner_mtu: checked.mtu,
            oversize: Oversize::Notify,
            delivery,
            offloads: true,
            direct: false,
            routes: Vec::new(),
            seed: rand::random(),
        };
        let capture = capture(checked)?;
        let edge = Edge::with_tap(&config, tap).map_err(system("open the sockets"))?;
        let datapath = UserDatapath::start(vec![edge]).map_err(system("start the workers"))?;
        let device = checked.device.clone();
        Ok(Endpoint { carrier: Carrier::Engine(datapath), device, capture, summary })
    }

    /// OpenSSH's client makes the device and carries it.
    fn over_ssh(checked: &Checked, connect: &Connect) -> Result<Self, Error> {
        let capture = capture(checked)?;
        let client = connect.start().map_err(|error| match error {
            SshError::System { operation, source } => Error::System { operation, source },
            other => Error::Missing(other.to_string()),
        })?;
        if client.device() != checked.device {
            user::rename(client.device(), &checked.device).map_err(system("name the device"))?;
        }
        user::up(&checked.device, checked.mtu).map_err(system("set the device up"))?;
        let (device, destination) = (checked.device.clone(), &connect.destination);
        let summary = format!("{device}: ssh to {destination}, MTU {}", checked.mtu);
        Ok(Endpoint { carrier: Carrier::Ssh(client), device, capture, summary })
    }

    /// Becomes readable when the device was deleted; SSH's end is told by SIGCHLD instead.
    #[must_use]
    pub fn lost(&self) -> Option<BorrowedFd<'_>> {
        match &self.carrier {
            Carrier::Engine(datapath) => Some(datapath.lost()),
            Carrier::Ssh(_) => None,
        }
    }

    /// Whether OpenSSH's client has ended.
    pub fn ended(&mut self) -> bool {
        match &mut self.carrier {
            Carrier::Engine(_) => false,
            Carrier::Ssh(client) => client.ended(),
        }
    }

    /// Name of the device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What was carried and dropped so far, in both directions: `encap` from the device into the
    /// tunnel, `decap` the other way, each with `packets`, `bytes` (of inner frames) and `drops` by
    /// reason; `macs` learned and `cpu_seconds` used.
    #[must_use]
    pub fn counters(&self) -> Value {
        let datapath = match &self.carrier {
            Carrier::Engine(datapath) => datapath,
            Carrier::Ssh(client) => {
                let [into, out] = machine::device_counters(&self.device);
                return json!({
                    "encap": into,
                    "decap": out,
                    "cpu_seconds": client.cpu().as_secs_f64(),
                });
            }
        };
        let direction = |direction| {
            let (packets, bytes) = datapath.carried(direction);
            let drops = datapath.dropped(direction);
            json!({ "packets": packets, "bytes": bytes, "drops": drops })
        };
        json!({
            "encap": direction(Direction::Encap),
            "decap": direction(Direction::Decap),
            "macs": datapath.tables().values().sum::<u64>(),
            "cpu_seconds": datapath.cpu().as_secs_f64(),
        })
    }

    /// Completes the capture and takes the device away.
    ///
    /// # Errors
    /// The capture could not be completed.
    pub fn stop(mut self) -> Result<(), Error> {
        let capture = self.capture.take();
        drop(self.carrier);
        match capture.map(Capture::stop) {
            Some(Err(error)) => Err(Error::Capture(error.to_string())),
            _ => Ok(()),
        }
    }
}

/// What the system refused.
fn system(operation: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::System { operation: operation.to_owned(), source }
}

/// Begins to capture the interface below, where that is asked for.
fn capture(checked: &Checked) -> Result<Option<Capture>, Error> {
    let capture = checked.pcap.as_deref().map(|path| {
        let port = Port {
            namespace: String::from("here"),
            interface: checked.nic.clone(),
            comment: format!("below {}", checked.device),
        };
        let about = format!("What crosses {} below {}.", checked.nic, checked.device);
        Capture::start(&Here, &[port], path, &about, CAPTURE_LIMIT)
    });
    capture.transpose().map_err(|error| Error::Capture(error.to_string()))
}

/// What an endpoint is, in one line.
fn summary(checked: &Checked, encap: Encap) -> String {
    let ends = match checked.local {
        Some(local) => {
            let remotes: Vec<_> = checked.remotes.iter().map(ToString::to_string).collect();
            format!("{local} to {} on {}", remotes.join(", "), checked.nic)
        }
        None => format!("network {} on {}", checked.network, checked.nic),
    };
    format!("{}: {encap} {ends}, MTU {}", checked.device, checked.mtu)
}
