//! The built program as its users run it: as root and as an ordinary user, each in a directory of
//! his own.

// Each test program uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

/// The user that root becomes where an ordinary user is wanted: `nobody`.
const NOBODY: u32 = 65534;
/// The longest that a run may take, on a machine that does other things besides.
pub const LIMIT: Duration = Duration::from_secs(180);

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user of the tests, root or not.
    Myself,
    /// An ordinary user, where the tests are run by root.
    Nobody,
}

/// Root and an ordinary user where this is root, otherwise this user.
pub fn roles() -> &'static [Role] {
    // The root of a user namespace may know no other user.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let ids = map.split_whitespace().nth(2).and_then(|count| count.parse::<u32>().ok());
    let others = ids.is_some_and(|count| count > NOBODY);
    if Uid::effective().is_root() && others {
        &[Role::Myself, Role::Nobody]
    } else {
        &[Role::Myself]
    }
}

/// Says that something could not be tried, past the capture of test output; a failure where
/// `OVERLAB_CI` is set, so that nothing is skipped unseen.
pub fn skip(reason: &str) {
    // Not `eprintln!`, which a passing test keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    assert!(std::env::var_os("OVERLAB_CI").is_none(), "SKIPPED: {reason}");
}

/// A directory in which a user runs the program.
pub struct Home {
    dir: tempfile::TempDir,
    program: PathBuf,
    role: Role,
}

impl Home {
    /// Makes an empty one with a directory for temporary files, `tmp`.
    pub fn new(role: Role) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_overlab"));
        fs::create_dir(dir.path().join("tmp")).unwrap();
        if role == Role::Nobody {
            // The build may lie where only its owner may look. What a user may not read he may
            // run, but not look into while it runs, so it must be readable.
            let copy = dir.path().join("overlab");
            // By a process of its own: a program cannot be started while it is open for writing,
            // and what another test starts meanwhile would hold it open.
            let copied = Command::new("cp").arg(&program).arg(&copy).status().unwrap();
            assert!(copied.success());
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
            program = copy;
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for path in [dir.path(), &dir.path().join("tmp")] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        Home { dir, program, role }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file into it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The program with arguments, started here by the role's user, with nothing on standard input.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .env_remove("OVERLAB_LOG")
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        if self.role == Role::Nobody {
            command.gid(NOBODY).uid(NOBODY);
        }
        command
    }

    /// Runs the program to its end.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    }

    /// Whether `run` can work here; says loudly if not.
    pub fn can_run(&self) -> bool {
        let lab = self.write("tiny.yaml", TINY);
        let output = self.output(&["run", lab.to_str().unwrap(), "--out", "tiny"]);
        let able = output.status.code() != Some(3);
        if !able {
            skip(&format!("{:?} cannot run labs here: {}", self.role, text(&output.stderr)));
        }
        able
    }

    /// What lies here beside what the tests put here: paths below the directory, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.path(), self.path(), &mut found);
        found.retain(|name| !matches!(name.as_str(), "tmp" | "overlab"));
        found.sort();
        found
    }
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        if path.is_dir() && !path.is_symlink() {
            walk(root, &path, found);
        }
    }
}

/// Waits for a child and takes its output; one that does not end is killed, and a failure.
pub fn finish(child: Child) -> Output {
    let pid = Pid::from_raw(child.id().cast_signed());
    let (done, waiting) = std::sync::mpsc::channel();
    let watchdog = std::thread::spawn(move || {
        let late = waiting.recv_timeout(LIMIT).is_err();
        if late {
            // It was not waited for yet, so the id is still its own.
            let _ = kill(pid, Signal::SIGKILL);
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    assert!(!watchdog.join().unwrap(), "not done after {LIMIT:?}: {}", text(&output.stderr));
    output
}

/// Asks again until something is so; a failure, with what it said last, where it never is.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match ask() {
            Ok(found) => return found,
            Err(last) => assert!(Instant::now() < end, "{what}: {last}"),
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output as exactly one JSON document.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error} in {}\n{}", text(&output.stdout), text(&output.stderr))
    })
}

/// The path of something in the repository.
pub fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Makes a directory empty and everybody's.
pub fn open_directory(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

/// The quickest run there is.
pub const TINY: &str = "\
title: Tiny
topology: single-switch
carrier: { encap: vxlan }
tenants:
  - { name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }
traffic: []
measure: { rounds: 1, mtu: false, overhead: false, isolation: false, baseline: false }
expect:
  - reachable: { within: red }
";
