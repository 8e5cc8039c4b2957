//! `overlab endpoint` in two namespaces: each encapsulation against itself, VXLAN against the
//! kernel's device, and what is left behind.
//!
//! Every test runs in a process of its own (`support/own_process.rs`).

#[path = "support/own_process.rs"]
mod own_process;
#[path = "endpoint/ssh.rs"]
mod ssh;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::Pid;
use overlab::measure::Place;
use overlab::measure::tap::{BUFFER, Tap, Watch};
use overlab::netns::link::{self, End};
use overlab::netns::{Namespaces, Netlink, address, enter, fdb_remote};
use own_process::{By, Test, child, parent};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of bulk data.
const BULK: usize = 8 << 20;

const TESTS: &[Test] = &[
    ("vlan", || carries(&["--encap", "vlan", "--vid", "100", "--interface", "eth0"])),
    ("qinq", || carries(&["--encap", "qinq", "--vid", "100", "--interface", "eth0"])),
    ("vxlan", || carries(&["--encap", "vxlan", "--vni", "42"])),
    ("geneve", || carries(&["--encap", "geneve", "--vni", "42"])),
    ("nvgre", || carries(&["--encap", "nvgre", "--vsid", "5000"])),
    ("gretap", || carries(&["--encap", "gretap", "--key", "7", "--csum", "--seq"])),
    ("stt", || carries(&["--encap", "stt", "--context", "0x100000001"])),
    ("gre", || carries(&["--encap", "gre", "--key", "0"])),
    ("gre_without_key", || carries(&["--encap", "gre"])),
    ("ipip", || carries(&["--encap", "ipip"])),
    ("six_in_four", || carries(&["--encap", "6in4"])),
    ("vxlan_over_ipv6", || carries_over_ipv6(&["--encap", "vxlan", "--vni", "42"])),
    ("vxlan_without_checksums", || {
        let zero = ["--udp-csum", "off", "--udp6-zero"];
        carries_over_ipv6(&[&["--encap", "vxlan", "--vni", "42"][..], &zero].concat());
    }),
    ("geneve_with_options_over_ipv6", || {
        let options = ["--option", "0x102:0x80:00000001", "--option", "258:1"];
        carries_over_ipv6(&[&["--encap", "geneve", "--vni", "1"][..], &options].concat());
    }),
    ("stt_over_ipv6", || carries_over_ipv6(&["--encap", "stt", "--context", "1"])),
    ("gretap_over_ipv6", || carries_over_ipv6(&["--encap", "gretap", "--key", "7"])),
    ("nvgre_over_ipv6", || carries_over_ipv6(&["--encap", "nvgre", "--vsid", "5000"])),
    ("gre_over_ipv6", || carries_over_ipv6(&["--encap", "gre", "--csum"])),
    ("four_in_six", || carries_over_ipv6(&["--encap", "ipip"])),
    ("six_in_six", || carries_over_ipv6(&["--encap", "6in4"])),
    ("marks_cross_as_each_end_says", marks_cross_as_each_end_says),
    ("tagged_frames_pass_where_allowed", tagged_frames_pass_where_allowed),
    ("a_strict_one_drops_reserved_bits", a_strict_one_drops_reserved_bits),
    ("it_captures_what_crosses", it_captures_what_crosses),
    ("it_ends_with_its_device", it_ends_with_its_device),
    ("without_capabilities_it_says_so", without_capabilities_it_says_so),
    ("ssh_to_a_server", || ssh::carries(&["--tap", "ovl0"])),
    ("ssh_of_packets", || ssh::carries(&["--tun", "tun7", "--unit", "3"])),
    ("ssh_says_why_it_ends", ssh::says_why_it_ends),
    ("vxlan_to_the_kernels", || to_the_kernels(&[])),
    ("vxlan_to_the_kernels_with_other_headers", || {
        to_the_kernels(&["--ttl", "inherit", "--dscp", "uniform", "--udp-csum", "off"]);
    }),
    ("wrong_requests_make_nothing", wrong_requests_make_nothing),
    ("a_killed_one_leaves_nothing", a_killed_one_leaves_nothing),
];

fn main() -> ExitCode {
    let device = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    let missing = device.err().map(|error| format!("/dev/net/tun: {error}"));
    let run = || parent(TESTS, By::Starter, 2, missing.as_deref());
    child(TESTS).unwrap_or_else(run)
}

