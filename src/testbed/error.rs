//! Why a plan could not be made real.

use std::io;

use crate::ids::Encap;

/// What could not be built or measured, and where.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// Namespaces, links or the kernel's devices.
    #[error(transparent)]
    Netns(#[from] crate::netns::Error),
    /// The engines of a variant.
    #[error("cannot start the engines of `{variant}`: {source}")]
    Engine {
        /// The variant's name.
        variant: String,
        /// What the system said, with the host and the socket.
        source: io::Error,
    },
    /// The switches of a variant.
    #[error("cannot start the switches of `{variant}`: {source}")]
    Switch {
        /// The variant's name.
        variant: String,
        /// What the system said, with the switch and the socket.
        source: io::Error,
    },
    /// SSH tunnels.
    #[error(transparent)]
    Ssh(#[from] crate::datapath::ssh::Error),
    /// An encapsulation without an engine.
    #[error("there is no engine for {encap} in the user datapath")]
    NoEngine {
        /// The encapsulation.
        encap: Encap,
    },
    /// Geneve options that cannot be written.
    #[error("the lab's Geneve options cannot be written: {0}")]
    Options(crate::encap::DropReason),
    /// A crafted packet that its encapsulation cannot express.
    #[error("cannot make a tunnel packet of `{variant}` by hand: {reason}")]
    Craft {
        /// The variant's name.
        variant: String,
        /// What stands against it.
        reason: crate::encap::DropReason,
    },
    /// A MAC address of the plan that is none.
    #[error("{0}")]
    Mac(String),
}

impl TestbedError {
    /// Whether this machine cannot do it at all (exit status 3).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        match self {
            TestbedError::Netns(error) => error.is_unsupported(),
            TestbedError::Engine { source, .. } | TestbedError::Switch { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
            ),
            TestbedError::Ssh(error) => error.is_unsupported(),
            TestbedError::NoEngine { .. } => true,
            TestbedError::Mac(_) | TestbedError::Craft { .. } | TestbedError::Options(_) => false,
        }
    }
}
