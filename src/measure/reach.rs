//! Who reaches whom inside a tenant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::Place;
use super::ends::{passing, ready, receive, tenant, udp, udp6};
use super::error::MeasureError;
use super::sample::Sample;
use crate::plan::{Variant, VmPlan};

/// What each pair adds to it.
const EACH: Duration = Duration::from_millis(2);
/// How long a pair is tried: address resolution and learning fit in it several times.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer is awaited before the missing pairs are tried again; twice as long each time.
const ROUND: Duration = Duration::from_millis(200);
/// Pairs tried at once: each is two entries in the neighbour table, which other programs use too.
const AT_ONCE: usize = 200;
/// Pairs tried at once where the table has little room.
const FEW: usize = 8;
/// Pairs from which on it matters what is left in the table.
const FULL: u32 = 100;
/// Probes sent before what has arrived is taken in.
const BURST: usize = 256;
/// Bytes of a probe: 16 of the run, then the two VMs' numbers.
const PROBE: usize = 16 + 4 + 4;

/// Ordered pairs of VMs of `tenant` of which the first reached the second with a UDP datagram,
/// and the pairs tried; twice, where all VMs have IPv6 addresses beside IPv4 ones. Takes at most about three seconds where not all are reached.
///
/// # Errors
/// No such tenant, or a socket could not be opened.
pub fn reachable(
    place: &impl Place,
    variant: &Variant,
    tenant_name: &str,
) -> Result<(u32, u32), MeasureError> {
    let vms = &tenant(variant, tenant_name)?.vms;
    let all = (0..vms.len()).flat_map(|from| (0..vms.len()).map(move |to| (0, from, to)));
    let pairs = all.filter(|(_, from, to)| from != to).collect();
    let reached = try_pairs(place, variant, &[vms.as_slice()], &pairs, &|_| Ok(()))?;
    Ok(reached.get(&0).copied().unwrap_or_default())
}

/// The same from every VM of one tenant to every VM of another.
///
/// # Errors
/// As [`reachable`].
pub fn across(
    place: &impl Place,
    variant: &Variant,
    from: &str,
    to: &str,
) -> Result<(u32, u32), MeasureError> {
    let (near, far) = (&tenant(variant, from)?.vms, &tenant(variant, to)?.vms);
    let vms: Vec<VmPlan> = near.iter().chain(far).cloned().collect();
    let ends = (0..near.len()).flat_map(|from| (near.len()..vms.len()).map(move |to| (from, to)));
    let pairs = ends.map(|(from, to)| (0, from, to)).collect();
    let reached = try_pairs(place, variant, &[vms.as_slice()], &pairs, &|_| Ok(()))?;
    Ok(reached.get(&0).copied().unwrap_or_default())
}

/// As [`reachable`], for the pairs of a sample: what was reached and tried in each tenant that has a
/// pair in it, by the tenants' places in the variant.
///
/// The kernel keeps the neighbours of all namespaces in one table for about a thousand
/// (`net.ipv4.neigh.default.gc_thresh3`, and another for IPv6), so many pairs are tried some after the other, and
/// `forget` is called with the namespace of each VM tried, to empty its part.
///
/// # Errors
/// A socket could not be opened.
pub fn reachable_of(
    place: &impl Place,
    variant: &Variant,
    sample: &Sample,
    forget: &dyn Fn(&str) -> io::Result<()>,
) -> Result<BTreeMap<usize, (u32, u32)>, MeasureError> {
    let tenants: Vec<&[VmPlan]> = variant.tenants.iter().map(|t| t.vms.as_slice()).collect();
    let mut counts: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    let mut pairs = sample.pairs.iter().copied().peekable();
    while pairs.peek().is_some() {
        let some: BTreeSet<_> = pairs.by_ref().take(AT_ONCE).collect();
        for (tenant, (reached, tried)) in try_pairs(place, variant, &tenants, &some, forget)? {
            let count = counts.entry(tenant).or_default();
            *count = (count.0 + reached, count.1 + tried);
        }
        if pairs.peek().is_none() && counts.values().map(|(_, tried)| tried).sum::<u32>() < FULL {
            break;
        }
        forget_all(variant, &tenants, &some, forget)?;
    }
    Ok(counts)
}

/// A socket and its address.
struct Open {
    socket: Socket,
    address: SocketAddr,
}

fn try_pairs(
    place: &impl Place,
    variant: &Variant,
    tenants: &[&[VmPlan]],
    pairs: &BTreeSet<(usize, usize, usize)>,
    forget: &dyn Fn(&str) -> io::Result<()>,
) -> Result<BTreeMap<usize, (u32, u32)>, MeasureError> {
    let mut open: Vec<Open> = Vec::new();
    // Sockets, and whose they are.
    let mut tried: BTreeMap<(usize, usize), (usize, usize, usize)> = BTreeMap::new();
    for ipv6 in [false, true] {
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        for &(tenant, from, to) in pairs {
            let Some(vms) = tenants.get(tenant) else { continue };
            if ipv6 && !vms.iter().all(|vm| vm.address6.is_some()) {
                continue;
            }
            let mut at = |vm: usize| -> Result<usize, MeasureError> {
                if let Some(at) = known.get(&(tenant, vm)) {
                    return Ok(*at);
                }
                let opened = if ipv6 { udp6 } else { udp };
                let (socket, address) = opened(place, variant, &vms[vm])?;
                open.push(Open { socket, address });
                known.insert((tenant, vm), open.len() - 1);
                Ok(open.len() - 1)
            };
            tried.insert((at(from)?, at(to)?), (tenant, from, to));
        }
    }
    let mut missing: BTreeSet<(usize, usize)> = tried.keys().copied().collect();
    send_all(&open, &mut missing)?;
    // Who is reached by one version of IP only has no way to ask for the other's address: the
    // kernel drops such questions in silence while others fill its table.
    let reached = |missing: &BTreeSet<(usize, usize)>| -> BTreeSet<(usize, usize, usize)> {
        tried.iter().filter(|(ends, _)| !missing.contains(ends)).map(|(_, pair)| *pair).collect()
    };
    let halves = reached(&missing);
    let half = |ends: &(usize, usize)| tried.get(ends).is_some_and(|pair| halves.contains(pair));
    let mut again = missing.iter().copied().filter(half).collect::<Vec<_>>().into_iter().peekable();
    while again.peek().is_some() {
        let some: BTreeSet<(usize, usize)> = again.by_ref().take(FEW).collect();
        let mut left = some.clone();
        forget_all(variant, tenants, pairs, forget)?;
        send_all(&open, &mut left)?;
        missing.retain(|ends| !some.contains(ends) || left.contains(ends));
        // More of the same would only take time.
        if left == some {
            break;
        }
    }
    let mut counts: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    for (ends, (tenant, ..)) in &tried {
        let count = counts.entry(*tenant).or_default();
        *count = (count.0 + u32::from(!missing.contains(ends)), count.1 + 1);
    }
    Ok(counts)
}