/// Two namespaces with a cable.
fn pair() -> Namespaces {
    let spaces = Namespaces::create(&enter().unwrap(), ["a", "b"]).unwrap();
    let places = ["a", "b"].map(|name| spaces.descriptor(name).unwrap());
    let [a, b] = places.each_ref().map(|place| End {
        namespace: place.as_fd(),
        name: "eth0",
        index: 0,
        mac: None,
        mtu: 1500,
    });
    Netlink::open("home").unwrap().one(link::veth(&a, &b)).unwrap();
    for (namespace, nets) in
        [("a", ["192.0.2.1/24", "2001:db8::1/64"]), ("b", ["192.0.2.2/24", "2001:db8::2/64"])]
    {
        let mut netlink = spaces.netlink(namespace).unwrap();
        let index = link::find(&mut netlink, "eth0").unwrap().index;
        let up = [link::up(link::LOOPBACK, "lo"), link::up(index, "eth0")];
        netlink.all(up.into()).unwrap();
        for net in nets {
            netlink.one(address(index, "eth0", net.parse().unwrap())).unwrap();
        }
    }
    spaces
}

/// A running endpoint.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(spaces: &Namespaces, namespace: &str, arguments: &[&str]) -> Running {
        let mut command = command(arguments);
        let child = spaces.within(namespace, || command.arg("--json").spawn()).unwrap();
        let mut child = child.unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"ready\":"), "{line}");
        Running { child, out }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    fn counters(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it as Ctrl-C does; returns its last counters.
    fn stop(mut self) -> Value {
        self.signal(Signal::SIGINT);
        let counters = self.counters();
        assert!(self.child.wait().unwrap().success());
        counters
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overlab"));
    command.arg("endpoint").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn exists(spaces: &Namespaces, namespace: &str, name: &str) -> bool {
    link::find(&mut spaces.netlink(namespace).unwrap(), name).is_ok()
}

/// Gives a device its inner address.
fn give(spaces: &Namespaces, namespace: &str, device: &str, inner: &str) -> IpAddr {
    let mut netlink = spaces.netlink(namespace).unwrap();
    let index = link::find(&mut netlink, device).unwrap().index;
    netlink.one(address(index, device, inner.parse().unwrap())).unwrap();
    inner.split('/').next().unwrap().parse().unwrap()
}

/// Datagrams of several sizes and a bulk stream, from `a` to `b`.
fn talk(spaces: &Namespaces, to: IpAddr, from: IpAddr) {
    let far = spaces.within("b", || UdpSocket::bind((to, 7)).unwrap()).unwrap();
    let near = spaces.within("a", || UdpSocket::bind((from, 0)).unwrap()).unwrap();
    let mut room = vec![0; 65_536];
    // The kernel enters an IPv6 address into its routing table a moment after it was given, and
    // drops what comes before that.
    far.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let arrived = (0..300).any(|_| {
        near.send_to(b"first", (to, 7)).unwrap();
        far.recv(&mut room).is_ok()
    });
    assert!(arrived, "nothing arrives");
    for socket in [&far, &near] {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
    }
    for size in [0, 1, 64, 1300, 4000] {
        let sent: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[0]).collect();
        near.send_to(&sent, (to, 7)).unwrap();
        // One of the first ones may come late.
        let (len, back) = loop {
            let (len, back) = far.recv_from(&mut room).unwrap();
            if room[..len] != *b"first" {
                break (len, back);
            }
        };
        assert_eq!(room[..len], sent);
        far.send_to(&sent, back).unwrap();
        let len = near.recv(&mut room).unwrap();
        assert_eq!(room[..len], sent);
    }
    let listener = spaces.within("b", || TcpListener::bind((to, 8)).unwrap()).unwrap();
    let mut stream = spaces.within("a", || TcpStream::connect((to, 8)).unwrap()).unwrap();
    let data: Vec<u8> = (0..BULK).map(|at| ((at * 31) >> 7).to_le_bytes()[0]).collect();
    let (mut taken, _) = listener.accept().unwrap();
    taken.set_read_timeout(Some(LIMIT)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stream.write_all(&data).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut came = Vec::with_capacity(BULK);
        taken.read_to_end(&mut came).unwrap();
        assert!(came == data, "{} bytes came, or other ones", came.len());
    });
}

fn carries(encap: &[&str]) {
    carried(encap, ["192.0.2.1", "192.0.2.2"]);
}

fn carries_over_ipv6(encap: &[&str]) {
    carried(encap, ["2001:db8::1", "2001:db8::2"]);
}

