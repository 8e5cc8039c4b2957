//! However a tunnel ends, nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use overlab::lab::Learning;

use super::carried::tenants;
use super::fixture::world;

pub const TESTS: &[(&str, fn())] = &[
    ("ended::by_the_program", by_the_program),
    ("ended::by_a_kill", by_a_kill),
    ("ended::by_openssh_which_says_why", by_openssh_which_says_why),
    ("ended::helper_that_waits", helper_that_waits),
];

/// Set for the process that is to be killed.
const VICTIM: &str = "OVERLAB_TEST_VICTIM";
const LIMIT: Duration = Duration::from_secs(60);

/// Processes whose ancestor is this one, by the file system's view of now.
fn descendants(of: u32) -> BTreeSet<u32> {
    let children = |pid: u32| -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|list| {
                list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
            })
            .collect()
    };
    let mut found = BTreeSet::new();
    let mut open = children(of);
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children(pid));
        }
    }
    found
}

fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // One that nobody has waited for is gone all the same.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn by_the_program() {
    let (_, underlay, tunnels) = tenants(&world(), Learning::Flood);
    let processes = descendants(std::process::id());
    // For each of two tunnels a client, a server, and the server's process for its user.
    assert_eq!(processes.len(), 6, "{processes:?}");
    let keys = || {
        let names = fs::read_dir("/run/netns").unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".ssh")).count()
    };
    assert_eq!(keys(), 1);
    drop(tunnels);
    assert!(processes.iter().all(|pid| !alive(*pid)));
    assert_eq!(keys(), 0);
    underlay.close().unwrap();
}

/// The process that is to be killed: makes tunnels, says so, and waits.
fn helper_that_waits() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let (_, _underlay, _tunnels) = tenants(&world(), Learning::Flood);
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn by_a_kill() {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.arg("ended::helper_that_waits").env(VICTIM, "1").env("OVERLAB_TEST_ROLE", "self");
    let mut victim = victim.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let processes = descendants(victim.id());
    assert_eq!(processes.len(), 6, "{processes:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    let end = Instant::now() + LIMIT;
    while processes.iter().any(|pid| alive(*pid)) {
        assert!(Instant::now() < end, "processes outlive the program");
        std::thread::yield_now();
    }
}

/// A server that is gone ends its client, and whoever waits hears of it.
fn by_openssh_which_says_why() {
    let (_, underlay, tunnels) = tenants(&world(), Learning::Flood);
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let processes = descendants(std::process::id());
    let servers: Vec<u32> = processes.into_iter().filter(|pid| name(*pid) == "sshd\n").collect();
    assert_eq!(servers.len(), 4, "two, and one for the user of each");
    for pid in servers {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    }
    // The clients hear of it only after a moment; until then all is as it was.
    let deadline = std::time::Instant::now() + LIMIT;
    let error = loop {
        match tunnels.ready(underlay.namespaces(), LIMIT) {
            Err(error) => break error.to_string(),
            Ok(()) => assert!(std::time::Instant::now() < deadline, "nobody heard of it"),
        }
        std::thread::yield_now();
    };
    assert!(error.starts_with("the SSH connection from s.h1 to s.h2 ended: "), "{error}");
    println!("{error}");
}
