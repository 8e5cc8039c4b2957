//! Settings under `/proc/sys` of the namespace the calling thread is in.

use std::fs;
use std::io;

use super::error::{Error, Result};
use crate::lab::Ecmp;

/// Sets one, e.g. `net/ipv4/ip_forward`.
///
/// # Errors
/// This kernel has no such setting, or it may not be written.
pub fn set(key: &str, value: &str) -> Result<()> {
    fs::write(format!("/proc/sys/{key}"), value).map_err(|source| Error::System {
        operation: format!("set {key} to {value}"),
        hint: if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
            "; /proc/sys is mounted read-only, as in a container: start it with `--privileged`"
        } else {
            ""
        },
        source,
    })
}

/// Sets one that not every kernel has (IPv6, bridge filtering).
///
/// # Errors
/// It exists and may not be written.
pub fn set_if_there(key: &str, value: &str) -> Result<()> {
    match set(key, value) {
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What a namespace does with packets that are not for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keeps only its own.
    End,
    /// Routes.
    Router,
}

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

/// Makes the calling thread's namespace behave the same on every machine: new namespaces inherit
/// settings from the machine's first one.
///
/// # Errors
/// A setting may not be written.
pub fn harmonise(role: Role) -> Result<()> {
    let forward = match role {
        Role::End => "0",
        Role::Router => "1",
    };
    // First, because it resets others.
    set("net/ipv4/ip_forward", forward)?;
    set_if_there("net/ipv6/conf/all/forwarding", forward)?;
    // No addresses made up by the kernel, so no multicast to announce them. Mode 1 is `none`.
    set_if_there("net/ipv6/conf/default/addr_gen_mode", "1")?;
    for scope in ["all", "default"] {
        // The stricter of both scopes counts; asymmetric paths are ordinary with ECMP.
        set(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        set(&format!("net/ipv4/conf/{scope}/send_redirects"), "0")?;
    }
    // ARP asks with the address of the link asked on, though the packet may come from a VTEP on
    // the loopback.
    set("net/ipv4/conf/all/arp_announce", "2")?;
    // L4 hash, so that flows between two VTEPs spread over the paths.
    set_if_there("net/ipv4/fib_multipath_hash_policy", "1")?;
    set_if_there("net/ipv6/fib_multipath_hash_policy", "1")?;
    for table in ["iptables", "ip6tables", "arptables"] {
        set_if_there(&format!("net/bridge/bridge-nf-call-{table}"), "0")?;
    }
    Ok(())
}
