//! VLANs by port: what goes in where, with which tags, comes out where, with which tags. One table
//! for the kernel's bridge with VLAN filtering, which wrote it, and for the switch of this program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use overlab::ids::Encap;
use overlab::lab::{Accept, Fabric};
use overlab::measure::Place;
use overlab::measure::tap::{BUFFER, Tap, Watch};
use overlab::netns::{Switching, Underlay, build_by};
use overlab::plan::{Edge, EdgeNetwork, NodeKind, PortVlans, Variant};
use overlab::testbed::start_switches;

use super::fixture::{link, node, variant, world};
use super::guest;

pub const TESTS: &[(&str, fn())] = &[
    ("vlans::our_switch_is_the_kernels_bridge", our_switch_is_the_kernels_bridge),
    ("vlans::the_kernels_bridge_wrote_the_table", the_kernels_bridge_wrote_the_table),
];

/// What the kernel's bridge did, case by case; made anew from what a failing test prints.
const TABLE: &str = include_str!("vlans.txt");

const PORTS: usize = 4;
/// A VLAN that all ports are in, with a tag: by its frames it is known when others have passed.
const LAST: u16 = 100;

/// Access to 10; a trunk with a native VLAN; a trunk without; access to 20 with 10 beside it.
fn ports() -> [PortVlans; PORTS] {
    let port = |tagged: &[(u16, u16)], untagged| PortVlans {
        tagged: tagged.to_vec(),
        untagged,
        accept: Accept::All,
    };
    [
        port(&[(100, 100)], Some(10)),
        port(&[(10, 10), (20, 29), (100, 100)], Some(30)),
        port(&[(20, 20), (30, 30), (100, 100)], None),
        port(&[(10, 10), (100, 100)], Some(20)),
    ]
}

fn plan() -> Variant {
    let mut plan = variant("vlans", Encap::Vlan, Fabric::L2);
    plan.stp = false;
    plan.nodes.push(node("tor", NodeKind::Switch, &[]));
    for (number, vlans) in ports().into_iter().enumerate() {
        let host = format!("h{number}");
        plan.nodes.push(node(&host, NodeKind::Host, &[]));
        let mut cable = link(number as u8, &format!("{host} nic"), &format!("tor p{number}"));
        cable.ends[1].vlans = Some(vlans);
        plan.links.push(cable);
    }
    // A tenant makes the variant one of VLANs.
    let network = EdgeNetwork {
        tenant: "red".into(),
        id: 10,
        ports: vec![],
        spare: Vec::new(),
        peers: vec![],
        group: None,
        fdb: vec![],
    };
    plan.edges.push(Edge {
        more_addresses: vec![],
        host: "h0".into(),
        datapath: overlab::lab::Datapath::Kernel,
        nic: "nic".into(),
        vtep: None,
        untagged: None,
        networks: vec![network],
    });
    plan
}

/// Tags of a frame that goes in: TPID and TCI, the outermost first.
const TAGS: &[&[(u16, u16)]] = &[
    &[],
    &[(0x8100, 0)],
    &[(0x8100, 0xA000)],
    &[(0x8100, 10)],
    &[(0x8100, 0xB00A)],
    &[(0x8100, 20)],
    &[(0x8100, 25)],
    &[(0x8100, 30)],
    &[(0x8100, 40)],
    &[(0x8100, 1)],
    &[(0x8100, 4095)],
    &[(0x88A8, 10)],
    &[(0x88A8, 20)],
    &[(0x8100, 30), (0x8100, 10)],
    &[(0x8100, 10), (0x8100, 20)],
    &[(0x8100, 20), (0x88A8, 10)],
    &[(0x88A8, 20), (0x8100, 10)],
    &[(0x8100, 0), (0x8100, 10)],
];

/// One frame: the port it goes in by, its tags, and the last bytes of its addresses (255: all).
struct Case {
    port: usize,
    tags: &'static [(u16, u16)],
    to: u8,
    from: u8,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for port in 0..PORTS {
        for tags in TAGS {
            cases.push(Case { port, tags, to: 255, from: 0x10 + port as u8 });
        }
    }
    let ten: &[(u16, u16)] = &[(0x8100, 10)];
    let twenty: &[(u16, u16)] = &[(0x8100, 20)];
    for (port, tags, to, from) in [
        // The same address in two VLANs, behind two ports: each VLAN finds its own.
        (0, &[][..], 255, 1),
        (2, twenty, 255, 1),
        (1, ten, 1, 2),
        (1, twenty, 1, 2),
        (3, ten, 1, 3),
        (3, &[], 1, 3),
        // Answers, a stranger, and somebody behind the port that the frame came in by.
        (0, &[], 2, 1),
        (2, twenty, 2, 1),
        (1, ten, 9, 2),
        (1, twenty, 9, 2),
        (1, ten, 2, 4),
        // Known in VLAN 10 only.
        (2, twenty, 4, 1),
        // He moves.
        (3, ten, 255, 1),
        (1, ten, 1, 2),
    ] {
        cases.push(Case { port, tags, to, from });
    }
    cases
}

fn frame(case: &Case, number: u16) -> Vec<u8> {
    let mac = |last| if last == 255 { [0xFF; 6] } else { [2, 0xAA, 0, 0, 0, last] };
    let mut frame = [mac(case.to), mac(case.from)].concat();
    for (tpid, tci) in case.tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend([0x88, 0xB5]); // local experiments (IEEE 802)
    frame.extend(number.to_be_bytes());
    frame.resize(64, 0x5A);
    frame
}

