//! The switch of this program on wiring with a loop: spanning tree's states are obeyed, frames come
//! once and where they belong, and a cut link is healed.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use overlab::lab::{self, Happening};
use overlab::netns::Switching;
use overlab::plan::{NodeKind, Variant, plan};
use overlab::testbed::Testbed;

use super::fixture::world;
use super::frames::{ALL, Frames};

pub const TESTS: &[(&str, fn())] =
    &[("ring::our_switch_obeys_spanning_tree", our_switch_obeys_spanning_tree)];

/// A bound on the tables takes the switch of this program. Equal addresses make equal MACs, which
/// the tenants have at different hosts.
const LAB: &str = "\
title: Our switch in a circle
topology: { ring: { switches: 4, hosts: 1 }, mac_table: 100 }
carrier: { encap: vlan }
tenants:
  - { name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h2, c: h3, d: h4 } }
  - { name: blue, subnet: 10.1.0.0/24, vms: { a: h3, b: h4, c: h1 } }
measure: { baseline: false }
";

fn our_switch_obeys_spanning_tree() {
    let world = world();
    let loaded = lab::read_str("ring.yaml", LAB).unwrap();
    let plan = plan(&loaded.lab, &loaded.topology).unwrap();
    let variant = &plan.variants[0];
    let testbed = Testbed::build(&world, &plan).unwrap();
    assert_eq!(testbed.switching(variant), Some(Switching::Switch));
    testbed.ready(variant, &AtomicBool::new(false)).unwrap();

    let tree = variant.spanning_tree();
    let planned: Vec<bool> = (0..variant.links.len()).map(|link| tree.blocks(link)).collect();
    let blocked = testbed.underlay().blocked(variant).unwrap();
    assert_eq!(blocked, planned);
    assert_eq!(blocked.iter().filter(|blocked| **blocked).count(), 1);

    let mut frames = Frames::open(&testbed, variant);
    assert_eq!(frames.mac(0), frames.mac(4), "red's and blue's first VMs");
    exact(&mut frames);

    let cut = between_switches(variant).find(|link| !blocked[*link]).unwrap();
    let mut happenings = testbed.happenings(variant);
    happenings.happen(Happening::Cut(&variant.links[cut].name)).unwrap();
    healed(&mut frames);
    let now = testbed.underlay().blocked(variant).unwrap();
    let other = between_switches(variant).filter(|link| *link != cut);
    assert!(other.into_iter().all(|link| !now[link]), "what was blocked forwards: {now:?}");
    exact(&mut frames);
}

fn between_switches(variant: &Variant) -> impl Iterator<Item = usize> {
    let host =
        |name: &String| variant.nodes.iter().any(|n| n.name == *name && n.kind == NodeKind::Host);
    let inner = move |link: &usize| !variant.links[*link].ends.iter().any(|end| host(&end.node));
    (0..variant.links.len()).filter(inner)
}

/// Broadcasts come to every VM of the tenant once, and then unicast frames to their addressee alone:
/// nothing circles, nothing strays, and no tenant's address is taken for the other's.
fn exact(frames: &mut Frames<'_>) {
    let all: Vec<usize> = (0..frames.vms.len()).collect();
    let mut sent = Vec::new();
    for &vm in &all {
        for _ in 0..20 {
            let peers = frames.peers(vm);
            sent.push((frames.send(vm, ALL), peers));
        }
        let (last, peers) = sent.last().unwrap();
        frames.arrives(*last, peers);
    }
    for &vm in &all {
        for to in frames.peers(vm) {
            sent.push((frames.send(vm, frames.mac(to)), vec![to]));
            frames.arrives(sent.last().unwrap().0, &[to]);
        }
    }
    // What is behind all of that on every way has passed it, and so would copies have done.
    for &vm in &all {
        let peers = frames.peers(vm);
        sent.push((frames.send(vm, ALL), peers.clone()));
        frames.arrives(sent.last().unwrap().0, &peers);
    }
    for (number, at) in sent {
        frames.only_at(number, &at);
    }
}

/// Sends from everybody to everybody until one frame of each has come.
fn healed(frames: &mut Frames<'_>) {
    let pairs: Vec<(usize, usize)> = (0..frames.vms.len())
        .flat_map(|vm| frames.peers(vm).into_iter().map(move |to| (vm, to)))
        .collect();
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut missing: Vec<(usize, usize, Vec<u16>)> =
        pairs.into_iter().map(|(vm, to)| (vm, to, Vec::new())).collect();
    while !missing.is_empty() {
        let pairs: Vec<_> = missing.iter().map(|(vm, to, _)| (vm, to)).collect();
        assert!(Instant::now() < deadline, "no way from, to: {pairs:?}");
        for (vm, to, tried) in &mut missing {
            let mac = frames.mac(*to);
            tried.push(frames.send(*vm, mac));
        }
        let wait = Instant::now() + Duration::from_millis(200);
        while Instant::now() < wait {
            frames.read();
        }
        missing.retain(|(_, to, tried)| !tried.iter().any(|n| frames.got.contains_key(&(*to, *n))));
    }
}
