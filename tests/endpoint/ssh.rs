//! SSH endpoints against OpenSSH's server, which somebody else configured.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use overlab::measure::Place;
use overlab::netns::{Namespaces, link};

use super::{BULK, LIMIT, Running, command, exists, give, pair, talk};

/// A server in namespace `b`, as root, with keys of its own.
struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn here(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    path.split(':').any(|place| Path::new(place).join(program).is_file())
}

/// A server that permits tunnels or not; `None`, aloud, where there can be none.
fn server(spaces: &Namespaces, permit: &str) -> Option<Server> {
    let root = nix::unistd::Uid::effective().is_root();
    let missing = ["ssh", "sshd", "ssh-keygen", "unshare"].into_iter().find(|p| !here(p));
    if let Some(missing) = missing.or((!root).then_some("root")) {
        eprintln!("SKIPPED: an SSH server needs {missing}");
        assert!(std::env::var_os("OVERLAB_CI").is_none() || !root, "{missing} is missing");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    for key in ["host", "user"] {
        let file = dir.path().join(key);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file);
        assert!(keygen.status().unwrap().success());
    }
    let at = |name: &str| dir.path().join(name).display().to_string();
    // sshd wants a directory in /run, which is hidden by an empty one.
    let script = format!(
        "mount -t tmpfs none /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f /dev/null \
         -o HostKey={} -o AuthorizedKeysFile={} -o PermitTunnel={permit} -o StrictModes=no \
         -o UsePAM=no -o PermitRootLogin=yes -o ListenAddress=192.0.2.2 -o PidFile=none",
        at("host"),
        at("user.pub")
    );
    let mut sshd = Command::new("unshare");
    sshd.args(["-m", "sh", "-c", &script]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = spaces.within("b", || sshd.spawn()).unwrap().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Server listening on 192.0.2.2") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "sshd ended");
    }
    // What it says later has to go somewhere.
    std::thread::spawn(move || said.read_to_string(&mut String::new()));
    Some(Server { child, dir })
}

fn arguments(server: &Server, device: &[&str]) -> Vec<String> {
    let key = format!("IdentityFile={}", server.dir.path().join("user").display());
    let mut all: Vec<String> = ["--encap", "ssh", "--destination", "root@192.0.2.2"]
        .iter()
        .chain(device)
        .map(ToString::to_string)
        .collect();
    for option in
        [&key, "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
    {
        all.extend(["--ssh-option".to_owned(), option.to_owned()]);
    }
    all
}

pub fn carries(device: &[&str]) {
    let spaces = pair();
    let Some(server) = server(&spaces, "yes") else { return };
    let arguments = arguments(&server, device);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut one = Running::start(&spaces, "a", &arguments);
    let name = device[1];
    let from = give(&spaces, "a", name, "10.9.0.1/24");
    // The server's device comes once it has taken the channel.
    let far = if device[0] == "--tap" { "tap0" } else { "tun3" };
    let begun = Instant::now();
    while !exists(&spaces, "b", far) {
        assert!(begun.elapsed() < LIMIT, "no {far} at the server");
        std::thread::yield_now();
    }
    let to = give(&spaces, "b", far, "10.9.0.2/24");
    let mut netlink = spaces.netlink("b").unwrap();
    let index = link::find(&mut netlink, far).unwrap().index;
    netlink.one(link::up(index, far)).unwrap();
    talk(&spaces, to, from);
    one.signal(Signal::SIGUSR1);
    let counters = one.counters();
    assert!(counters["encap"]["bytes"].as_u64().unwrap() > BULK as u64, "{counters}");
    assert!(counters["decap"]["packets"].as_u64().unwrap() > 5, "{counters}");
    one.stop();
    assert!(!exists(&spaces, "a", name));
}

pub fn says_why_it_ends() {
    let spaces = pair();
    let Some(mut forbidding) = server(&spaces, "no") else { return };
    // A server that refuses the tunnel ends it, before or after it was ready.
    let mut refused = command(&[]);
    refused.args(arguments(&forbidding, &["--tap", "ovl0"]));
    let output = spaces.within("a", || refused.output()).unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{errors}");
    assert!(errors.contains("overlab: ssh"), "{errors}");
    assert!(!exists(&spaces, "a", "ovl0"));
    // Nobody listens.
    let _ = forbidding.child.kill();
    let _ = forbidding.child.wait();
    let mut nobody = command(&[]);
    nobody.args(arguments(&forbidding, &["--tap", "ovl0"]));
    let output = spaces.within("a", || nobody.output()).unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("ssh ended before there was a tunnel"), "{errors}");
}
