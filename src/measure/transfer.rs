//! A bulk TCP transfer between two VMs: whether full-sized segments pass, and what the sending host
//! hands to its interface meanwhile.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::Place;
use super::ends::{across, wait};
use super::error::{MeasureError, within};
use super::result::{SendResult, TransferResult};
use super::segment::Segmenter;
use super::sender::Sender;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{Variant, VmPlan};
use crate::wire::ethernet::{self, ethertype};
use crate::wire::ipv4::{self, protocol};
use crate::wire::{ipv6, tcp};

/// Bytes transferred: enough for TCP to open its window to super-frames.
const BYTES: u64 = 16 << 20;
/// How long the connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long nothing may arrive until the transfer counts as stalled; a sender without answers
/// tries again after 200 ms, 400 ms, .. (RFC 6298), so that this holds three retransmissions.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the bytes may take at all.
const LIMIT: Duration = Duration::from_secs(15);
/// Moments of a transfer that are kept, less the first and the last.
const MOMENTS: f64 = 58.0;
/// Bytes of frames that may wait to be read at each interface.
const ROOM: usize = 32 << 20;

/// Transfers 16 MiB between two VMs of `tenant` on different hosts; gives up when nothing arrives
/// for 1.5 s, and after 15 s. `decodes` says whether a packet of the underlay is one of the
/// variant's encapsulation; it is asked for every one.
///
/// # Errors
/// No such tenant, all its VMs on one host, or a socket could not be opened. A transfer that does
/// not come to its end is no error.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
    decodes: &dyn Fn(&[u8]) -> bool,
) -> Result<TransferResult, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let host = variant.namespace(&from.host);
    let nics = variant.links.iter().flat_map(|link| &link.ends);
    let taps = nics
        .filter(|end| end.node == from.host)
        .map(|end| {
            within(place, &host, &format!("watch `{}`", end.interface), || {
                Tap::open(&end.interface, Watch::Both, ROOM)
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut watch = Underlay {
        taps,
        port: variant.port,
        decodes,
        segmenter: Segmenter::default(),
        buffer: vec![0; BUFFER],
        sends: SendResult::default(),
        vm: within(place, &variant.namespace(&from.node), "watch `eth0`", || Sender::open("eth0"))?,
    };
    let mut result = TransferResult { bytes: BYTES, ..TransferResult::default() };
    if let Some([sender, receiver]) = connected(place, variant, [from, to])? {
        transfer(&sender, &receiver, &mut result, &mut watch)
            .map_err(MeasureError::system("transfer bytes by TCP"))?;
        // What is still queued is thrown away, and does not disturb what is measured next.
        let _ = sender.set_linger(Some(Duration::ZERO));
    }
    watch.look().map_err(MeasureError::system("watch the host's interface"))?;
    result.sends = watch.sends;
    watch.vm.tell(&mut result);
    Ok(result)
}

/// A TCP connection between two VMs, both its ends non-blocking: sender and receiver; `None` where it
/// was not made within two seconds.
///
/// # Errors
/// A socket could not be opened.
pub(super) fn connected(
    place: &impl Place,
    variant: &Variant,
    [from, to]: [&VmPlan; 2],
) -> Result<Option<[Socket; 2]>, MeasureError> {
    let socket = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        super::reno(&socket)?;
        socket.set_nonblocking(true)?;
        io::Result::Ok(socket)
    };
    let local = SocketAddr::new(to.address.addr(), 0);
    let listener = within(place, &variant.namespace(&to.node), "listen for TCP", || {
        let listener = socket(local)?;
        listener.bind(&local.into())?;
        listener.listen(1)?;
        Ok(listener)
    })?;
    let target = listener.local_addr().map_err(MeasureError::system("read a socket's address"))?;
    let sender =
        within(place, &variant.namespace(&from.node), "open a TCP socket", || socket(local))?;
    let connect = || -> io::Result<Option<Socket>> {
        match sender.connect(&target) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let deadline = Instant::now() + CONNECT;
        loop {
            match listener.accept() {
                Ok((receiver, _)) => {
                    receiver.set_nonblocking(true)?;
                    return Ok(Some(receiver));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            wait(&[listener.as_fd()], deadline)?;
        }
    };
    let receiver = connect().map_err(MeasureError::system("make a TCP connection"))?;
    Ok(receiver.map(|receiver| [sender, receiver]))
}

fn transfer(
    sender: &Socket,
    receiver: &Socket,
    result: &mut TransferResult,
    watch: &mut Underlay<'_>,
) -> io::Result<()> {
    result.connected = true;
    let begun = Instant::now();
    let (limit, mut deadline, mut last) = (begun + LIMIT, begun + PATIENCE, begun);
    let mut arrivals = vec![(0.0, 0)];
    let chunk = vec![0x5A; 256 << 10];
    let mut buffer = vec![0; 256 << 10];
    let mut sent = 0;
    while Instant::now() < deadline {
        let room = usize::try_from(BYTES - sent).unwrap_or(chunk.len()).min(chunk.len());
        if room > 0 {
            sent += passed((&mut &*sender).write(chunk.get(..room).unwrap_or_default()))?;
        }
        let arrived = passed((&mut &*receiver).read(&mut buffer))?;
        result.delivered += arrived;
        if arrived > 0 {
            let now = Instant::now();
            result.silence = result.silence.max((now - last).as_secs_f64());
            arrivals.push(((now - begun).as_secs_f64(), result.delivered));
            (last, deadline) = (now, limit.min(now + PATIENCE));
        }
        watch.look()?;
        if result.delivered >= BYTES {
            break;
        }
        let writable = if sent < BYTES { PollFlags::POLLOUT } else { PollFlags::empty() };
        let mut ready = [
            PollFd::new(receiver.as_fd(), PollFlags::POLLIN),
            PollFd::new(sender.as_fd(), writable),
        ];
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    result.seconds = begun.elapsed().as_secs_f64();
    result.silence = result.silence.max(last.elapsed().as_secs_f64());
    arrivals.push((result.seconds, result.delivered));
    result.arrived = thinned(&arrivals, result.seconds);
    Ok(())
}

/// At most so many of the arrivals, evenly over the time: of each part of it the last one.
fn thinned(arrivals: &[(f64, u64)], seconds: f64) -> Vec<(f64, u64)> {
    let part = |at: f64| (at / seconds.max(f64::MIN_POSITIVE) * MOMENTS) as u32;
    let mut kept: Vec<(f64, u64)> = Vec::new();
    for &(at, bytes) in arrivals {
        let same = kept.len() > 1 && kept.last().is_some_and(|(last, _)| part(*last) == part(at));
        if same {
            kept.pop();
        }
        kept.push((at, bytes));
    }
    kept
}

/// Bytes that passed; none where the socket would have blocked.
pub(super) fn passed(done: io::Result<usize>) -> io::Result<u64> {
    match done {
        Ok(bytes) => Ok(bytes as u64),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// What is seen on the sending host's interfaces.
struct Underlay<'a> {
    taps: Vec<Tap>,
    port: u16,
    decodes: &'a dyn Fn(&[u8]) -> bool,
    segmenter: Segmenter,
    buffer: Vec<u8>,
    sends: SendResult,
    vm: Sender,
}

impl Underlay<'_> {
    fn look(&mut self) -> io::Result<()> {
        self.vm.look()?;
        for tap in &self.taps {
            while let Some(frame) = tap.next(&mut self.buffer)? {
                let opened = opens(frame.bytes, self.port);
                self.sends.handshakes += u64::from(opened);
                if !frame.outgoing {
                    continue;
                }
                self.sends.frames += 1;
                self.sends.largest = self.sends.largest.max(frame.length as u64);
                let (sends, decodes) = (&mut self.sends, self.decodes);
                self.segmenter.each(&frame, |packet| {
                    sends.packets += 1;
                    sends.decoded += u64::from(decodes(packet));
                });
            }
        }
        Ok(())
    }
}

/// Whether a frame asks for a TCP connection to `port`.
fn opens(frame: &[u8], port: u16) -> bool {
    let asks = || {
        let header = ethernet::Header::parse(frame).ok()?;
        let packet = frame.get(ethernet::LEN..)?;
        let segment = match header.ethertype {
            ethertype::IPV4 => {
                let ip = ipv4::Header::parse(packet).ok()?;
                (ip.protocol == protocol::TCP).then(|| packet.get(ip.header_len..))??
            }
            ethertype::IPV6 => {
                let ip = ipv6::Header::parse(packet).ok()?;
                (ip.next_header == protocol::TCP).then(|| packet.get(ipv6::LEN..))??
            }
            _ => return None,
        };
        let flags = *segment.get(13)?;
        Some(
            u16::from_be_bytes(*segment.get(2..)?.first_chunk()?) == port
                && flags & tcp::flag::SYN != 0,
        )
    };
    port != 0 && asks().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_arrivals_some_are_kept_the_first_and_the_last_too() {
        let all: Vec<(f64, u64)> =
            (0..=1000_u32).map(|n| (f64::from(n) / 500.0, n.into())).collect();
        let kept = thinned(&all, 2.0);
        assert!((50..=60).contains(&kept.len()), "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), ((0.0, 0), (2.0, 1000)));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        assert_eq!(thinned(&[(0.0, 0), (1.5, 0)], 1.5), [(0.0, 0), (1.5, 0)]);
        assert_eq!(thinned(&[(0.0, 0), (0.0, 0)], 0.0).len(), 2);
    }

    #[test]
    fn a_request_for_a_connection_is_a_syn_to_the_port() {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend([0xC0, 0, 0x1D, 0x2F, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02]);
        frame.extend([0; 6]);
        assert!(opens(&frame, 7471));
        assert!(!opens(&frame, 7472) && !opens(&frame, 0));
        frame[47] = 0x18;
        assert!(!opens(&frame, 7471));
        assert!(!opens(&frame[..40], 7471));
    }
}
