//! What is on the wire, seen by a stranger, with offloads off: whole packets, right checksums.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, setsockopt, socket, sockopt,
};
use overlab::encap::receive::{Config, Protocol, Receiver, Verdict};
use overlab::ids::Encap;
use overlab::lab::Datapath;
use overlab::lab::Datapath::{Kernel, User};
use overlab::measure::Place;
use overlab::plan::Variant;
use overlab::wire::{checksum, flow};

use super::talk::{Vm, build, over_ipv6, plan};

pub const TESTS: &[(&str, fn())] = &[
    ("wire::vxlan", || sent(Encap::Vxlan, Protocol::Vxlan, [User, User])),
    ("wire::vxlan_beside_the_kernels", || sent(Encap::Vxlan, Protocol::Vxlan, [User, Kernel])),
    ("wire::geneve", || sent(Encap::Geneve, Protocol::Geneve, [User, User])),
    ("wire::gretap", || sent(Encap::Gretap, Protocol::Gretap, [User, User])),
    ("wire::nvgre", || sent(Encap::Nvgre, Protocol::Nvgre, [User, User])),
    ("wire::gre", || sent(Encap::Gre, Protocol::Gre, [User, User])),
    ("wire::ipip", || sent(Encap::Ipip, Protocol::Ipip, [User, User])),
    ("wire::stt", || sent(Encap::Stt, Protocol::Stt, [User, User])),
    ("wire::stt_over_ipv6", || sent_over_ipv6(Encap::Stt, Protocol::Stt)),
    ("wire::gre_over_ipv6", || sent_over_ipv6(Encap::Gre, Protocol::Gre)),
    ("wire::qinq", || sent(Encap::Qinq, Protocol::Qinq, [User, User])),
    ("wire::vlan", || sent(Encap::Vlan, Protocol::Vlan, [User, User])),
];

fn sent(encap: Encap, protocol: Protocol, datapaths: [Datapath; 2]) {
    watched(plan(encap, datapaths), encap, protocol);
}

fn sent_over_ipv6(encap: Encap, protocol: Protocol) {
    watched(over_ipv6(plan(encap, [User, User])), encap, protocol);
}

fn watched(mut plan: Variant, encap: Encap, protocol: Protocol) {
    plan.offloads = false;
    let testbed = build(&plan);
    let tap = testbed.within(&plan.namespace("h1"), || tap(&plan.edges[0].nic)).unwrap();
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&testbed, &plan, "red", vm));
    let done = &AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(move || watch(&tap, encap, protocol, done));
        one.stream(&two);
        two.stream(&one);
        done.store(true, Relaxed);
        watcher.join().unwrap()
    });
    assert!(seen > 1000, "only {seen} packets of the tunnel were seen");
}

/// A packet socket that sees what an interface sends and receives.
pub fn tap(interface: &str) -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let tap = socket(AddressFamily::Packet, SockType::Raw, flags, None).unwrap();
    setsockopt(&tap, sockopt::RcvBuf, &(8 << 20)).unwrap();
    // SAFETY: all-zero bytes are a valid address, and its own length is given.
    let bound = unsafe {
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap().to_be();
        address.sll_ifindex = if_nametoindex(interface).unwrap().cast_signed();
        let len = u32::try_from(size_of_val(&address)).unwrap();
        libc::bind(tap.as_raw_fd(), (&raw const address).cast(), len)
    };
    assert_eq!(bound, 0);
    tap
}

/// Checks everything that passes, both ways, until told; returns how many tunnel packets there were.
fn watch(tap: &OwnedFd, encap: Encap, protocol: Protocol, done: &AtomicBool) -> usize {
    let keyed = matches!(encap, Encap::Gre | Encap::Gretap);
    let mut receiver = Receiver::new(Config { keyed, ..Config::new(protocol) });
    let begun = Instant::now();
    let (mut seen, mut bytes) = (0, vec![0; 70_000]);
    loop {
        let Ok(len) = recv(tap.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) else {
            if done.load(Relaxed) {
                return seen;
            }
            std::thread::yield_now();
            continue;
        };
        let frame = &bytes[..len];
        assert!(len <= 1522, "{len} bytes on the wire");
        let now = Duration::from_millis(u64::try_from(begun.elapsed().as_millis()).unwrap());
        match receiver.receive(now, frame) {
            Verdict::Decap(inner) => {
                seen += 1;
                check(&inner.delivered, encap.carries_ethernet());
                inner.packets.iter().for_each(|packet| check(packet, true));
            }
            Verdict::Pending => seen += 1,
            // The VMs' own side of the host, ARP, spanning tree.
            Verdict::Drop(_) | Verdict::Consume | Verdict::Policy(..) => {}
            other => panic!("{other:?} of {frame:02x?}"),
        }
    }
}

/// Lengths and checksums of a TCP packet.
fn check(packet: &[u8], ethernet: bool) {
    let meta = if ethernet { flow::frame(packet, 0) } else { flow::packet(packet, 0) }.unwrap();
    if meta.protocol != 6 || meta.ethertype != 0x0800 {
        return;
    }
    let ip = overlab::wire::ipv4::Header::parse_verified(&packet[meta.l3..]).unwrap();
    let upper = ip.payload(&packet[meta.l3..]).unwrap();
    let pseudo = checksum::pseudo_v4(ip.src, ip.dst, 6, u32::try_from(upper.len()).unwrap());
    assert!(checksum::is_right(checksum::sum(upper, pseudo)), "{packet:02x?}");
}
