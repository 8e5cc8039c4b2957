//! Our engines between real sockets: two hosts, two tenants with equal addresses, each
//! encapsulation against itself, and VXLAN against the kernel's device both ways.
//!
//! Every test runs in a process of its own (`support/own_process.rs`).

#[path = "datapath/carry.rs"]
mod carry;
#[path = "netns/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "datapath/outer.rs"]
mod outer;
#[path = "datapath/oversize.rs"]
mod oversize;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "datapath/talk.rs"]
mod talk;
#[path = "datapath/wire.rs"]
mod wire;

use std::process::ExitCode;

use own_process::{By, Test, child, parent};

fn tests() -> Vec<Test> {
    [carry::TESTS, outer::TESTS, oversize::TESTS, wire::TESTS].concat()
}

fn main() -> ExitCode {
    child(&tests()).unwrap_or_else(|| parent(&tests(), By::Both, 2, None))
}
