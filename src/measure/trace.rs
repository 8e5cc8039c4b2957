//! The way between two VMs, hop by hop: datagrams with a small TTL, and who answers them (as
//! traceroute does; RFC 792, RFC 4443).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Place;
use super::ends::{passing, wait};
use super::error::{MeasureError, within};
use super::result::TraceResult;
use crate::plan::{Variant, VmPlan};
use crate::wire::ipv4::protocol;

/// Most hops that are looked for.
const HOPS: u8 = 16;
/// How often each hop is tried.
const TRIES: u8 = 3;
/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_millis(700);
/// First port; each hop has the next one (traceroute(8)).
const PORT: u16 = 33_434;

/// What an ICMP message says about a datagram of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It died on the way.
    Expired,
    /// It arrived, and nobody listens there.
    Arrived,
}

/// Traces the way from one VM to another, over IPv4 where both have it.
///
/// # Errors
/// A socket could not be opened in the sender, written or read.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    from: &VmPlan,
    to: &VmPlan,
) -> Result<TraceResult, MeasureError> {
    let target = to.address.addr();
    let (ping, domain) = match target {
        IpAddr::V4(_) => (Protocol::ICMPV4, Domain::IPV4),
        IpAddr::V6(_) => (Protocol::ICMPV6, Domain::IPV6),
    };
    let (ear, mouth) =
        within(place, &variant.namespace(&from.node), "open sockets for a trace", || {
            let ear = Socket::new(domain, Type::RAW, Some(ping))?;
            ear.set_nonblocking(true)?;
            let mouth = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            mouth.bind(&SocketAddr::new(from.address.addr(), 0).into())?;
            // Its calls suit raw sockets as well.
            Ok((UdpSocket::from(ear), mouth))
        })?;
    let own = mouth.local_addr().ok().and_then(|a| a.as_socket()).map_or(0, |a| a.port());
    let mut trace = TraceResult {
        from: format!("{}/{}", from.tenant, from.name),
        to: format!("{}/{}", to.tenant, to.name),
        ..TraceResult::default()
    };
    let system = |error| MeasureError::system("trace a way")(error);
    for hop in 1..=HOPS {
        let found = (0..TRIES)
            .find_map(|try_| ask(&ear, &mouth, own, target, hop, try_).transpose())
            .transpose()
            .map_err(system)?;
        match found {
            None => trace.hops.push("*".to_owned()),
            Some((who, answer)) => {
                trace.hops.push(who.to_string());
                // Only the one asked for says so.
                trace.reached = answer == Answer::Arrived && who == target;
                if answer == Answer::Arrived {
                    break;
                }
            }
        }
        if trace.hops.ends_with(&["*".to_owned(), "*".to_owned(), "*".to_owned()]) {
            break;
        }
    }
    Ok(trace)
}

/// Sends one datagram and waits for the answer to it.
fn ask(
    ear: &UdpSocket,
    mouth: &Socket,
    own: u16,
    target: IpAddr,
    hop: u8,
    attempt: u8,
) -> io::Result<Option<(IpAddr, Answer)>> {
    let port = PORT + u16::from(hop) * u16::from(TRIES) + u16::from(attempt);
    if target.is_ipv4() {
        mouth.set_ttl_v4(hop.into())?;
    } else {
        mouth.set_unicast_hops_v6(hop.into())?;
    }
    // An earlier answer may be waiting as an error of the socket.
    let mut sent = mouth.send_to(b"overlab trace", &SocketAddr::new(target, port).into());
    if sent.as_ref().is_err_and(passing) {
        sent = mouth.send_to(b"overlab trace", &SocketAddr::new(target, port).into());
    }
    match sent {
        Err(error) if !passing(&error) => return Err(error),
        _ => {}
    }
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; 1500];
    while Instant::now() < deadline {
        wait(&[ear.as_fd()], deadline)?;
        loop {
            let (length, from) = match ear.recv_from(&mut buffer) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let message = buffer.get(..length).unwrap_or_default();
            let read = if target.is_ipv4() { read4(message) } else { read6(message) };
            let Some((answer, ports)) = read else { continue };
            if ports == (own, port) {
                return Ok(Some((from.ip(), answer)));
            }
        }
    }
    Ok(None)
}

/// What an IPv4 packet with an ICMP error says, and the ports of the datagram that it quotes.
fn read4(packet: &[u8]) -> Option<(Answer, (u16, u16))> {
    let message = packet.get(header_len(packet)?..)?;
    let answer = match *message.first_chunk::<2>()? {
        [11, 0] => Answer::Expired,
        [3, 3] => Answer::Arrived,
        _ => return None,
    };
    let quoted = message.get(8..)?;
    let udp = (*quoted.get(9)? == protocol::UDP).then_some(quoted.get(header_len(quoted)?..)?)?;
    Some((answer, ports(udp)?))
}

/// Bytes of an IPv4 header.
fn header_len(packet: &[u8]) -> Option<usize> {
    Some(usize::from(packet.first()? & 0xF) * 4)
}

/// The same of an ICMPv6 message, which raw sockets give without IPv6 header.
fn read6(message: &[u8]) -> Option<(Answer, (u16, u16))> {
    let answer = match *message.first_chunk::<2>()? {
        [3, 0] => Answer::Expired,
        [1, 4] => Answer::Arrived,
        _ => return None,
    };
    let quoted = message.get(8..)?;
    let udp = (*quoted.get(6)? == protocol::UDP).then_some(quoted.get(40..)?)?;
    Some((answer, ports(udp)?))
}

fn ports(udp: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *udp.first_chunk::<4>()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_the_ports_they_quote() {
        let mut packet = vec![0x45; 20];
        packet.extend([11, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([0x45, 0, 0, 41, 0, 0, 0, 0, 1, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0xC0, 0x01, 0x82, 0x9B]);
        assert_eq!(read4(&packet), Some((Answer::Expired, (0xC001, 0x829B))));
        packet[20..22].copy_from_slice(&[3, 3]);
        assert_eq!(read4(&packet), Some((Answer::Arrived, (0xC001, 0x829B))));
        packet[20..22].copy_from_slice(&[3, 1]);
        assert_eq!(read4(&packet), None, "host unreachable is no arrival");
        packet[20..22].copy_from_slice(&[3, 3]);
        for length in 0..packet.len() {
            assert_eq!(read4(&packet[..length]), None);
        }
        let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0];
        message.extend([0x60, 0, 0, 0, 0, 21, 17, 1]);
        message.extend([0; 32]);
        message.extend([0xC0, 0x01, 0x82, 0x9B]);
        assert_eq!(read6(&message), Some((Answer::Expired, (0xC001, 0x829B))));
        for length in 0..message.len() {
            assert_eq!(read6(&message[..length]), None);
        }
    }
}
