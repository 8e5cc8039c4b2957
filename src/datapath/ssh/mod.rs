//! Tenants carried by OpenSSH: device forwarding, `tun@openssh.com` (OpenSSH PROTOCOL 2.3).
//!
//! ```text
//! VM ── port ┐                                                    ┌ port ── VM
//!            bridge ── tap0 ── ssh ═══ one TCP connection ═══ sshd ── tap0 ── bridge
//! ```
//!
//! Both ends are OpenSSH's own programs, so nothing here knows cryptography: libraries offer no
//! channel of this type at the server's end, and at the client's they count its window as if it
//! were a stream, which ends in a standstill or a disconnect (`docs/ssh.md`). The data path is a
//! TAP (L2) or TUN (L3) interface that waits in the host's namespace before the tunnel is there;
//! that both of its ends have a carrier is the sign that the tunnel is up.
//!
//! Keys are made for the run and die with it: the client knows only the servers' keys, the servers
//! only the client's. A server is no daemon and has no privilege: it is started for one connection,
//! in a user namespace of its own where one user without rights exists, who owns the interface.

mod client;
mod device;
mod error;
mod keeper;
mod lab;
pub mod overhead;
mod processes;
mod programs;
mod vault;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use client::{Client, Connect, client_program};
pub use device::Mode;
pub use error::Error;
pub use lab::attach;

use crate::netns::{LinkEvents, Namespaces, Netlink, link};
use keeper::Keeper;
use programs::Programs;
use vault::Vault;

/// Port that the servers listen on, in their own namespaces.
pub const PORT: u16 = 22;
/// State is read again at least this often, should a notification have been lost.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// One end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Name of the namespace.
    pub namespace: String,
    /// Address that the SSH connection is made from or to.
    pub address: IpAddr,
    /// Number of the interface: `tap3` or `tun3` is 3.
    pub unit: u16,
}

/// A tunnel to be: one SSH connection with one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// What it carries.
    pub mode: Mode,
    /// The end that connects.
    pub client: End,
    /// The end that is connected to.
    pub server: End,
}

/// Running tunnels. They end when this is dropped, or with the process.
#[derive(Debug)]
pub struct Tunnels {
    list: Vec<Tunnel>,
    keeper: Keeper,
}

impl Tunnels {
    /// Makes the interfaces of all tunnels, up and with the given MTU (at most
    /// [`overhead::MAX_PACKET`] less 18 bytes), and begins to connect. The interfaces can be given
    /// addresses or be bridged at once; [`Tunnels::ready`] says when they carry.
    ///
    /// # Errors
    /// OpenSSH or `/dev/net/tun` is missing (exit status 3), or what the system refused.
    pub fn start(namespaces: &Namespaces, list: Vec<Tunnel>, mtu: u32) -> Result<Self, Error> {
        let programs = Programs::find()?;
        for tunnel in &list {
            for end in [&tunnel.client, &tunnel.server] {
                make_interface(namespaces, tunnel.mode, end, mtu)?;
            }
        }
        let servers: BTreeSet<(&str, IpAddr)> =
            list.iter().map(|t| (t.server.namespace.as_str(), t.server.address)).collect();
        let vault = Vault::fill(&programs, &servers)?;
        let keeper = Keeper::start(programs, vault, namespaces, &list)?;
        Ok(Tunnels { list, keeper })
    }

    /// Waits until every tunnel carries: both of its interfaces have a carrier. (The client's has
    /// one as soon as it has logged in, the server's when it has agreed to the channel.)
    ///
    /// # Errors
    /// What OpenSSH said, where a connection was refused or has ended; [`Error::NotUp`] when `limit`
    /// has passed.
    pub fn ready(&self, namespaces: &Namespaces, limit: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        for tunnel in &self.list {
            for end in [&tunnel.client, &tunnel.server] {
                self.carrier(namespaces, tunnel, end, begun, limit)?;
            }
        }
        Ok(())
    }

    /// Which connection has ended, which none does by itself, and the last words of its ends, which may take
    /// until `limit`.
    #[must_use]
    pub fn failure(&self, limit: Duration) -> Option<Error> {
        self.keeper.last_words(limit)
    }

    /// Processor time that OpenSSH has used so far at both ends of all tunnels.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.keeper.cpu()
    }

    /// The tunnels.
    #[must_use]
    pub fn list(&self) -> &[Tunnel] {
        &self.list
    }

    fn carrier(
        &self,
        namespaces: &Namespaces,
        tunnel: &Tunnel,
        end: &End,
        begun: Instant,
        limit: Duration,
    ) -> Result<(), Error> {
        let interface = tunnel.mode.interface(end.unit);
        // Subscribed before the first look, so that nothing happens in between.
        let (events, mut netlink) = namespaces.inside(&end.namespace, || {
            Ok((LinkEvents::open(&end.namespace)?, Netlink::open(&end.namespace)?))
        })?;
        loop {
            events.drain()?;
            if let Some(error) = self.keeper.failure() {
                return Err(error);
            }
            let state = link::find(&mut netlink, &interface)?;
            if state.carrier && state.operational {
                return Ok(());
            }
            if begun.elapsed() >= limit {
                return Err(Error::NotUp {
                    interface,
                    namespace: end.namespace.clone(),
                    waited: begun.elapsed(),
                });
            }
            events.wait((begun + limit).min(Instant::now() + READ_AGAIN))?;
        }
    }
}

fn make_interface(namespaces: &Namespaces, mode: Mode, end: &End, mtu: u32) -> Result<(), Error> {
    let name = mode.interface(end.unit);
    let made = namespaces.inside(&end.namespace, || Ok(device::create(&name, mode)))?;
    made.map_err(|source| Error::Device {
        interface: name.clone(),
        namespace: end.namespace.clone(),
        source,
    })?;
    let mut netlink = namespaces.netlink(&end.namespace)?;
    let index = link::find(&mut netlink, &name)?.index;
    netlink.all(vec![link::mtu(index, &name, mtu), link::up(index, &name)])?;
    Ok(())
}
