//! The byte ledger of real packets: over carriers of every kind, and where a link loses some.

use std::sync::atomic::AtomicBool;

use overlab::lab;
use overlab::measure::ledger::{Layer, burst};
use overlab::measure::overhead;
use overlab::measure::result::LedgerRow;
use overlab::plan::{Plan, Variant, plan};
use overlab::testbed::Testbed;

use super::fixture::world;
use super::layers::dissect;

pub const TESTS: &[(&str, fn())] = &[
    ("ledger::adds_up_at_every_hop", adds_up_at_every_hop),
    ("ledger::does_not_believe_a_header_that_is_short", does_not_believe_a_header_that_is_short),
    ("ledger::watches_hosts_alone_where_ways_are_many", watches_hosts_alone_where_ways_are_many),
    ("ledger::names_the_link_that_loses", names_the_link_that_loses),
];

/// Datagrams of a test; 16 are under way at a time.
const SENT: u64 = 96;

fn planned(text: &str) -> Plan {
    let loaded = lab::read_str("ledger.yaml", text).unwrap();
    plan(&loaded.lab, &loaded.topology).unwrap()
}

fn adds_up_at_every_hop() {
    let plan = planned(
        "title: Weighed\n\
         topology: { hosts: [h1, h2], switches: [s1, s2], \
                     links: [[h1, s1], [s1, s2], [s2, h2]], stp: off }\n\
         compare: { encap: [none, vlan, qinq, ipip, gre, gretap, vxlan, stt], \
                    mtu_mode: [lower, fragment] }\n\
         tenants: [{ name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h2 } }]\n",
    );
    let testbed = Testbed::build(&world(), &plan).unwrap();
    for variant in &plan.variants {
        testbed.ready(variant, &AtomicBool::new(false)).unwrap();
        let dissect = dissect(variant.encap.name());
        let counted = overhead::count(&testbed, variant, "red", SENT, &dissect).unwrap();
        assert_eq!(counted.unwatched, 0);
        let bursts = burst(&testbed, variant, "red", &dissect).unwrap();
        let mut passes: Vec<&str> = Vec::new();
        for rows in counted.ledger.chunk_by(|a, b| a.pass == b.pass).chain([bursts.as_slice()]) {
            let name = format!("{} {}", variant.name, rows[0].pass);
            passes.push(&rows[0].pass);
            weigh(&name, rows, variant);
        }
        // Tags make frames longer, not packets, so that nothing has to be fragmented.
        let whole = variant.inner_mtu == variant.underlay_mtu;
        let full = variant.name.contains("fragment") && !whole;
        let expected: &[&str] =
            if full { &["datagrams", "full datagrams", "burst"] } else { &["datagrams", "burst"] };
        assert_eq!(passes, expected, "{}", variant.name);
    }
}

/// One pass in one variant: VM, three links, VM.
fn weigh(name: &str, rows: &[LedgerRow], variant: &Variant) {
    let hops: Vec<&str> = rows.iter().map(|row| row.hop.as_str()).collect();
    assert_eq!(hops, ["red/a", "h1 → s1", "s1 → s2", "s2 → h2", "red/b"], "{name}");
    for row in rows {
        assert!(row.adds_up(), "{name}: {row:?}");
        assert_eq!(row.lost + row.lost_behind, 0, "{name}: {row:?}");
        assert_eq!((row.frames, row.inner), (rows[0].frames, rows[0].inner), "{name}: {row:?}");
    }
    assert_eq!((rows[0].headers(), rows[4].headers()), (0, 0), "{name}");
    if rows[0].pass == "datagrams" {
        // The engine's own arithmetic, and what was weighed.
        let each = i64::from(variant.overhead) * rows[1].frames.cast_signed();
        assert_eq!(rows[1].headers(), each, "{name}");
        assert!(rows[0].frames >= SENT, "{name}");
    }
    if rows[0].pass == "full datagrams" {
        assert_eq!(rows[1].packets, 2 * rows[1].frames, "{name}: each in two pieces");
    }
    if rows[0].pass == "burst" {
        let (near, far) = (rows[0].handed, rows[1].packets);
        assert!(near < far, "{name}: {near} super-frames are {far} packets");
    }
}

