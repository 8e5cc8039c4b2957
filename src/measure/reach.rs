//! Who reaches whom inside a tenant.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Place;
use super::ends::{passing, receive, tenant, udp, udp6, wait};
use super::error::MeasureError;
use crate::plan::{Variant, VmPlan};

/// How long a pair is tried: address resolution and learning fit in it several times.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer is awaited before the missing pairs are tried again.
const ROUND: Duration = Duration::from_millis(200);
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
    let vms: Vec<&VmPlan> = tenant(variant, tenant_name)?.vms.iter().collect();
    pairs(place, variant, &vms, |from, to| from != to)
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
    let vms: Vec<&VmPlan> = near.iter().chain(far).collect();
    let first = near.len();
    pairs(place, variant, &vms, |from, to| from < first && to >= first)
}

/// The pairs of VMs that are `wanted`, by number.
fn pairs(
    place: &impl Place,
    variant: &Variant,
    vms: &[&VmPlan],
    wanted: impl Fn(usize, usize) -> bool,
) -> Result<(u32, u32), MeasureError> {
    let mut sockets =
        vms.iter().map(|vm| udp(place, variant, vm)).collect::<Result<Vec<_>, _>>()?;
    let (first, both) = (vms.len(), vms.iter().all(|vm| vm.address6.is_some()));
    if both {
        for vm in vms {
            sockets.push(udp6(place, variant, vm)?);
        }
    }
    let run: [u8; 16] = rand::random();
    // IPv6 sockets stand behind the IPv4 ones; pairs are of one version.
    let mut missing: BTreeSet<(usize, usize)> = (0..sockets.len())
        .flat_map(|from| (0..sockets.len()).map(move |to| (from, to)))
        .filter(|(from, to)| (*from < first) == (*to < first) && wanted(from % first, to % first))
        .collect();
    let tried = missing.len();
    let watched: Vec<_> = sockets.iter().map(|(socket, _)| socket.as_fd()).collect();
    let system = |operation: &'static str| MeasureError::system(operation);
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() && Instant::now() < deadline {
        for &(from, to) in &missing {
            let (Some((socket, _)), Some((_, address))) = (sockets.get(from), sockets.get(to))
            else {
                continue;
            };
            match socket.send_to(&probe(run, from, to), &(*address).into()) {
                Ok(_) => {}
                Err(error) if passing(&error) => {}
                // Not to have a route is an answer too: this pair is not reached.
                Err(error) if error.kind() == std::io::ErrorKind::NetworkUnreachable => {}
                Err(error) => return Err(system("send a probe")(error)),
            }
        }
        let round = deadline.min(Instant::now() + ROUND);
        while !missing.is_empty() && Instant::now() < round {
            wait(&watched, round).map_err(system("wait for probes"))?;
            let mut buffer = [0; PROBE + 1];
            for (at, (socket, _)) in sockets.iter().enumerate() {
                while let Some(datagram) = receive(socket, &mut buffer).or_else(|error| {
                    if passing(&error) { Ok(None) } else { Err(system("receive a probe")(error)) }
                })? {
                    if let Some((from, to)) = read(datagram, run)
                        && to == at
                    {
                        missing.remove(&(from, to));
                    }
                }
            }
        }
    }
    let count = |pairs| u32::try_from(pairs).unwrap_or(u32::MAX);
    Ok((count(tried - missing.len()), count(tried)))
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
