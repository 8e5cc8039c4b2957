//! Generators and measurements on real sockets, in small networks of namespaces.

#[path = "support/layers.rs"]
mod layers;
#[path = "traffic/net.rs"]
mod net;
#[path = "traffic/pcapng.rs"]
mod pcapng;
#[path = "traffic/rootless.rs"]
mod rootless;
#[path = "traffic/tagger.rs"]
mod tagger;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use net::{Net, SHORT, TWO_TENANTS, Vm};
use overlab::ids::Encap;
use overlab::lab::{ByteSize, Flow, Rate, RrFlow, Sizes, Span, TcpFlow, Tool, UdpFlow};
use overlab::measure::capture::{self, Capture};
use overlab::measure::cpu::CarrierTime;
use overlab::measure::result::FlowRound;
use overlab::measure::wire::Meter;
use overlab::measure::{MeasureError, isolation, latency, links, mtu, overhead, reachable};
use overlab::plan::PlannedFlow;
use overlab::traffic::{Outcome, goodput, run_flow};
use rootless::privileged;

const PORT: u16 = 5201;

fn ends() -> (String, String) {
    ("red/vm1".into(), "red/vm2".into())
}

/// Counts bytes, and holds that what was counted adds up: VM, cable, VM.
fn weigh(net: &Net, tenant: &str, datagrams: u64) -> Result<overhead::Overhead, MeasureError> {
    let dissect = layers::dissect(net.variant.encap.name());
    let found = overhead::count(net, &net.variant, tenant, datagrams, &dissect)?;
    let hops: Vec<&str> = found.ledger.iter().map(|row| row.hop.as_str()).collect();
    assert_eq!(hops, [&format!("{tenant}/vm1"), "h1 → h2", &format!("{tenant}/vm2")]);
    for row in &found.ledger {
        assert!(row.adds_up() && row.frames >= datagrams - 1, "{row:?}");
    }
    Ok(found)
}

fn planned(flow: Flow) -> PlannedFlow {
    PlannedFlow {
        label: "test".into(),
        tenant: "red".into(),
        from: "vm1".into(),
        to: "vm2".into(),
        to_tenant: None,
        span: SHORT,
        flow,
        together: None,
    }
}

fn tcp(streams: u32, tool: Tool) -> PlannedFlow {
    let (from, to) = ends();
    planned(Flow::Tcp(TcpFlow { from, to, span: Span(SHORT), streams, tool }))
}

fn udp(rate: Option<u64>, size: u64, tool: Tool) -> PlannedFlow {
    let (from, to) = ends();
    let (rate, size) = (rate.map(Rate), Sizes::One(ByteSize(size)));
    planned(Flow::Udp(UdpFlow { from, to, span: Span(SHORT), rate, size, tool }))
}

fn rr(size: u64) -> PlannedFlow {
    let (from, to) = ends();
    planned(Flow::Rr(RrFlow { from, to, span: Span(SHORT), size: ByteSize(size), load: None }))
}

fn run(net: &Net, flow: &PlannedFlow) -> Outcome {
    run_flow(net, &net.variant, flow, PORT, &CarrierTime::default)
}

fn good(net: &Net, flow: &PlannedFlow) -> FlowRound {
    let round = run(net, flow).round;
    assert_eq!(round.error, None);
    assert!(round.seconds >= SHORT.as_secs_f64(), "{round:?}");
    round
}

#[test]
fn every_kind_of_flow_delivers() {
    privileged("every_kind_of_flow_delivers", || {
        let net = Net::flat(Encap::None, &TWO_TENANTS[..2]);
        let before = links::Snapshot::take(&net, &net.variant).unwrap();
        for streams in [1, 3, 1] {
            let round = good(&net, &tcp(streams, Tool::Builtin));
            assert!(round.bytes > 1 << 20, "{streams} streams: {round:?}");
            let cpu = round.cpu.unwrap();
            assert!(cpu.sender.unwrap() > 0.0 && cpu.receiver.unwrap() > 0.0, "{cpu:?}");
            assert_eq!((cpu.encap, cpu.decap, cpu.switches), (None, None, None));
        }
        let after = links::Snapshot::take(&net, &net.variant).unwrap();
        let crossed = &after.since(&before, &net.variant)[0];
        assert!(crossed.bytes[0] > 3 << 20, "{crossed:?}");
        assert!(crossed.bytes[1] > 0 && crossed.bytes[1] < crossed.bytes[0], "{crossed:?}");

        let paced = good(&net, &udp(Some(8_000_000), 1000, Tool::Builtin));
        // 1,000 datagrams a second: fewer where the machine is busy, but never more.
        let most = (paced.seconds * 1000.0) as u64 + 16;
        assert!(paced.sent > 0 && paced.sent < most, "{paced:?}");
        assert!(paced.received <= paced.sent && paced.bytes == paced.received * 1000);
        let fast = good(&net, &udp(None, 64, Tool::Builtin));
        assert!(fast.received <= fast.sent && fast.sent > paced.sent, "{fast:?}");

        let outcome = run(&net, &rr(64));
        let histogram = outcome.latency.unwrap();
        assert_eq!(histogram.len(), outcome.round.received);
        let summary = latency::summary(&histogram).unwrap();
        assert!(summary.p50 > 0.0 && summary.p50 <= summary.p99 && summary.p99 <= summary.max);
        assert_eq!(outcome.round.load_bytes, None);

        let mut loaded = rr(64);
        let Flow::Rr(flow) = &mut loaded.flow else { panic!() };
        flow.load = Some(2);
        let outcome = run(&net, &loaded);
        assert!(outcome.round.error.is_none() && outcome.round.received > 0, "{outcome:?}");
        assert!(outcome.round.load_bytes.unwrap() > 1 << 20, "{outcome:?}");
        assert_eq!(outcome.round.cpu, None, "the load shares in it");
    });
}