/// VXLAN between two hosts on one switch, and what its datagrams weigh as somebody takes them apart.
fn vxlan(topology: &str, dissect: &dyn Fn(&[u8]) -> Vec<Layer>) -> overhead::Overhead {
    let plan = planned(&format!(
        "title: VXLAN\ntopology: {topology}\ncarrier: {{ encap: vxlan }}\n\
         tenants: [{{ name: red, subnet: 10.1.0.0/24, vms: {{ a: h1, b: h2 }} }}]\n\
         measure: {{ baseline: false }}\n"
    ));
    let testbed = Testbed::build(&world(), &plan).unwrap();
    let variant = &plan.variants[0];
    testbed.ready(variant, &AtomicBool::new(false)).unwrap();
    overhead::count(&testbed, variant, "red", SENT, dissect).unwrap()
}

/// Packets are right here, and what is said of them is not: four bytes of a header are left out.
fn does_not_believe_a_header_that_is_short() {
    let right = dissect("vxlan");
    let short = |packet: &[u8]| {
        let mut layers = right(packet);
        for layer in layers.iter_mut().filter(|layer| layer.protocol == "vxlan") {
            layer.length -= 4;
        }
        layers
    };
    let counted = vxlan("single-switch", &short);
    let [vm, near, far, other] = counted.ledger.as_slice() else { panic!("{counted:?}") };
    assert!(vm.adds_up() && other.adds_up());
    for link in [near, far] {
        assert_eq!(link.difference(), 4 * link.frames.cast_signed(), "{link:?}");
        assert_eq!(link.odd, 2 * link.frames, "at both ends: {link:?}");
    }
}

fn watches_hosts_alone_where_ways_are_many() {
    let wide = "{ leaf-spine: { leaves: 2, spines: 25, hosts: 1 } }";
    let counted = vxlan(wide, &dissect("vxlan"));
    let hops: Vec<&str> = counted.ledger.iter().map(|row| row.hop.as_str()).collect();
    assert_eq!(hops, ["red/a", "h1 → leaf1", "leaf2 → h2", "red/b"]);
    assert_eq!(counted.unwatched, 2 * 2 * 25);
    for row in &counted.ledger {
        assert!(row.adds_up() && row.lost + row.lost_behind == 0, "{row:?}");
    }
}

fn names_the_link_that_loses() {
    let plan = planned(
        "title: Lost\n\
         topology: { hosts: [h1, h2], switches: [s1, s2], \
                     links: [[h1, s1], { ends: [s1, s2], loss: 20% }, [s2, h2]] }\n\
         carrier: { encap: vxlan, learning: static }\n\
         tenants: [{ name: red, subnet: 10.1.0.0/24, vms: { a: h1, b: h2 } }]\n\
         measure: { baseline: false }\n",
    );
    let testbed = Testbed::build(&world(), &plan).unwrap();
    let variant = &plan.variants[0];
    testbed.ready(variant, &AtomicBool::new(false)).unwrap();
    testbed.underlay().impair(variant).unwrap();
    let counted =
        overhead::count(&testbed, variant, "red", SENT, &dissect(variant.encap.name())).unwrap();
    let rows = &counted.ledger;
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert!(rows.iter().all(LedgerRow::adds_up), "{rows:?}");
    let lost = rows[2].lost;
    assert_eq!(rows[2].hop, "s1 → s2");
    assert!(lost > 0, "{rows:?}");
    let all: u64 = rows.iter().map(|row| row.lost + row.lost_behind).sum();
    assert_eq!(all, lost, "nowhere else: {rows:?}");
    let [before, at, after] = [1, 2, 3].map(|at: usize| rows[at].frames);
    assert_eq!((before, after), (at, at - lost));
    assert_eq!(counted.delivered, rows[4].frames);
}
