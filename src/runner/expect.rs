//! Whether what had to hold did.

use std::collections::BTreeMap;

use crate::lab::{Expectation, Expected};
use crate::measure::result::{RunResult, VariantResult, Verdict};
use crate::plan::{Plan, Variant};

/// A verdict for every expectation in every variant that it is about. Plain paths are no subject
/// of expectations, unless the lab has nothing else.
pub(super) fn verdicts(plan: &Plan, result: &RunResult) -> Vec<Verdict> {
    let only_plain = plan.variants.iter().all(|v| v.baseline.is_none());
    let subjects: Vec<_> = plan
        .variants
        .iter()
        .zip(&result.variants)
        .filter(|(variant, _)| only_plain || !is_reference(plan, variant))
        .collect();
    let mut verdicts = Vec::new();
    for expectation in &plan.expect {
        let before = verdicts.len();
        for (variant, found) in &subjects {
            if expectation.only.is_none_or(|encap| encap == variant.encap) {
                verdicts.push(verdict(expectation, found));
            }
        }
        if verdicts.len() == before {
            verdicts.push(Verdict {
                what: words(&expectation.what),
                claim: expectation.claim.clone(),
                variant: expectation.only.map_or_else(String::new, |e| e.name().to_owned()),
                held: false,
                detail: "no variant of this lab is what it speaks of".into(),
            });
        }
    }
    verdicts
}

/// Whether a variant only serves as another one's baseline.
fn is_reference(plan: &Plan, variant: &Variant) -> bool {
    plan.variants.iter().any(|v| v.baseline.as_ref() == Some(&variant.name))
}

fn words(expected: &Expected) -> String {
    match expected {
        Expected::Reachable { within } => format!("every VM of {within} reaches every other"),
        Expected::Unreachable { within } => format!("no VM of {within} reaches another"),
        Expected::Drops(least) => {
            let each = least.iter().map(|(reason, count)| format!("{count} {reason}"));
            format!("engines drop at least {}", each.collect::<Vec<_>>().join(", "))
        }
        Expected::Isolated(tenants) => format!("nothing leaks between {}", tenants.join(", ")),
        Expected::Overhead(bytes) => format!("each packet grows by {bytes} bytes"),
        Expected::Mtu(mtu) => format!("the largest inner packet is {mtu} bytes"),
        Expected::Throughput { at_least } => {
            format!("TCP reaches at least {at_least} of the plain path")
        }
    }
}

fn verdict(expectation: &Expectation, found: &VariantResult) -> Verdict {
    let (held, detail) = match &expectation.what {
        Expected::Reachable { within } => reachable(within, found),
        Expected::Unreachable { within } => unreachable(within, found),
        Expected::Drops(least) => drops(least, found),
        Expected::Isolated(tenants) => isolated(tenants, found),
        Expected::Overhead(bytes) => overhead(*bytes, found),
        Expected::Mtu(mtu) => match found.mtu.probed {
            Some(probed) => (
                probed == *mtu && found.mtu.inner == *mtu,
                format!("computed {}, probed {probed}", found.mtu.inner),
            ),
            None => (false, "it was not probed".into()),
        },
        Expected::Throughput { at_least } => throughput(*at_least, found),
    };
    Verdict {
        what: words(&expectation.what),
        claim: expectation.claim.clone(),
        variant: found.name.clone(),
        held,
        detail,
    }
}

fn reachable(tenant: &str, found: &VariantResult) -> (bool, String) {
    match found.reachable.get(tenant) {
        Some((reached, tried)) => {
            (reached == tried && *tried > 0, format!("{reached} of {tried} pairs"))
        }
        None => (false, "the tenant is not carried here".into()),
    }
}

fn unreachable(tenant: &str, found: &VariantResult) -> (bool, String) {
    match found.reachable.get(tenant) {
        Some((reached, tried)) => {
            (*reached == 0 && *tried > 0, format!("{reached} of {tried} pairs reached"))
        }
        None => (false, "the tenant is not carried here".into()),
    }
}

