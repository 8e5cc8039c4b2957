//! What routers choose among equal-cost paths by (networking/ip-sysctl, `fib_multipath_hash_policy`).

use std::io;

use super::error::{Error, Result};
use super::sysctl::set;
use crate::lab::Ecmp;

/// Which parts of a packet choose among equal-cost paths (`fib_multipath_hash_fields`,
/// networking/ip-sysctl): outer and inner addresses, protocols and ports.
const INNER_FIELDS: &str = "3575";

/// What the calling thread's namespace chooses among equal-cost paths by.
///
/// # Errors
/// [`Error::Unsupported`] where the kernel cannot look into tunnels (before Linux 5.12).
pub fn choose_paths_by(ecmp: Ecmp, namespace: &str) -> Result<()> {
    let policy = match ecmp {
        Ecmp::Addresses => "0",
        Ecmp::Ports => return Ok(()),
        Ecmp::Inner => "3",
    };
    for version in ["ipv4", "ipv6"] {
        let key = |name: &str| format!("net/{version}/fib_multipath_hash_{name}");
        if ecmp == Ecmp::Inner && version == "ipv4" {
            set(&key("fields"), INNER_FIELDS).map_err(|_| Error::Unsupported {
                operation: "choose paths by what is inside tunnels".to_owned(),
                namespace: namespace.to_owned(),
                feature: "hashing of inner headers (fib_multipath_hash_fields, Linux 5.12)",
                remedy: "Take `ecmp: ports`.",
            })?;
        } else if ecmp == Ecmp::Inner {
            set_if_there(&key("fields"), INNER_FIELDS)?;
        }
        set_if_there(&key("policy"), policy)?;
    }
    Ok(())
}

/// Sets one that not every kernel has (IPv6, bridge filtering).
///
/// # Errors
/// It exists and may not be written.
fn set_if_there(key: &str, value: &str) -> Result<()> {
    match set(key, value) {
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
