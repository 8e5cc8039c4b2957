//! Links that delay, lose and reorder, by whatever this kernel has for it.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use overlab::ids::Encap;
use overlab::lab::{Delay, Fabric, Impaired, Loss, Reorder};
use overlab::measure::Place;
use overlab::measure::observe::{Observed, delays, rates};
use overlab::measure::tap::{BUFFER, Tap, Watch};
use overlab::netns::{LinkEvents, Underlay, build, link, ping};
use overlab::plan::{NodeKind, Variant};

use super::fixture::{ip, link as cable, node, variant, world};

pub const TESTS: &[(&str, fn())] = &[
    ("cables::delay_and_loss_are_seeded_and_order_is_kept", delay_and_loss_are_seeded),
    ("cables::some_packets_overtake", some_packets_overtake),
    ("cables::a_rate_comes_before_the_delay", a_rate_comes_before_the_delay),
    ("cables::frames_pass_unharmed", frames_pass_unharmed),
    ("cables::an_end_that_goes_down_takes_the_other_along", an_end_that_goes_down),
];

const LIMIT: Duration = Duration::from_secs(30);

/// Two hosts on one cable.
fn pair(impaired: Impaired) -> Variant {
    let mut link = cable(1, "h1 nic 10.0.0.1/24", "h2 nic 10.0.0.2/24");
    link.impaired = impaired;
    link.seed = 7;
    Variant {
        nodes: vec![node("h1", NodeKind::Host, &[]), node("h2", NodeKind::Host, &[])],
        links: vec![link],
        // Hosts that do not route send nothing of their own.
        ..variant("c", Encap::Vxlan, Fabric::L3)
    }
}

fn up(plan: &Variant) -> Underlay {
    let underlay = build(&world(), &[plan]).unwrap();
    underlay.ready(plan, LIMIT).unwrap();
    underlay
}

fn observe(underlay: &Underlay, plan: &Variant) -> Observed {
    underlay.impair(plan).unwrap();
    delays(underlay, &[plan]).unwrap().remove(0).remove(0).unwrap()
}

fn delay_and_loss_are_seeded() {
    let plan = pair(Impaired {
        loss: Some(Loss(200_000)),
        delay: Some(Delay(20_000)),
        jitter: Some(Delay(2_000)),
        reorder: None,
    });
    let underlay = up(&plan);
    let first = observe(&underlay, &plan).delay;
    // From the beginning again, in both directions.
    let second = observe(&underlay, &plan).delay;
    for side in 0..2 {
        assert!(first.min[side] >= 0.018, "{first:?}");
        assert!((0.018..0.1).contains(&first.median[side]), "{first:?}");
        assert_eq!(first.out_of_order[side], 0, "{first:?}");
        // 300 probes, 240 expected; five standard deviations.
        assert_eq!(first.sent[side], 300);
        assert!((205..=275).contains(&first.arrived[side]), "{first:?}");
        if underlay.impairer().unwrap().seeded() {
            assert_eq!(first.arrived, second.arrived, "the same seed decides the same");
        }
    }
    println!("median {:.3?} ms", first.median.map(|s| s * 1e3));
}

fn some_packets_overtake() {
    let plan = pair(Impaired {
        delay: Some(Delay(40_000)),
        reorder: Some(Reorder(250_000)),
        ..Impaired::default()
    });
    let underlay = up(&plan);
    let seen = observe(&underlay, &plan);
    let reorder = seen.reorder.as_ref().unwrap();
    assert_eq!(seen.delay.arrived, seen.delay.sent, "none is lost");
    // A quarter, less the few that went ahead behind nobody (a third of one in each train of 15);
    // five standard deviations. Those behind a sender that was held up are not among them.
    let (able, share) = (reorder.arrived.iter().sum::<u64>(), reorder.share());
    assert!(able >= 600, "{reorder:?}");
    let wide = 5.0 * (0.25 * 0.75 / able as f64).sqrt();
    assert!((0.25 - 0.006 - wide..0.25 + wide).contains(&share), "{reorder:?}");
    assert!(seen.delay.median[0] >= 0.04, "{seen:?}");
}

fn a_rate_comes_before_the_delay() {
    let mut plan = pair(Impaired { delay: Some(Delay(30_000)), ..Impaired::default() });
    plan.links[0].rate = Some(20_000_000);
    let underlay = up(&plan);
    let seen = observe(&underlay, &plan);
    assert!(seen.delay.min.iter().all(|min| *min >= 0.03), "{seen:?}");
    let rate = rates(&underlay, &plan).unwrap().remove(0).unwrap();
    // The bucket gives no more than its burst beyond the rate.
    assert!(rate.observed.iter().all(|bits| *bits <= 21_000_000.0), "{rate:?}");
    assert!(rate.observed.iter().any(|bits| *bits >= 10_000_000.0), "{rate:?}");
}

/// A frame, its tag as the kernel keeps it, and the bytes and tag that must arrive.
type Sample = (Vec<u8>, Option<(u16, u16)>, Vec<u8>);

