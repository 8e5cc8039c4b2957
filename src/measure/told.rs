//! What senders of packets that do not fit are told (RFC 1191, RFC 8201).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Place;
use super::ends::{across, passing, wait};
use super::error::{MeasureError, within};
use super::mtu::unfragmented;
use super::probe::answer;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{Variant, VmPlan};

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often a packet is sent.
const TRIES: u32 = 3;
/// The discard port (RFC 863).
const PORT: u16 = 9;

/// Sends UDP datagrams that fill the MTU of a VM of `tenant`, and may not be fragmented, to one on
/// another host, and watches what that VM's `eth0` receives: the MTU that an ICMP "fragmentation
/// needed" or ICMPv6 "packet too big" which quotes the datagram names, by IP version the two have
/// in common (`ipv4`, `ipv6`); 0 where there came none.
///
/// # Errors
/// No such tenant, all its VMs on one host, or a call failed.
pub fn told(
    place: &impl Place,
    variant: &Variant,
    tenant: &str,
) -> Result<Vec<(&'static str, u32)>, MeasureError> {
    let (from, to) = across(variant, tenant)?;
    let both = [(from.address.addr(), to.address.addr())].into_iter();
    let second = from.address6.zip(to.address6).map(|(from, to)| (from.addr(), to.addr()));
    both.chain(second)
        .map(|(source, target)| {
            let version = if source.is_ipv4() { "ipv4" } else { "ipv6" };
            Ok((version, one(place, variant, from, source, target)?.unwrap_or(0)))
        })
        .collect()
}

fn one(
    place: &impl Place,
    variant: &Variant,
    from: &VmPlan,
    source: IpAddr,
    target: IpAddr,
) -> Result<Option<u32>, MeasureError> {
    let namespace = variant.namespace(&from.node);
    let (socket, tap) = within(place, &namespace, "open sockets", || {
        let local = SocketAddr::new(source, 0);
        let target = SocketAddr::new(target, PORT);
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&local.into())?;
        unfragmented(&socket, target)?;
        Ok((socket, Tap::open("eth0", Watch::Incoming, BUFFER)?))
    })?;
    let headers = if target.is_ipv4() { 28 } else { 48 };
    let mark: [u8; 16] = rand::random();
    let length = usize::try_from(from.mtu.saturating_sub(headers)).unwrap_or(0).max(mark.len());
    let mut payload = vec![0; length];
    payload[..mark.len()].copy_from_slice(&mark);
    let target = SocketAddr::new(target, PORT).into();
    let mut buffer = vec![0; BUFFER];
    let mut listen = || -> io::Result<Option<u32>> {
        for _ in 0..TRIES {
            match socket.send_to(&payload, &target) {
                Err(error) if !passing(&error) && error.raw_os_error() != Some(libc::EMSGSIZE) => {
                    return Err(error);
                }
                _ => {}
            }
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline {
                wait(&[tap.as_fd()], deadline)?;
                while let Some(frame) = tap.next(&mut buffer)? {
                    let Some(answer) = answer::read(frame.bytes) else { continue };
                    let quoted = frame.bytes.get(answer.quoted..).unwrap_or_default();
                    if answer.mtu.is_some() && quoted.windows(mark.len()).any(|w| w == mark) {
                        return Ok(answer.mtu);
                    }
                }
            }
        }
        Ok(None)
    };
    listen().map_err(MeasureError::system("ask what fits"))
}