#[test]
fn failures_are_told_and_never_hang() {
    privileged("failures_are_told_and_never_hang", || {
        // The VMs' ports are joined to nothing.
        let net = Net::hosts(Encap::None, &TWO_TENANTS[..2], 0);
        let mut loaded = rr(64);
        if let Flow::Rr(flow) = &mut loaded.flow {
            flow.load = Some(1);
        }
        for flow in [tcp(1, Tool::Builtin), udp(None, 64, Tool::Builtin), loaded] {
            let round = run(&net, &flow).round;
            assert!(round.error.is_some() && round.bytes == 0, "{round:?}");
        }
        let told = |flow: &PlannedFlow| run(&net, flow).round.error.unwrap();
        assert!(told(&udp(None, 4, Tool::Builtin)).contains("between 12 and 65507"));
        let mut unknown = tcp(1, Tool::Builtin);
        unknown.to = "vm9".into();
        assert_eq!(told(&unknown), "variant `t` has no VM `vm9` of tenant `red`");
        assert_eq!(reachable(&net, &net.variant, "red").unwrap(), (0, 2));
        let error = weigh(&net, "red", 10).unwrap_err().to_string();
        assert!(error.contains("none was seen at the receiver"), "{error}");
        let error = reachable(&net, &net.variant, "green").unwrap_err().to_string();
        assert_eq!(error, "variant `t` carries no tenant `green`; it carries `red`");
    });
}

#[test]
fn iperf3_can_generate_instead() {
    privileged("iperf3_can_generate_instead", || {
        let net = Net::flat(Encap::None, &TWO_TENANTS[..2]);
        let installed = std::process::Command::new("iperf3").arg("-v").output().is_ok();
        let tcp = run(&net, &tcp(2, Tool::Iperf3)).round;
        let udp = run(&net, &udp(Some(8_000_000), 1000, Tool::Iperf3)).round;
        if installed {
            assert_eq!((tcp.error, udp.error), (None, None));
            assert!(tcp.bytes > 1 << 20);
            assert!(udp.received > 0 && udp.received <= udp.sent);
        } else {
            assert!(tcp.error.unwrap().contains("`iperf3` is not installed"));
        }
    });
}

#[test]
fn a_plain_path_adds_nothing_and_vxlan_fifty() {
    privileged("a_plain_path_adds_nothing_and_vxlan_fifty", || {
        let plain = Net::flat(Encap::None, &TWO_TENANTS[..2]);
        let found = weigh(&plain, "red", 500).unwrap();
        assert!(near(found.per_packet.unwrap(), 0.0) && found.packets >= 499, "{found:?}");
        let vxlan = Net::vxlan(&TWO_TENANTS);
        let found = weigh(&vxlan, "blue", 500).unwrap();
        assert!(near(found.per_packet.unwrap(), 50.0) && found.packets >= 499, "{found:?}");
        assert_eq!(reachable(&vxlan, &vxlan.variant, "red").unwrap(), (2, 2));
        let found =
            goodput(&vxlan, &vxlan.variant, "red", ["vm1", "vm2"], PORT, (SHORT, 4)).unwrap();
        assert!(found.len() == 4 && found.iter().all(|rate| *rate > 1e6), "{found:?}");
    });
}

