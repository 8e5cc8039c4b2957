//! MAC tables while VMs begin to speak, one after another.
//!
//! Every VM sends one broadcast frame of its own, which is all that a switch needs to learn it.
//! What a table holds is asked whoever keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use super::error::MeasureError;
use super::isolation::{Kind, Station, Token, frame};
use super::tap::Watch;
use super::watched::{Patience, Watched};
use crate::plan::{Variant, VmPlan};

/// How many times tables are read while VMs begin to speak, beside the counts asked for.
const STEPS: usize = 6;
/// How long it is waited for the frames of one step to arrive everywhere.
const PATIENCE: Patience = Patience { most: Duration::from_millis(500), grace: Duration::ZERO };
/// Tables have settled when two readings so far apart are equal.
const APART: Duration = Duration::from_millis(20);
/// Readings until then, at most.
const READINGS: usize = 10;

/// What MAC tables held once so many VMs had spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableCount {
    /// VMs that had spoken, in the order of the lab.
    pub vms: u64,
    /// Entries by node; a node without any table is left out.
    pub entries: BTreeMap<String, u64>,
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
    let vms: Vec<&VmPlan> = variant.vms().collect();
    let at = vms.iter().map(|vm| (&*vm.node, "eth0", Watch::Incoming));
    let mut watched = Watched::open(place, variant, at)?;
    let mut steps: BTreeSet<usize> = (1..=STEPS).map(|n| n * vms.len() / STEPS).collect();
    steps.extend(wanted.iter().filter(|count| **count <= vms.len()));
    let secret = rand::random();
    let mut counts = Vec::new();
    let mut spoken = 0;
    for step in steps.into_iter().filter(|step| *step > 0) {
        for (at, vm) in vms.iter().enumerate().take(step).skip(spoken) {
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            let token = Token { secret, tenant: 0, number };
            let station = Station::known(variant, vm)?;
            let bytes = frame(Kind::Broadcast, &station, &station, &token);
            watched.send(at, &bytes, "broadcast frame")?;
        }
        arrived(&mut watched, &vms, secret, spoken..step)?;
        spoken = step;
        counts.push(TableCount { vms: step as u64, entries: settled(read)? });
    }
    Ok(counts)
}

/// Waits until the frames of these VMs have arrived at all others of their tenants, or for a while
/// where some do not.
fn arrived(
    watched: &mut Watched,
    vms: &[&VmPlan],
    secret: [u8; 16],
    speakers: std::ops::Range<usize>,
) -> Result<(), MeasureError> {
    let pairs = speakers.flat_map(|from| (0..vms.len()).map(move |to| (from, to)));
    let mut missing: BTreeSet<(usize, usize)> =
        pairs.filter(|(from, to)| from != to && vms[*from].tenant == vms[*to].tenant).collect();
    if missing.is_empty() {
        return Ok(());
    }
    watched.settle(
        PATIENCE,
        &mut missing,
        |missing, seen| {
            if let Some(token) = Token::find(seen.packet).filter(|token| token.secret == secret) {
                missing.remove(&(token.number as usize, seen.at));
            }
        },
        BTreeSet::is_empty,
    )
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
