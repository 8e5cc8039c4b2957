//! Labs on a kernel of a distribution, which has what the machine's own may lack: VLAN devices,
//! bridges with VLAN filtering, netem, and all the tunnels' devices.

#[path = "support/guest.rs"]
mod guest;
mod support;

use std::path::Path;

use support::{finish, repository, skip, text};

/// Boots the guest, runs the labs one after another, and returns all that it printed.
fn run_labs(linux: &Path, labs: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let runs = labs.iter().enumerate().map(|(number, lab)| {
        let program = env!("CARGO_BIN_EXE_overlab");
        format!("{program} run {lab} --out /mnt/{number} 2>&1; echo \"status of {lab}: $?\"\n")
    });
    let guest = guest::guest(linux, folder.path(), &runs.collect::<String>()).spawn().unwrap();
    text(&finish(guest).stdout)
}

#[test]
fn labs_hold_on_an_ordinary_kernel() {
    let Some(linux) = guest::linux() else { return skip(guest::NONE) };
    // The last one's tables have bounds, which that kernel's bridges cannot keep to.
    let labs = [
        "tests/ordinary/vlan.yaml",
        "tests/ordinary/links.yaml",
        "tests/ordinary/vlan-hopping.yaml",
        "labs/hello.yaml",
        "labs/tunnels.yaml",
        "labs/vlan-ports.yaml",
        "labs/mac-tables.yaml",
    ];
    let labs = labs.map(repository);
    let said = run_labs(&linux, &labs);
    for lab in &labs {
        assert!(said.contains(&format!("status of {lab}: 0")), "{said}");
    }
    let bridges = "The switches of vlan-hop-careless were Linux bridges with VLAN filtering";
    assert!(said.contains(bridges), "a switch of this program hopped: {said}");
    assert!(said.contains("link h2-sw1 (netem"), "the relay took the place of netem: {said}");
}
