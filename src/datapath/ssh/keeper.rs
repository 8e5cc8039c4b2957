//! The thread that starts OpenSSH's programs, and with which they end.
//!
//! The kernel ends a child when the *thread* that started it ends (`PR_SET_PDEATHSIG`, prctl(2)),
//! so all are started by one thread that lives as long as the tunnels. It goes from namespace to
//! namespace, takes the servers' connections and starts a server for each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::{SockRef, TcpKeepalive};

use super::programs::Programs;
use super::vault::Vault;
use super::{Error, Mode, PORT, Tunnel, processes};
use crate::measure::Place;
use crate::netns::Namespaces;

/// A place where a server listens.
struct Site {
    host: String,
    namespace: OwnedFd,
    listener: TcpListener,
    mode: Mode,
}

/// A client to be started.
struct Job {
    tunnel: Tunnel,
    namespace: OwnedFd,
}

/// What one running process is.
#[derive(Debug)]
struct Process {
    pid: u32,
    client: String,
    server: String,
    log: PathBuf,
}

impl Process {
    /// Whether it runs between the same two hosts.
    fn joins(&self, other: &Process) -> bool {
        self.client == other.client && self.server == other.server
    }
}

/// How often is looked whether a process has ended, which others wait for.
const LOOK: Duration = Duration::from_millis(5);

/// The thread, seen from outside.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    processes: Arc<Mutex<Vec<Process>>>,
}

impl Keeper {
    /// Opens the servers' ports and starts the thread, which starts everything else.
    pub fn start(
        programs: Programs,
        vault: Vault,
        namespaces: &Namespaces,
        tunnels: &[Tunnel],
    ) -> Result<Self, Error> {
        let mut sites: Vec<Site> = Vec::new();
        let mut jobs = Vec::new();
        for tunnel in tunnels {
            let listening =
                |site: &Site| site.host == tunnel.server.namespace && site.mode == tunnel.mode;
            if !sites.iter().any(listening) {
                sites.push(Site::open(namespaces, tunnel)?);
            }
            let namespace = namespace(namespaces, &tunnel.client.namespace)?;
            jobs.push(Job { tunnel: tunnel.clone(), namespace });
        }
        let system = |what: &'static str| move |e: nix::Error| Error::system(what, e);
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(system("make an eventfd"))?;
        let stop = Arc::new(stop);
        let processes = Arc::new(Mutex::new(Vec::new()));
        let work = Work {
            programs,
            vault,
            sites,
            stop: Arc::clone(&stop),
            processes: Arc::clone(&processes),
            clients: Vec::new(),
            servers: Vec::new(),
            names: tunnels
                .iter()
                .map(|tunnel| (tunnel.client.address, tunnel.client.namespace.clone()))
                .collect(),
        };
        let thread = std::thread::Builder::new().name("ssh".to_owned());
        let thread =
            thread.spawn(move || work.run(jobs)).map_err(|e| Error::system("start a thread", e))?;
        Ok(Keeper { stop, thread: Some(thread), processes })
    }

    /// Processor time of all processes so far.
    pub fn cpu(&self) -> Duration {
        lock(&self.processes).iter().map(|process| processes::cpu(process.pid)).sum()
    }

    /// As [`Keeper::failure`], once the other end of the connection has ended too, which it is given
    /// `limit` for.
    pub fn last_words(&self, limit: Duration) -> Option<Error> {
        let both = || {
            let processes = lock(&self.processes);
            let ended = || processes.iter().filter(|process| processes::ended(process.pid));
            ended().any(|one| ended().filter(|other| other.joins(one)).count() > 1)
        };
        let deadline = Instant::now() + limit;
        while !both() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.failure()
    }

    /// Whether a process has ended, which none does by itself, and its last words.
    pub fn failure(&self) -> Option<Error> {
        let processes = lock(&self.processes);
        let ended = processes.iter().find(|process| processes::ended(process.pid))?;
        let of_both = processes.iter().filter(|process| process.joins(ended));
        let said: Vec<String> = of_both
            .filter_map(|process| fs::read_to_string(&process.log).ok())
            .map(|text| last_words(&text))
            .filter(|text| !text.is_empty())
            .collect();
        let said = if said.is_empty() { "without a word".to_owned() } else { said.join("; ") };
        Some(Error::Ended { client: ended.client.clone(), server: ended.server.clone(), said })
    }
}

/// What a log says beside that somebody logged in, on one line.
fn last_words(log: &str) -> String {
    let lines = log.lines().map(|line| line.trim_end_matches(['\r', '.']).trim());
    let words: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with("Accepted ")).collect();
    words.join(", ")
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Err(error) = self.stop.write(1) {
            tracing::error!(%error, "cannot tell the keeper of SSH tunnels to stop");
            return;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of SSH tunnels panicked");
        }
    }
}

