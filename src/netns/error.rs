//! What can go wrong while namespaces and links are made.

use std::io;
use std::time::Duration;

/// Why the testbed could not be built. Every variant says what was done to which object and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call refused.
    #[error("cannot {operation}: {source}{hint}")]
    System {
        /// The operation with its object, e.g. `mount a tmpfs on /run/netns`.
        operation: String,
        /// What the system said.
        source: io::Error,
        /// What to do about it, with its separator; may be empty.
        hint: &'static str,
    },
    /// The kernel refused a netlink request.
    #[error("cannot {operation} in namespace {namespace}: {source}{detail}")]
    Netlink {
        /// The operation with its object, e.g. `add address 10.0.0.1/24 to eth0`.
        operation: String,
        /// The namespace's name.
        namespace: String,
        /// The error number's text.
        source: io::Error,
        /// The kernel's own words in parentheses; may be empty.
        detail: String,
    },
    /// The kernel lacks a feature.
    #[error("cannot {operation} in namespace {namespace}: this kernel lacks {feature}. {remedy}")]
    Unsupported {
        /// The operation with its object.
        operation: String,
        /// The namespace's name.
        namespace: String,
        /// What is missing.
        feature: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// The system does not let this process make namespaces.
    #[error("this system does not let the program make network namespaces: {reason}. {remedy}")]
    Forbidden {
        /// The setting or the missing privilege.
        reason: String,
        /// The command that changes it.
        remedy: String,
    },
    /// No namespace of this name was made here.
    #[error("there is no namespace `{0}`")]
    UnknownNamespace(String),
    /// No interface of this name.
    #[error("there is no interface `{interface}` in namespace {namespace}")]
    UnknownInterface {
        /// Interface name.
        interface: String,
        /// The namespace's name.
        namespace: String,
    },
    /// The plan contradicts itself.
    #[error("the plan cannot be built: {0}")]
    Plan(String),
    /// Something did not come up in time.
    #[error("{what} not ready after {waited:.1?}: {}", missing.join("; "))]
    NotReady {
        /// What was waited for, e.g. `network vxlan`.
        what: String,
        /// How long.
        waited: Duration,
        /// What is still missing, one entry per object.
        missing: Vec<String>,
    },
}

impl Error {
    /// A failed system call.
    pub fn system(operation: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::System { operation: operation.into(), source: source.into(), hint: "" }
    }

    /// Whether this machine cannot do it at all (exit status 3), rather than something having failed.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Error::Unsupported { .. } | Error::Forbidden { .. })
    }
}

/// Result of this stage.
pub type Result<T, E = Error> = std::result::Result<T, E>;