fn carried(encap: &[&str], ends: [&str; 2]) {
    let spaces = pair();
    let bare = matches!(encap[1], "gre" | "ipip" | "6in4");
    let tagged = matches!(encap[1], "vlan" | "qinq");
    let start = |namespace, local, remote| {
        let mut arguments = encap.to_vec();
        arguments.extend(if bare { ["--tun", "ovl0"] } else { ["--tap", "ovl0"] });
        if !tagged {
            arguments.extend(["--local", local, "--remote", remote]);
        }
        Running::start(&spaces, namespace, &arguments)
    };
    let mut one = start("a", ends[0], ends[1]);
    let two = start("b", ends[1], ends[0]);
    let inner = if encap[1] == "6in4" {
        ["fd00::1/64", "fd00::2/64"]
    } else {
        ["10.9.0.1/24", "10.9.0.2/24"]
    };
    let from = give(&spaces, "a", "ovl0", inner[0]);
    let to = give(&spaces, "b", "ovl0", inner[1]);
    talk(&spaces, to, from);
    one.signal(Signal::SIGUSR1);
    let counters = one.counters();
    assert!(counters["encap"]["bytes"].as_u64().unwrap() > BULK as u64, "{counters}");
    assert!(counters["decap"]["packets"].as_u64().unwrap() > 5, "{counters}");
    one.stop();
    let counters = two.stop();
    assert!(counters["decap"]["bytes"].as_u64().unwrap() > BULK as u64, "{counters}");
    assert!(!exists(&spaces, "a", "ovl0") && !exists(&spaces, "b", "ovl0"));
}

const VXLAN: [&str; 4] = ["--encap", "vxlan", "--vni", "42"];
const ENDS: [&str; 4] = ["--local", "192.0.2.1", "--remote", "192.0.2.2"];

fn to_the_kernels(more: &[&str]) {
    let spaces = pair();
    let mut netlink = spaces.netlink("b").unwrap();
    let local = "192.0.2.2".parse().unwrap();
    netlink.one(link::vxlan("vx0", 42, local, 4789, 1450, true)).unwrap();
    let index = link::find(&mut netlink, "vx0").unwrap().index;
    netlink.one(fdb_remote(index, "vx0", [0; 6], "192.0.2.1".parse().unwrap())).unwrap();
    netlink.one(link::up(index, "vx0")).unwrap();
    let one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &["--tap", "ovl0"], more].concat());
    let from = give(&spaces, "a", "ovl0", "10.9.0.1/24");
    let to = give(&spaces, "b", "vx0", "10.9.0.2/24");
    talk(&spaces, to, from);
    one.stop();
}

fn wrong_requests_make_nothing() {
    let spaces = pair();
    for (arguments, told) in [
        (&["--encap", "vxlan", "--vni", "16777216", "--tap", "ovl0"][..], "is no VNI"),
        (&["--encap", "stt", "--vni", "1", "--tap", "ovl0"], "--vni does not go with"),
        (&["--encap", "ipip", "--tap", "ovl0"], "give --tun NAME instead of --tap"),
        (&["--encap", "vxlan", "--vni", "1", "--tap", "eth0"], "`eth0` exists already"),
        (&["--encap", "gre", "--tun", "ovl0", "--key", "4294967296"], "is no GRE key"),
        (&["--encap", "gre", "--tun", "ovl0", "--udp-csum", "on"], "it is for vxlan or geneve"),
        (&["--encap", "gre", "--tun", "ovl0", "--ttl", "0"], "is no TTL"),
        (
            &["--encap", "vxlan", "--vni", "1", "--tap", "ovl0", "--remote", "2001:db8::2"],
            "of two families",
        ),
        (&["--encap", "gre", "--tun", "ovl0", "--mtu", "1477"], "at most 1476"),
        (&["--encap", "geneve", "--vni", "1", "--tap", "ovl0", "--option", "1:2:0"], "CLASS:TYPE"),
        (&["--encap", "ssh", "--tap", "ovl0"], "ssh has --destination"),
        (&["--encap", "none", "--tap", "ovl0"], "encapsulates nothing"),
    ] {
        let mut command = command(&[arguments, &ENDS].concat());
        let output = spaces.within("a", || command.output()).unwrap().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(told), "{errors}");
        assert!(output.stdout.is_empty() && !exists(&spaces, "a", "ovl0"));
    }
}

/// The datagram that is looked for.
const MARK: &[u8] = b"the one with marks";

