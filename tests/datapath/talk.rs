//! A testbed of one variant, and VMs that talk in it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use overlab::ids::Encap;
use overlab::lab::{Datapath, IpVersion, Measure};
use overlab::measure::Place;
use overlab::plan::{Plan, Variant};
use overlab::testbed::Testbed;

use super::fixture::{leaf_spine, two_hosts_on_a_switch, with_tenants, world};

/// How long anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of a bulk transfer.
const BULK: usize = 24 << 20;

/// The name all tests' variants have.
const NAME: &str = "t";

/// Two hosts (on a routed fabric, but for tags), two tenants with the same addresses.
pub fn plan(encap: Encap, datapaths: [Datapath; 2]) -> Variant {
    let overhead = overlab::lab::overhead(encap, &overlab::lab::Carrier::default()).unwrap_or(72);
    let base =
        if encap.is_tag() { two_hosts_on_a_switch(NAME, encap) } else { leaf_spine(NAME, encap) };
    let mtu = if encap.is_tag() { 1500 } else { 1500 - overhead };
    let vteps = if encap.is_tag() { [None; 2] } else { [Some("10.1.0.1"), Some("10.2.0.1")] };
    let mut plan = with_tenants(base, vteps, mtu);
    // A switch in the middle has no loop to wait for.
    plan.stp = false;
    plan.inner_mtu = mtu;
    plan.overhead = overhead;
    plan.datapath = Datapath::User;
    plan.port = match encap {
        Encap::Geneve => 6081,
        Encap::Stt => 7471,
        _ => 4789,
    };
    let first = if encap == Encap::Nvgre { 5000 } else { 101 };
    for (at, tenant) in plan.tenants.iter_mut().enumerate() {
        tenant.id = first + at as u64;
        if encap == Encap::SixInFour {
            for vm in &mut tenant.vms {
                let last = vm.address.addr().to_string().rsplit('.').next().unwrap().to_owned();
                vm.address = format!("fd00::{last}/64").parse().unwrap();
            }
        }
    }
    if matches!(encap, Encap::Ipip | Encap::SixInFour) {
        plan.tenants.truncate(1);
        plan.tenants[0].id = 0;
    }
    for (edge, datapath) in plan.edges.iter_mut().zip(datapaths) {
        edge.datapath = datapath;
        edge.networks.truncate(plan.tenants.len());
        for (network, tenant) in edge.networks.iter_mut().zip(&plan.tenants) {
            network.id = tenant.id;
        }
    }
    plan
}

/// The same over an IPv6 underlay, two hosts on a switch.
pub fn over_ipv6(plan: Variant) -> Variant {
    let base = two_hosts_on_a_switch(NAME, plan.encap);
    let mut plan = Variant { nodes: base.nodes, links: base.links, fabric: base.fabric, ..plan };
    plan.underlay = IpVersion::Ipv6;
    let vteps = ["fd00:9::1", "fd00:9::2"];
    for (at, vtep) in vteps.iter().enumerate() {
        plan.links[at].ends[0].addresses = vec![format!("{vtep}/64").parse().unwrap()];
        plan.edges[at].vtep = Some(vtep.parse().unwrap());
        for network in &mut plan.edges[at].networks {
            network.peers = vec![vteps[1 - at].parse().unwrap()];
        }
    }
    plan.overhead += 20;
    plan.inner_mtu -= 20;
    for vm in plan.tenants.iter_mut().flat_map(|tenant| &mut tenant.vms) {
        vm.mtu -= 20;
    }
    plan
}

/// The plan, built and forwarding.
pub fn build(variant: &Variant) -> Testbed {
    let world = world();
    let plan = Plan {
        title: String::new(),
        about: None,
        seed: 7,
        schedule: None,
        variants: vec![variant.clone()],
        flows: vec![],
        probes: vec![],
        measure: Measure::default(),
        expect: vec![],
        capture: None,
        published: None,
    };
    let testbed = Testbed::build(&world, &plan).unwrap();
    testbed.ready(variant, &AtomicBool::new(false)).unwrap();
    testbed
}

/// One VM's namespace and address.
pub struct Vm<'a, P> {
    place: &'a P,
    space: String,
    node: String,
    pub address: IpAddr,
}

impl<'a, P: Place> Vm<'a, P> {
    pub fn of(place: &'a P, plan: &Variant, tenant: &str, name: &str) -> Self {
        let vm = plan.vm(tenant, name).unwrap();
        let node = vm.node.clone();
        Vm { place, space: plan.namespace(&vm.node), node, address: vm.address.addr() }
    }

    /// Its node's name in the plan.
    pub fn node(&self) -> &str {
        &self.node
    }

    pub fn udp(&self, port: u16) -> UdpSocket {
        let address = SocketAddr::new(self.any(), port);
        let socket = self.place.within(&self.space, || UdpSocket::bind(address).unwrap()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket
    }

    fn any(&self) -> IpAddr {
        if self.address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }
    }

    /// Echoes a datagram off another VM, again while the way is being learned.
    pub fn echo(&self, other: &Self, len: usize) {
        let (here, there) = (self.udp(0), other.udp(0));
        let to = SocketAddr::new(other.address, there.local_addr().unwrap().port());
        let data = pattern(len);
        let mut bytes = vec![0; 65_536];
        here.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        there.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LIMIT, "no echo of {len} bytes from {}", other.address);
            here.send_to(&data, to).unwrap();
            let Ok((received, from)) = there.recv_from(&mut bytes) else { continue };
            assert_eq!((from.ip(), &bytes[..received]), (self.address, &data[..]));
            there.send_to(&data, from).unwrap();
            if let Ok(back) = here.recv(&mut bytes) {
                assert_eq!(bytes[..back], data);
                return;
            }
        }
    }

    /// Whether a broadcast datagram reaches another VM of the tenant.
    pub fn broadcast(&self, other: &Self) {
        let (here, there) = (self.udp(0), other.udp(7));
        here.set_broadcast(true).unwrap();
        here.send_to(b"to all", "192.168.0.255:7").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(there.recv(&mut bytes).map(|len| bytes[..len].to_vec()).unwrap(), b"to all");
    }

    /// Sends a stream to another VM, which checks every byte.
    pub fn stream(&self, other: &Self) {
        let address = SocketAddr::new(other.any(), 0);
        let listener =
            other.place.within(&other.space, || TcpListener::bind(address).unwrap()).unwrap();
        let to = SocketAddr::new(other.address, listener.local_addr().unwrap().port());
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let data = pattern(1 << 16);
            let (mut total, mut bytes) = (0, vec![0; 1 << 16]);
            loop {
                let len = stream.read(&mut bytes).unwrap();
                if len == 0 {
                    return total;
                }
                for (at, byte) in bytes[..len].iter().enumerate() {
                    assert_eq!(*byte, data[(total + at) % data.len()], "byte {}", total + at);
                }
                total += len;
            }
        });
        let connect = || TcpStream::connect_timeout(&to, LIMIT).unwrap();
        let mut stream = self.place.within(&self.space, connect).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        let data = pattern(1 << 16);
        for _ in 0..BULK / data.len() {
            stream.write_all(&data).unwrap();
        }
        drop(stream);
        assert_eq!(receiver.join().unwrap(), BULK);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 253) as u8).collect()
}
