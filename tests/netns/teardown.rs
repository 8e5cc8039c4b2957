//! What is left after a violent end: nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use overlab::ids::Encap;
use overlab::netns::link::{self, End};
use overlab::netns::{LinkEvents, Netlink, build, enter};

use super::fixture::{leaf_spine, with_tenants, world};

pub const TESTS: &[(&str, fn())] = &[
    ("teardown::a_shell_can_be_opened_from_outside", a_shell_can_be_opened_from_outside),
    ("teardown::what_run_holds_stays_visible", what_run_holds_stays_visible),
    ("teardown::kill_9_leaves_nothing", kill_9_leaves_nothing),
    ("teardown::kill_9_at_any_moment_leaves_nothing", kill_9_at_any_moment_leaves_nothing),
    ("teardown::a_name_is_removed_while_a_socket_lives", a_name_is_removed_while_a_socket_lives),
];

const WITNESS: &str = "witness";

/// Builds a network in a process of its own; a veth pair ties it to ours. Returns the process
/// and a pipe that carries one byte when all is up.
fn start(witness: &str) -> (Pid, std::fs::File) {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let home = std::fs::File::open("/proc/self/ns/net").unwrap();
    // SAFETY: this process has one thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            drop(writer);
            (child, reader.into())
        }
        ForkResult::Child => {
            let world = enter().unwrap();
            let plan = with_tenants(
                leaf_spine("k", Encap::Vxlan),
                [Some("10.1.0.1"), Some("10.2.0.1")],
                1450,
            );
            let underlay = build(&world, &[&plan]).unwrap();
            let inner = underlay.namespaces().descriptor("k.spine2").unwrap();
            let end = |namespace, name| End { namespace, name, index: 0, mac: None, mtu: 1500 };
            let tie = link::veth(&end(inner.as_fd(), "inner"), &end(home.as_fd(), witness));
            Netlink::open("child").unwrap().one(tie).unwrap();
            std::fs::File::from(writer).write_all(b"!").unwrap();
            loop {
                nix::unistd::pause();
            }
        }
    }
}

fn mounts_of_ours() -> usize {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(" overlab ")).count()
}

fn kill_9_leaves_nothing() {
    let _world = world();
    let events = LinkEvents::open("home").unwrap();
    let mounts = mounts_of_ours();
    let (child, mut ready) = start(WITNESS);
    ready.read_exact(&mut [0]).unwrap();
    assert!(nix::net::if_::if_nametoindex(WITNESS).is_ok());
    let killed = Instant::now();
    kill(child, Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    while !events.drain().unwrap().iter().any(|name| name == WITNESS) {
        let deadline = killed + Duration::from_secs(20);
        assert!(events.wait(deadline).unwrap(), "the namespaces outlive their process");
    }
    println!("gone {:.0?} after the kill", killed.elapsed());
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
    assert_eq!(mounts_of_ours(), mounts);
}

/// The moments are spread over twice the time that a build takes.
fn kill_9_at_any_moment_leaves_nothing() {
    let _world = world();
    let events = LinkEvents::open("home").unwrap();
    let begun = Instant::now();
    let mounts = mounts_of_ours();
    let (child, mut ready) = start(WITNESS);
    ready.read_exact(&mut [0]).unwrap();
    let usual = begun.elapsed();
    kill(child, Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    for moment in 1..=20u32 {
        let (child, ready) = start(&format!("{WITNESS}{moment}"));
        let after = u16::try_from((usual * moment / 10).as_millis()).unwrap();
        let mut early = [PollFd::new(ready.as_fd(), PollFlags::POLLIN)];
        poll(&mut early, PollTimeout::from(after)).unwrap();
        kill(child, Signal::SIGKILL).unwrap();
        waitpid(child, None).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let left = || {
        let links = nix::net::if_::if_nameindex().unwrap();
        links.iter().any(|link| link.name().to_string_lossy().starts_with(WITNESS))
    };
    while left() {
        events.drain().unwrap();
        assert!(events.wait(deadline).unwrap(), "the namespaces outlive their process");
    }
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
    assert_eq!(mounts_of_ours(), mounts);
}

fn a_name_is_removed_while_a_socket_lives() {
    let world = world();
    let spaces = overlab::netns::Namespaces::create(&world, ["a"]).unwrap();
    let _held = {
        use overlab::measure::Place;
        spaces.within("a", || std::net::UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap()
    };
    spaces.close().unwrap();
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
}

/// What `--keep` promises, tried from outside of the process's namespaces.
fn a_shell_can_be_opened_from_outside() {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    // SAFETY: this process has one thread.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let world = enter().unwrap();
            let plan = leaf_spine("s", Encap::None);
            let _underlay = build(&world, &[&plan]).unwrap();
            let command = world.shell("s.h1");
            std::fs::File::from(writer).write_all(format!("{command}\n").as_bytes()).unwrap();
            loop {
                nix::unistd::pause();
            }
        }
    };
    drop(writer);
    let mut command = String::new();
    BufReader::new(std::fs::File::from(reader)).read_line(&mut command).unwrap();
    let whole = format!("{} -c 'cat /proc/net/dev'", command.trim());
    let output = Command::new("sh").args(["-c", &whole]).output().unwrap();
    kill(child, Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("nic:"), "{whole}: {}", String::from_utf8_lossy(&output.stderr));
}

fn what_run_holds_stays_visible() {
    let names = || {
        let entries = std::fs::read_dir("/run").unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let _world = world();
    let after = names();
    assert!(before.is_subset(&after), "{:?}", before.difference(&after));
    assert!(after.contains(std::ffi::OsStr::new("netns")));
}
