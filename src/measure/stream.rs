//! What a stream of broadcasts costs: its packets and bytes on the sender's link and on all links.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};

use super::Place;
use super::ends::{receive, tenant};
use super::error::{MeasureError, within};
use super::isolation::Token;
use super::result::StreamResult;
use super::tap::{Watch, receive_room};
use super::watched::Watched;
use crate::plan::{Variant, VmPlan};

/// Payload bytes of a datagram; at 1.5 Mbit/s there are 150 of them in a second.
const SIZE: usize = 1250;
/// How long datagrams are awaited after the last.
const PATIENCE: Duration = Duration::from_millis(400);
/// Where they are sent to.
const PORT: u16 = 19_998;
/// Most datagrams of one stream.
const MOST: u64 = 20_000;

/// Sends datagrams to the broadcast address of a VM's subnet at `rate` payload bits per second for
/// `span`, and counts what leaves interfaces and who receives it.
///
/// # Errors
/// The VM has no IPv4 address, or a socket could not be opened, written or read.
pub fn run(
    place: &impl Place,
    variant: &Variant,
    from: &VmPlan,
    rate: u64,
    span: Duration,
) -> Result<StreamResult, MeasureError> {
    let unfit = || MeasureError::system("send broadcasts")(std::io::ErrorKind::Unsupported.into());
    let IpNet::V4(net) = from.address else { return Err(unfit()) };
    let others = tenant(variant, &from.tenant)?.vms.iter().filter(|vm| vm.host != from.host);
    let open = |vm: &VmPlan, address: IpAddr, port: u16| {
        within(place, &variant.namespace(&vm.node), "open a UDP socket", || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_broadcast(true)?;
            receive_room(&socket, 1 << 20)?;
            socket.bind(&SocketAddr::new(address, port).into())?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
    };
    // Broadcasts come to sockets that are bound to no address of their own.
    let any = IpAddr::from([0, 0, 0, 0]);
    let ears = others.map(|vm| open(vm, any, PORT)).collect::<Result<Vec<_>, _>>()?;
    let mouth = open(from, from.address.addr(), 0)?;
    let ends: Vec<_> = variant.links.iter().flat_map(|link| &link.ends).collect();
    let at = ends.iter().map(|end| (&*end.node, &*end.interface, Watch::Both));
    let mut watched = Watched::open(place, variant, at)?;

    let secret: [u8; 16] = rand::random();
    let mut result = StreamResult {
        from: format!("{}/{}", from.tenant, from.name),
        size: SIZE as u64,
        receivers: ears.len() as u64,
        ..StreamResult::default()
    };
    let system = |error| MeasureError::system("send broadcasts")(error);
    let mut heard: BTreeMap<usize, HashSet<u32>> = BTreeMap::new();
    let mut look = |watched: &mut Watched, result: &mut StreamResult| {
        watched.look(|seen| {
            let token = Token::find(seen.packet).filter(|token| token.secret == secret);
            if token.is_none() || !seen.outgoing {
                return;
            }
            let bytes = seen.packet.len() as u64;
            result.bytes_on_links += bytes;
            if ends[seen.at].node == from.host {
                result.packets += 1;
                result.bytes += bytes;
            }
        })?;
        let mut buffer = [0; SIZE + 1];
        for (ear, socket) in ears.iter().enumerate() {
            while let Some(datagram) = receive(socket, &mut buffer).map_err(system)? {
                let token = Token::find(datagram).filter(|token| token.secret == secret);
                if let Some(token) = token.filter(|_| datagram.len() == SIZE) {
                    heard.entry(ear).or_default().insert(token.number);
                }
            }
        }
        Ok::<(), MeasureError>(())
    };
    let each = Duration::from_nanos(SIZE as u64 * 8 * 1_000_000_000 / rate.max(1));
    let wanted = u64::try_from(span.as_nanos() / each.as_nanos().max(1)).unwrap_or(MOST);
    let target = SocketAddr::new(net.broadcast().into(), PORT).into();
    let begun = Instant::now();
    let mut payload = vec![0; SIZE];
    for number in 0..wanted.clamp(1, MOST) {
        let due = begun + each.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let token = Token { secret, tenant: 0, number }.bytes();
        if let Some(head) = payload.get_mut(..token.len()) {
            head.copy_from_slice(&token);
        }
        mouth.send_to(&payload, &target).map_err(system)?;
        result.sent += 1;
        look(&mut watched, &mut result)?;
    }
    result.seconds =
        (begun.elapsed().max(each.saturating_mul(u32::try_from(result.sent).unwrap_or(1))))
            .as_secs_f64();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        watched.wait(deadline)?;
        look(&mut watched, &mut result)?;
    }
    result.missed = watched.missed()?;
    result.delivered = heard.values().map(|numbers| numbers.len() as u64).sum();
    Ok(result)
}
