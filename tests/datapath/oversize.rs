//! VMs whose MTU is the underlay's, so that they send what does not fit the tunnel.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use overlab::datapath::user::{Edge, EdgeConfig, Oversize, UserDatapath};
use overlab::encap::{Delivery, Vxlan};
use overlab::ids::Encap;
use overlab::lab::Datapath::User;
use overlab::measure::Place;
use overlab::netns::{Underlay, build};
use overlab::plan::Variant;
use overlab::vswitch::{NetworkConfig, Peer};

use super::fixture::world;
use super::talk::{LIMIT, Vm, plan};

pub const TESTS: &[(&str, fn())] = &[
    ("oversize::dropped", dropped),
    ("oversize::notified", notified),
    ("oversize::fragmented", fragmented),
];

/// A UDP payload that fills 1500 bytes.
const FULL: usize = 1472;

fn up(oversize: Oversize) -> (Variant, UserDatapath, Underlay) {
    let world = world();
    let mut plan = plan(Encap::Vxlan, [User, User]);
    plan.tenants.truncate(1);
    for vm in &mut plan.tenants[0].vms {
        vm.mtu = 1500;
    }
    plan.edges.iter_mut().for_each(|edge| edge.networks.truncate(1));
    let underlay = build(&world, &[&plan]).unwrap();
    underlay.ready(&plan, LIMIT).unwrap();
    let open = |edge: &overlab::plan::Edge| {
        let network = &edge.networks[0];
        let config = EdgeConfig {
            host: edge.host.clone(),
            engine: Arc::new(Vxlan::default()),
            nic: edge.nic.clone(),
            vtep: edge.vtep,
            networks: vec![NetworkConfig {
                id: network.id,
                ports: 1,
                peers: network.peers.iter().copied().map(Peer::Vtep).collect(),
                fdb: vec![],
                learning: true,
                mac_limit: 100,
            }],
            ports: network.ports.clone(),
            inner_mtu: 1450,
            oversize,
            delivery: Delivery::default(),
            offloads: true,
            direct: true,
            routes: vec![],
            seed: 3,
        };
        underlay.within(&plan.namespace(&edge.host), || Edge::open(&config).unwrap()).unwrap()
    };
    let edges = plan.edges.iter().map(open).collect();
    (plan, UserDatapath::start(edges).unwrap(), underlay)
}

/// Sets DF: `IP_PMTUDISC_DO` follows what ICMP tells, `IP_PMTUDISC_PROBE` does not.
fn dont_fragment(socket: &UdpSocket, mode: libc::c_int) {
    // SAFETY: the pointer and the length describe a local that outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const mode).cast(),
            4,
        )
    };
    assert_eq!(done, 0);
}

fn dropped() {
    let (plan, engines, underlay) = up(Oversize::Drop);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&underlay, &plan, "red", vm));
    one.echo(&two, 1422);
    let (here, there) = (one.udp(0), two.udp(7));
    dont_fragment(&here, libc::IP_PMTUDISC_PROBE);
    let to = SocketAddr::new(two.address, 7);
    let before = engines.drops().get("too_big").copied().unwrap_or(0);
    here.send_to(&[1; FULL], to).unwrap();
    here.send_to(&[2; 1422], to).unwrap();
    let mut bytes = [0; 2000];
    assert_eq!(there.recv(&mut bytes).unwrap(), 1422, "only the smaller one");
    assert_eq!(engines.drops()["too_big"], before + 1);
}

fn notified() {
    let (plan, engines, underlay) = up(Oversize::Notify);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&underlay, &plan, "red", vm));
    one.echo(&two, 100);
    // TCP learns the size by itself.
    one.stream(&two);
    two.stream(&one);
    let here = one.udp(0);
    dont_fragment(&here, libc::IP_PMTUDISC_DO);
    let to = SocketAddr::new(two.address, 7);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < LIMIT, "never told: {:?}", engines.drops());
        match here.send_to(&[1; FULL], to) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => break,
            _ => std::thread::yield_now(),
        }
    }
    assert!(here.send_to(&[1; 1422], to).is_ok(), "what fits is still sent");
}

fn fragmented() {
    let (plan, engines, underlay) = up(Oversize::Fragment);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&underlay, &plan, "red", vm));
    one.echo(&two, FULL);
    one.stream(&two);
    assert_eq!(engines.drops().get("too_big"), None, "{:?}", engines.drops());
    assert!(engines.cpu() > Duration::ZERO);
}
