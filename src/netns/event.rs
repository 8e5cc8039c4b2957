//! Waiting for changes of links: the kernel says when something happened, nobody sleeps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::error::{Error, Result};

/// `RTNLGRP_LINK` of `linux/rtnetlink.h` as a bit: links coming, going and changing state, bridge ports included.
const LINK_GROUP: u32 = 1;

/// Notifications about the links of one namespace.
#[derive(Debug)]
pub struct LinkEvents {
    socket: Socket,
    namespace: String,
}

impl LinkEvents {
    /// Subscribes in the namespace the calling thread is in.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(namespace: &str) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, LINK_GROUP))?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        let socket = open()
            .map_err(|e| Error::system(format!("watch the links of namespace {namespace}"), e))?;
        Ok(LinkEvents { socket, namespace: namespace.to_owned() })
    }

    /// Reads all that has arrived; returns the names of links that were deleted.
    ///
    /// # Errors
    /// The socket cannot be read. Lost notifications are no error: state is read again anyway.
    pub fn drain(&self) -> Result<Vec<String>> {
        let mut deleted = Vec::new();
        let mut bytes = Vec::with_capacity(16 * 1024);
        loop {
            bytes.clear();
            match self.socket.recv(&mut bytes, 0) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(deleted),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    let what = format!("read link notifications of {}", self.namespace);
                    return Err(Error::system(what, e));
                }
            }
            let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes) else {
                continue;
            };
            if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) =
                message.payload
            {
                deleted.extend(link.attributes.into_iter().find_map(|attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                }));
            }
        }
    }

    /// Waits for a notification; `false` if the deadline came first.
    ///
    /// # Errors
    /// The wait itself failed.
    pub fn wait(&self, deadline: Instant) -> Result<bool> {
        wait_any(std::slice::from_ref(self), deadline)
    }
}

/// Waits for a notification from any of them; `false` if the deadline came first.
///
/// # Errors
/// The wait itself failed.
pub fn wait_any(events: &[LinkEvents], deadline: Instant) -> Result<bool> {
    let mut descriptors: Vec<PollFd<'_>> =
        events.iter().map(|e| PollFd::new(e.socket.as_fd(), PollFlags::POLLIN)).collect();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Rounded up, so that the last millisecond does not spin.
        let milliseconds = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(Error::system("wait for link notifications", e)),
        }
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for LinkEvents {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}