/// TOS byte and time to live of the first packet with the mark that an interface sees.
fn seen(tap: &Tap) -> (u8, u8) {
    let begun = Instant::now();
    let mut buffer = vec![0; BUFFER];
    while begun.elapsed() < LIMIT {
        let Some(frame) = tap.next(&mut buffer).unwrap() else {
            std::thread::yield_now();
            continue;
        };
        if frame.bytes.windows(MARK.len()).any(|window| window == MARK) {
            return (frame.bytes[15], frame.bytes[22]);
        }
    }
    panic!("never seen");
}

fn tap(spaces: &Namespaces, namespace: &str, interface: &str) -> Tap {
    spaces.within(namespace, || Tap::open(interface, Watch::Both, 4 << 20).unwrap()).unwrap()
}

/// One end sends a class of its own, the other end takes what comes for the inner packet's.
fn marks_cross_as_each_end_says() {
    let spaces = pair();
    let start = |namespace, ends: [&str; 2], more: &[&str]| {
        let ends = ["--local", ends[0], "--remote", ends[1], "--tap", "ovl0"];
        Running::start(&spaces, namespace, &[&VXLAN[..], &ends, more].concat())
    };
    let pipe = ["--dscp", "46", "--ttl", "9", "--ecn", "compatibility"];
    let one = start("a", ["192.0.2.1", "192.0.2.2"], &pipe);
    let two = start("b", ["192.0.2.2", "192.0.2.1"], &["--dscp", "uniform", "--ttl", "inherit"]);
    let from = give(&spaces, "a", "ovl0", "10.9.0.1/24");
    let to = give(&spaces, "b", "ovl0", "10.9.0.2/24");
    let there = spaces.within("b", || UdpSocket::bind((to, 7)).unwrap()).unwrap();
    let here = spaces.within("a", || UdpSocket::bind((from, 7)).unwrap()).unwrap();
    for socket in [&here, &there] {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv4Ttl, &33).unwrap();
    }
    let mut bytes = [0; 64];
    here.send_to(b"who is who", (to, 7)).unwrap();
    there.recv(&mut bytes).unwrap();
    there.send_to(b"who is who", (from, 7)).unwrap();
    here.recv(&mut bytes).unwrap();
    let (below, behind) = (tap(&spaces, "a", "eth0"), tap(&spaces, "b", "ovl0"));
    here.send_to(MARK, (to, 7)).unwrap();
    there.recv(&mut bytes).unwrap();
    assert_eq!(seen(&below), (46 << 2, 9), "outer");
    assert_eq!(seen(&behind), (46 << 2, 33), "inner, from the outer");
    let (below, behind) = (tap(&spaces, "b", "eth0"), tap(&spaces, "a", "ovl0"));
    there.send_to(MARK, (from, 7)).unwrap();
    here.recv(&mut bytes).unwrap();
    assert_eq!(seen(&below), (0, 33), "outer, both inherited");
    assert_eq!(seen(&behind), (0, 33), "inner, as it was");
    one.stop();
    two.stop();
}

/// A packet socket on an interface.
fn raw(interface: &str) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None).unwrap();
    // SAFETY: all-zero bytes are a valid address, and its own length is given.
    let bound = unsafe {
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
        address.sll_ifindex = if_nametoindex(interface).unwrap().cast_signed();
        let len = u32::try_from(size_of_val(&address)).unwrap();
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len)
    };
    assert_eq!(bound, 0);
    socket
}

/// Frames with a VLAN tag, written to the device by a packet socket.
fn tagged_frames_pass_where_allowed() {
    for (encap, passes) in [
        (&["--encap", "vxlan", "--vni", "1", "--inner-tags"][..], true),
        (&["--encap", "geneve", "--vni", "1"], true),
        (&["--encap", "gretap"], true),
        (&["--encap", "vxlan", "--vni", "1"], false),
        (&["--encap", "nvgre", "--vsid", "5000"], false),
    ] {
        let spaces = pair();
        let start = |namespace, local, remote| {
            let ends = ["--local", local, "--remote", remote, "--tap", "ovl0"];
            Running::start(&spaces, namespace, &[encap, &ends].concat())
        };
        let one = start("a", "192.0.2.1", "192.0.2.2");
        let two = start("b", "192.0.2.2", "192.0.2.1");
        let behind = tap(&spaces, "b", "ovl0");
        let socket = spaces.within("a", || raw("ovl0")).unwrap();
        let mut frame = vec![0xFF; 6];
        frame.extend([2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 0x08, 0, 0x45]);
        frame.resize(80, 0);
        frame.extend(MARK);
        let sent = nix::unistd::write(&socket, &frame).unwrap();
        assert_eq!(sent, frame.len());
        let dropped = |counters: &Value| counters["encap"]["drops"]["inner_tag"].as_u64();
        if passes {
            seen(&behind);
            assert_eq!(dropped(&one.stop()), None, "{encap:?}");
        } else {
            let begun = Instant::now();
            let mut one = one;
            loop {
                one.signal(Signal::SIGUSR1);
                if dropped(&one.counters()) == Some(1) {
                    break;
                }
                assert!(begun.elapsed() < LIMIT, "{encap:?} never dropped it");
            }
            one.stop();
        }
        two.stop();
    }
}

