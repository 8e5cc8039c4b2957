//! The datagrams of a watched pair: numbered, and stamped by the kernel where they arrive.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::Socket;

use super::super::TrafficError;
use super::super::ends::{End, Ends};
use super::{FLOWS, FlowLog, Origin};
use crate::measure::Place;

/// Bytes of a datagram: a mark of the watch (8) and a sequence number (8), and as many as a small
/// request has.
const LENGTH: usize = 64;
/// Receive buffer asked for: what comes while the reader is held up.
const ROOM: usize = 1 << 20;

/// One flow: a socket at each end, and what went each way.
#[derive(Debug)]
struct Flow {
    ends: [Socket; 2],
    /// From the first end, and from the second.
    logs: [FlowLog; 2],
}

/// All flows of a pair.
#[derive(Debug)]
pub(super) struct Datagrams {
    flows: Vec<Flow>,
    /// The flow whose turn it is.
    next: usize,
    mark: u64,
}

impl Datagrams {
    pub fn open(place: &impl Place, ends: &Ends) -> Result<Self, TrafficError> {
        let flow = |n: u32| {
            let port = ends.port.saturating_add(u16::try_from(n).unwrap_or_default());
            let [from, to] = [(&ends.from, &ends.to), (&ends.to, &ends.from)]
                .map(|(here, there)| open(place, here, port, SocketAddr::new(there.address, port)));
            Ok::<_, TrafficError>(Flow { ends: [from?, to?], logs: <[FlowLog; 2]>::default() })
        };
        let flows = (0..FLOWS).map(flow).collect::<Result<_, _>>()?;
        Ok(Datagrams { flows, next: 0, mark: rand::random() })
    }

    /// Sends `count` datagrams each way, each on the flow whose turn it is. What cannot be sent is
    /// lost, like what is lost on the way: a VM without its neighbour's address is down too.
    pub fn send(&mut self, origin: Origin, count: u32) {
        for _ in 0..count {
            let turn = self.next;
            self.next = (turn + 1) % self.flows.len().max(1);
            let Some(flow) = self.flows.get_mut(turn) else { return };
            for (socket, log) in flow.ends.iter().zip(&mut flow.logs) {
                let mut datagram = [0; LENGTH];
                let number = log.sent.len() as u64;
                if let Some((mark, rest)) = datagram.split_first_chunk_mut::<8>() {
                    *mark = self.mark.to_be_bytes();
                    if let Some(place) = rest.first_chunk_mut::<8>() {
                        *place = number.to_be_bytes();
                    }
                }
                log.sent.push(origin.elapsed());
                log.arrived.push(None);
                if let Err(error) = socket.send(&datagram) {
                    tracing::trace!(%error, "a watched datagram is lost at its sender");
                }
            }
        }
    }

    /// Reads all that has arrived.
    pub fn receive(&mut self, origin: Origin) {
        for flow in &mut self.flows {
            for (at, socket) in flow.ends.iter().enumerate() {
                // What arrives at one end was sent by the other.
                let Some(log) = flow.logs.get_mut(1 - at) else { continue };
                while let Some((number, stamp)) = next(socket, self.mark) {
                    let number = usize::try_from(number).unwrap_or(usize::MAX);
                    let arrived = origin.at(stamp);
                    if let Some(place) = log.arrived.get_mut(number) {
                        place.get_or_insert(arrived);
                    }
                }
            }
        }
    }

    /// What went there, and back.
    pub fn into_logs(self) -> (Vec<FlowLog>, Vec<FlowLog>) {
        self.flows.into_iter().map(|flow| flow.logs.into()).unzip()
    }
}

fn open(place: &impl Place, end: &End, port: u16, to: SocketAddr) -> Result<Socket, TrafficError> {
    let socket = Ends::udp(place, end, port, ROOM)?;
    let set = || -> io::Result<()> {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.set_nonblocking(true)?;
        socket.connect(&to.into())
    };
    set().map_err(TrafficError::socket("prepare a UDP socket", &end.namespace))?;
    Ok(socket)
}

/// The number and the time of arrival of the next datagram of this watch; `None` when none waits.
fn next(socket: &Socket, mark: u64) -> Option<(u64, SystemTime)> {
    loop {
        let mut bytes = [0; LENGTH];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let (length, stamp) =
            match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    let stamp = message.cmsgs().ok().and_then(|mut all| all.find_map(stamp));
                    (message.bytes, stamp)
                }
                Err(nix::Error::EAGAIN) => return None,
                // An ICMP error about something sent earlier is told once, and then gone.
                Err(nix::Error::EINTR | nix::Error::ECONNREFUSED | nix::Error::EHOSTUNREACH) => {
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "a watched socket");
                    return None;
                }
            };
        let (head, rest) = bytes.get(..length)?.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(*rest.first_chunk::<8>()?);
        if u64::from_be_bytes(*head) == mark {
            return Some((number, stamp.unwrap_or_else(SystemTime::now)));
        }
    }
}

fn stamp(message: ControlMessageOwned) -> Option<SystemTime> {
    let ControlMessageOwned::ScmTimestampns(time) = message else { return None };
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanoseconds = u32::try_from(time.tv_nsec()).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}
