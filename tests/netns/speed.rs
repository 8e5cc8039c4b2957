//! How fast namespaces come and go. Medians are printed; held are the best of several, because
//! other processes of the machine can only make it slower.

use std::time::{Duration, Instant};

use overlab::ids::Encap;
use overlab::lab::Fabric;
use overlab::netns::build;
use overlab::plan::{NodeKind, Variant};

use super::fixture::{link, node, variant, world};

pub const TESTS: &[(&str, fn())] = &[("speed::a_hundred_namespaces", a_hundred_namespaces)];

/// CPU time of this process: what a build would take on an idle machine, but for waits in the kernel.
fn cpu() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let spent = usage.user_time() + usage.system_time();
    Duration::from_micros(spent.num_microseconds() as u64)
}

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
    let mut busy = Vec::new();
    for _ in 0..5 {
        let (begun, before) = (Instant::now(), cpu());
        let underlay = build(&world, &[&plan]).unwrap();
        built.push(begun.elapsed());
        busy.push(cpu().saturating_sub(before));
        assert_eq!(underlay.namespaces().len(), 100);
        gone.push(underlay.close().unwrap());
    }
    built.sort();
    gone.sort();
    busy.sort();
    println!(
        "built in {:.3?} ({:.3?} of CPU), gone in {:.3?} (medians of 5)",
        built[2], busy[2], gone[2]
    );
    // What goes wrong by far, on the busiest of machines; 0.1 s is usual.
    let limit = Duration::from_secs(5);
    assert!(built[0] < limit && gone[0] < limit);
    // Takes a while on a busy machine, so only when asked for.
    if std::env::var_os("OVERLAB_THOUSAND").is_some() {
        let plan = tree(1000);
        let (begun, before) = (Instant::now(), cpu());
        let underlay = build(&world, &[&plan]).unwrap();
        let (built, busy) = (begun.elapsed(), cpu().saturating_sub(before));
        let gone = underlay.close().unwrap();
        println!("1,000: built in {built:.3?} ({busy:.3?} of CPU), gone in {gone:.3?}");
    }
}
