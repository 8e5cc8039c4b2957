//! Tunnels over OpenSSH for real: its client and its server, each in a host's namespace.
//!
//! Every test runs in a process of its own (`support/own_process.rs`).

// Sizes and numbers of tests are small.

#[path = "ssh/carried.rs"]
mod carried;
#[path = "ssh/ended.rs"]
mod ended;
// Its other plans are for the tests of namespaces.
#[allow(dead_code)]
#[path = "netns/fixture.rs"]
mod fixture;
#[path = "support/openssh.rs"]
mod openssh;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "ssh/wire.rs"]
mod wire;

use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use own_process::{By, Test, child, parent};

fn tests() -> Vec<Test> {
    [carried::TESTS, ended::TESTS, wire::TESTS].concat()
}

fn main() -> ExitCode {
    child(&tests()).unwrap_or_else(|| {
        let by = if open_to_users() { By::Both } else { By::Starter };
        let run = || parent(&tests(), by, 1, openssh::missing().as_deref());
        if by == By::Starter {
            eprintln!("SKIPPED: the ordinary user's half, whom /dev/net/tun is closed to");
            if std::env::var_os("OVERLAB_CI").is_some() {
                return ExitCode::FAILURE;
            }
        }
        run()
    })
}

/// Whether everybody may make TAP devices, as on most distributions.
fn open_to_users() -> bool {
    let device = std::fs::metadata("/dev/net/tun");
    device.is_ok_and(|device| device.permissions().mode() & 0o006 == 0o006)
}
