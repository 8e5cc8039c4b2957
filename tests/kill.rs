//! `kill -9` at random moments leaves nothing.
//!
//! The test runs in PID, mount and network namespaces of its own, so that what it finds there,
//! all processes and all that they hold, is its own or was left by the runs that it killed,
//! whatever else the machine does meanwhile.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Home, finish, roles, text};

/// Set in the process that has namespaces of its own.
const INSIDE: &str = "OVERLAB_TEST_INSIDE";
/// Seeds the moments, to repeat a failure; otherwise a new seed is taken and printed.
const SEED: &str = "OVERLAB_TEST_SEED";
/// Runs that are killed.
const KILLS: u32 = 20;

/// Every stage in about a second: two tenants, sizes, isolation, a flow, a report.
const LAB: &str = "\
title: Doomed
topology: single-switch
carrier: { encap: vxlan }
tenants:
  - { name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
  - { name: blue, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
traffic:
  - tcp: { from: red/a, to: red/b, for: 100ms }
measure: { rounds: 1 }
expect:
  - isolated: [red, blue]
";

#[test]
fn a_killed_run_leaves_nothing_once_the_next_command_has_run() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut command = Command::new("unshare");
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_run_leaves_nothing_once_the_next_command_has_run"])
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = finish(command.spawn().unwrap());
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    if said.contains("unshare: ") {
        return support::skip(&format!("no namespaces to look for leftovers in: {said}"));
    }
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

fn inside() {
    // A mount that escaped from a run would come back to us, as it would to the machine.
    let shared = Command::new("mount").args(["--make-rshared", "/"]).status().unwrap();
    assert!(shared.success());
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random::<u64>(),
    };
    println!("moments are seeded: {SEED}={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let homes: Vec<Home> = roles().iter().map(|role| Home::new(*role)).collect();
    let homes: Vec<Home> = homes.into_iter().filter(Home::can_run).collect();
    for home in &homes {
        fs::remove_dir_all(home.path().join("tiny")).unwrap();
        home.write("doomed.yaml", LAB);
    }
    // How long a whole run takes here, which the moments are spread over.
    let lengths: Vec<Duration> = homes.iter().map(whole_run).collect();
    homes.iter().for_each(forget_reports);
    let before: Vec<Found> = homes.iter().map(Found::look).collect();
    let mut killed = 0;
    for n in 0..KILLS {
        let which = n as usize % homes.len();
        let home = &homes[which];
        let moment = lengths[which].mul_f64(random.random_range(0.0..1.0));
        let (stage, was_killed) = kill_after(home, moment);
        println!("killed after {moment:?}: {stage}");
        killed += u32::from(was_killed);
        let next = home.output(&["clean"]);
        assert!(next.status.success(), "{}", text(&next.stderr));
        let mut after = Found::look(home);
        let has = |name: &str| {
            let mut files = after.files.iter();
            files.any(|file| file.starts_with("reports/doomed-") && file.ends_with(name))
        };
        let whole =
            ["/report.html", "/report.md", "/result.csv", "/result.json"].iter().all(|n| has(n));
        if !was_killed || whole {
            // It was done before its moment came, or all but its exit, and its report is to stay.
            after.files.retain(|file| !file.starts_with("reports/doomed-"));
        }
        assert_eq!(after, before[which], "left by a run killed after {moment:?}: {stage}");
        forget_reports(home);
    }
    println!("{killed} of {KILLS} were killed while they ran");
    assert!(killed >= KILLS / 2, "only {killed} of {KILLS} were killed while they ran");
    // Nothing that is left stands in the way of another run.
    for home in &homes {
        whole_run(home);
    }
}

fn whole_run(home: &Home) -> Duration {
    let begun = Instant::now();
    let output = home.output(&["run", "doomed.yaml"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    begun.elapsed()
}

fn forget_reports(home: &Home) {
    for report in fs::read_dir(home.path().join("reports")).unwrap() {
        fs::remove_dir_all(report.unwrap().path()).unwrap();
    }
}

/// Starts a run and kills it after a while; what it said last, and whether it still ran.
fn kill_after(home: &Home, moment: Duration) -> (String, bool) {
    let log = home.path().join("tmp/progress");
    let progress = fs::File::create(&log).unwrap();
    let mut command = home.command(&["run", "doomed.yaml"]);
    command.stdout(Stdio::null()).stderr(progress);
    // A group of its own, as a shell gives it.
    let mut child = command.process_group(0).spawn().unwrap();
    // Time is the matter here: the moment is the test's random input.
    std::thread::sleep(moment);
    let killed = child.try_wait().unwrap().is_none();
    if killed {
        kill_it(&mut child);
    }
    let said = fs::read_to_string(&log).unwrap();
    fs::remove_file(log).unwrap();
    (said.lines().last().unwrap_or("before it said a word").to_owned(), killed)
}

fn kill_it(child: &mut Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

/// What is there: each as the system names it.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Names of processes beside this one.
    processes: Vec<String>,
    /// Namespaces that a thread is in, a descriptor holds, or a name is mounted on.
    namespaces: BTreeSet<String>,
    /// The mount table.
    mounts: String,
    /// Names in `/run/netns`.
    names: BTreeSet<String>,
    /// Links of the network namespace that runs are started in.
    links: Vec<String>,
    /// Files of the user: in the working directory, and temporary ones.
    files: Vec<String>,
}

impl Found {
    fn look(home: &Home) -> Found {
        reap();
        let mut processes = Vec::new();
        let mut namespaces = BTreeSet::new();
        for process in numbered("/proc") {
            // A process that ends meanwhile has no such files any more.
            let read = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
            if !process.ends_with("1") {
                processes.push(format!("{} {}", process.display(), read("comm").trim()));
            }
            for thread in numbered(&format!("{}/task", process.display())) {
                namespaces.extend(links_in(&thread.join("ns")));
            }
            namespaces.extend(links_in(&process.join("fd")).filter(|to| is_namespace(to)));
            let table = read("mountinfo");
            let named = table.lines().filter_map(|line| line.split(' ').nth(3)).map(str::to_owned);
            namespaces.extend(named.filter(|root| is_namespace(root)));
        }
        let devices = fs::read_to_string("/proc/self/net/dev").unwrap();
        let links = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
        let names = fs::read_dir("/run/netns").into_iter().flatten();
        Found {
            processes,
            namespaces,
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            names: names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect(),
            links: links.map(str::to_owned).collect(),
            files: home.files(),
        }
    }
}

/// Takes the exit status of what was left to the first process of this PID namespace, us.
fn reap() {
    while std::process::id() == 1 {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn numbered(dir: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_number = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.chars().all(|c| c.is_ascii_digit())
    };
    entries.map(|entry| entry.path()).filter(|path| is_number(path)).collect()
}

fn links_in(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
}

fn is_namespace(name: &str) -> bool {
    ["net:[", "mnt:[", "user:[", "pid:["].iter().any(|kind| name.starts_with(kind))
}

#[test]
fn the_look_finds_what_is_left() {
    // A namespace with a link, held by a process: were they left, they would be found.
    let home = Home::new(support::Role::Myself);
    let mut command = Command::new("unshare");
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let mut holder = command
        .args(["--net", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = holder.stdin.take().unwrap();
    // `cat` answers from inside its namespace.
    input.write_all(b"ready\n").unwrap();
    let mut answer = [0; 6];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut answer).unwrap();
    let own = fs::read_link(format!("/proc/{}/ns/net", holder.id())).unwrap();
    home.write("left", "");
    let found = Found::look(&home);
    assert!(found.processes.iter().any(|p| *p == format!("/proc/{} cat", holder.id())));
    assert!(found.namespaces.contains(own.to_str().unwrap()));
    assert_eq!(found.files, ["left"]);
    drop(input);
    assert!(holder.wait().unwrap().success());
}
