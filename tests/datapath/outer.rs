//! What settings make of the outer headers, on the wire and in the VM behind.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use nix::sys::socket::{MsgFlags, recv};
use overlab::encap::HOPS;
use overlab::ids::Encap;
use overlab::lab::Datapath::User;
use overlab::lab::EngineSettings;
use overlab::measure::Place;

use super::talk::{LIMIT, Vm, build, over_ipv6, plan};
use super::wire::tap;

pub const TESTS: &[(&str, fn())] = &[
    ("outer::usual", || {
        check(Encap::Vxlan, "{}", &Seen { tos: 0x02, ttl: HOPS, summed: Some(true) });
    }),
    ("outer::ip_in_ip_copies", || {
        check(Encap::Ipip, "{}", &Seen { tos: TOS, ttl: HOPS, summed: None });
    }),
    ("outer::pipe", || {
        let settings = "{ ttl: 9, dscp: 10, ecn: compatibility, udp_csum: off }";
        check(Encap::Vxlan, settings, &Seen { tos: 10 << 2, ttl: 9, summed: Some(false) });
    }),
    ("outer::uniform", || {
        let settings = "{ ttl: inherit, dscp: uniform }";
        check(Encap::Geneve, settings, &Seen { tos: TOS, ttl: TTL, summed: Some(true) });
    }),
    ("outer::uniform_behind_a_router", || {
        // The edge routes, so the packet has one hop less when it enters the tunnel.
        let settings = "{ ttl: inherit, dscp: uniform }";
        check(Encap::Gre, settings, &Seen { tos: TOS, ttl: TTL - 1, summed: None });
    }),
    ("outer::stt", || {
        let settings = "{ ttl: 200, dscp: 46 }";
        check(Encap::Stt, settings, &Seen { tos: 46 << 2 | 2, ttl: 200, summed: None });
    }),
    ("outer::nvgre_over_ipv6", || {
        let settings = "{ ttl: inherit, dscp: 1 }";
        check_over(Encap::Nvgre, true, settings, &Seen { tos: 1 << 2 | 2, ttl: TTL, summed: None });
    }),
    ("outer::stt_over_ipv6", || {
        let settings = "{ ttl: inherit, dscp: uniform }";
        check_over(Encap::Stt, true, settings, &Seen { tos: TOS, ttl: TTL, summed: None });
    }),
    ("outer::flow_labels_of_gre", || flow_labels(Encap::Gre)),
    ("outer::flow_labels_of_stt", || flow_labels(Encap::Stt)),
    ("outer::zero_checksums_over_ipv6", || {
        let settings = "{ udp_csum: off, udp6_zero: true, ttl: 3 }";
        let seen = Seen { tos: 0x02, ttl: 3, summed: Some(false) };
        check_over(Encap::Vxlan, true, settings, &seen);
    }),
    ("outer::zero_checksums_over_ipv6_refused", refused),
];

/// What the VM's packet has: AF31 and ECT(0), and few hops.
const TOS: u8 = 26 << 2 | 2;
const TTL: u8 = 33;
const MARK: &[u8] = b"the one that is looked for";

/// What the outer header is to say.
struct Seen {
    tos: u8,
    ttl: u8,
    /// Whether there is a UDP checksum, where there is UDP.
    summed: Option<bool>,
}

fn check(encap: Encap, settings: &str, wanted: &Seen) {
    check_over(encap, false, settings, wanted);
}

