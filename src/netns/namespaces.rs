//! Namespaces by name: many made at once, entered for a moment, all removed at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use netns_rs::{Env, NetNs};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::error::{Error, Result};
use super::event::LinkEvents;
use super::link::{self, End};
use super::socket::Netlink;
use super::world::{RUN_NETNS, World};
use crate::measure::Place;

/// How long the kernel may take to destroy namespaces before we say so.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// Our own `/run/netns`, made and mounted by [`super::enter`].
#[derive(Debug, Clone, Copy)]
struct OwnRunNetns;

impl Env for OwnRunNetns {
    fn persist_dir(&self) -> PathBuf {
        RUN_NETNS.into()
    }
    // The default would make the directory a shared mount, on the machine.
    fn init(&self) -> netns_rs::Result<()> {
        Ok(())
    }
}

/// A set of named network namespaces, gone when dropped.
#[derive(Debug, Default)]
pub struct Namespaces {
    by_name: BTreeMap<String, NetNs<OwnRunNetns>>,
}

impl Namespaces {
    /// Makes a namespace for each name. The [`World`] proves that no name lands on the machine.
    ///
    /// # Errors
    /// A name is taken, or a limit of the system is reached. What was made is removed.
    pub fn create<'a>(_: &World, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut made = Namespaces::default();
        let names: Vec<&str> = names.into_iter().collect();
        // netns-rs would start a thread for each; one that moves on is enough.
        let (count, failed) = std::thread::scope(|scope| {
            scope.spawn(|| make_all(&names)).join().unwrap_or((0, None))
        });
        for name in names.iter().take(count) {
            let namespace = NetNs::get_from_env(name, OwnRunNetns).map_err(|e| {
                Error::system(format!("open namespace {name}"), io::Error::other(e))
            })?;
            made.by_name.insert((*name).to_owned(), namespace);
        }
        match names.get(count) {
            None => Ok(made),
            Some(name) => Err(Error::System {
                operation: format!("make namespace {name}"),
                source: failed.unwrap_or_else(|| io::Error::other("the thread panicked")),
                hint: "; see user.max_net_namespaces and fs.file-max if many were made before",
            }),
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The descriptor of a namespace.
    ///
    /// # Errors
    /// No namespace has this name.
    pub fn descriptor(&self, name: &str) -> Result<BorrowedFd<'_>> {
        let found = self.by_name.get(name);
        found
            .map(|namespace| namespace.file().as_fd())
            .ok_or_else(|| Error::UnknownNamespace(name.to_owned()))
    }

    /// Runs fallible work inside a namespace, as [`Place::within`].
    ///
    /// # Errors
    /// The namespace cannot be entered, or the work's own error.
    pub fn inside<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let visit = Visit::to(self.descriptor(name)?)
            .map_err(|e| Error::system(format!("enter namespace {name}"), e))?;
        let done = work();
        drop(visit);
        done
    }

    /// Opens a netlink socket in a namespace.
    ///
    /// # Errors
    /// The namespace is unknown or the socket cannot be made.
    pub fn netlink(&self, name: &str) -> Result<Netlink> {
        self.inside(name, || Netlink::open(name))
    }

    /// Removes all of them and waits until the kernel has destroyed them; returns how long that
    /// took. A namespace in which somebody still holds a socket lives until that is closed.
    ///
    /// # Errors
    /// A name could not be removed (all are tried), or the kernel did not finish in time.
    pub fn close(mut self) -> Result<Duration> {
        self.remove()
    }

    /// Closes all descriptors and names, so that the kernel destroys the namespaces in one
    /// batch, and watches a namespace that is last in the batch.
    fn remove(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        if self.by_name.is_empty() {
            return Ok(begun.elapsed());
        }
        let last = Canary::new();
        let mut first_error = None;
        for (name, namespace) in std::mem::take(&mut self.by_name) {
            if let Err(e) = namespace.remove() {
                let error = Error::system(format!("remove namespace {name}"), io::Error::other(e));
                first_error.get_or_insert(error);
            }
        }
        last?.gone(begun + REMOVAL_LIMIT)?;
        first_error.map_or_else(|| Ok(begun.elapsed()), Err)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "namespaces are left to the end of the process");
        }
    }
}