fn sample(head: &[u8], body: u8) -> Vec<u8> {
    let mut frame = head.to_vec();
    frame.resize(80, body);
    frame
}

fn frames_pass_unharmed() {
    let plan = pair(Impaired { delay: Some(Delay(5_000)), ..Impaired::default() });
    let underlay = up(&plan);
    underlay.impair(&plan).unwrap();
    let macs = [[2, 0, 0, 0, 9, 2], [2, 0, 0, 0, 9, 1]].concat();
    let bpdu = [&[0x01, 0x80, 0xC2, 0, 0, 0][..], &macs[6..], &[0, 38, 0x42, 0x42, 3]].concat();
    let tag = |tags: &[u8]| [&macs[..], tags, &[0x88, 0xB5]].concat();
    let plain = sample(&tag(&[]), 1);
    let single = sample(&tag(&[0x81, 0, 0x60, 7]), 2);
    let double = sample(&tag(&[0x88, 0xA8, 0, 100, 0x81, 0, 0, 7]), 3);
    let without = |frame: &[u8]| [&frame[..12], &frame[16..]].concat();
    let samples: [Sample; 4] = [
        (sample(&bpdu, 0), None, sample(&bpdu, 0)),
        (plain.clone(), None, plain),
        (single.clone(), Some((0x8100, 0x6007)), without(&single)),
        (double.clone(), Some((0x88A8, 100)), without(&double)),
    ];
    let tap = |host: &str| {
        underlay.within(host, || Tap::open("nic", Watch::Incoming, 1 << 20).unwrap()).unwrap()
    };
    let (from, to) = (tap("c.h1"), tap("c.h2"));
    let mut buffer = vec![0; BUFFER];
    let deadline = Instant::now() + LIMIT;
    // The kernel may not have noticed yet that the middle of the cable is up.
    let first = sample(&tag(&[]), 0xFF);
    let arrives = |wait: u16| {
        poll(&mut [PollFd::new(to.as_fd(), PollFlags::POLLIN)], PollTimeout::from(wait)).unwrap()
            > 0
    };
    from.send(&first).unwrap();
    while !arrives(200) {
        assert!(Instant::now() < deadline, "nothing crosses the cable");
        from.send(&first).unwrap();
    }
    for (frame, _, _) in &samples {
        from.send(frame).unwrap();
    }
    for (_, vlan, bytes) in &samples {
        loop {
            assert!(Instant::now() < deadline, "a frame is missing: {vlan:?} {bytes:02x?}");
            if let Some(frame) = to.next(&mut buffer).unwrap() {
                if frame.bytes == first {
                    continue;
                }
                assert_eq!((frame.vlan, frame.bytes), (*vlan, &bytes[..]));
                break;
            }
            arrives(1000);
        }
    }
    // Super-frames with unfinished checksums: the receiver would drop what has a wrong one.
    let listener =
        underlay.within("c.h2", || std::net::TcpListener::bind("10.0.0.2:5000").unwrap()).unwrap();
    let data: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();
    let sent = data.clone();
    let mut stream =
        underlay.within("c.h1", || std::net::TcpStream::connect("10.0.0.2:5000").unwrap()).unwrap();
    let writer = std::thread::spawn(move || stream.write_all(&sent).unwrap());
    let mut received = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == data, "bytes changed");
    let mut largest = 0;
    while let Some(frame) = to.next(&mut buffer).unwrap() {
        largest = largest.max(frame.length);
    }
    assert!(largest > 10_000, "no super-frame crossed: {largest}");
}

fn an_end_that_goes_down() {
    let plan = pair(Impaired { delay: Some(Delay(1_000)), ..Impaired::default() });
    let underlay = up(&plan);
    underlay.impair(&plan).unwrap();
    let spaces = underlay.namespaces();
    let set = |host: &str, up: bool| {
        let mut netlink = spaces.netlink(host).unwrap();
        let index = link::find(&mut netlink, "nic").unwrap().index;
        netlink.one(if up { link::up(index, "nic") } else { link::down(index, "nic") }).unwrap();
    };
    let wait = |host: &str, carrier: bool| {
        let events = underlay.within(host, || LinkEvents::open(host).unwrap()).unwrap();
        let mut netlink = spaces.netlink(host).unwrap();
        let deadline = Instant::now() + LIMIT;
        while link::find(&mut netlink, "nic").unwrap().carrier != carrier {
            assert!(events.wait(deadline).unwrap(), "{host}: carrier does not become {carrier}");
        }
    };
    set("c.h1", false);
    wait("c.h2", false);
    set("c.h1", true);
    wait("c.h2", true);
    wait("c.h1", true);
    // As somebody who cuts a link does.
    for up in [false, true] {
        set("c.h1", up);
        set("c.h2", up);
        wait("c.h1", up);
        wait("c.h2", up);
    }
    let deadline = Instant::now() + LIMIT;
    assert!(ping(spaces, "c.h1", ip("10.0.0.1"), ip("10.0.0.2"), deadline).unwrap());
}
