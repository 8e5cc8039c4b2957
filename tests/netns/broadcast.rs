//! Packets that a broadcast really takes, beside those that were predicted.

use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use overlab::lab;
use overlab::measure::Place;
use overlab::plan::{Variant, plan, predict};
use overlab::testbed::Testbed;

use super::fixture::world;

pub const TESTS: &[(&str, fn())] =
    &[("broadcast::crosses_as_many_links_as_predicted", crosses_as_many_links_as_predicted)];

const LAB: &str = "\
title: Broadcasts counted
topology: { leaf-spine: { leaves: 2, spines: 2, hosts: 2 } }
compare: { encap: [vlan, gretap, vxlan] }
tenants:
  - { name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h2, c: h3 } }
measure: { baseline: false }
";

const PORT: u16 = 4000;
/// More than what else crosses the links meanwhile: a BPDU a second, and some ARP.
const SENT: u64 = 200;

fn crosses_as_many_links_as_predicted() {
    let world = world();
    let loaded = lab::read_str("broadcast.yaml", LAB).unwrap();
    let predicted = predict(&loaded.lab, &loaded.topology).unwrap();
    let plan = plan(&loaded.lab, &loaded.topology).unwrap();
    let testbed = Testbed::build(&world, &plan).unwrap();
    for variant in &plan.variants {
        testbed.ready(variant, &AtomicBool::new(false)).unwrap();
        let expected = predicted.carriers.iter().find(|c| c.name == variant.name).unwrap();
        let (copies, crossings) = count(&testbed, variant);
        let broadcast = &expected.broadcast;
        assert_eq!(copies, broadcast.copies.total, "{}: copies", variant.name);
        assert_eq!(crossings, broadcast.crossings.total, "{}: crossings", variant.name);
    }
}

/// Packets for each broadcast: sent by the first host, and on all links, rounded to whole ones.
fn count(testbed: &Testbed, variant: &Variant) -> (u64, u64) {
    let sockets: Vec<UdpSocket> = variant
        .vms()
        .map(|vm| {
            let namespace = variant.namespace(&vm.node);
            let open = || UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
            let socket = testbed.within(&namespace, open).unwrap();
            socket.set_broadcast(true).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket
        })
        .collect();
    let (sender, receivers) = sockets.split_first().unwrap();
    // Once beforehand, until neighbours and tables are known.
    let send = |number: u64| {
        sender.send_to(&number.to_be_bytes(), ("10.1.0.255", PORT)).unwrap();
        // One after the other, since packets that wait together are sent as one super-frame.
        for receiver in receivers {
            let mut bytes = [0; 8];
            receiver.recv(&mut bytes).unwrap_or_else(|e| panic!("{}: {e}", variant.name));
            assert_eq!(u64::from_be_bytes(bytes), number);
        }
    };
    send(0);
    let before = testbed.underlay().link_counters(variant).unwrap();
    for number in 1..=SENT {
        send(number);
    }
    let after = testbed.underlay().link_counters(variant).unwrap();
    let sent: Vec<u64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| {
            (0..2).map(|end| after[end].tx_packets - before[end].tx_packets).sum()
        })
        .collect();
    let own = variant.links.iter().position(|link| link.ends[0].node == "h1").unwrap();
    let round = |packets: u64| (packets + SENT / 2) / SENT;
    (round(after[own][0].tx_packets - before[own][0].tx_packets), round(sent.iter().sum()))
}