/// Empties the neighbour tables of all VMs of these pairs.
fn forget_all(
    variant: &Variant,
    tenants: &[&[VmPlan]],
    pairs: &BTreeSet<(usize, usize, usize)>,
    forget: &dyn Fn(&str) -> io::Result<()>,
) -> Result<(), MeasureError> {
    let ends = pairs.iter().flat_map(|&(tenant, from, to)| [(tenant, from), (tenant, to)]);
    for (tenant, vm) in ends.collect::<BTreeSet<_>>() {
        let Some(vm) = tenants.get(tenant).and_then(|vms| vms.get(vm)) else { continue };
        forget(&variant.namespace(&vm.node))
            .map_err(MeasureError::system("let a VM forget its neighbours"))?;
    }
    Ok(())
}

/// Tries pairs of sockets until none is missing, or patience ends.
fn send_all(open: &[Open], missing: &mut BTreeSet<(usize, usize)>) -> Result<(), MeasureError> {
    let run: [u8; 16] = rand::random();
    let system = |operation: &'static str| MeasureError::system(operation);
    let deadline = Instant::now() + PATIENCE + EACH * u32::try_from(missing.len()).unwrap_or(0);
    let mut round = ROUND;
    while !missing.is_empty() && Instant::now() < deadline {
        for (sent, &(from, to)) in missing.clone().iter().enumerate() {
            let (Some(sender), Some(receiver)) = (open.get(from), open.get(to)) else { continue };
            match sender.socket.send_to(&probe(run, from, to), &receiver.address.into()) {
                Ok(_) => {}
                Err(error) if passing(&error) || full(&error, receiver.address) => {}
                // Not to have a route is an answer too: this pair is not reached.
                Err(error) if error.kind() == std::io::ErrorKind::NetworkUnreachable => {}
                Err(error) => return Err(system("send a probe")(error)),
            }
            // What many address resolutions at once would overflow is drained meanwhile.
            if sent % BURST == BURST - 1 {
                collect(open, run, missing, Instant::now())?;
            }
        }
        let end = deadline.min(Instant::now() + round);
        while !missing.is_empty() && Instant::now() < end {
            collect(open, run, missing, end)?;
        }
        // A network that is slow only is not to be flooded.
        round *= 2;
    }
    Ok(())
}

/// Whether there was no room in the kernel's table for an IPv6 neighbour, which it tells in this way.
fn full(error: &io::Error, to: SocketAddr) -> bool {
    to.is_ipv6() && error.raw_os_error() == Some(libc::EINVAL)
}

/// Waits until something has arrived, or `end`, and takes it in.
fn collect(
    open: &[Open],
    run: [u8; 16],
    missing: &mut BTreeSet<(usize, usize)>,
    end: Instant,
) -> Result<(), MeasureError> {
    let mut buffer = [0; PROBE + 1];
    let watched: Vec<_> = open.iter().map(|open| open.socket.as_fd()).collect();
    let ready = ready(&watched, end).map_err(MeasureError::system("wait for probes"))?;
    for (at, Open { socket, .. }) in ready.iter().filter_map(|&at| Some((at, open.get(at)?))) {
        while let Some(datagram) = receive(socket, &mut buffer).or_else(|error| {
            if passing(&error) {
                Ok(None)
            } else {
                Err(MeasureError::system("receive a probe")(error))
            }
        })? {
            if let Some((from, to)) = read(datagram, run)
                && to == at
            {
                missing.remove(&(from, to));
            }
        }
    }
    Ok(())
}

fn probe(run: [u8; 16], from: usize, to: usize) -> [u8; PROBE] {
    let mut probe = [0; PROBE];
    let number = |vm: usize| u32::try_from(vm).unwrap_or(u32::MAX).to_be_bytes();
    probe[..16].copy_from_slice(&run);
    probe[16..20].copy_from_slice(&number(from));
    probe[20..].copy_from_slice(&number(to));
    probe
}

fn read(datagram: &[u8], run: [u8; 16]) -> Option<(usize, usize)> {
    let probe: &[u8; PROBE] = datagram.try_into().ok()?;
    let number = |at: usize| {
        let raw = probe.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*raw)).ok()
    };
    (probe[..16] == run).then_some((number(16)?, number(20)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_runs_probes_count() {
        let run = [7; 16];
        assert_eq!(read(&probe(run, 3, 9), run), Some((3, 9)));
        assert_eq!(read(&probe([8; 16], 3, 9), run), None);
        assert_eq!(read(&probe(run, 3, 9)[..20], run), None);
    }
}
