//! Settings under `/proc/sys` of the namespace the calling thread is in.

use std::fs;
use std::io;

use super::error::{Error, Result};

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

/// What a namespace does with packets, and what its settings have to say therefore. Looking settings up
/// takes most of the time when many namespaces are made, so each role has those that it needs only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Keeps only its own.
    #[default]
    End,
    /// Bridges, and has no addresses.
    Switch,
    /// Keeps only its own, and has addresses that are on none of its links, or several links.
    Vtep,
    /// The same, with bridges and other devices that are added later.
    Host,
    /// Routes.
    Router,
}

impl Role {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// What makes namespaces behave the same on every machine, as far as new ones do not do so by
/// themselves: they take settings over from the machine's first namespace, all of them the same.
#[derive(Debug)]
pub struct Harmony {
    settings: Vec<(String, &'static str)>,
}

impl Harmony {
    /// Finds out in the calling thread's namespace, which must be a new one, what has to be set.
    /// Looking up a setting is what takes the time when many namespaces are made, so those that are
    /// right already are looked up in this one only.
    ///
    /// # Errors
    /// This kernel lacks a setting that every kernel has.
    pub fn learn(role: Role) -> Result<Self> {
        let mut settings = Vec::new();
        for (key, value, everywhere) in wanted(role) {
            match fs::read_to_string(format!("/proc/sys/{key}")) {
                Ok(found) if found.trim_end() == value => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && !everywhere => {}
                Ok(_) => settings.push((key, value)),
                Err(error) => return Err(Error::system(format!("read {key}"), error)),
            }
        }
        Ok(Harmony { settings })
    }

    /// Sets it in the calling thread's namespace, which must be a new one too.
    ///
    /// # Errors
    /// A setting may not be written.
    pub fn apply(&self) -> Result<()> {
        self.settings.iter().try_for_each(|(key, value)| set(key, value))
    }
}

/// Settings in the order in which they are to be made, and whether every kernel has them.
fn wanted(role: Role) -> Vec<(String, &'static str, bool)> {
    let router = role == Role::Router;
    let forward = if router { "1" } else { "0" };
    let mut all: Vec<(String, &'static str, bool)> = vec![
        // First, because it resets others.
        ("net/ipv4/ip_forward".into(), forward, true),
        ("net/ipv6/conf/all/forwarding".into(), forward, false),
    ];
    if role == Role::Host {
        // What OpenSSH's TCP does about loss. Kernels differ (most have CUBIC, some BBR, which hardly
        // minds loss); this one every kernel has, and it is the only one that every namespace may
        // choose. Generators in VMs choose it for their sockets (`measure::reno`).
        all.push(("net/ipv4/tcp_congestion_control".into(), "reno", true));
    }
    if matches!(role, Role::Host | Role::Router) {
        // No addresses made up by the kernel, so no multicast to announce them, on devices that are
        // added later; for the others see `link::plain`. Mode 1 is `none`.
        all.push(("net/ipv6/conf/default/addr_gen_mode".into(), "1", false));
    }
    if matches!(role, Role::Vtep | Role::Host | Role::Router) {
        all.extend([
            // ARP asks with the address of the link asked on, though the packet may come from a
            // VTEP on the loopback.
            ("net/ipv4/conf/all/arp_announce".into(), "2", true),
            // L4 hash, so that flows between two VTEPs spread over the paths.
            ("net/ipv4/fib_multipath_hash_policy".into(), "1", false),
            ("net/ipv6/fib_multipath_hash_policy".into(), "1", false),
        ]);
    }
    for scope in ["all", "default"] {
        // The stricter of both scopes counts; asymmetric paths are ordinary with ECMP.
        all.push((format!("net/ipv4/conf/{scope}/rp_filter"), "0", true));
        // Only who forwards sends redirects.
        if router {
            all.push((format!("net/ipv4/conf/{scope}/send_redirects"), "0", true));
        }
    }
    if matches!(role, Role::Switch | Role::Host) {
        for table in ["iptables", "ip6tables", "arptables"] {
            all.push((format!("net/bridge/bridge-nf-call-{table}"), "0", false));
        }
    }
    all
}