fn drops(least: &BTreeMap<String, u64>, found: &VariantResult) -> (bool, String) {
    let counted = |reason: &String| found.drops.get(reason).copied().unwrap_or_default();
    let held = least.iter().all(|(reason, least)| counted(reason) >= *least);
    let each = least.keys().map(|reason| format!("{reason} {}", counted(reason)));
    (held, each.collect::<Vec<_>>().join(", "))
}

fn isolated(tenants: &[String], found: &VariantResult) -> (bool, String) {
    let Some(isolation) = &found.isolation else {
        return (false, "leaks were not tried (`measure.isolation`, two tenants)".into());
    };
    let named = |name: &String| tenants.contains(name);
    let pairs = isolation.pairs.iter().filter(|p| named(&p.from) && named(&p.to));
    let (probes, leaks) =
        pairs.fold((0, 0), |(probes, leaks), p| (probes + p.probes, leaks + p.leaks));
    let alive = isolation.delivered_own == isolation.expected_own && isolation.expected_own > 0;
    let detail = format!(
        "{leaks} of {probes} probes leaked; control: {} of {} delivered to the own tenant",
        isolation.delivered_own, isolation.expected_own
    );
    (probes > 0 && leaks == 0 && alive, detail)
}

fn overhead(bytes: u32, found: &VariantResult) -> (bool, String) {
    let computed = found.mtu.overhead_computed;
    match found.mtu.overhead_counted {
        Some(counted) => (
            computed == bytes && (counted - f64::from(bytes)).abs() < 0.5,
            format!(
                "computed {computed}, counted {counted:.2} over {} packets",
                found.mtu.counted_packets
            ),
        ),
        None => (false, format!("computed {computed}, not counted")),
    }
}

fn throughput(at_least: f64, found: &VariantResult) -> (bool, String) {
    let flow = found.flows.iter().find(|f| f.kind == "tcp");
    match flow.and_then(|f| f.ratio) {
        Some(ratio) => (
            ratio.median >= at_least,
            format!("{:.2} (of the rounds {:.2} to {:.2})", ratio.median, ratio.min, ratio.max),
        ),
        None => (false, "no TCP flow was compared with a plain path".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{IsolationPair, IsolationResult, MtuResult};

    #[test]
    fn overhead_holds_only_where_theory_and_count_agree() {
        let mtu = MtuResult {
            overhead_computed: 50,
            overhead_counted: Some(50.0),
            ..MtuResult::default()
        };
        let mut found = VariantResult { mtu, ..VariantResult::default() };
        assert!(overhead(50, &found).0);
        assert!(!overhead(42, &found).0);
        found.mtu.overhead_counted = Some(54.0);
        assert!(!overhead(50, &found).0);
        found.mtu.overhead_counted = None;
        assert!(!overhead(50, &found).0);
    }

    #[test]
    fn drops_and_silence_are_told_from_nothing_tried() {
        let least = BTreeMap::from([("unknown_network".to_owned(), 2)]);
        let mut found = VariantResult::default();
        assert!(!drops(&least, &found).0);
        found.drops.insert("unknown_network".into(), 2);
        assert!(drops(&least, &found).0);
        assert!(!unreachable("red", &found).0);
        found.reachable.insert("red".into(), (0, 2));
        assert!(unreachable("red", &found).0);
        found.reachable.insert("red".into(), (1, 2));
        assert!(!unreachable("red", &found).0);
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
            isolated(&tenants, &VariantResult { isolation, ..VariantResult::default() }).0
        };
        assert!(with(&isolation));
        isolation.delivered_own = 3;
        assert!(!with(&isolation));
        isolation.delivered_own = 12;
        isolation.pairs[0].leaks = 1;
        assert!(!with(&isolation));
        assert!(!isolated(&tenants, &VariantResult::default()).0);
    }
}
