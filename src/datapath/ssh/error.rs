//! Why tenants could not be carried over SSH.

use std::io;
use std::time::Duration;

/// What could not be done, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error(
        "SSH tunnels need `{program}`, which is not here. Install OpenSSH, e.g. `apt install {package}`"
    )]
    Missing {
        /// The program looked for.
        program: &'static str,
        /// The package it is in, by its most usual name.
        package: &'static str,
    },
    /// The client ended before there was a tunnel.
    #[error("ssh ended before there was a tunnel; what it said stands above")]
    NoTunnel,
    /// An interface could not be made.
    #[error(
        "cannot make {interface} in namespace {namespace}: {source}. SSH tunnels need /dev/net/tun \
         to be there and open to you: `sudo modprobe tun && sudo chmod 0666 /dev/net/tun`"
    )]
    Device {
        /// The interface.
        interface: String,
        /// The namespace's name.
        namespace: String,
        /// What the system said.
        source: io::Error,
    },
    /// A system call or a program of the system refused.
    #[error("cannot {operation}: {source}")]
    System {
        /// The operation with its object.
        operation: String,
        /// What the system said.
        source: io::Error,
    },
    /// Namespaces or netlink.
    #[error(transparent)]
    Netns(#[from] crate::netns::Error),
    /// The plan asks for what SSH cannot carry.
    #[error("the plan cannot be carried over SSH: {0}")]
    Plan(String),
    /// OpenSSH ended.
    #[error("the SSH connection from {client} to {server} ended: {said}")]
    Ended {
        /// The client's namespace.
        client: String,
        /// The server's namespace.
        server: String,
        /// The last words of both ends.
        said: String,
    },
    /// No carrier in time.
    #[error("{interface} in namespace {namespace} has no SSH connection after {waited:.1?}")]
    NotUp {
        /// The interface.
        interface: String,
        /// The namespace's name.
        namespace: String,
        /// How long was waited.
        waited: Duration,
    },
}

impl Error {
    /// A failed system call.
    pub(super) fn system(operation: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::System { operation: operation.into(), source: source.into() }
    }

    /// Whether this machine cannot do it at all (exit status 3), rather than something having failed.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        match self {
            Error::Missing { .. } | Error::Device { .. } => true,
            Error::Netns(error) => error.is_unsupported(),
            _ => false,
        }
    }
}
