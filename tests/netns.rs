//! Namespaces, links and kernel edges for real, as root and as an ordinary user.
//!
//! Every test runs in a process of its own (`support/own_process.rs`).

// Sizes and numbers of tests are small.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_lossless
)]

#[path = "netns/broadcast.rs"]
mod broadcast;
#[path = "netns/cables.rs"]
mod cables;
#[path = "netns/edges.rs"]
mod edges;
#[path = "netns/fixture.rs"]
mod fixture;
#[path = "netns/frames.rs"]
mod frames;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/layers.rs"]
mod layers;
#[path = "netns/ledger.rs"]
mod ledger;
#[path = "netns/mobility.rs"]
mod mobility;
#[path = "netns/new_tenant.rs"]
mod new_tenant;
#[path = "support/own_process.rs"]
mod own_process;
#[path = "netns/probe.rs"]
mod probe;
#[path = "netns/ring.rs"]
mod ring;
#[path = "netns/speed.rs"]
mod speed;
#[path = "netns/teardown.rs"]
mod teardown;
#[path = "netns/underlay.rs"]
mod underlay;
#[path = "netns/verbs.rs"]
mod verbs;
#[path = "netns/vlans.rs"]
mod vlans;

use std::process::ExitCode;

use own_process::{By, Test, child, parent};

fn tests() -> Vec<Test> {
    [
        broadcast::TESTS,
        cables::TESTS,
        edges::TESTS,
        new_tenant::TESTS,
        ledger::TESTS,
        mobility::TESTS,
        probe::TESTS,
        ring::TESTS,
        teardown::TESTS,
        underlay::TESTS,
        verbs::TESTS,
        vlans::TESTS,
    ]
    .concat()
}

fn main() -> ExitCode {
    let all = [speed::TESTS, &tests()].concat();
    if let Some(done) = child(&all) {
        return done;
    }
    // What is timed runs alone; the rest mostly waits for spanning trees, so several run at once.
    let timed = parent(speed::TESTS, By::Both, 1, None);
    let others = parent(&tests(), By::Both, 4, None);
    if timed == ExitCode::SUCCESS { others } else { timed }
}
