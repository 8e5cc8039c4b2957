//! What can go wrong while measuring.

use std::io;

use super::Place;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A call inside a namespace failed.
    #[error("cannot {operation} in namespace `{namespace}`: {source}")]
    Namespace {
        /// What was tried.
        operation: String,
        /// Where.
        namespace: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A call on something already opened failed.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried.
        operation: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The variant does not carry the tenant.
    #[error("variant `{variant}` carries no tenant `{tenant}`; it carries {known}")]
    UnknownTenant {
        /// Variant name.
        variant: String,
        /// The tenant asked for.
        tenant: String,
        /// The tenants there are.
        known: String,
    },
    /// All VMs of the tenant share one host, so nothing crosses the underlay.
    #[error(
        "tenant `{tenant}` has no two VMs on different hosts, so none of its packets crosses the \
         underlay; place one of its VMs on another host"
    )]
    OneHost {
        /// The tenant.
        tenant: String,
    },
    /// No tunnel between two VMs.
    #[error("variant `{variant}` has no tunnel from `{vm}`, so there is no walk to follow")]
    NoTunnel {
        /// Variant name.
        variant: String,
        /// `tenant/vm`.
        vm: String,
    },
    /// Nothing that was sent arrived.
    #[error("of {sent} probes from `{from}` to `{to}` none was seen {place}; is the path up?")]
    Silent {
        /// Probes sent.
        sent: u64,
        /// Sending VM's namespace.
        from: String,
        /// Receiving VM's namespace.
        to: String,
        /// Where they were awaited.
        place: String,
    },
}

impl MeasureError {
    /// Wraps an error of a call outside any namespace.
    pub(crate) fn system(operation: impl Into<String>) -> impl FnOnce(io::Error) -> MeasureError {
        move |source| MeasureError::System { operation: operation.into(), source }
    }
}

/// Runs `work` in `namespace` and names both in the error.
pub(crate) fn within<T>(
    place: &impl Place,
    namespace: &str,
    operation: &str,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, MeasureError> {
    place.within(namespace, work).and_then(|result| result).map_err(|source| {
        MeasureError::Namespace {
            operation: operation.to_owned(),
            namespace: namespace.to_owned(),
            source,
        }
    })
}
