//! Tells when the kernel has destroyed the namespaces that were given up.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netns_rs::{NetNs, get_from_current_thread};
use nix::sched::{CloneFlags, unshare};

use super::error::{Error, Result};
use super::event::LinkEvents;
use super::link::{self, End};
use super::namespaces::plain;
use super::socket::Netlink;

/// How long the kernel may take to destroy namespaces before we say so.
pub(super) const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// A nameless namespace that holds one end of a veth pair whose other end is with us. Namespaces
/// are destroyed in the order in which they were given up, so when our end has vanished all that
/// were given up before it are gone.
pub(super) struct Canary {
    events: LinkEvents,
    namespace: NetNs,
}

const CANARY: &str = "canary";

impl Canary {
    pub fn new() -> Result<Canary> {
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

    pub fn gone(self, deadline: Instant) -> Result<()> {
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

/// A new namespace without a name.
fn unnamed() -> io::Result<NetNs> {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        get_from_current_thread().map_err(plain)
    })
    .join()
    .map_err(|_| io::Error::other("the thread that makes a namespace panicked"))?
}
