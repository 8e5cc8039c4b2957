//! Equal datagrams from one VM to another, a few under way at a time, with a token to know them by.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::Place;
use super::ends::{passing, receive, udp, wait};
use super::error::MeasureError;
use crate::plan::{Variant, VmPlan};

/// Datagrams under way at most, so that no queue overflows.
const WINDOW: u64 = 16;
/// How long one window may take before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the path is given to come up.
const UP: Duration = Duration::from_secs(3);
/// Bytes of an Ethernet header.
const ETHERNET: u64 = 14;
/// Number of the datagrams that only open the way.
pub const UNCOUNTED: u64 = u64::MAX;

/// A stream of datagrams: `token`, number (8 bytes, big-endian) and zeros.
pub struct Datagrams {
    sender: Socket,
    receiver: Socket,
    target: SocketAddr,
    payload: Vec<u8>,
    token: [u8; 16],
    next: u64,
    ends: [String; 2],
    /// Bytes of the VM's frame: Ethernet, IP, UDP and payload.
    pub frame: u64,
}

impl Datagrams {
    /// Datagrams whose IP packet has `inner` bytes, in either IP version.
    ///
    /// # Errors
    /// The sockets could not be opened.
    pub fn open(
        place: &impl Place,
        variant: &Variant,
        [from, to]: [&VmPlan; 2],
        inner: u32,
    ) -> Result<Datagrams, MeasureError> {
        let (sender, _) = udp(place, variant, from)?;
        let (receiver, target) = udp(place, variant, to)?;
        let token: [u8; 16] = rand::random();
        let headers = if target.is_ipv4() { 28 } else { 48 };
        let room = usize::try_from(inner.saturating_sub(headers)).unwrap_or(0);
        let mut payload = vec![0; room.max(token.len() + 8)];
        payload[..token.len()].copy_from_slice(&token);
        let frame = ETHERNET + payload.len() as u64 + u64::from(headers);
        let ends = [from, to].map(|vm| variant.namespace(&vm.node));
        Ok(Datagrams { sender, receiver, target, payload, token, next: 0, ends, frame })
    }

    /// The bytes that all of them begin with.
    pub fn token(&self) -> [u8; 16] {
        self.token
    }

    /// Sends datagrams numbered [`UNCOUNTED`] until one arrives: the first ones may be lost to address
    /// resolution.
    ///
    /// # Errors
    /// None arrived for three seconds, or a call failed.
    pub fn open_way(&mut self) -> Result<(), MeasureError> {
        let up = Instant::now() + UP;
        let mut sent = 0;
        loop {
            self.send(UNCOUNTED).map_err(MeasureError::system("send a datagram"))?;
            sent += 1;
            let arrived = self.arrivals(1, PATIENCE / 5);
            if arrived.map_err(MeasureError::system("receive a datagram"))? > 0 {
                return Ok(());
            }
            if Instant::now() >= up {
                let [from, to] = self.ends.clone();
                return Err(MeasureError::Silent {
                    sent,
                    from,
                    to,
                    place: "at the receiver".into(),
                });
            }
        }
    }

    /// Sends `count` datagrams, no more than 16 before those ahead of them have arrived, and calls
    /// `look` after each 16. Returns how many arrived.
    ///
    /// # Errors
    /// A call failed, or `look` did.
    pub fn run(
        &mut self,
        count: u64,
        mut look: impl FnMut() -> Result<(), MeasureError>,
    ) -> Result<u64, MeasureError> {
        let (mut sent, mut delivered) = (0, 0);
        while sent < count {
            let window = WINDOW.min(count - sent);
            for _ in 0..window {
                self.send(self.next).map_err(MeasureError::system("send a datagram"))?;
                self.next += 1;
            }
            sent += window;
            let arrived = self.arrivals(window, PATIENCE);
            delivered += arrived.map_err(MeasureError::system("receive a datagram"))?;
            look()?;
        }
        Ok(delivered)
    }

    fn send(&mut self, number: u64) -> io::Result<()> {
        let at = self.token.len();
        self.payload[at..at + 8].copy_from_slice(&number.to_be_bytes());
        match self.sender.send_to(&self.payload, &self.target.into()) {
            Err(error) if !passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Datagrams that arrive until so many have, or the time is over.
    fn arrivals(&self, expected: u64, patience: Duration) -> io::Result<u64> {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 16];
        let mut arrived = 0;
        while arrived < expected && Instant::now() < deadline {
            wait(&[self.receiver.as_fd()], deadline)?;
            while receive(&self.receiver, &mut buffer)?.is_some() {
                arrived += u64::from(buffer == self.token);
            }
        }
        Ok(arrived)
    }
}
