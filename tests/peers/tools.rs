//! The programs of others that the cases need.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Whether everything is there.
///
/// # Errors
/// What is missing, and how to get it.
pub fn available(programs: &[&str], root: bool) -> Result<(), String> {
    for program in programs {
        if find(program).is_none() {
            return Err(format!("{program} is not installed; {} installs it", package(program)));
        }
    }
    if root && !nix::unistd::Uid::effective().is_root() {
        return Err("needs root: user-mode Linux and Open vSwitch open raw sockets".to_owned());
    }
    Ok(())
}

fn package(program: &str) -> String {
    let package = match program {
        "linux.uml" => "user-mode-linux",
        "ovs-vswitchd" => "openvswitch-switch",
        "ip" => "iproute2",
        "modprobe" => "kmod",
        other => other,
    };
    format!("`apt-get install {package}`")
}

/// Where a program is. The directories of system programs are looked into, whatever the user's path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin"]);
    folders.map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Runs a program to its end; what it printed.
///
/// # Panics
/// Where it failed, with what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let found = find(program).unwrap_or_else(|| panic!("{program} is not installed"));
    let output = Command::new(found).args(arguments).output().expect("start it");
    said(program, arguments, &output)
}

/// What a program printed.
pub fn said(program: &str, arguments: &[&str], output: &Output) -> String {
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {}\n{why}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
