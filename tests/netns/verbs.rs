//! Single verbs against the kernel.

use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use overlab::measure::Place;
use overlab::netns::link::{self, End, SpanningTree};
use overlab::netns::{
    self, DropMethod, Error, Namespaces, Netlink, Offloads, address, fdb, fdb_remote, ping,
};

use super::fixture::{interfaces, ip, world};

pub const TESTS: &[(&str, fn())] = &[
    ("verbs::within_returns_home_even_in_a_panic", within_returns_home_even_in_a_panic),
    ("verbs::many_namespaces_need_no_descriptors", many_namespaces_need_no_descriptors),
    ("verbs::errors_name_operation_object_and_namespace", errors_name_what_where_and_why),
    ("verbs::a_dropped_port_is_silent_but_seen", a_dropped_port_is_silent_but_seen),
    ("verbs::more_requests_than_one_batch", more_requests_than_one_batch),
    ("verbs::vxlan_remotes_are_listed", vxlan_remotes_are_listed),
    ("verbs::tbf_holds_its_rate_and_segments", tbf_holds_its_rate),
    ("verbs::offloads_go_off", offloads_go_off),
];

fn pair(spaces: &Namespaces) {
    let places = ["a", "b"].map(|name| spaces.descriptor(name).unwrap());
    let [a, b] = places.each_ref().map(|place| End {
        namespace: place.as_fd(),
        name: "eth0",
        index: 0,
        mac: None,
        mtu: 1500,
    });
    Netlink::open("home").unwrap().one(link::veth(&a, &b)).unwrap();
    for (namespace, net) in [("a", "10.0.0.1/24"), ("b", "10.0.0.2/24")] {
        let mut netlink = spaces.netlink(namespace).unwrap();
        let index = link::find(&mut netlink, "eth0").unwrap().index;
        netlink
            .all(vec![
                link::up(link::LOOPBACK, "lo"),
                link::up(index, "eth0"),
                address(index, "eth0", net.parse().unwrap()),
            ])
            .unwrap();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn within_returns_home_even_in_a_panic() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a", "b"]).unwrap();
    let here = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let home = here();
    let inner = spaces.within("a", || (here(), spaces.within("b", here).unwrap(), here())).unwrap();
    assert!(inner.0 != home && inner.1 != home && inner.0 != inner.1 && inner.0 == inner.2);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        spaces.within("a", || panic!("on purpose"))
    }));
    assert!(caught.is_err());
    assert_eq!(here(), home);
    assert_eq!(spaces.within("c", || ()).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

fn many_namespaces_need_no_descriptors() {
    let world = world();
    let names: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let mut spaces = Namespaces::create(&world, names.iter().map(String::as_str)).unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let identity = |name: &String| {
        spaces.within(name, || std::fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap()
    };
    let (before, identities) = (open(), names.iter().map(identity).collect::<Vec<_>>());
    // The usual limit leaves room enough.
    spaces.put_away().unwrap();
    assert_eq!(open(), before);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 100, hard).unwrap();
    spaces.put_away().unwrap();
    assert_eq!(open(), before - names.len());
    for (name, identity) in names.iter().zip(identities) {
        let inside =
            spaces.within(name, || std::fs::read_link("/proc/thread-self/ns/net").unwrap());
        assert_eq!(inside.unwrap(), identity, "{name}");
        assert!(std::fs::File::open(format!("/run/netns/{name}")).is_ok(), "{name}");
    }
    spaces.close().unwrap();
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
}

fn errors_name_what_where_and_why() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a"]).unwrap();
    let mut netlink = spaces.netlink("a").unwrap();
    let net = "10.0.0.1/24".parse().unwrap();
    let text = netlink.one(address(77, "eth7", net)).unwrap_err().to_string();
    assert!(
        text.contains("add address 10.0.0.1/24 to eth7 in namespace a: No such device"),
        "{text}"
    );
    // The first refusal of several is told, and the rest is still tried.
    let done = netlink.all(vec![
        link::bridge("br0", 100, None, 300),
        link::bridge("br0", 101, None, 300),
        link::bridge("br1", 102, None, 300),
    ]);
    assert!(done.unwrap_err().to_string().contains("make bridge br0"));
    assert!(interfaces(&spaces, "a").contains(&"br1".to_owned()));
    assert!(matches!(link::find(&mut netlink, "none"), Err(Error::UnknownInterface { .. })));
    assert!(Namespaces::create(&world, ["a"]).is_err(), "a name was given twice");
}