impl Place for Namespaces {
    fn within<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> io::Result<T> {
        let descriptor =
            self.descriptor(namespace).map_err(|e| io::Error::new(io::ErrorKind::NotFound, e))?;
        let visit = Visit::to(descriptor)?;
        let done = work();
        drop(visit);
        Ok(done)
    }
}

/// The calling thread's stay in another namespace; it returns when this is dropped, in a panic too.
struct Visit {
    home: File,
}

impl Visit {
    fn to(namespace: BorrowedFd<'_>) -> io::Result<Visit> {
        let home = File::open("/proc/thread-self/ns/net")?;
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        Ok(Visit { home })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Err(error) = setns(&self.home, CloneFlags::CLONE_NEWNET) {
            // To go on in the wrong namespace would build the wrong network. It cannot happen:
            // the descriptor is open and the privilege is the one that brought us here.
            tracing::error!(%error, "cannot return from a namespace");
            std::process::abort();
        }
    }
}

/// A nameless namespace that holds one end of a veth pair whose other end is with us. Namespaces
/// are destroyed in the order in which they were given up, so when our end has vanished all that
/// were given up before it are gone.
struct Canary {
    events: LinkEvents,
    namespace: File,
}

const CANARY: &str = "canary";

impl Canary {
    fn new() -> Result<Canary> {
        let namespace = unnamed().map_err(|e| Error::system("make a namespace", e))?;
        let events = LinkEvents::open("home")?;
        let home = File::open("/proc/thread-self/ns/net")
            .map_err(|e| Error::system("open /proc/thread-self/ns/net", e))?;
        let mut netlink = Netlink::open("home")?;
        let end = |namespace, name| End { namespace, name, index: 0, mac: None, mtu: 1500 };
        netlink.one(link::veth(
            &end(home.as_fd(), &format!("{CANARY}{}", nix::unistd::gettid())),
            &end(namespace.as_fd(), CANARY),
        ))?;
        Ok(Canary { events, namespace })
    }

    fn gone(self, deadline: Instant) -> Result<()> {
        let Canary { mut events, namespace } = self;
        drop(namespace);
        let name = format!("{CANARY}{}", nix::unistd::gettid());
        loop {
            if events.drain()?.contains(&name) {
                return Ok(());
            }
            if !events.wait(deadline)? {
                return Err(Error::NotReady {
                    what: "removal of the namespaces".to_owned(),
                    waited: REMOVAL_LIMIT,
                    missing: vec!["the kernel has not destroyed them".to_owned()],
                });
            }
        }
    }
}

/// Makes namespaces until one fails; returns how many there are.
fn make_all(names: &[&str]) -> (usize, Option<io::Error>) {
    for (count, name) in names.iter().enumerate() {
        if let Err(error) = make(name) {
            return (count, Some(error));
        }
    }
    (names.len(), None)
}

/// Moves the calling thread into a new namespace and gives that a name.
fn make(name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains('/') {
        return Err(io::Error::other("this is no file name"));
    }
    let path = OwnRunNetns.persist_dir().join(name);
    File::create_new(&path)?;
    let named = unshare(CloneFlags::CLONE_NEWNET).and_then(|()| {
        let here = Some("/proc/thread-self/ns/net");
        mount(here, &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
    });
    named.inspect_err(|_| {
        let _ = std::fs::remove_file(&path);
    })?;
    Ok(())
}

/// A new namespace without a name.
fn unnamed() -> io::Result<File> {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    })
    .join()
    .map_err(|_| io::Error::other("the thread that makes a namespace panicked"))?
}
