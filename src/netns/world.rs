//! The process's own world: namespaces that vanish with it, whatever ends it.
//!
//! [`enter`] moves the process into a mount namespace and a network namespace of its own and
//! mounts a tmpfs on `/run/netns` there. What is later made under that directory exists in no
//! other mount namespace, so the kernel removes all of it when the last process in it is gone,
//! `kill -9` included; and nothing is written to the machine's file system. The names still
//! work for `nsenter -t PID -m ip netns exec NAME …` ([`World::shell`]).

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::error::{Error, Result};
use super::privilege::Privileges;

/// Where namespaces get their names: the directory of `ip netns`.
pub const RUN_NETNS: &str = "/run/netns";
/// Name of our tmpfs in the mount table, by which it is known for ours.
pub const MOUNT_SOURCE: &str = "overlab";

/// Proof that the process has left the machine's namespaces; needed to make others.
#[derive(Debug)]
pub struct World {
    rootless: bool,
}

/// Leaves the machine's namespaces. Called first, while the process has a single thread.
///
/// With the needed capabilities the process keeps its user; without them it becomes root of a
/// user namespace of its own, in which files still belong to the user who started it.
///
/// # Errors
/// [`Error::Forbidden`] names the setting of the system that is in the way.
pub fn enter() -> Result<World> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        let why = io::Error::other(format!("the process already has {threads} threads"));
        return Err(Error::system("leave the machine's namespaces", why));
    }
    allow_many_descriptors();
    let privileges = Privileges::read();
    if !privileges.suffice() {
        own_user_namespace(&privileges)?;
    }
    let forbidden = |operation: &str, e: Errno| match e {
        Errno::EPERM | Errno::EACCES | Errno::ENOSPC => privileges.forbidden(operation, e),
        e => Error::system(operation, e),
    };
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .map_err(|e| forbidden("make mount and network namespaces", e))?;
    // What is mounted from here on must not travel back to the machine.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|e| forbidden("make the mounts private", e))?;
    if !Path::new(RUN_NETNS).is_dir() {
        provide_run_netns().map_err(|e| Error::system("provide /run/netns", e))?;
    }
    tmpfs(Path::new(RUN_NETNS)).map_err(|e| forbidden("mount a tmpfs on /run/netns", e))?;
    let rootless = !Privileges::read().initial_user_namespace;
    tracing::debug!(rootless, "left the machine's namespaces");
    Ok(World { rootless })
}

impl World {
    /// Whether the process is root of a user namespace only, not of the machine.
    #[must_use]
    pub fn rootless(&self) -> bool {
        self.rootless
    }

    /// The command that opens a shell in one of the process's namespaces.
    #[must_use]
    pub fn shell(&self, namespace: &str) -> String {
        let user = if self.rootless { " -U --preserve-credentials" } else { "" };
        let pid = std::process::id();
        format!("nsenter -t {pid}{user} -m ip netns exec {namespace} bash")
    }
}

/// Each namespace, each VM's port and each engine's socket is a descriptor; the usual soft limit of
/// 1,024 is for programs that use `select`. Who may raises the hard limit to the system's as well.
fn allow_many_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let system = fs::read_to_string("/proc/sys/fs/nr_open").ok();
    let system = system.and_then(|text| text.trim().parse().ok());
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| {
        let most = system.map_or(hard, |system: u64| system.max(hard));
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
    });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

fn own_user_namespace(privileges: &Privileges) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|e| privileges.forbidden("make a user namespace", e))?;
    // An unprivileged process may map only itself, and groups only once it gave up setgroups
    // (user_namespaces(7)).
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), text).map_err(|e| {
            let errno = e.raw_os_error().map_or(Errno::EPERM, Errno::from_raw);
            privileges.forbidden(&format!("write /proc/self/{file}"), errno)
        })?;
    }
    Ok(())
}

fn tmpfs(on: &Path) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(MOUNT_SOURCE), on, Some("tmpfs"), flags, Some("mode=0755"))
}

/// Makes `/run/netns` exist in our view only: covers `/run` with a tmpfs that shows everything
/// the covered directory has, and has `netns` beside it.
fn provide_run_netns() -> io::Result<()> {
    let run = Path::new("/run");
    let names: Vec<_> =
        fs::read_dir(run)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    // O_PATH keeps the covered directory reachable.
    let covered = File::options().read(true).custom_flags(libc::O_PATH).open(run)?;
    let covered_path = PathBuf::from(format!("/proc/self/fd/{}", covered.as_raw_fd()));
    tmpfs(run)?;
    for name in names {
        if let Err(error) = show(&covered_path.join(&name), &run.join(&name)) {
            tracing::debug!(?name, %error, "not visible under the covered /run");
        }
    }
    fs::create_dir(RUN_NETNS)
}

fn show(from: &Path, at: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, at);
    }
    if kind.is_dir() {
        fs::create_dir(at)?;
    } else {
        File::create(at)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(Some(from), at, None::<&str>, flags, None::<&str>)?)
}
