//! Our engines between real sockets: two hosts, two tenants with equal addresses, each
//! encapsulation against itself, and VXLAN against the kernel's device both ways.
//!
//! As in `tests/netns.rs` every test runs in a process of its own, which leaves the machine's
//! namespaces while it has one thread; as root and as an ordinary user.

#[path = "datapath/carry.rs"]
mod carry;
#[path = "netns/fixture.rs"]
#[allow(dead_code)]
mod fixture;
#[path = "datapath/outer.rs"]
mod outer;
#[path = "datapath/oversize.rs"]
mod oversize;
#[path = "datapath/talk.rs"]
mod talk;
#[path = "datapath/wire.rs"]
mod wire;

use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

type Test = (&'static str, fn());

const ROLE: &str = "OVERLAB_TEST_ROLE";
const NOBODY: u32 = 65534;

fn tests() -> Vec<Test> {
    [carry::TESTS, outer::TESTS, oversize::TESTS, wire::TESTS].concat()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Ok(role) = std::env::var(ROLE) {
        return child(&role, arguments.first().map_or("", String::as_str));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests() {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let roles: &[&str] = if Uid::effective().is_root() { &["root", "user"] } else { &["self"] };
    let (mut passed, mut failed) = (0, 0);
    for (name, _) in tests() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        for role in roles {
            let program = std::env::current_exe().unwrap();
            let output = Command::new(program).arg(name).env(ROLE, role).output().unwrap();
            let (text, errors) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if output.status.success() {
                passed += 1;
                println!("test {name} ({role}) ... ok");
            } else {
                failed += 1;
                println!("test {name} ({role}) ... FAILED\n{text}\n{errors}");
            }
        }
    }
    println!("\ntest result: {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn child(role: &str, name: &str) -> ExitCode {
    if role == "user" {
        setgroups(&[]).unwrap();
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        setresgid(gid, gid, gid).unwrap();
        setresuid(uid, uid, uid).unwrap();
        // After a change of user /proc/self belongs to root until the process may be dumped again.
        nix::sys::prctl::set_dumpable(true).unwrap();
    }
    let Some((_, test)) = tests().into_iter().find(|(known, _)| *known == name) else {
        eprintln!("no test is called {name}");
        return ExitCode::from(2);
    };
    test();
    ExitCode::SUCCESS
}
