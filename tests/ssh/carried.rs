//! What goes through a tunnel: both modes, both directions, every size, and one tenant only.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use overlab::datapath::ssh::{End, Mode, Tunnel, Tunnels, attach};
use overlab::ids::Encap;
use overlab::lab::Learning;
use overlab::measure::Place;
use overlab::netns::{Underlay, World, address, build, link};
use overlab::plan::Variant;

use super::fixture::{ip, leaf_spine, with_tenants, world};

pub const TESTS: &[(&str, fn())] = &[
    ("carried::frames_of_two_tenants", frames_of_two_tenants),
    ("carried::frames_with_static_tables", frames_with_static_tables),
    ("carried::packets_of_every_size", packets_of_every_size),
    ("carried::bulk_in_both_directions", bulk_in_both_directions),
];

const LIMIT: Duration = Duration::from_secs(60);
/// How long something that must come may take, and how long something that must not is waited for.
const ARRIVES: Duration = Duration::from_secs(20);
const STAYS_AWAY: Duration = Duration::from_millis(300);
const VTEPS: [Option<&str>; 2] = [Some("10.1.0.1"), Some("10.2.0.1")];
const MTU: usize = 1500;

/// Two tenants, a VM of each on either host, carried over SSH.
pub fn tenants(world: &World, learning: Learning) -> (Variant, Underlay, Tunnels) {
    let mut plan = with_tenants(leaf_spine("s", Encap::Ssh), VTEPS, MTU as u32);
    plan.learning = learning;
    plan.inner_mtu = MTU as u32;
    if learning == Learning::Static {
        for (edge, other) in [(0, 1), (1, 0)] {
            let vtep = ip(VTEPS[other].unwrap());
            for network in 0..2 {
                let mac = plan.tenants[network].vms[other].mac.clone();
                plan.edges[edge].networks[network].fdb = vec![(mac, vtep)];
            }
        }
    }
    let underlay = build(world, &[&plan]).unwrap();
    let tunnels = attach(underlay.namespaces(), &plan).unwrap();
    underlay.ready(&plan, LIMIT).unwrap();
    tunnels.ready(underlay.namespaces(), LIMIT).unwrap_or_else(|error| panic!("{error}"));
    (plan, underlay, tunnels)
}

/// One tunnel of packets between the two hosts, with 172.16.0.1 and .2 at its ends.
fn packets(world: &World) -> (Underlay, Tunnels) {
    let plan = leaf_spine("s", Encap::Ssh);
    let underlay = build(world, &[&plan]).unwrap();
    let end =
        |host: &str, at: &str| End { namespace: format!("s.{host}"), address: ip(at), unit: 3 };
    let tunnel =
        Tunnel { mode: Mode::Ip, client: end("h2", "10.2.0.1"), server: end("h1", "10.1.0.1") };
    let tunnels = Tunnels::start(underlay.namespaces(), vec![tunnel], MTU as u32).unwrap();
    for (host, net) in [("s.h1", "172.16.0.1/24"), ("s.h2", "172.16.0.2/24")] {
        let mut netlink = underlay.namespaces().netlink(host).unwrap();
        let index = link::find(&mut netlink, "tun3").unwrap().index;
        netlink.one(address(index, "tun3", net.parse().unwrap())).unwrap();
    }
    tunnels.ready(underlay.namespaces(), LIMIT).unwrap_or_else(|error| panic!("{error}"));
    (underlay, tunnels)
}

fn udp(underlay: &Underlay, namespace: &str, address: &str) -> UdpSocket {
    let bound = underlay.within(namespace, || UdpSocket::bind(address).unwrap()).unwrap();
    bound.set_read_timeout(Some(ARRIVES)).unwrap();
    bound
}

/// Both tenants use the same addresses and MACs, so each datagram must reach its own namesake.
fn own_tenant_only(underlay: &Underlay, [from, to]: [u8; 2]) {
    let pair = |tenant: &str| {
        let sender = udp(underlay, &format!("s.{tenant}.vm{from}"), &format!("192.168.0.{from}:0"));
        let target = format!("192.168.0.{to}:7");
        let receiver = udp(underlay, &format!("s.{tenant}.vm{to}"), &target);
        (sender, receiver, target)
    };
    let pairs = ["red", "blue"].map(pair);
    let mut bytes = [0; 64];
    for (at, (sender, receiver, target)) in pairs.iter().enumerate() {
        sender.send_to(format!("tenant {at}").as_bytes(), target).unwrap();
        let length = receiver.recv(&mut bytes).unwrap();
        assert_eq!(bytes[..length], *format!("tenant {at}").as_bytes());
        let other = &pairs[1 - at].1;
        other.set_read_timeout(Some(STAYS_AWAY)).unwrap();
        assert!(other.recv(&mut bytes).is_err(), "a leak to the other tenant");
        other.set_read_timeout(Some(ARRIVES)).unwrap();
    }
}

