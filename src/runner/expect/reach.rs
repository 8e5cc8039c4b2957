//! Who reaches whom, and who must not.

use super::finding::Finding;
use crate::lab::{Expectation, Expected, Reach, RefusedExpected};
use crate::measure::result::VariantResult;
use crate::plan::Plan;

/// All tenants, as an expectation names them.
pub(in crate::runner) const ALL: &str = "all";

/// The tenants whose VMs' reach an expectation names.
pub(in crate::runner) fn named(plan: &Plan) -> Vec<&str> {
    let tenant = |expected: &'_ Expectation| match &expected.what {
        Expected::Reachable(Reach::Within(reach)) | Expected::Unreachable(Reach::Within(reach)) => {
            Some(reach.within.clone())
        }
        Expected::Broadcast { within } | Expected::NoBroadcast { within } => Some(within.clone()),
        _ => None,
    };
    let names: Vec<String> = plan.expect.iter().filter_map(tenant).collect();
    let tenants = plan.variants.iter().flat_map(|variant| &variant.tenants);
    let mut named: Vec<&str> = tenants
        .map(|tenant| tenant.name.as_str())
        .filter(|name| names.iter().any(|n| n == name))
        .collect();
    named.dedup();
    named
}

/// The tenants that an expectation names as kept apart.
pub(in crate::runner) fn apart(plan: &Plan) -> Vec<&str> {
    let lists = plan.expect.iter().filter_map(|expectation| match &expectation.what {
        Expected::Isolated(names) => Some(names),
        _ => None,
    });
    lists.flatten().map(String::as_str).collect()
}

/// What was tried of a tenant or of all, and what was reached.
fn tried(tenant: &str, found: &VariantResult) -> Option<(u64, u64)> {
    let wide = |(reached, tried): &(u32, u32)| (u64::from(*reached), u64::from(*tried));
    if tenant != ALL {
        return found.reachable.get(tenant).map(wide);
    }
    let each = found.reachable.values().map(wide);
    each.reduce(|sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// What a sample is one of.
fn sampled(found: &VariantResult) -> String {
    let of = found.reachable_of.map(|of| format!("a sample of {of} pairs in all tenants"));
    of.unwrap_or_default()
}

/// Every VM of a tenant reaches every other one.
pub(super) fn reachable(tenant: &str, found: &VariantResult) -> Finding {
    match tried(tenant, found) {
        Some((reached, tried)) => Finding::new(reached == tried && tried > 0, sampled(found))
            .figures(format!("{tried} pairs"), format!("{reached} pairs")),
        None => Finding::unknown("the tenant is not carried here, or not in the sample"),
    }
}

/// No VM of a tenant reaches another one.
pub(super) fn unreachable(tenant: &str, found: &VariantResult) -> Finding {
    match tried(tenant, found) {
        Some((reached, tried)) => {
            Finding::new(reached == 0 && tried > 0, format!("{tried} pairs tried"))
                .figures("0 pairs", format!("{reached} pairs"))
        }
        None => Finding::unknown("the tenant is not carried here, or not in the sample"),
    }
}

/// No probe of one of the tenants reaches another, and the network was alive.
pub(super) fn isolated(tenants: &[String], found: &VariantResult) -> Finding {
    let Some(isolation) = &found.isolation else {
        return Finding::unknown("leaks were not tried (`measure.isolation`, two tenants)");
    };
    let all = tenants.iter().any(|name| name == ALL);
    let named = |name: &String| all || tenants.contains(name);
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
    let mut detail = format!("control: {delivered} of {expected} delivered to the own tenant");
    if isolation.tenant_pairs < isolation.tenant_pairs_of {
        let (tried, of) = (isolation.tenant_pairs, isolation.tenant_pairs_of);
        detail = format!("{tried} of {of} ordered pairs of tenants, drawn by the seed; {detail}");
    }
    Finding::new(probes > 0 && leaks == 0 && alive, detail)
        .figures("0 leaks", format!("{leaks} of {probes} probes leaked"))
        .unless_missed(isolation.missed)
}

/// No id is left for the tenant of a number, and for all before it.
pub(super) fn refused(of: RefusedExpected, found: &VariantResult) -> Finding {
    let Some((number, message)) = &found.refused else {
        let detail = format!("all {} tenants have an id", found.tenants);
        return Finding::new(false, detail)
            .figures(format!("{} tenants", of.tenants - 1), "none refused");
    };
    let held = u32::try_from(*number) == Ok(of.tenants) && found.tenants + 1 == *number;
    let carried = found.tenants;
    Finding::new(held, format!("number {number}: {message}"))
        .figures(format!("{} tenants", of.tenants.saturating_sub(1)), format!("{carried} tenants"))
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
            ..IsolationPair::default()
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
        isolation.missed = 1;
        assert!(!with(&isolation), "a leak may be among what was missed");
        isolation.missed = 0;
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
