//! Sending forged packets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::Lookout;
use crate::measure::Place;
use crate::measure::ends::passing;
use crate::measure::error::{MeasureError, within};
use crate::measure::tap::{Tap, Watch};
use crate::plan::{Variant, VmPlan};

/// Frames sent before arrivals are looked at.
const BATCH: usize = 16;
/// How long a full queue may stay full.
const PATIENCE: Duration = Duration::from_secs(2);
/// Milliseconds after which arrivals are looked at again while it is full.
const MOMENT: u8 = 2;

/// Who sends, and how.
#[derive(Debug, Clone, Copy)]
pub enum From<'v> {
    /// A VM: whole frames out of its `eth0`.
    Vm(&'v VmPlan),
    /// A host: whole frames out of an interface.
    Interface(&'v str, &'v str),
    /// A host: IP packets with any source, which it routes to this destination.
    Host(&'v str, IpAddr),
}

/// What forged packets leave through.
#[derive(Debug)]
pub struct Gun(Kind);

#[derive(Debug)]
enum Kind {
    Frames(Tap),
    Packets(Socket, SocketAddr),
}

impl Gun {
    /// Opens it in the sender's namespace.
    ///
    /// # Errors
    /// No such interface, or no right to raw sockets.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        from: From<'_>,
    ) -> Result<Gun, MeasureError> {
        let frames = |node: &str, interface: &str| {
            // Little room: it is never read.
            let open = || Tap::open(interface, Watch::Incoming, 4096);
            let operation = format!("open `{interface}`");
            within(place, &variant.namespace(node), &operation, open).map(Kind::Frames)
        };
        let kind = match from {
            From::Vm(vm) => frames(&vm.node, "eth0")?,
            From::Interface(host, interface) => frames(host, interface)?,
            From::Host(host, to) => {
                // A raw socket of this protocol takes packets with their own IP header (raw(7)).
                let protocol = Some(Protocol::from(libc::IPPROTO_RAW));
                let open = || Socket::new(Domain::for_address((to, 0).into()), Type::RAW, protocol);
                let operation = "open a raw socket";
                let socket = within(place, &variant.namespace(host), operation, open)?;
                // The port of a raw IPv6 socket's destination must be 0 (ipv6(7)).
                Kind::Packets(socket, SocketAddr::new(to, 0))
            }
        };
        Ok(Gun(kind))
    }

    /// Sends packets one after the other, and lets `lookout` take in what arrives meanwhile.
    ///
    /// # Errors
    /// The interface is down, or a queue stays full.
    pub fn fire(&self, packets: &[Vec<u8>], lookout: &mut Lookout) -> Result<(), MeasureError> {
        for batch in packets.chunks(BATCH) {
            for packet in batch {
                self.send(packet, lookout)?;
            }
            lookout.look()?;
        }
        Ok(())
    }

    fn send(&self, packet: &[u8], lookout: &mut Lookout) -> Result<(), MeasureError> {
        let failed = MeasureError::system("send a forged packet");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sent = match &self.0 {
                Kind::Frames(tap) => tap.send(packet),
                Kind::Packets(socket, to) => socket.send_to(packet, &(*to).into()).map(drop),
            };
            match sent {
                // What fills the queue may be what arrives, which has to be taken in meanwhile.
                Err(error) if full(&error) && Instant::now() < deadline => {
                    lookout.look()?;
                    if let Err(error) = self.room() {
                        return Err(failed(error));
                    }
                }
                // Answered by ICMP before: that says nothing about this one.
                Err(error) if passing(&error) && !full(&error) => return Ok(()),
                other => return other.map_err(failed),
            }
        }
    }

    /// Waits until there is room to send, a moment at most.
    fn room(&self) -> io::Result<()> {
        let fd = match &self.0 {
            Kind::Frames(tap) => tap.as_fd(),
            Kind::Packets(socket, _) => socket.as_fd(),
        };
        match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], MOMENT) {
            Err(Errno::EINTR) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}
