//! MAC tables while VMs begin to speak, one after another.
//!
//! Every VM sends one broadcast frame of its own, which is all that a switch needs to learn it.
//! What a table holds is asked whoever keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::ends::wait;
use super::error::{MeasureError, within};
use super::isolation::{Kind, Station, Token, frame};
use super::segment::Segmenter;
use super::tap::{BUFFER, Tap, Watch};
use crate::plan::{Variant, VmPlan};

/// How many times tables are read while VMs begin to speak, beside the counts asked for.
const STEPS: usize = 6;
/// How long it is waited for the frames of one step to arrive everywhere.
const PATIENCE: Duration = Duration::from_millis(500);
/// Tables have settled when two readings so far apart are equal.
const APART: Duration = Duration::from_millis(20);
/// Readings until then, at most.
const READINGS: usize = 10;
/// Bytes of frames that may wait to be read at each VM.
const ROOM: usize = 1 << 20;

/// What MAC tables held once so many VMs had spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableCount {
    /// VMs that had spoken, in the order of the lab.
    pub vms: u64,
    /// Entries by node; a node without any table is left out.
    pub entries: BTreeMap<String, u64>,
}

struct Port<'v> {
    vm: &'v VmPlan,
    station: Station,
    tap: Tap,
}

/// Lets all VMs of a variant speak, one after another, and reads the tables on the way: at `wanted`
/// counts, at a few others, and at the end.
///
/// # Errors
/// A VM's interface could not be opened, written or read, or what `read` says.
pub fn grow<E: From<MeasureError>>(
    place: &impl Place,
    variant: &Variant,
    wanted: &BTreeSet<usize>,
    read: &dyn Fn() -> Result<BTreeMap<String, u64>, E>,
) -> Result<Vec<TableCount>, E> {
    let ports = ports(place, variant)?;
    let mut steps: BTreeSet<usize> = (1..=STEPS).map(|n| n * ports.len() / STEPS).collect();
    steps.extend(wanted.iter().filter(|count| **count <= ports.len()));
    let secret = rand::random();
    let mut counts = Vec::new();
    let mut spoken = 0;
    for step in steps.into_iter().filter(|step| *step > 0) {
        for (number, port) in ports.iter().enumerate().take(step).skip(spoken) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let token = Token { secret, tenant: 0, number };
            let bytes = frame(Kind::Broadcast, &port.station, &port.station, &token);
            port.tap.send(&bytes).map_err(|source| MeasureError::Namespace {
                operation: "send a broadcast frame".into(),
                namespace: variant.namespace(&port.vm.node),
                source,
            })?;
        }
        arrived(&ports, secret, spoken..step)
            .map_err(MeasureError::system("watch for broadcasts"))?;
        spoken = step;
        counts.push(TableCount { vms: step as u64, entries: settled(read)? });
    }
    Ok(counts)
}

fn ports<'v>(place: &impl Place, variant: &'v Variant) -> Result<Vec<Port<'v>>, MeasureError> {
    let open = |vm: &'v VmPlan| {
        let namespace = variant.namespace(&vm.node);
        let tap =
            within(place, &namespace, "watch `eth0`", || Tap::open("eth0", Watch::Incoming, ROOM))?;
        let station = Station::of(vm).ok_or_else(|| MeasureError::Namespace {
            operation: format!("read the MAC `{}`", vm.mac),
            namespace,
            source: io::ErrorKind::InvalidInput.into(),
        })?;
        Ok(Port { vm, station, tap })
    };
    variant.vms().map(open).collect()
}

/// Waits until the frames of these VMs have arrived at all others of their tenants, or for a while
/// where some do not.
fn arrived(
    ports: &[Port<'_>],
    secret: [u8; 16],
    speakers: std::ops::Range<usize>,
) -> io::Result<()> {
    let pairs = speakers.flat_map(|from| (0..ports.len()).map(move |to| (from, to)));
    let mut missing: BTreeSet<(usize, usize)> = pairs
        .filter(|(from, to)| from != to && ports[*from].vm.tenant == ports[*to].vm.tenant)
        .collect();
    let mut buffer = vec![0; BUFFER];
    let mut segmenter = Segmenter::default();
    let taps: Vec<_> = ports.iter().map(|port| port.tap.as_fd()).collect();
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() && Instant::now() < deadline {
        wait(&taps, deadline)?;
        for (at, port) in ports.iter().enumerate() {
            while let Some(frame) = port.tap.next(&mut buffer)? {
                segmenter.each(&frame, |packet| {
                    if let Some(token) = Token::find(packet).filter(|t| t.secret == secret) {
                        missing.remove(&(token.number as usize, at));
                    }
                });
            }
        }
    }
    Ok(())
}

/// Frames also go where nobody listens, so the tables are read until they change no more.
fn settled<E>(
    read: &dyn Fn() -> Result<BTreeMap<String, u64>, E>,
) -> Result<BTreeMap<String, u64>, E> {
    let mut last = read()?;
    for _ in 0..READINGS {
        std::thread::sleep(APART);
        let next = read()?;
        if next == last {
            break;
        }
        last = next;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn tables_are_read_until_they_change_no_more() {
        let reads = Cell::new(0);
        let table = || -> Result<_, MeasureError> {
            reads.set(reads.get() + 1);
            Ok(BTreeMap::from([("leaf1".to_owned(), reads.get().min(3))]))
        };
        assert_eq!(settled(&table).unwrap()["leaf1"], 3);
        assert_eq!(reads.get(), 4);
    }
}
