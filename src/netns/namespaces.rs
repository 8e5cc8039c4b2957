//! Namespaces by name: many made at once, entered for a moment, all removed at once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netns_rs::{NetNs, get_from_current_thread};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, getrlimit};

use super::canary::{Canary, REMOVAL_LIMIT};
use super::error::{Error, Result};
use super::many::many;
use super::shelf::Shelf;
use super::socket::Netlink;
use super::world::{RUN_NETNS, World};
use crate::measure::Place;

/// More namespaces than this part of the limit of open files are put away: as many ports, and other sockets, are to come.
const MANY: u64 = 4;

/// One namespace: open as long as this is, and named in our own `/run/netns`.
///
/// The name is a link to our descriptor, for `ip netns exec`. A bind mount, as `ip netns add` makes
/// it, would cost a grace period of the kernel's for each one that is removed.
#[derive(Debug)]
struct Named {
    namespace: Held,
    link: Link,
}

/// Where the descriptor is that a namespace lives by.
#[derive(Debug)]
enum Held {
    Here(NetNs),
    /// On the shelf, under this number.
    PutAway(RawFd),
}

/// A descriptor of a namespace, for a moment.
#[derive(Debug)]
pub enum Descriptor<'a> {
    /// The one that the namespace lives by.
    Held(BorrowedFd<'a>),
    /// Opened for the occasion.
    Opened(OwnedFd),
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Held(held) => held.as_fd(),
            Descriptor::Opened(opened) => opened.as_fd(),
        }
    }
}

#[derive(Debug)]
struct Link(PathBuf);

impl Link {
    fn lead_to(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(&self.0)?;
        symlink(path, &self.0)
    }
}

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
    shelf: Option<Shelf>,
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
        Ok(Namespaces { by_name: made.into_iter().collect(), shelf: None })
    }

    /// Where they are many beside the limit of open files, puts their descriptors away, so that the
    /// sockets in them have room. They are opened when they are needed from then on.
    ///
    /// # Errors
    /// No thread can keep them, or a name cannot be changed.
    pub fn put_away(&mut self) -> Result<()> {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        if self.shelf.is_some() || (self.by_name.len() as u64) < limit / MANY {
            return Ok(());
        }
        let here = self.by_name.values().filter_map(|named| match &named.namespace {
            Held::Here(namespace) => Some(namespace.file()),
            Held::PutAway(_) => None,
        });
        let failed =
            |source| Error::System { operation: "put namespaces away".into(), source, hint: "" };
        let shelf = Shelf::of(here).map_err(failed)?;
        for named in self.by_name.values_mut() {
            let Held::Here(namespace) = &named.namespace else { continue };
            let number = namespace.file().as_raw_fd();
            named.link.lead_to(&shelf.path(number)).map_err(failed)?;
            named.namespace = Held::PutAway(number);
        }
        self.shelf = Some(shelf);
        tracing::debug!(namespaces = self.by_name.len(), limit, "put namespaces away");
        Ok(())
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
            setns(self.descriptor(&name)?.as_fd(), CloneFlags::CLONE_NEWNET)
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
    /// No namespace has this name, or it was put away and no more files may be open.
    pub fn descriptor(&self, name: &str) -> Result<Descriptor<'_>> {
        let found = self.by_name.get(name).map(|named| &named.namespace);
        match (found, &self.shelf) {
            (Some(Held::Here(namespace)), _) => Ok(Descriptor::Held(namespace.file().as_fd())),
            (Some(Held::PutAway(number)), Some(shelf)) => {
                let opened = shelf.open(*number);
                opened.map(Descriptor::Opened).map_err(|source| Error::System {
                    operation: format!("open namespace {name}"),
                    source,
                    hint: "",
                })
            }
            _ => Err(Error::UnknownNamespace(name.to_owned())),
        }
    }

    /// Runs fallible work inside a namespace, as [`Place::within`].
    ///
    /// # Errors
    /// The namespace cannot be entered, or the work's own error.
    pub fn inside<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let visit = Visit::to(self.descriptor(name)?.as_fd())
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
        let (links, files): (Vec<Link>, Vec<Held>) =
            all.map(|one| (one.link, one.namespace)).unzip();
        drop(links);
        // One after the other without delay: what is given up while the kernel is still at work on
        // the first is one batch.
        drop(files);
        drop(self.shelf.take());
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
        let visit = Visit::to(descriptor.as_fd())?;
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
    Ok(Named { namespace: Held::Here(namespace), link: Link(link) })
}

/// The system's own error in one of `netns-rs`.
pub(super) fn plain(error: netns_rs::Error) -> io::Error {
    match error {
        netns_rs::Error::OpenNsError(_, source) => source,
        netns_rs::Error::SetnsError(errno) => io::Error::from_raw_os_error(errno as i32),
        other => io::Error::other(other),
    }
}
