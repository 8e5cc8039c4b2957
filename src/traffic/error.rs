//! Why a flow failed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a flow failed; the text goes into the report.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// Several flows where one is to be run.
    #[error("{label}: these are several flows, each of which has to be run by itself")]
    Together {
        /// What they are called.
        label: String,
    },
    /// The flow names a VM that the variant does not have.
    #[error("variant `{variant}` has no VM `{vm}` of tenant `{tenant}`")]
    UnknownVm {
        /// Variant name.
        variant: String,
        /// Tenant name.
        tenant: String,
        /// VM name.
        vm: String,
    },
    /// A socket call failed in a VM.
    #[error("cannot {operation} in `{namespace}`: {source}")]
    Socket {
        /// What was tried.
        operation: String,
        /// The VM's namespace.
        namespace: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The flow broke while it ran.
    #[error("{who} broke off: {source}")]
    Broken {
        /// Which end.
        who: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// The peer closed before the end.
    #[error("{who} was closed by the other end before the flow was over")]
    Closed {
        /// Which end.
        who: &'static str,
    },
    /// Nothing arrived at all.
    #[error("nothing arrived at {address} within {waited:?}; is the path up?")]
    Silent {
        /// The receiver.
        address: SocketAddr,
        /// How long was waited.
        waited: Duration,
    },
    /// It stopped in the middle.
    #[error("stalled: nothing more arrived at {address} for {waited:?} after {bytes} bytes")]
    Stalled {
        /// The receiver.
        address: SocketAddr,
        /// How long was waited.
        waited: Duration,
        /// Bytes that had arrived.
        bytes: u64,
    },
    /// The load beside a flow was none.
    #[error(
        "the load delivered nothing meanwhile ({streams} TCP streams), so this was no latency under load"
    )]
    Unloaded {
        /// Connections of the load.
        streams: u32,
    },
    /// A size no packet can have.
    #[error("{what} of {size} bytes cannot be sent: it must lie between {min} and {max}")]
    Size {
        /// What it is the size of.
        what: &'static str,
        /// The size asked for.
        size: u64,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Processor time could not be read.
    #[error("cannot read processor time: {0}")]
    Cpu(io::Error),
    /// The latency histogram could not be made.
    #[error("cannot make a latency histogram: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// `iperf3` is not installed.
    #[error(
        "`iperf3` is not installed: install it (package `iperf3`), or write `tool: builtin` in the lab"
    )]
    NoIperf3,
    /// `iperf3` failed.
    #[error("iperf3 failed: {0}")]
    Iperf3(String),
}

impl TrafficError {
    /// Wraps an error of a socket call in a VM.
    pub(crate) fn socket(operation: &str, namespace: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| TrafficError::Socket {
            operation: operation.to_owned(),
            namespace: namespace.to_owned(),
            source,
        }
    }
}
