//! `overlab endpoint` in two namespaces: each encapsulation against itself, VXLAN against the
//! kernel's device, and what is left behind.
//!
//! Every test runs in a process of its own (`support/own_process.rs`).

#[path = "support/own_process.rs"]
mod own_process;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlab::measure::Place;
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
    ("vxlan_to_the_kernels", to_the_kernels),
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
    let end = |namespace| End {
        namespace: spaces.descriptor(namespace).unwrap(),
        name: "eth0",
        index: 0,
        mac: None,
        mtu: 1500,
    };
    Netlink::open("home").unwrap().one(link::veth(&end("a"), &end("b"))).unwrap();
    for (namespace, net) in [("a", "192.0.2.1/24"), ("b", "192.0.2.2/24")] {
        let mut netlink = spaces.netlink(namespace).unwrap();
        let index = link::find(&mut netlink, "eth0").unwrap().index;
        let up = [link::up(link::LOOPBACK, "lo"), link::up(index, "eth0")];
        netlink.all(up.into()).unwrap();
        netlink.one(address(index, "eth0", net.parse().unwrap())).unwrap();
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
    far.set_nonblocking(true).unwrap();
    while far.recv(&mut room).is_ok() {}
    far.set_nonblocking(false).unwrap();
    for socket in [&far, &near] {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
    }
    for size in [0, 1, 64, 1300, 4000] {
        let sent: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[0]).collect();
        near.send_to(&sent, (to, 7)).unwrap();
        let (len, back) = far.recv_from(&mut room).unwrap();
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
    let mut one = start("a", "192.0.2.1", "192.0.2.2");
    let two = start("b", "192.0.2.2", "192.0.2.1");
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

fn to_the_kernels() {
    let spaces = pair();
    let mut netlink = spaces.netlink("b").unwrap();
    let local = "192.0.2.2".parse().unwrap();
    netlink.one(link::vxlan("vx0", 42, local, 4789, 1450, true)).unwrap();
    let index = link::find(&mut netlink, "vx0").unwrap().index;
    netlink.one(fdb_remote(index, "vx0", [0; 6], "192.0.2.1".parse().unwrap())).unwrap();
    netlink.one(link::up(index, "vx0")).unwrap();
    let one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &["--tap", "ovl0"]].concat());
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
    ] {
        let mut command = command(&[arguments, &ENDS].concat());
        let output = spaces.within("a", || command.output()).unwrap().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(told), "{errors}");
        assert!(output.stdout.is_empty() && !exists(&spaces, "a", "ovl0"));
    }
}

fn a_killed_one_leaves_nothing() {
    let spaces = pair();
    let mut one = Running::start(&spaces, "a", &[&VXLAN[..], &ENDS, &["--tap", "ovl0"]].concat());
    assert!(exists(&spaces, "a", "ovl0"));
    one.signal(Signal::SIGKILL);
    assert!(!one.child.wait().unwrap().success());
    assert!(!exists(&spaces, "a", "ovl0"));
}
