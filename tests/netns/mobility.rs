//! A VM that says nothing moves: what finds it then was taught by its announcement alone.

use std::sync::atomic::AtomicBool;

use overlab::lab::{self, Happening};
use overlab::plan::plan;
use overlab::testbed::Testbed;

use super::fixture::{ip, world};
use super::frames::{ALL, Frames};

pub const TESTS: &[(&str, fn())] =
    &[("mobility::a_silent_vm_is_found_where_it_is", a_silent_vm_is_found_where_it_is)];

const LAB: &str = "\
title: A silent VM moves
topology: { leaf-spine: { leaves: 2, spines: 1, hosts: 2 } }
compare: { encap: [vlan, gretap, vxlan] }
tenants:
  - { name: red, subnet: 10.1.0.0/24, subnet6: 'fd00::/64', vms: { a: h1, b: h2, c: h3, d: h2 } }
watch: { ends: [red/a -> red/b], for: 2s }
events:
  - { at: 1s, move: red/b, to: h4 }
measure: { baseline: false }
";
/// VMs by number.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

fn a_silent_vm_is_found_where_it_is() {
    let world = world();
    let loaded = lab::read_str("silent.yaml", LAB).unwrap();
    let plan = plan(&loaded.lab, &loaded.topology).unwrap();
    let testbed = Testbed::build(&world, &plan).unwrap();
    for variant in &plan.variants {
        testbed.ready(variant, &AtomicBool::new(false)).unwrap();
        let mut frames = Frames::open(&testbed, variant);
        // Everybody knows that it is at h2.
        let known = frames.send(B, ALL);
        frames.arrives(known, &[A, C, D]);
        frames.others.clear();

        let mut happenings = testbed.happenings(variant);
        happenings.happen(Happening::Move { vm: "red/b", to: "h4" }).unwrap();
        let mac = frames.mac(B);
        let heard = |frames: &Frames<'_>, announces: fn(&[u8], [u8; 6]) -> bool| {
            [A, C, D]
                .iter()
                .all(|at| frames.others.iter().any(|(vm, bytes)| vm == at && announces(bytes, mac)))
        };
        frames.until("the ARP announcement", |frames| heard(frames, gratuitous_arp));
        frames.until("the advertisement", |frames| heard(frames, unsolicited_advertisement));

        // The first frame to it arrives, and nobody else gets it.
        let first = frames.send(C, mac);
        frames.arrives(first, &[B]);
        let behind = frames.send(C, ALL);
        frames.arrives(behind, &[A, B, D]);
        frames.only_at(first, &[B]);
    }
}

/// ARP by the VM about its own address (RFC 5227 section 2.3).
fn gratuitous_arp(frame: &[u8], mac: [u8; 6]) -> bool {
    let own = [10, 1, 0, 2];
    frame.len() >= 42
        && frame[..6] == ALL
        && frame[6..12] == mac
        && frame[12..14] == [0x08, 0x06]
        && frame[22..28] == mac
        && frame[28..32] == own
        && frame[38..42] == own
}

/// A neighbour advertisement to all nodes that nobody asked for (RFC 4861 section 7.2.6): flag
/// "override" alone.
fn unsolicited_advertisement(frame: &[u8], mac: [u8; 6]) -> bool {
    let std::net::IpAddr::V6(all_nodes) = ip("ff02::1") else { return false };
    frame.len() >= 86
        && frame[6..12] == mac
        && frame[12..14] == [0x86, 0xDD]
        && frame[38..54] == all_nodes.octets()
        && frame[54] == 136
        && frame[58] == 0x20
        && frame[80..86] == mac
}