fn check_over(encap: Encap, v6: bool, settings: &str, wanted: &Seen) {
    let mut plan = plan(encap, [User, User]);
    if v6 {
        plan = over_ipv6(plan);
    }
    plan.offloads = false;
    plan.engine = serde_yaml::from_str::<EngineSettings>(settings).unwrap();
    let testbed = build(&plan);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&testbed, &plan, "red", vm));
    one.echo(&two, 64);
    let below = testbed.within(&plan.namespace("h1"), || tap(&plan.edges[0].nic)).unwrap();
    let behind = testbed.within(&plan.namespace(two.node()), || tap("eth0")).unwrap();
    let receiver = two.udp(7);
    marked(&one.udp(0), SocketAddr::new(two.address, 7));
    let mut bytes = [0; 64];
    assert_eq!(receiver.recv(&mut bytes).unwrap(), MARK.len());
    let outer = find(&below);
    let (tos, ttl, udp) = if v6 {
        assert_eq!(outer[12..14], [0x86, 0xDD]);
        (outer[14] << 4 | outer[15] >> 4, outer[21], (outer[20] == 17).then_some(54))
    } else {
        assert_eq!(outer[12..14], [8, 0]);
        assert_eq!(outer[20] & 0x40, 0x40, "DF, unless the MTU mode is to fragment");
        (outer[15], outer[22], (outer[23] == 17).then_some(34))
    };
    assert_eq!((tos, ttl), (wanted.tos, wanted.ttl), "{outer:02x?}");
    let summed = udp.map(|at| outer[at + 6..at + 8] != [0, 0]);
    assert_eq!(summed, wanted.summed, "{outer:02x?}");
    // No setting changes what comes out: both ends copy, or none looks at the other's.
    let inner = find(&behind);
    let hops = if encap.carries_ethernet() { TTL } else { TTL - 1 };
    assert_eq!((inner[15], inner[22]), (TOS, hops), "{inner:02x?}");
}

/// A receiver that was not told to take zero checksums drops them.
fn refused() {
    let mut plan = over_ipv6(plan(Encap::Vxlan, [User, User]));
    plan.engine = serde_yaml::from_str("{ udp_csum: off }").unwrap();
    let testbed = build(&plan);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&testbed, &plan, "red", vm));
    let below = testbed.within(&plan.namespace("h2"), || tap(&plan.edges[1].nic)).unwrap();
    let receiver = two.udp(7);
    // A broadcast needs no ARP, which would be lost already.
    let sender = one.udp(0);
    sender.set_broadcast(true).unwrap();
    sender.send_to(MARK, "192.168.0.255:7").unwrap();
    let outer = find(&below);
    assert_eq!(outer[60..62], [0, 0], "{outer:02x?}");
    receiver.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    assert!(receiver.recv(&mut [0; 64]).is_err(), "a zero checksum was taken");
}

/// Every flow has a label of its own, the same in all its packets.
fn flow_labels(encap: Encap) {
    let plan = over_ipv6(plan(encap, [User, User]));
    let testbed = build(&plan);
    let [one, two] = ["vm1", "vm2"].map(|vm| Vm::of(&testbed, &plan, "red", vm));
    one.echo(&two, 64);
    let below = testbed.within(&plan.namespace("h1"), || tap(&plan.edges[0].nic)).unwrap();
    // Without a receiver an ICMP error would quote the mark on its way back.
    let _receiver = two.udp(7);
    let flows = [one.udp(5001), one.udp(5002)];
    let label = |socket: &UdpSocket| {
        socket.send_to(MARK, SocketAddr::new(two.address, 7)).unwrap();
        let outer = find(&below);
        u32::from_be_bytes(outer[14..18].try_into().unwrap()) & 0xF_FFFF
    };
    let labels = [label(&flows[0]), label(&flows[1]), label(&flows[0])];
    assert_eq!(labels[0], labels[2], "{labels:x?}");
    assert_ne!(labels[0], labels[1], "{labels:x?}");
}

/// Sends the datagram with its marks.
fn marked(socket: &UdpSocket, to: SocketAddr) {
    for (option, value) in [(libc::IP_TOS, TOS), (libc::IP_TTL, TTL)] {
        let value = libc::c_int::from(value);
        // SAFETY: the pointer and the length describe a local that outlives the call.
        let done = unsafe {
            let value = (&raw const value).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, value, 4)
        };
        assert_eq!(done, 0);
    }
    socket.send_to(MARK, to).unwrap();
}

/// The first frame that holds the datagram.
fn find(tap: &OwnedFd) -> Vec<u8> {
    let begun = Instant::now();
    let mut bytes = vec![0; 70_000];
    while begun.elapsed() < LIMIT {
        let Ok(len) = recv(tap.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) else {
            std::thread::yield_now();
            continue;
        };
        if bytes[..len].windows(MARK.len()).any(|window| window == MARK) {
            return bytes[..len].to_vec();
        }
    }
    panic!("never seen");
}
