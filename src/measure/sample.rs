//! Which pairs are tried where there are too many to try them all: drawn by the plan's seed, so that
//! the same lab tries the same ones.

use std::collections::{BTreeSet, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::isolation;
use crate::plan::{TenantPlan, Variant};

/// Ordered pairs of VMs, each of one tenant, by the tenants' places in the variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// `(tenant, from, to)`.
    pub pairs: BTreeSet<(usize, usize, usize)>,
    /// How many there are in all.
    pub of: u64,
}

/// All ordered pairs of VMs of one tenant where there are no more than `most`; otherwise so many of
/// them, and those of the tenants of `named` first.
#[must_use]
pub fn vms(variant: &Variant, seed: u64, most: u32, named: &[&str]) -> Sample {
    let of = |tenant: &TenantPlan| {
        let vms = tenant.vms.len() as u64;
        vms * vms.saturating_sub(1)
    };
    let all: u64 = variant.tenants.iter().map(of).sum();
    let most = u64::from(most);
    let mut sample = Sample { of: all, ..Sample::default() };
    let mut random = StdRng::seed_from_u64(seed);
    let is_named = |tenant: &TenantPlan| named.contains(&tenant.name.as_str());
    for first in [true, false] {
        let tenants: Vec<(usize, u64)> = variant
            .tenants
            .iter()
            .enumerate()
            .filter(|(_, tenant)| is_named(tenant) == first)
            .map(|(at, tenant)| (at, of(tenant)))
            .collect();
        let room = most.saturating_sub(sample.pairs.len() as u64);
        for number in numbers(&mut random, tenants.iter().map(|(_, of)| of).sum(), room) {
            let mut left = number;
            for &(tenant, of) in &tenants {
                if left < of {
                    let (from, to) = pair(left, variant.tenants[tenant].vms.len() as u64);
                    sample.pairs.insert((tenant, from, to));
                    break;
                }
                left -= of;
            }
        }
    }
    sample
}

/// Ordered pairs of tenants with VMs, by their places: all where there are no more than `most`,
/// otherwise those of `named` and so many of the others.
#[must_use]
pub fn tenants(variant: &Variant, seed: u64, most: u32, named: &[&str]) -> isolation::Pairs {
    let inhabited: Vec<usize> =
        (0..variant.tenants.len()).filter(|&at| !variant.tenants[at].vms.is_empty()).collect();
    let count = inhabited.len() as u64;
    let of = count * count.saturating_sub(1);
    let mut pairs = BTreeSet::new();
    let place: HashMap<&str, usize> =
        inhabited.iter().map(|&at| (variant.tenants[at].name.as_str(), at)).collect();
    let named: Vec<usize> = named.iter().filter_map(|name| place.get(name).copied()).collect();
    for &from in named.iter().filter(|_| named.len() <= FEW) {
        pairs.extend(named.iter().filter(|&&to| to != from).map(|&to| (from, to)));
    }
    let mut random = StdRng::seed_from_u64(seed);
    for number in numbers(&mut random, of, u64::from(most)) {
        let (from, to) = pair(number, count);
        pairs.insert((inhabited[from], inhabited[to]));
    }
    isolation::Pairs { pairs, of }
}

/// Tenants that are named by expectations and all tried with each other.
const FEW: usize = 32;

/// So many different numbers below `of`, or all of them.
fn numbers(random: &mut StdRng, of: u64, most: u64) -> BTreeSet<u64> {
    if of <= most {
        return (0..of).collect();
    }
    let mut drawn = BTreeSet::new();
    while (drawn.len() as u64) < most {
        drawn.insert(random.random_range(0..of));
    }
    drawn
}

/// The ordered pair of a number, among `count` things.
fn pair(number: u64, count: u64) -> (usize, usize) {
    let others = count.saturating_sub(1).max(1);
    let (from, to) = (number / others, number % others);
    let to = if to >= from { to + 1 } else { to };
    (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(to).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_every_pair_once() {
        let all: BTreeSet<_> = (0..12).map(|number| pair(number, 4)).collect();
        assert_eq!(all.len(), 12);
        assert!(all.iter().all(|(from, to)| from != to && *from < 4 && *to < 4));
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| numbers(&mut StdRng::seed_from_u64(seed), 1_000_000, 100);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1).len(), 100);
        assert_eq!(numbers(&mut StdRng::seed_from_u64(0), 5, 9).len(), 5);
    }
}
