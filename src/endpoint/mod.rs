//! One end of a tunnel outside any lab: a TAP or TUN device of this machine's own, the engines'
//! datapath behind it, and an ordinary interface below.
//!
//! Everything is checked before anything is made, and what is made lives as long as its
//! descriptors: whatever ends the process, nothing is left.

mod error;
mod request;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

pub use error::Error;
pub use request::Request;

use crate::datapath::user::{Edge, EdgeConfig, Oversize, Tap, UserDatapath};
use crate::encap::Engine;
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
    /// The encapsulation with its settings.
    pub engine: Arc<dyn Engine>,
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
    /// Interface below.
    pub nic: String,
    /// MTU of the device.
    pub mtu: u32,
    /// Where to capture the interface below.
    pub pcap: Option<PathBuf>,
}

/// A running endpoint. Dropping it takes the device away.
#[derive(Debug)]
pub struct Endpoint {
    datapath: UserDatapath,
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
        let tap =
            Tap::create(&checked.device, checked.bare).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => Error::InUse { name: checked.device.clone() },
                _ => Error::System { operation: "make the device".into(), source },
            })?;
        let system = |operation: &str| {
            let operation = operation.to_owned();
            move |source| Error::System { operation, source }
        };
        tap.up(checked.mtu).map_err(system("set the device up"))?;
        let peers = match checked.local {
            Some(_) => checked.remotes.iter().copied().map(Peer::Vtep).collect(),
            None => vec![Peer::Fabric],
        };
        let config = EdgeConfig {
            host: checked.device.clone(),
            engine: Arc::clone(&checked.engine),
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
            offloads: true,
            direct: false,
            routes: Vec::new(),
            seed: rand::random(),
        };
        let capture = checked.pcap.as_deref().map(|path| {
            let port = Port {
                namespace: String::from("here"),
                interface: checked.nic.clone(),
                comment: format!("below {}", checked.device),
            };
            Capture::start(&Here, &[port], path, CAPTURE_LIMIT)
        });
        let capture = capture.transpose().map_err(|error| Error::Capture(error.to_string()))?;
        let edge = Edge::with_tap(&config, tap).map_err(system("open the sockets"))?;
        let datapath = UserDatapath::start(vec![edge]).map_err(system("start the workers"))?;
        Ok(Endpoint { datapath, capture, summary: summary(checked) })
    }

    /// What was carried and dropped so far, in both directions: `encap` from the device into the
    /// tunnel, `decap` the other way, each with `packets`, `bytes` (of inner frames) and `drops` by
    /// reason; `macs` learned and `cpu_seconds` used.
    #[must_use]
    pub fn counters(&self) -> Value {
        let direction = |direction| {
            let (packets, bytes) = self.datapath.carried(direction);
            let drops = self.datapath.dropped(direction);
            json!({ "packets": packets, "bytes": bytes, "drops": drops })
        };
        json!({
            "encap": direction(Direction::Encap),
            "decap": direction(Direction::Decap),
            "macs": self.datapath.tables().values().sum::<u64>(),
            "cpu_seconds": self.datapath.cpu().as_secs_f64(),
        })
    }

    /// Completes the capture and takes the device away.
    ///
    /// # Errors
    /// The capture could not be completed.
    pub fn stop(mut self) -> Result<(), Error> {
        let capture = self.capture.take();
        drop(self.datapath);
        match capture.map(Capture::stop) {
            Some(Err(error)) => Err(Error::Capture(error.to_string())),
            _ => Ok(()),
        }
    }
}

/// What an endpoint is, in one line.
fn summary(checked: &Checked) -> String {
    let encap = checked.engine.encap();
    let ends = match checked.local {
        Some(local) => {
            let remotes: Vec<_> = checked.remotes.iter().map(ToString::to_string).collect();
            format!("{local} to {} on {}", remotes.join(", "), checked.nic)
        }
        None => format!("network {} on {}", checked.network, checked.nic),
    };
    format!("{}: {encap} {ends}, MTU {}", checked.device, checked.mtu)
}
