//! How fast namespaces come and go. Medians are printed; held are the best of several, because
//! other processes of the machine can only make it slower.

use std::time::{Duration, Instant};

use overlab::ids::Encap;
use overlab::lab::Fabric;
use overlab::netns::build;
use overlab::plan::{NodeKind, Variant};

use super::fixture::{link, node, variant, world};

pub const TESTS: &[(&str, fn())] = &[("speed::a_hundred_namespaces", a_hundred_namespaces)];

/// `count` namespaces: hosts under switches of 31, each with link and address.
fn tree(count: usize) -> Variant {
    let mut plan = variant("tree", Encap::None, Fabric::L2);
    for number in 0..count {
        let (switch, place) = (number / 32, number % 32);
        if place == 0 {
            plan.nodes.push(node(&format!("s{switch}"), NodeKind::Switch, &[]));
            continue;
        }
        let host = format!("h{number}");
        plan.nodes.push(node(&host, NodeKind::Host, &[]));
        let mut cable = link(
            0,
            &format!("{host} nic 10.0.{switch}.{place}/24"),
            &format!("s{switch} p{place}"),
        );
        cable.ends[0].mac = format!("02:00:00:00:{switch:02x}:{place:02x}");
        cable.ends[1].mac = format!("02:00:00:01:{switch:02x}:{place:02x}");
        plan.links.push(cable);
    }
    plan
}

fn a_hundred_namespaces() {
    let world = world();
    let plan = tree(100);
    let mut built = Vec::new();
    let mut gone = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let underlay = build(&world, &[&plan]).unwrap();
        built.push(begun.elapsed());
        assert_eq!(underlay.namespaces().len(), 100);
        gone.push(underlay.close().unwrap());
    }
    built.sort();
    gone.sort();
    println!("built in {:.3?}, gone in {:.3?} (medians of 5)", built[2], gone[2]);
    assert!(built[0] < Duration::from_millis(500) && gone[0] < Duration::from_millis(500));
    if std::env::var_os("OVERLAB_THOUSAND").is_some() {
        let plan = tree(1000);
        let begun = Instant::now();
        let underlay = build(&world, &[&plan]).unwrap();
        let built = begun.elapsed();
        println!("1,000: built in {built:.3?}, gone in {:.3?}", underlay.close().unwrap());
    }
}
