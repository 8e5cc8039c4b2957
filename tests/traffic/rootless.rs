//! Runs tests in a user namespace of their own where they are not run as root.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Set in a process that is inside its user namespace already.
const INSIDE: &str = "OVERLAB_TEST_INSIDE";

/// Runs `test` here when this is root, otherwise again in a process with its own user namespace.
/// Where the system allows neither the test fails: nothing is skipped.
pub fn privileged(name: &str, test: impl FnOnce()) {
    if nix::unistd::geteuid().is_root() {
        return test();
    }
    assert!(std::env::var_os(INSIDE).is_none(), "the user namespace gave no root");
    let (user, group) = (nix::unistd::getuid(), nix::unistd::getgid());
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(INSIDE, "1");
    // SAFETY: between fork and exec there are system calls only; the strings were made before.
    unsafe {
        command.pre_exec(move || {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            for (path, text) in &maps {
                write(path, text)?;
            }
            Ok(())
        });
    }
    let status = command.status().expect(
        "this test needs root, or an unprivileged user namespace (sysctl \
         user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
    );
    assert!(status.success(), "failed in its user namespace: {status}");
}

fn write(path: &str, text: &str) -> io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}