#[test]
fn the_largest_packet_is_found_and_the_mtu_put_back() {
    privileged("the_largest_packet_is_found_and_the_mtu_put_back", || {
        for (net, expected) in
            [(Net::flat(Encap::None, &TWO_TENANTS[..2]), 1500), (Net::vxlan(&TWO_TENANTS), 1450)]
        {
            // The kernel's VXLAN device refuses what does not fit; its MTU is the limit here.
            let set = |space: &str, mtu: u32| net.set_mtu(space, "eth0", mtu);
            let found = mtu::probe(&net, &net.variant, "red", &set).unwrap();
            assert_eq!(found, Some(expected));
            let own = net.variant.vm("red", "vm1").unwrap();
            assert_eq!(net.mtu(&net.variant.namespace(&own.node), "eth0"), own.mtu);
        }
    });
}

#[test]
fn a_flow_ends_when_the_path_dies() {
    privileged("a_flow_ends_when_the_path_dies", || {
        let net = Net::flat(Encap::None, &TWO_TENANTS[..2]);
        let sent = || links::counters(&net, "t.h1").unwrap()["eth0"].tx_packets;
        for flow in [tcp(1, Tool::Builtin), rr(64)] {
            net.set_up("t.h1", "eth0", true);
            assert_eq!(reachable(&net, &net.variant, "red").unwrap(), (2, 2));
            let endless = PlannedFlow { span: Duration::from_secs(60), ..flow };
            let before = sent();
            let round = std::thread::scope(|scope| {
                let running = scope.spawn(|| run(&net, &endless).round);
                while sent() < before + 200 {
                    assert!(!running.is_finished(), "{:?}", running.join());
                    std::thread::yield_now();
                }
                net.set_up("t.h1", "eth0", false);
                running.join().unwrap()
            });
            let error = round.error.unwrap();
            assert!(error.contains("stalled") || error.contains("broke off"), "{error}");
        }
    });
}

#[test]
fn super_frames_are_metered_as_the_packets_they_become() {
    privileged("super_frames_are_metered_as_the_packets_they_become", || {
        let net = Net::vxlan(&TWO_TENANTS);
        let mut meter = Meter::open(&net, "t.h1", "eth0").unwrap();
        let before = links::counters(&net, "t.h1").unwrap()["eth0"];
        std::thread::scope(|scope| {
            let running = scope.spawn(|| good(&net, &tcp(1, Tool::Builtin)));
            while !running.is_finished() {
                meter.totals(|_| true).unwrap();
                std::thread::yield_now();
            }
        });
        let sent = meter.totals(|_| true).unwrap().sent;
        let after = links::counters(&net, "t.h1").unwrap()["eth0"];
        // One of these frames is many packets, and none of those is larger than the cable takes.
        let frames = after.tx_packets - before.tx_packets;
        assert!(sent.packets > frames, "{sent:?} in {frames} frames");
        let mean = sent.bytes / sent.packets;
        assert!((1000..=1514).contains(&mean), "{sent:?}: {mean} bytes a packet");
    });
}

#[test]
fn a_capture_holds_what_a_cable_would_carry() {
    privileged("a_capture_holds_what_a_cable_would_carry", || {
        let net = Net::vxlan(&TWO_TENANTS);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("capture.pcapng");
        let ports = ["t.h1", "t.h2"].map(|namespace| capture::Port {
            namespace: namespace.into(),
            interface: "eth0".into(),
            comment: format!("host {namespace}"),
        });
        let limit = 1 << 20;
        let capture = Capture::start(&net, &ports, &path, "a lab", limit).unwrap();
        good(&net, &tcp(1, Tool::Builtin));
        let summary = capture.stop().unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file.len() as u64, summary.bytes);
        assert!(summary.bytes <= limit + 4096, "{summary:?}");
        assert!(summary.omitted > 0, "a TCP stream is more than the limit: {summary:?}");
        let seen = pcapng::packets(&file);
        assert_eq!(seen.len() as u64, summary.packets);
        assert!(seen.iter().all(|packet| packet.bytes.len() <= 1514), "nothing is left whole");
        assert!(seen.iter().any(|p| p.interface == 0) && seen.iter().any(|p| p.interface == 1));
        let tunnelled = seen.iter().filter(|p| pcapng::vxlan_tcp_checksums_hold(p.bytes)).count();
        assert!(tunnelled > 100, "{tunnelled} of {}", seen.len());
        tshark_agrees(&path, tunnelled);
    });
}

