//! What this process may do, and which setting of the system forbids the rest.

use std::fs;
use std::path::Path;

use super::Error;

const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// What the system says about the process and about user namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Effective user id.
    pub uid: u32,
    /// Effective capability set.
    pub capabilities: u64,
    /// Whether the process lives in the initial user namespace.
    pub initial_user_namespace: bool,
    /// Whether a seccomp filter restricts its system calls (usual in containers).
    pub seccomp: bool,
    /// `kernel.unprivileged_userns_clone`, where the kernel has it (Debian and its children).
    pub userns_clone: Option<u64>,
    /// `user.max_user_namespaces`; absent where the kernel has no user namespaces.
    pub max_user_namespaces: Option<u64>,
    /// `user.max_net_namespaces`.
    pub max_net_namespaces: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, where the kernel has it (Ubuntu).
    pub apparmor_restrict: Option<u64>,
}

impl Privileges {
    /// Asks the system.
    #[must_use]
    pub fn read() -> Self {
        Self::read_from(Path::new("/proc"), nix::unistd::geteuid().as_raw())
    }

    fn read_from(proc: &Path, uid: u32) -> Self {
        let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let setting = |key: &str| -> Option<u64> {
            fs::read_to_string(proc.join("sys").join(key)).ok()?.trim().parse().ok()
        };
        let map = fs::read_to_string(proc.join("self/uid_map")).unwrap_or_default();
        Privileges {
            uid,
            capabilities: field("CapEff")
                .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                .unwrap_or_default(),
            initial_user_namespace: map.split_whitespace().eq(["0", "0", "4294967295"]),
            seccomp: field("Seccomp").is_some_and(|mode| mode != "0"),
            userns_clone: setting("kernel/unprivileged_userns_clone"),
            max_user_namespaces: setting("user/max_user_namespaces"),
            max_net_namespaces: setting("user/max_net_namespaces"),
            apparmor_restrict: setting("kernel/apparmor_restrict_unprivileged_userns"),
        }
    }

    /// Whether network namespaces can be made without a user namespace of our own.
    #[must_use]
    pub fn suffice(&self) -> bool {
        self.capabilities & CAP_SYS_ADMIN != 0 && self.capabilities & CAP_NET_ADMIN != 0
    }

    /// The setting that most likely made `operation` fail with `source`, and what changes it.
    #[must_use]
    pub fn forbidden(&self, operation: &str, source: nix::errno::Errno) -> Error {
        let (reason, remedy) = self.culprit(source);
        let reason = format!("{reason} ({operation}: {})", source.desc());
        Error::Forbidden { reason, remedy: remedy.to_owned() }
    }

    fn culprit(&self, source: nix::errno::Errno) -> (String, &'static str) {
        if self.max_net_namespaces == Some(0) {
            return (
                "user.max_net_namespaces is 0".to_owned(),
                "Allow them with `sudo sysctl user.max_net_namespaces=65536`.",
            );
        }
        match (self.max_user_namespaces, self.userns_clone, self.apparmor_restrict) {
            (None, ..) => (
                "this kernel has no user namespaces (CONFIG_USER_NS)".to_owned(),
                "Run as root.",
            ),
            (Some(0), ..) => (
                "user.max_user_namespaces is 0".to_owned(),
                "Allow them with `sudo sysctl user.max_user_namespaces=65536`, or run as root.",
            ),
            (_, Some(0), _) => (
                "kernel.unprivileged_userns_clone is 0".to_owned(),
                "Allow them with `sudo sysctl kernel.unprivileged_userns_clone=1`, or run as root.",
            ),
            (_, _, Some(1..)) if self.uid != 0 => (
                "kernel.apparmor_restrict_unprivileged_userns is 1".to_owned(),
                "Allow it with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root.",
            ),
            _ if source == nix::errno::Errno::ENOSPC => (
                "a limit of /proc/sys/user is reached (max_user_namespaces, max_net_namespaces or max_mnt_namespaces)"
                    .to_owned(),
                "Raise it, e.g. `sudo sysctl user.max_net_namespaces=65536`.",
            ),
            _ if self.uid == 0 || self.seccomp => (
                format!(
                    "{} without CAP_SYS_ADMIN and CAP_NET_ADMIN{}",
                    if self.uid == 0 { "root" } else { "an ordinary user" },
                    if self.seccomp { " and under a seccomp filter, as in a container" } else { "" }
                ),
                "Start the container with `--privileged`, or with `--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`.",
            ),
            _ => (
                "a security module or a chroot forbids user namespaces".to_owned(),
                "Run as root.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    fn ordinary() -> Privileges {
        Privileges { uid: 1000, max_user_namespaces: Some(9), ..Privileges::default() }
    }

    #[test]
    fn each_setting_is_named_with_its_remedy() {
        let cases = [
            (Privileges { max_user_namespaces: Some(0), ..ordinary() }, "user.max_user_namespaces"),
            (
                Privileges { userns_clone: Some(0), ..ordinary() },
                "kernel.unprivileged_userns_clone",
            ),
            (
                Privileges { apparmor_restrict: Some(1), ..ordinary() },
                "kernel.apparmor_restrict_unprivileged_userns",
            ),
            (Privileges { max_net_namespaces: Some(0), ..ordinary() }, "user.max_net_namespaces"),
        ];
        for (privileges, setting) in cases {
            let text = privileges.forbidden("unshare", Errno::EPERM).to_string();
            assert_eq!(text.matches(setting).count(), 2, "{text}");
        }
        let container = Privileges { uid: 0, seccomp: true, ..ordinary() };
        let text = container.forbidden("unshare", Errno::EPERM).to_string();
        assert!(text.contains("CAP_SYS_ADMIN") && text.contains("--privileged"), "{text}");
    }

    #[test]
    fn status_is_read_as_the_kernel_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("self")).unwrap();
        fs::create_dir_all(dir.path().join("sys/user")).unwrap();
        fs::write(
            dir.path().join("self/status"),
            "Name:\tx\nCapEff:\t00000000a80425fb\nSeccomp:\t2\nSeccomp_filters:\t1\n",
        )
        .unwrap();
        fs::write(dir.path().join("self/uid_map"), "         0          0 4294967295\n").unwrap();
        fs::write(dir.path().join("sys/user/max_user_namespaces"), "12\n").unwrap();
        let read = Privileges::read_from(dir.path(), 0);
        assert_eq!(read.capabilities, 0xa804_25fb);
        assert!(read.seccomp && read.initial_user_namespace && !read.suffice());
        assert_eq!((read.max_user_namespaces, read.userns_clone), (Some(12), None));
    }
}
