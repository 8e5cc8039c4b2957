//! Which pairs of tenants are shown one by one.

use std::collections::HashSet;

use crate::measure::result::{IsolationPair, IsolationResult};

/// Tenants up to which all pairs are shown.
pub const MANY: usize = 12;

/// All pairs where tenants are few; where they are many, those that leaked.
#[must_use]
pub fn shown(isolation: &IsolationResult) -> Vec<&IsolationPair> {
    let tenants: HashSet<&String> = isolation.pairs.iter().flat_map(|p| [&p.from, &p.to]).collect();
    let many = tenants.len() > MANY;
    isolation.pairs.iter().filter(|pair| !many || pair.leaks > 0).collect()
}

/// What a tenant received of its own probes, which is the control: each kind with what was delivered and what
/// should have been; nothing of results of older versions, nor of kinds that are not to be delivered.
#[must_use]
pub fn own<'r>(isolation: &'r IsolationResult, tenant: &str) -> Vec<(&'r str, u64, u64)> {
    let mut kinds: Vec<(&str, u64, u64)> = Vec::new();
    for pair in isolation.pairs.iter().filter(|p| p.from == tenant && p.own_expected > 0) {
        let counts = (pair.own_delivered, pair.own_expected);
        match kinds.iter_mut().find(|(kind, ..)| *kind == pair.kind) {
            Some((_, delivered, expected)) => {
                *delivered = delivered.saturating_add(counts.0);
                *expected = expected.saturating_add(counts.1);
            }
            None => kinds.push((&pair.kind, counts.0, counts.1)),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_are_shown_however_many_tenants_there_are() {
        let pair = |n: u64, leaks| IsolationPair {
            from: format!("t{n}"),
            to: format!("t{}", n + 1),
            leaks,
            ..IsolationPair::default()
        };
        let few = IsolationResult { pairs: vec![pair(0, 0), pair(1, 0)], ..Default::default() };
        assert_eq!(shown(&few).len(), 2);
        let pairs = (0..50).map(|n| pair(n, u64::from(n == 7))).collect();
        let many = IsolationResult { pairs, ..Default::default() };
        assert_eq!(shown(&many), [&many.pairs[7]]);
    }

    #[test]
    fn the_control_is_summed_over_whom_the_probes_were_for() {
        let pair = |from: &str, to: &str, kind: &str, own_delivered, own_expected| IsolationPair {
            from: from.into(),
            to: to.into(),
            kind: kind.into(),
            own_delivered,
            own_expected,
            ..IsolationPair::default()
        };
        let pairs = vec![
            pair("a", "b", "arp", 3, 4),
            pair("a", "c", "arp", 4, 4),
            pair("a", "c", "nd", 0, 0),
            pair("b", "a", "arp", 1, 1),
        ];
        let all = IsolationResult { pairs, ..Default::default() };
        assert_eq!((own(&all, "a"), own(&all, "c")), (vec![("arp", 7, 8)], vec![]));
    }
}