fn more_requests_than_one_batch() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a"]).unwrap();
    let mut netlink = spaces.netlink("a").unwrap();
    let nets = (0..300u32).map(|n| format!("10.{}.{}.1/24", n / 250, n % 250));
    let all = nets.map(|net| address(link::LOOPBACK, "lo", net.parse().unwrap()));
    netlink.all(all.collect()).unwrap();
    let count = spaces
        .within("a", || {
            nix::ifaddrs::getifaddrs()
                .unwrap()
                .filter(|a| a.address.is_some_and(|a| a.as_sockaddr_in().is_some()))
                .count()
        })
        .unwrap();
    assert_eq!(count, 300);
}

fn a_dropped_port_is_silent_but_seen() {
    let world = world();
    for method in [DropMethod::Bpf, DropMethod::Nftables] {
        let spaces = Namespaces::create(&world, ["a", "b"]).unwrap();
        pair(&spaces);
        assert!(ping(&spaces, "a", ip("10.0.0.1"), ip("10.0.0.2"), soon()).unwrap());
        let mut netlink = spaces.netlink("b").unwrap();
        let index = link::find(&mut netlink, "eth0").unwrap().index;
        spaces
            .inside("b", || match method {
                DropMethod::Bpf => {
                    assert_eq!(netns::drop_ingress(&mut netlink, index, "eth0")?, method);
                    Ok(())
                }
                DropMethod::Nftables => netns::drop_ingress_by_nftables("b", "eth0"),
            })
            .unwrap();
        let all = (libc::ETH_P_ALL as u16).to_be();
        let watch = spaces
            .within("b", || {
                let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
                // Opened without a protocol and bound, as the datapath does.
                let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None).unwrap();
                // SAFETY: all-zero is a valid sockaddr_ll.
                let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
                to.sll_family = libc::AF_PACKET as u16;
                to.sll_protocol = all;
                to.sll_ifindex = index.cast_signed();
                let length = size_of::<libc::sockaddr_ll>() as u32;
                // SAFETY: the pointer and length describe `to`, which outlives the call.
                let done =
                    unsafe { libc::bind(socket.as_raw_fd(), (&raw const to).cast(), length) };
                assert_eq!(done, 0);
                socket
            })
            .unwrap();
        let short = Instant::now() + Duration::from_millis(300);
        assert!(!ping(&spaces, "a", ip("10.0.0.1"), ip("10.0.0.2"), short).unwrap());
        let mut frame = [0; 2048];
        let mut echoes = 0;
        while let Ok(length) = nix::sys::socket::recv(
            watch.as_raw_fd(),
            &mut frame,
            nix::sys::socket::MsgFlags::empty(),
        ) {
            echoes += usize::from(length > 34 && frame[12..14] == [8, 0] && frame[23] == 1);
        }
        assert!(echoes > 0, "the packet socket saw nothing ({method:?})");
    }
}

fn vxlan_remotes_are_listed() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a"]).unwrap();
    let mut netlink = spaces.netlink("a").unwrap();
    netlink
        .all(vec![
            address(link::LOOPBACK, "lo", "10.0.0.1/32".parse().unwrap()),
            link::vxlan("vx", 5001, ip("10.0.0.1"), 4789, 1450, true),
        ])
        .unwrap();
    let index = link::find(&mut netlink, "vx").unwrap().index;
    netlink
        .all(vec![
            fdb_remote(index, "vx", [0; 6], ip("10.0.0.2")),
            fdb_remote(index, "vx", [0; 6], ip("10.0.0.3")),
            fdb_remote(index, "vx", [2, 0, 0, 0, 0, 9], ip("10.0.0.4")),
        ])
        .unwrap();
    let entries = fdb(&mut netlink).unwrap();
    let mut remotes: Vec<_> = entries
        .iter()
        .filter(|entry| entry.port == index && !entry.of_bridge && !entry.learned)
        .map(|entry| (entry.mac[5], entry.remote.unwrap()))
        .collect();
    remotes.sort();
    assert_eq!(remotes, [(0, ip("10.0.0.2")), (0, ip("10.0.0.3")), (9, ip("10.0.0.4"))]);
    let tree = SpanningTree { priority: 4096, ..SpanningTree::default() };
    netlink.one(link::bridge("br0", 200, Some(tree), 300)).unwrap();
    let read = |what: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{what}/forwarding");
        spaces.within("a", || std::path::Path::new(&path).exists()).unwrap()
    };
    assert!(read("br0"));
}