/// Sends datagrams of every kind of size there and back; the largest fills the MTU, and one byte
/// more does not fit.
fn every_size(a: &UdpSocket, b: &UdpSocket) {
    let largest = MTU - 28;
    let pattern: Vec<u8> = (0..=largest).map(|at| (at * 7 % 251) as u8).collect();
    let mut bytes = vec![0; MTU];
    for (from, to) in [(a, b), (b, a)] {
        let target = to.local_addr().unwrap();
        for size in [0, 1, 17, 18, 500, 1000, largest - 1, largest] {
            from.send_to(&pattern[..size], target).unwrap();
            let length = to.recv(&mut bytes).unwrap();
            assert_eq!(bytes[..length], pattern[..size], "{size}");
        }
        // Never fragmented, neither here nor outside.
        let socket = socket2::SockRef::from(from);
        set_dont_fragment(&socket);
        let error = from.send_to(&pattern, target).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }
}

fn set_dont_fragment(socket: &socket2::SockRef<'_>) {
    use std::os::fd::AsRawFd;
    let value = libc::IP_PMTUDISC_DO;
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of_val(&value) as _,
        )
    };
    assert_eq!(done, 0);
}

/// Sends `bytes` by TCP; every byte must arrive as it was sent.
fn bulk(listener: TcpListener, connect: impl FnOnce() -> TcpStream, bytes: usize) {
    let pattern = |at: usize| (at % 65_521 % 251) as u8;
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(ARRIVES)).unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut at = 0;
        loop {
            let length = stream.read(&mut buffer).unwrap();
            if length == 0 {
                return at;
            }
            for byte in &buffer[..length] {
                assert_eq!(*byte, pattern(at), "byte {at}");
                at += 1;
            }
        }
    });
    let mut stream = connect();
    stream.set_write_timeout(Some(ARRIVES)).unwrap();
    let data: Vec<u8> = (0..bytes).map(pattern).collect();
    stream.write_all(&data).unwrap();
    drop(stream);
    assert_eq!(receiver.join().unwrap(), bytes);
}

fn stream(underlay: &Underlay, ends: [(&str, &str); 2], port: u16, bytes: usize) {
    let [(from, _), (to, at)] = ends;
    let target: SocketAddr = format!("{at}:{port}").parse().unwrap();
    let listener = underlay.within(to, || TcpListener::bind(target).unwrap()).unwrap();
    bulk(
        listener,
        || underlay.within(from, || TcpStream::connect(target).unwrap()).unwrap(),
        bytes,
    );
}

fn frames_of_two_tenants() {
    let (plan, underlay, tunnels) = tenants(&world(), Learning::Flood);
    assert_eq!(tunnels.list().len(), 2);
    own_tenant_only(&underlay, [1, 2]);
    own_tenant_only(&underlay, [2, 1]);
    let learned = underlay.tables(&plan).unwrap();
    assert!(learned["h1"] >= 4 && learned["h2"] >= 4, "{learned:?}");
    let a = udp(&underlay, "s.red.vm1", "192.168.0.1:0");
    let b = udp(&underlay, "s.red.vm2", "192.168.0.2:0");
    every_size(&a, &b);
    assert!(tunnels.cpu() > Duration::ZERO);
}

fn frames_with_static_tables() {
    let (_, underlay, _tunnels) = tenants(&world(), Learning::Static);
    own_tenant_only(&underlay, [1, 2]);
    own_tenant_only(&underlay, [2, 1]);
}

fn packets_of_every_size() {
    let (underlay, _tunnels) = packets(&world());
    let a = udp(&underlay, "s.h1", "172.16.0.1:0");
    let b = udp(&underlay, "s.h2", "172.16.0.2:0");
    every_size(&a, &b);
}

/// More than the channel's window of 2 MiB several times over, so that its accounting matters.
fn bulk_in_both_directions() {
    const BYTES: usize = 12 << 20;
    let world = world();
    let (underlay, tunnels) = packets(&world);
    let [a, b] = [("s.h1", "172.16.0.1"), ("s.h2", "172.16.0.2")];
    stream(&underlay, [a, b], 5001, BYTES);
    stream(&underlay, [b, a], 5002, BYTES);
    drop(tunnels);
    underlay.close().unwrap();
    let (_, underlay, _tunnels) = tenants(&world, Learning::Flood);
    let [a, b] = [("s.red.vm1", "192.168.0.1"), ("s.red.vm2", "192.168.0.2")];
    stream(&underlay, [a, b], 5001, BYTES);
    stream(&underlay, [b, a], 5002, BYTES);
}