/// Where tshark is installed it must find the tenant's VNI and no wrong checksum.
fn tshark_agrees(path: &std::path::Path, tunnelled: usize) {
    let mut tshark = std::process::Command::new("tshark");
    // Nobody's own settings may matter, nor be readable.
    tshark.env("HOME", path.parent().unwrap());
    tshark.arg("-r").arg(path).args([
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "tcp.check_checksum:TRUE",
    ]);
    tshark.args(["-o", "udp.check_checksum:TRUE", "-T", "fields", "-e", "vxlan.vni"]);
    tshark.args(["-e", "ip.checksum.status", "-e", "tcp.checksum.status", "-e", "_ws.malformed"]);
    let Ok(output) = tshark.output() else {
        eprintln!("tshark is not installed: only the test's own check was made");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Status 1 is "good": outer and inner IP, then inner TCP.
    let good = text.lines().filter(|line| *line == "101\t1,1\t1\t").count();
    let odd: Vec<_> =
        text.lines().filter(|l| l.starts_with("101") && l.contains("1,1\t0")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(good, tunnelled);
}

/// Whether two sizes are the same to a thousandth of a byte.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.001
}

#[test]
fn tenants_in_tunnels_of_their_own_are_isolated() {
    privileged("tenants_in_tunnels_of_their_own_are_isolated", || {
        let net = Net::vxlan(&TWO_TENANTS);
        let classify = |packet: &[u8]| isolation::network(&net.variant, packet);
        let found =
            isolation::run(&net, &net.variant, 6, &isolation::Pairs::all(&net.variant), &classify)
                .unwrap();
        assert_eq!((found.probes, found.leaks), (120, 0), "{:#?}", found.evidence);
        // Five kinds, each to the one other VM of the own tenant.
        assert_eq!((found.expected_own, found.delivered_own), (120, 120));
        assert_eq!(found.pairs.len(), 10);
    });
}

#[test]
fn tags_add_four_bytes_take_nothing_from_the_mtu_and_isolate() {
    privileged("tags_add_four_bytes_take_nothing_from_the_mtu_and_isolate", || {
        let mut net = Net::hosts(Encap::Vlan, &TWO_TENANTS, 0);
        net.variant.overhead = 4;
        let (net, stop) = (net, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let running = tagger::Running(&stop);
            tagger::start(scope, &net, &stop);
            assert_eq!(reachable(&net, &net.variant, "blue").unwrap(), (2, 2));
            let found = weigh(&net, "red", 500).unwrap();
            assert!(near(found.per_packet.unwrap(), 4.0) && found.packets >= 499, "{found:?}");
            let set = |space: &str, mtu: u32| net.set_mtu(space, "eth0", mtu);
            assert_eq!(mtu::probe(&net, &net.variant, "red", &set).unwrap(), Some(1500));
            let classify = |packet: &[u8]| isolation::network(&net.variant, packet);
            let found = isolation::run(
                &net,
                &net.variant,
                6,
                &isolation::Pairs::all(&net.variant),
                &classify,
            )
            .unwrap();
            assert_eq!((found.probes, found.leaks), (120, 0), "{:#?}", found.evidence);
            assert_eq!((found.expected_own, found.delivered_own), (120, 120));
            drop(running);
        });
    });
}

#[test]
fn leaks_are_found() {
    privileged("leaks_are_found", || {
        // One bridge per host for everyone, said to be VLANs: every probe leaks, bare on the cable too.
        let net = Net::flat(Encap::Vlan, &TWO_TENANTS);
        let classify = |packet: &[u8]| isolation::network(&net.variant, packet);
        let found =
            isolation::run(&net, &net.variant, 3, &isolation::Pairs::all(&net.variant), &classify)
                .unwrap();
        assert_eq!(found.probes, 60);
        assert_eq!(found.leaks, 60, "{found:#?}");
        assert!(found.pairs.iter().all(|pair| pair.leaks == pair.probes));
        assert_eq!(found.evidence.len(), 20);

        // Two tenants whose bridges hang in one VNI: told by the wrong network.
        let net = Net::vxlan(&TWO_TENANTS);
        let wrong = |packet: &[u8]| isolation::network(&net.variant, packet).map(|_| 101);
        let found =
            isolation::run(&net, &net.variant, 3, &isolation::Pairs::all(&net.variant), &wrong)
                .unwrap();
        assert_eq!(found.leaks, 30, "{found:#?}");
        assert!(found.evidence[0].contains("of `blue` towards `red`: in network 101 on `t.h"));

        // On one host, where no cable is crossed: seen at the other tenant's VM.
        let local = TWO_TENANTS.map(|vm| Vm { host: "h1", ..vm });
        let net = Net::flat(Encap::Vlan, &local);
        let found =
            isolation::run(&net, &net.variant, 1, &isolation::Pairs::all(&net.variant), &|_| {
                Some(101)
            })
            .unwrap();
        assert!(found.leaks > 0);
        assert!(found.evidence.iter().any(|line| line.contains("received by `t.")), "{found:#?}");
    });
}