/// A 20 Mbit/s link passes at most its rate plus the bucket and the queue, and super-frames
/// leave as real packets.
fn tbf_holds_its_rate() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a", "b"]).unwrap();
    pair(&spaces);
    let rate = 20_000_000;
    let bucket = netns::Bucket::new(rate, 1500);
    let mut netlink = spaces.netlink("a").unwrap();
    let index = link::find(&mut netlink, "eth0").unwrap().index;
    netlink.one(netns::tbf(index, "eth0", rate, bucket)).unwrap();
    let sender = spaces.within("a", || UdpSocket::bind("10.0.0.1:0").unwrap()).unwrap();
    let _receiver = spaces.within("b", || UdpSocket::bind("10.0.0.2:9").unwrap()).unwrap();
    sender.connect("10.0.0.2:9").unwrap();
    // One send of ten segments of 1,400 bytes: 14,420 bytes and more, larger than the bucket.
    let segment: libc::c_int = 1400;
    // SAFETY: the pointer and length describe `segment`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            sender.as_fd().as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const segment).cast(),
            4,
        )
    };
    assert_eq!(done, 0);
    let mut other = spaces.netlink("b").unwrap();
    let before = link::find(&mut other, "eth0").unwrap().counters;
    let begun = Instant::now();
    let mut sent = 0u64;
    while begun.elapsed() < Duration::from_millis(400) {
        if sender.send(&[0; 14_000]).is_ok() {
            sent += 10;
        }
    }
    let after = link::find(&mut other, "eth0").unwrap().counters;
    let bytes = after.rx_bytes - before.rx_bytes;
    let packets = after.rx_packets - before.rx_packets;
    let most = (begun.elapsed().as_secs_f64() * rate as f64 / 8.0) as u64 + u64::from(bucket.burst);
    assert!(packets > 20 && packets < sent, "{packets} of {sent}");
    assert!(bytes <= most + 3000, "{bytes} bytes came, {most} may");
    assert!(bytes / packets <= 1442, "{bytes} bytes in {packets} packets");
}

fn offloads_go_off() {
    let world = world();
    let spaces = Namespaces::create(&world, ["a", "b"]).unwrap();
    pair(&spaces);
    spaces.inside("a", || netns::switch_off("eth0", Offloads::All)).unwrap();
    let error = spaces.inside("a", || netns::switch_off("eth9", Offloads::All)).unwrap_err();
    assert!(error.to_string().contains("eth9"), "{error}");
    // A super-frame now arrives as the packets of a cable.
    let sender = spaces.within("a", || UdpSocket::bind("10.0.0.1:0").unwrap()).unwrap();
    let receiver = spaces.within("b", || UdpSocket::bind("10.0.0.2:9").unwrap()).unwrap();
    sender.connect("10.0.0.2:9").unwrap();
    let mut other = spaces.netlink("b").unwrap();
    let segment: libc::c_int = 1000;
    let socket = sender.as_fd().as_raw_fd();
    // SAFETY: the pointer and length describe `segment`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(socket, libc::SOL_UDP, libc::UDP_SEGMENT, (&raw const segment).cast(), 4)
    };
    assert_eq!(done, 0);
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = [0; 2000];
    sender.send(b"first, for the neighbour").unwrap();
    receiver.recv(&mut bytes).unwrap();
    let before = link::find(&mut other, "eth0").unwrap().counters.rx_packets;
    match sender.send(&[0; 5000]) {
        Ok(_) => {
            for _ in 0..5 {
                assert_eq!(receiver.recv(&mut bytes).unwrap(), 1000);
            }
            let after = link::find(&mut other, "eth0").unwrap().counters.rx_packets;
            assert_eq!(after - before, 5);
        }
        // Kernels before 6.11 refuse UDP_SEGMENT where checksums are not offloaded.
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EIO)),
    }
}
