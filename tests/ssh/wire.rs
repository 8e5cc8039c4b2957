//! What an eavesdropper on the underlay sees of a tunnel: its size, and nothing else.

use std::net::UdpSocket;
use std::time::Duration;

use overlab::datapath::ssh::{Mode, overhead};
use overlab::lab::Learning;
use overlab::measure::Place;
use overlab::measure::tap::{BUFFER, Tap, Watch};
use overlab::netns::Underlay;

use super::carried::tenants;
use super::fixture::world;

pub const TESTS: &[(&str, fn())] = &[
    ("wire::a_packet_alone_costs_what_is_computed", a_packet_alone_costs_what_is_computed),
    ("wire::nothing_of_the_tenants_can_be_read", nothing_of_the_tenants_can_be_read),
];

const ETHERNET: u32 = 14;
const ARRIVES: Duration = Duration::from_secs(20);
const TOKEN: &[u8] = b"a tenant's own words, to be read by nobody else";

struct Pair {
    a: UdpSocket,
    b: UdpSocket,
}

impl Pair {
    fn of_red(underlay: &Underlay) -> Pair {
        let open = |vm: &str, address: &str| {
            let socket = underlay.within(vm, || UdpSocket::bind(address).unwrap()).unwrap();
            socket.set_read_timeout(Some(ARRIVES)).unwrap();
            socket
        };
        let pair = Pair {
            a: open("s.red.vm1", "192.168.0.1:5000"),
            b: open("s.red.vm2", "192.168.0.2:5000"),
        };
        pair.there_and_back(b"address resolution comes first");
        pair
    }

    fn there_and_back(&self, payload: &[u8]) {
        let mut bytes = [0; 2000];
        for (from, to) in [(&self.a, &self.b), (&self.b, &self.a)] {
            from.send_to(payload, to.local_addr().unwrap()).unwrap();
            let length = to.recv(&mut bytes).unwrap();
            assert_eq!(bytes[..length], *payload);
        }
    }
}

fn tap(underlay: &Underlay, namespace: &str, interface: &str) -> Tap {
    underlay.within(namespace, || Tap::open(interface, Watch::Both, 4 << 20).unwrap()).unwrap()
}

/// Copies of all frames seen so far.
fn seen(tap: &Tap) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; BUFFER];
    let mut frames = Vec::new();
    while let Some(frame) = tap.next(&mut buffer).unwrap() {
        if frame.outgoing {
            frames.push(frame.bytes.to_vec());
        }
    }
    frames
}

/// A datagram that waits for its answer shares no segment, so every one of them must be found on
/// the wire with exactly the bytes that the formats say.
fn a_packet_alone_costs_what_is_computed() {
    const TIMES: usize = 20;
    let (_, underlay, _tunnels) = tenants(&world(), Learning::Flood);
    let pair = Pair::of_red(&underlay);
    for payload in [18, 100, 972, 1300] {
        let nic = tap(&underlay, "s.h1", "nic");
        let bytes = vec![0x5A; payload];
        for _ in 0..TIMES {
            pair.there_and_back(&bytes);
        }
        let inner = payload as u32 + 28;
        let outer = (ETHERNET + inner + overhead::alone(Mode::Ethernet, inner)) as usize;
        let found = seen(&nic).iter().filter(|frame| frame.len() == outer).count();
        assert_eq!(found, TIMES, "{inner} bytes inside, {outer} outside");
    }
    println!("1000 bytes: {} more", overhead::alone(Mode::Ethernet, 1000));
}

fn nothing_of_the_tenants_can_be_read() {
    let (_, underlay, _tunnels) = tenants(&world(), Learning::Flood);
    let pair = Pair::of_red(&underlay);
    let port = tap(&underlay, "s.h2", "red-vm2");
    let nic = tap(&underlay, "s.h1", "nic");
    for _ in 0..20 {
        pair.there_and_back(TOKEN);
    }
    let with_token = |frames: &[Vec<u8>]| {
        frames.iter().filter(|frame| frame.windows(TOKEN.len()).any(|at| at == TOKEN)).count()
    };
    assert_eq!(with_token(&seen(&port)), 20, "the VM's own port shows what is carried");
    let outside = seen(&nic);
    assert!(outside.len() >= 20, "{} frames", outside.len());
    assert_eq!(with_token(&outside), 0);
    // All of it is one TCP connection to the server's port.
    let ssh = |frame: &Vec<u8>| frame[23] == 6 && frame[36..38] == 22u16.to_be_bytes();
    assert!(outside.iter().filter(|frame| frame[12..14] == [8, 0]).all(ssh));
}