/// Tags and number of one of our frames.
fn read(vlan: Option<(u16, u16)>, bytes: &[u8]) -> Option<(Vec<(u16, u16)>, u16)> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let mut tags: Vec<(u16, u16)> = vlan.into_iter().collect();
    let mut at = 12;
    while matches!(word(at)?, 0x8100 | 0x88A8) {
        tags.push((word(at)?, word(at + 2)?));
        at += 4;
    }
    (word(at)? == 0x88B5).then_some(())?;
    Some((tags, word(at + 2)?))
}

fn words(tags: &[(u16, u16)]) -> String {
    let tag = |(tpid, tci): &(u16, u16)| {
        let (kind, priority) = (if *tpid == 0x88A8 { "s" } else { "c" }, tci >> 12);
        let priority = if priority > 0 { format!("/{priority:x}") } else { String::new() };
        format!("{kind}{}{priority}", tci & 0xFFF)
    };
    if tags.is_empty() {
        return "-".into();
    }
    tags.iter().map(tag).collect::<Vec<_>>().join("+")
}

/// Sends every case and writes down, line by line, where it comes out.
fn outcome(switching: Switching) -> String {
    let world = world();
    let plan = plan();
    let underlay = build_by(&world, &[&plan], Some(switching)).unwrap();
    let switches = start_switches(&underlay, &plan).unwrap();
    assert_eq!(switches.is_some(), switching == Switching::Switch);
    underlay.ready(&plan, Duration::from_secs(30)).unwrap();
    if let Some(switches) = &switches {
        switches.obey().unwrap();
    }
    let taps = taps(&underlay);
    let cases = cases();
    let mut text = String::new();
    for (number, case) in cases.iter().enumerate() {
        let seen = pass(&taps, case, number as u16);
        let to = if case.to == 255 { "all".into() } else { case.to.to_string() };
        let out: Vec<String> =
            seen.iter().map(|(port, tags)| format!("{port} {}", words(tags))).collect();
        let out = if out.is_empty() { "nowhere".to_owned() } else { out.join(", ") };
        let (port, tags) = (case.port, words(case.tags));
        writeln!(text, "in by {port} {tags} from {} to {to}: {out}", case.from).unwrap();
    }
    if let Some(switches) = &switches {
        assert!(switches.unknown()["tor"] > 0);
    }
    drop(switches);
    underlay.close().unwrap();
    text
}

fn taps(underlay: &Underlay) -> Vec<Tap> {
    let open = || Tap::open("nic", Watch::Incoming, 1 << 20).unwrap();
    (0..PORTS).map(|port| underlay.within(&format!("vlans.h{port}"), open).unwrap()).collect()
}

/// Where one frame comes out; it has, once another that went in behind it is everywhere.
fn pass(taps: &[Tap], case: &Case, number: u16) -> BTreeSet<(usize, Vec<(u16, u16)>)> {
    const MARK: u16 = 0x8000;
    let last: &[(u16, u16)] = &[(0x8100, LAST)];
    taps[case.port].send(&frame(case, number)).unwrap();
    let behind = Case { port: case.port, tags: last, to: 255, from: 0x40 };
    taps[case.port].send(&frame(&behind, MARK | number)).unwrap();
    let mut waited: BTreeSet<usize> = (0..PORTS).filter(|port| *port != case.port).collect();
    let mut seen = BTreeSet::new();
    let mut buffer = vec![0; BUFFER];
    let deadline = Instant::now() + Duration::from_secs(20);
    while !waited.is_empty() {
        assert!(Instant::now() < deadline, "frames of VLAN {LAST} are missing at {waited:?}");
        let mut fds: Vec<_> =
            taps.iter().map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::from(100_u16)).unwrap();
        for (port, tap) in taps.iter().enumerate() {
            while let Some(frame) = tap.next(&mut buffer).unwrap() {
                let Some((tags, got)) = read(frame.vlan, frame.bytes) else { continue };
                if got == MARK | number {
                    assert_eq!(tags, last);
                    waited.remove(&port);
                } else if got == number {
                    assert!(seen.insert((port, tags)), "twice at {port}");
                }
            }
        }
    }
    seen
}

/// The switch of this program, or the kernel's bridge where `OVERLAB_SWITCHING` says so.
fn our_switch_is_the_kernels_bridge() {
    let kernel = std::env::var("OVERLAB_SWITCHING").is_ok_and(|which| which == "kernel");
    let found = outcome(if kernel { Switching::VlanBridge } else { Switching::Switch });
    assert!(found == TABLE, "the table is\n{found}");
}

fn the_kernels_bridge_wrote_the_table() {
    if std::env::var("OVERLAB_TEST_ROLE").unwrap() == "user" {
        return;
    }
    let Some(linux) = guest::linux() else {
        eprintln!("SKIPPED: {}", guest::NONE);
        assert!(std::env::var_os("OVERLAB_CI").is_none(), "SKIPPED: {}", guest::NONE);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let run = |which: &str| {
        format!(
            "OVERLAB_TEST_ROLE=self OVERLAB_SWITCHING={which} {} {} 2>&1; echo \"{which}: $?\"\n",
            own.display(),
            TESTS[0].0
        )
    };
    let commands = run("kernel") + &run("own");
    let output = guest::guest(&linux, folder.path(), &commands).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("kernel: 0") && said.contains("own: 0"), "{said}");
}
