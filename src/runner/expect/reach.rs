//! Who reaches whom, and who must not.

use super::finding::Finding;
use crate::measure::result::VariantResult;

/// Every VM of a tenant reaches every other one.
pub(super) fn reachable(tenant: &str, found: &VariantResult) -> Finding {
    match found.reachable.get(tenant) {
        Some((reached, tried)) => Finding::new(reached == tried && *tried > 0, "")
            .figures(format!("{tried} pairs"), format!("{reached} pairs")),
        None => Finding::unknown("the tenant is not carried here"),
    }
}

/// No VM of a tenant reaches another one.
pub(super) fn unreachable(tenant: &str, found: &VariantResult) -> Finding {
    match found.reachable.get(tenant) {
        Some((reached, tried)) => {
            Finding::new(*reached == 0 && *tried > 0, format!("{tried} pairs tried"))
                .figures("0 pairs", format!("{reached} pairs"))
        }
        None => Finding::unknown("the tenant is not carried here"),
    }
}

/// No probe of one of the tenants reaches another, and the network was alive.
pub(super) fn isolated(tenants: &[String], found: &VariantResult) -> Finding {
    let Some(isolation) = &found.isolation else {
        return Finding::unknown("leaks were not tried (`measure.isolation`, two tenants)");
    };
    let named = |name: &String| tenants.contains(name);
    let pairs = isolation.pairs.iter().filter(|p| named(&p.from) && named(&p.to));
    let (probes, leaks) =
        pairs.fold((0, 0), |(probes, leaks), p| (probes + p.probes, leaks + p.leaks));
    // A tenant that is not named may be cut in pieces.
    let own = isolation.own.iter().filter(|(tenant, _)| named(tenant));
    let (delivered, expected) = if isolation.own.is_empty() {
        (isolation.delivered_own, isolation.expected_own)
    } else {
        own.fold((0, 0), |(delivered, expected), (_, own)| (delivered + own.0, expected + own.1))
    };
    let alive = delivered == expected && expected > 0;
    let control = format!("control: {delivered} of {expected} delivered to the own tenant");
    Finding::new(probes > 0 && leaks == 0 && alive, control)
        .figures("0 leaks", format!("{leaks} of {probes} probes leaked"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{IsolationPair, IsolationResult};

    #[test]
    fn silence_is_told_from_nothing_tried() {
        let mut found = VariantResult::default();
        assert!(!unreachable("red", &found).held);
        found.reachable.insert("red".into(), (0, 2));
        assert!(unreachable("red", &found).held);
        assert!(!reachable("red", &found).held);
        found.reachable.insert("red".into(), (1, 2));
        assert!(!unreachable("red", &found).held);
        assert_eq!(reachable("red", &found).measured.as_deref(), Some("1 pairs"));
    }

    #[test]
    fn a_dead_network_does_not_count_as_isolated() {
        let pair = IsolationPair {
            from: "red".into(),
            to: "blue".into(),
            kind: "unicast".into(),
            probes: 12,
            leaks: 0,
        };
        let mut isolation = IsolationResult {
            probes: 12,
            expected_own: 12,
            delivered_own: 12,
            pairs: vec![pair],
            ..IsolationResult::default()
        };
        let tenants = ["red".to_owned(), "blue".to_owned()];
        let with = |isolation: &IsolationResult| {
            let isolation = Some(isolation.clone());
            isolated(&tenants, &VariantResult { isolation, ..VariantResult::default() }).held
        };
        assert!(with(&isolation));
        isolation.delivered_own = 3;
        assert!(!with(&isolation));
        isolation.delivered_own = 12;
        isolation.pairs[0].leaks = 1;
        assert!(!with(&isolation));
        assert!(!isolated(&tenants, &VariantResult::default()).held);
        // By tenant: only those named count.
        isolation.pairs[0].leaks = 0;
        isolation.delivered_own = 3;
        let own = [("red", (6, 6)), ("blue", (6, 6)), ("cut", (0, 6))];
        isolation.own = own.map(|(tenant, own)| (tenant.to_owned(), own)).into();
        assert!(with(&isolation));
        isolation.own.insert("red".into(), (5, 6));
        assert!(!with(&isolation));
    }
}
