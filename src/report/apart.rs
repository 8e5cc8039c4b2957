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
}