/// Bits that RFC 7348 ignores, and Linux does not.
fn a_strict_one_drops_reserved_bits() {
    for (strict, drops) in [("--strict", Some(1)), ("--strict=false", None)] {
        let spaces = pair();
        let device = ["--tap", "ovl0", strict];
        let mut one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &device].concat());
        let behind = tap(&spaces, "a", "ovl0");
        let peer = spaces.within("b", || UdpSocket::bind("192.0.2.2:0").unwrap()).unwrap();
        let mut packet = vec![0x88, 0, 0, 1, 0, 0, 42, 7];
        packet.extend([0xFF; 6]);
        packet.extend([2, 0, 0, 0, 0, 1, 0x08, 0, 0x45]);
        packet.resize(60, 0);
        packet.extend(MARK);
        peer.send_to(&packet, "192.0.2.1:4789").unwrap();
        if drops.is_none() {
            seen(&behind);
        }
        let begun = Instant::now();
        loop {
            one.signal(Signal::SIGUSR1);
            let found = one.counters()["decap"]["drops"]["bad_flags"].as_u64();
            if found == drops {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "{strict}: {found:?}");
        }
        one.stop();
    }
}

fn it_captures_what_crosses() {
    let spaces = pair();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("below.pcapng");
    let device = ["--tap", "ovl0", "--mtu", "1400", "--pcap", file.to_str().unwrap()];
    let one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &device].concat());
    let (device, below) = (spaces.within("a", || raw("ovl0")).unwrap(), tap(&spaces, "b", "eth0"));
    let mut frame = vec![0xFF; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x08, 0, 0x45]);
    frame.resize(60, 0);
    frame.extend(MARK);
    nix::unistd::write(&device, &frame).unwrap();
    seen(&below);
    one.stop();
    let captured = std::fs::read(&file).unwrap();
    assert!(captured.windows(MARK.len()).any(|window| window == MARK), "{} bytes", captured.len());
    assert_eq!(captured[..4], [0x0A, 0x0D, 0x0D, 0x0A], "pcapng");
}

/// A device that is deleted under an endpoint ends it, with a word of why.
fn it_ends_with_its_device() {
    let spaces = pair();
    let mut one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &["--tap", "ovl0"]].concat());
    let mut netlink = spaces.netlink("a").unwrap();
    let index = link::find(&mut netlink, "ovl0").unwrap().index;
    netlink.one(link::delete(index, "ovl0")).unwrap();
    assert!(one.counters()["encap"].is_object(), "the last counters");
    assert_eq!(one.child.wait().unwrap().code(), Some(1));
    let mut errors = String::new();
    one.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.contains("the device ovl0 was deleted"), "{errors}");
}

/// An ordinary user in the namespace of another.
fn without_capabilities_it_says_so() {
    let spaces = pair();
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("overlab");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_overlab")).arg(&copy).status();
    assert!(copied.unwrap().success());
    for path in [dir.path(), &copy] {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, all).unwrap();
    }
    let mut command = Command::new(&copy);
    command.arg("endpoint").args(VXLAN).args(ENDS).args(["--tap", "ovl0"]);
    let command = std::os::unix::process::CommandExt::uid(&mut command, 65534);
    let output = spaces.within("a", || command.output()).unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("CAP_NET_ADMIN and CAP_NET_RAW"), "{errors}");
    assert!(!exists(&spaces, "a", "ovl0"));
}

fn a_killed_one_leaves_nothing() {
    let spaces = pair();
    let mut one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &["--tap", "ovl0"]].concat());
    assert!(exists(&spaces, "a", "ovl0"));
    one.signal(Signal::SIGKILL);
    assert!(!one.child.wait().unwrap().success());
    assert!(!exists(&spaces, "a", "ovl0"));
}
