//! Namespaces by name: many made at once, entered for a moment, all removed at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netns_rs::{NetNs, get_from_current_thread};
use nix::sched::{CloneFlags, setns, unshare};

use super::error::{Error, Result};
use super::event::LinkEvents;
use super::link::{self, End};
use super::socket::Netlink;
use super::world::{RUN_NETNS, World};
use crate::measure::Place;

/// How long the kernel may take to destroy namespaces before we say so.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// One namespace: open as long as this is, and named in our own `/run/netns`.
///
/// The name is a link to our descriptor, for `ip netns exec`. A bind mount, as `ip netns add` makes
/// it, would cost a grace period of the kernel's for each one that is removed.
#[derive(Debug)]
struct Named {
    namespace: NetNs,
    link: Link,
}

#[derive(Debug)]
struct Link(PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, link = %self.0.display(), "a name is left");
        }
    }
}

/// A set of named network namespaces, gone when dropped.
#[derive(Debug, Default)]
pub struct Namespaces {
    by_name: BTreeMap<String, Named>,
}

impl Namespaces {
    /// Makes a namespace for each name. The [`World`] proves that no name lands on the machine.
    ///
    /// # Errors
    /// A name is taken, or a limit of the system is reached. What was made is removed.
    pub fn create<'a>(world: &World, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Self::create_with(world, names, |_| Ok(()))
    }

    /// As [`Namespaces::create`]; `prepare` is called with each name inside the new namespace, where
    /// there is nothing yet but a loopback interface, by several threads at once.
    ///
    /// # Errors
    /// As there, or the first that `prepare` returned.
    pub fn create_with<'a>(
        _: &World,
        names: impl IntoIterator<Item = &'a str>,
        prepare: impl Fn(&str) -> Result<()> + Sync,
    ) -> Result<Self> {
        let names: Vec<&str> = names.into_iter().collect();
        let made = many(names, |name| {
            let named = make(name).map_err(|source| Error::System {
                operation: format!("make namespace {name}"),
                source,
                hint: "; see user.max_net_namespaces and fs.file-max if many were made before",
            })?;
            prepare(name)?;
            Ok((name.to_owned(), named))
        })?;
        Ok(Namespaces { by_name: made.into_iter().collect() })
    }

    /// Calls `work` inside each of the namespaces named, from several threads that stay in none of
    /// them; returns what it returned, in order.
    ///
    /// # Errors
    /// An unknown name, or the first error of `work`.
    pub fn each<T: Send, R: Send>(
        &self,
        items: Vec<(String, T)>,
        work: impl Fn(&str, T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        many(items, |(name, item)| {
            setns(self.descriptor(&name)?, CloneFlags::CLONE_NEWNET)
                .map_err(|e| Error::system(format!("enter namespace {name}"), e))?;
            work(&name, item)
        })
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
            .map(|named| named.namespace.file().as_fd())
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
    /// The kernel did not finish in time.
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
        let all = std::mem::take(&mut self.by_name).into_values();
        let (links, files): (Vec<Link>, Vec<NetNs>) =
            all.map(|one| (one.link, one.namespace)).unzip();
        drop(links);
        // One after the other without delay: what is given up while the kernel is still at work on
        // the first is one batch.
        drop(files);
        last?.gone(begun + REMOVAL_LIMIT)?;
        Ok(begun.elapsed())
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
    home: NetNs,
}

impl Visit {
    fn to(namespace: BorrowedFd<'_>) -> io::Result<Visit> {
        let home = get_from_current_thread().map_err(plain)?;
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        Ok(Visit { home })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Err(error) = self.home.enter() {
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
    namespace: NetNs,
}

const CANARY: &str = "canary";

impl Canary {
    fn new() -> Result<Canary> {
        let namespace = unnamed().map_err(|e| Error::system("make a namespace", e))?;
        let events = LinkEvents::open("home")?;
        let home = get_from_current_thread()
            .map_err(|e| Error::system("open our own namespace", plain(e)))?;
        let mut netlink = Netlink::open("home")?;
        let end = |namespace, name| End { namespace, name, index: 0, mac: None, mtu: 1500 };
        netlink.one(link::veth(
            &end(home.file().as_fd(), &format!("{CANARY}{}", nix::unistd::gettid())),
            &end(namespace.file().as_fd(), CANARY),
        ))?;
        Ok(Canary { events, namespace })
    }

    fn gone(self, deadline: Instant) -> Result<()> {
        let Canary { events, namespace } = self;
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

/// Most threads that build: beyond a few they wait for the kernel's one lock for interfaces.
const THREADS: usize = 8;

/// Works on many items from several threads, which may change their namespace, and returns what
/// came of each, in order. Panics are passed on.
///
/// # Errors
/// The first error in the order of the items, as far as they were worked on.
fn many<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let count = items.len();
    let items: Vec<Mutex<Option<T>>> =
        items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let mut done = Vec::new();
        while !failed.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(at) else { break };
            let item = item.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(item) = item else { continue };
            let result = work(item);
            failed.fetch_or(result.is_err(), Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut done = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(count)).map(|_| scope.spawn(worker)).collect();
        for thread in workers {
            match thread.join() {
                Ok(some) => done.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Moves the calling thread into a new namespace and gives that a name.
fn make(name: &str) -> io::Result<Named> {
    if name.is_empty() || name.contains('/') {
        return Err(io::Error::other("this is no file name"));
    }
    unshare(CloneFlags::CLONE_NEWNET)?;
    let namespace = get_from_current_thread().map_err(plain)?;
    let descriptor = namespace.file().as_raw_fd();
    let link = Path::new(RUN_NETNS).join(name);
    symlink(format!("/proc/{}/fd/{descriptor}", std::process::id()), &link)?;
    Ok(Named { namespace, link: Link(link) })
}

/// A new namespace without a name.
fn unnamed() -> io::Result<NetNs> {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        get_from_current_thread().map_err(plain)
    })
    .join()
    .map_err(|_| io::Error::other("the thread that makes a namespace panicked"))?
}

/// The system's own error in one of `netns-rs`.
fn plain(error: netns_rs::Error) -> io::Error {
    match error {
        netns_rs::Error::OpenNsError(_, source) => source,
        netns_rs::Error::SetnsError(errno) => io::Error::from_raw_os_error(errno as i32),
        other => io::Error::other(other),
    }
}
