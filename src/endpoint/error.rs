//! Why an endpoint cannot be.

use std::io;

/// Why an endpoint cannot be: the request is wrong, or the machine cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Flags that contradict each other, an id out of range, an address of the wrong family, an
    /// interface that is not there.
    #[error("{0}")]
    Wrong(String),
    /// The device's name.
    #[error("an interface `{name}` exists already: choose another name for the device")]
    InUse {
        /// The name.
        name: String,
    },
    /// Something that this machine or user lacks.
    #[error("{0}")]
    Missing(String),
    /// What the system refused.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried.
        operation: String,
        /// What the system said.
        source: io::Error,
    },
    /// What it stood on went away while it ran.
    #[error("{0}")]
    Ended(String),
    /// The capture.
    #[error("cannot capture: {0}")]
    Capture(String),
}

impl Error {
    /// Whether it ran, and broke off.
    #[must_use]
    pub const fn broke_off(&self) -> bool {
        matches!(self, Error::Ended(_))
    }

    /// Whether another command line would do, rather than another machine.
    #[must_use]
    pub const fn is_wrong_request(&self) -> bool {
        matches!(self, Error::Wrong(_) | Error::InUse { .. })
    }
}