impl Site {
    fn open(namespaces: &Namespaces, tunnel: &Tunnel) -> Result<Self, Error> {
        let end = &tunnel.server;
        let address = SocketAddr::new(end.address, PORT);
        let listener = namespaces
            .within(&end.namespace, || TcpListener::bind(address))
            .and_then(|listener| listener)
            .map_err(|e| Error::system(format!("listen on {address} in {}", end.namespace), e))?;
        let namespace = namespace(namespaces, &end.namespace)?;
        Ok(Site { host: end.namespace.clone(), namespace, listener, mode: tunnel.mode })
    }
}

fn namespace(namespaces: &Namespaces, name: &str) -> Result<OwnedFd, Error> {
    let descriptor = namespaces.descriptor(name)?;
    descriptor
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| Error::system(format!("keep namespace {name} open"), e))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread works with.
struct Work {
    programs: Programs,
    vault: Vault,
    sites: Vec<Site>,
    stop: Arc<EventFd>,
    processes: Arc<Mutex<Vec<Process>>>,
    clients: Vec<Child>,
    servers: Vec<Child>,
    /// The clients' namespaces by the addresses they come from.
    names: BTreeMap<IpAddr, String>,
}

impl Work {
    fn run(mut self, jobs: Vec<Job>) {
        let done = jobs.into_iter().try_for_each(|job| self.connect(&job));
        if let Err(error) = done.and_then(|()| self.serve()) {
            // Those who wait for the tunnels hear of what is missing.
            tracing::error!(%error, "SSH tunnels cannot be made");
            let _ = self.wait(&[]);
        }
        // Clients first: their servers then see the end of the connection.
        processes::end(&mut self.clients);
        processes::end(&mut self.servers);
    }

    fn connect(&mut self, job: &Job) -> io::Result<()> {
        let number = self.clients.len();
        let log = self.vault.log(&format!("client{number}.log"));
        let (log, path) = log.map_err(io::Error::other)?;
        enter(job.namespace.as_fd())?;
        let command = self.programs.client(&self.vault, &job.tunnel);
        let child = processes::connect(command, log)?;
        let process = Process {
            pid: child.id(),
            client: job.tunnel.client.namespace.clone(),
            server: job.tunnel.server.namespace.clone(),
            log: path,
        };
        lock(&self.processes).push(process);
        self.clients.push(child);
        Ok(())
    }

    /// Serves connections until told to stop.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let listeners: Vec<BorrowedFd<'_>> =
                self.sites.iter().map(|site| site.listener.as_fd()).collect();
            let Some(ready) = self.wait(&listeners)? else { return Ok(()) };
            for site in ready {
                self.accept(site)?;
            }
        }
    }

    /// Waits for connections; returns the numbers of those there are, or `None` when told to stop.
    fn wait(&self, listeners: &[BorrowedFd<'_>]) -> io::Result<Option<Vec<usize>>> {
        let all = [self.stop.as_fd()].into_iter().chain(listeners.iter().copied());
        let mut wanted: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        loop {
            match poll(&mut wanted, PollTimeout::NONE) {
                Ok(_) => break,
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut ready = wanted.iter().map(|fd| fd.any().unwrap_or(true));
        if ready.next() == Some(true) {
            return Ok(None);
        }
        Ok(Some(ready.enumerate().filter_map(|(at, is)| is.then_some(at)).collect()))
    }

    fn accept(&mut self, site: usize) -> io::Result<()> {
        let site = &self.sites[site];
        let (connection, peer) = site.listener.accept()?;
        prepare(&connection)?;
        let number = self.servers.len();
        let log = self.vault.log(&format!("server{number}.log"));
        let (log, path) = log.map_err(io::Error::other)?;
        enter(site.namespace.as_fd())?;
        let command = self.programs.server(&self.vault, &site.host, site.mode);
        let child = processes::serve(command, connection, &self.vault, log)?;
        let server = site.host.clone();
        tracing::debug!(%peer, server, "SSH connection");
        let client = self.names.get(&peer.ip()).cloned().unwrap_or_else(|| peer.ip().to_string());
        let process = Process { pid: child.id(), client, server, log: path };
        lock(&self.processes).push(process);
        self.servers.push(child);
        Ok(())
    }
}

/// Packets of tenants must not wait for each other, and a client that vanished with its network
/// must be noticed.
fn prepare(connection: &TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let second = Duration::from_secs(1);
    let alive = TcpKeepalive::new().with_time(2 * second).with_interval(second).with_retries(3);
    SockRef::from(connection).set_tcp_keepalive(&alive)
}

fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_no_last_words() {
        let log =
            "Accepted publickey for a from b\r\nBad packet length 39.\r\nfatal: corrupted\r\n";
        assert_eq!(last_words(log), "Bad packet length 39, fatal: corrupted");
        assert_eq!(last_words("\r\n"), "");
    }
}
