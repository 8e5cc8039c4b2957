//! Broadcasts and their copies, tunnels, and how flows spread.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::lab::{CopyCount, TunnelCount};
use crate::measure::result::{LinkResult, TunnelResult, VariantResult};

/// The least used link's part of all bytes over these links, in the direction that carried more,
/// lies within the bounds.
pub(super) fn spread(
    names: &[String],
    at_least: Option<f64>,
    at_most: Option<f64>,
    found: &VariantResult,
) -> Finding {
    let links: Vec<&LinkResult> =
        found.links.iter().filter(|link| names.contains(&link.name)).collect();
    if links.len() != names.len() {
        return Finding::unknown("not all of these links are there");
    }
    let sum = |end: usize| links.iter().map(|link| link.bytes[end]).sum::<u64>();
    let end = usize::from(sum(1) > sum(0));
    let all = sum(end);
    if all == 0 {
        return Finding::unknown("nothing crossed these links; give the lab some `traffic`");
    }
    let parts: Vec<f64> = links.iter().map(|link| real(link.bytes[end]) / real(all)).collect();
    let least = parts.iter().copied().fold(f64::INFINITY, f64::min);
    let held =
        at_least.is_none_or(|part| least >= part) && at_most.is_none_or(|part| least <= part);
    let bounds = [at_least.map(|p| format!("≥ {p}")), at_most.map(|p| format!("≤ {p}"))];
    let each = links.iter().zip(&parts).map(|(link, part)| format!("{} {part:.3}", link.name));
    Finding::new(held, each.collect::<Vec<_>>().join(", "))
        .figures(bounds.into_iter().flatten().collect::<Vec<_>>().join(", "), format!("{least:.3}"))
}

/// So many tunnels are configured, over all tenants or for each one named.
pub(super) fn tunnels(count: &TunnelCount, found: &VariantResult) -> Finding {
    if found.tunnels.is_empty() {
        return Finding::unknown("hosts have no tunnels here");
    }
    let of = |tenant: &String| found.tunnels.get(tenant).map(|counted| counted.tunnels);
    let hosts = found.tunnels.iter().map(|(tenant, t)| {
        let planned = planned(t);
        format!(
            "{tenant}: {} hosts, {} entries, {} on a host{planned}",
            t.hosts, t.entries, t.entries_per_host
        )
    });
    let hosts = hosts.collect::<Vec<_>>().join("; ");
    match count {
        TunnelCount::All(wanted) => {
            let counted: u64 = found.tunnels.values().map(|t| t.tunnels).sum();
            Finding::new(counted == *wanted, hosts).figures(wanted, counted)
        }
        TunnelCount::Each(each) => {
            let held = each.iter().all(|(tenant, wanted)| of(tenant) == Some(*wanted));
            let theory = each.values().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let number = |tenant| of(tenant).map_or("none".to_owned(), |n| n.to_string());
            let counted = each.keys().map(number).collect::<Vec<_>>().join(", ");
            Finding::new(held, hosts).figures(theory, counted)
        }
    }
}

/// Said of what no running engine was asked for.
pub(super) const fn planned(counted: &TunnelResult) -> &'static str {
    if counted.planned { " (planned, not measured)" } else { "" }
}

/// So many packets leave the sender's host for each broadcast, every time.
pub(super) fn copies(wanted: &CopyCount, found: &VariantResult) -> Finding {
    let Some(kinds) = found.broadcasts.get(&wanted.within) else {
        return Finding::unknown("broadcasts were not tried here");
    };
    let (mut held, mut theory, mut measured, mut detail) = (true, vec![], vec![], vec![]);
    let mut missed = 0;
    for (kind, wanted) in [("arp", wanted.arp), ("broadcast", wanted.broadcast)] {
        let (Some(wanted), Some(seen)) = (wanted, kinds.get(kind)) else { continue };
        let copies = seen.copies;
        let exactly = [copies.min, copies.max].iter().all(|c| (c - real(wanted)).abs() < 0.001);
        held &= exactly && seen.sent > 0;
        missed = missed.max(seen.missed);
        theory.push(wanted.to_string());
        measured.push(format!("{:.2}", copies.median));
        detail.push(format!(
            "{kind}: {} of {} deliveries, {:.2} packets and {:.0} bytes on all links together",
            seen.delivered, seen.expected, seen.on_links, seen.bytes_on_links
        ));
    }
    Finding::new(held && !theory.is_empty(), detail.join("; "))
        .figures(theory.join(", "), measured.join(", "))
        .unless_missed(missed)
}

/// Broadcasts and multicasts reach every VM on other hosts.
pub(super) fn broadcast(tenant: &str, found: &VariantResult) -> Finding {
    match deliveries(tenant, found) {
        Some((delivered, expected)) => Finding::new(expected > 0 && delivered == expected, "")
            .figures(format!("{expected} deliveries"), format!("{delivered} deliveries")),
        None => Finding::unknown("broadcasts were not tried here"),
    }
}

/// None does, although unicast passes.
pub(super) fn no_broadcast(tenant: &str, found: &VariantResult) -> Finding {
    let Some((delivered, tried)) = deliveries(tenant, found) else {
        return Finding::unknown("broadcasts were not tried here");
    };
    let kinds = found.broadcasts.get(tenant).into_iter().flat_map(BTreeMap::values);
    let missed = kinds.map(|kind| kind.missed).max().unwrap_or_default();
    let (reached, pairs) = found.reachable.get(tenant).copied().unwrap_or_default();
    let alive = reached == pairs && pairs > 0;
    let control =
        format!("{tried} possible; control: {reached} of {pairs} pairs reached by unicast");
    Finding::new(tried > 0 && delivered == 0 && alive, control)
        .figures("0 deliveries", format!("{delivered} deliveries"))
        .unless_missed(missed)
}

/// Deliveries of datagrams to all and to a group, and how many there could be.
fn deliveries(tenant: &str, found: &VariantResult) -> Option<(u64, u64)> {
    let kinds = found.broadcasts.get(tenant)?;
    let counted = ["broadcast", "multicast"].into_iter().filter_map(|kind| kinds.get(kind));
    Some(counted.fold((0, 0), |(d, e), one| (d + one.delivered, e + one.expected)))
}

/// Every step was seen as theory has it.
pub(super) fn walk(from: &str, to: &str, found: &VariantResult) -> Finding {
    let Some(walk) = found.walks.iter().find(|walk| walk.from == from && walk.to == to) else {
        return Finding::unknown("it was not walked");
    };
    let apart = walk.steps.iter().find(|step| !step.held());
    let detail = apart.map_or_else(
        || {
            walk.steps
                .iter()
                .map(|s| format!("{}: {}", s.what, s.seen))
                .collect::<Vec<_>>()
                .join("; ")
        },
        |step| format!("{}: theory {}, seen {}", step.what, step.theory, step.seen),
    );
    let held = walk.steps.iter().filter(|step| step.held()).count();
    Finding::new(apart.is_none() && !walk.steps.is_empty(), detail)
        .figures(format!("{} steps", walk.steps.len()), format!("{held} steps"))
}

fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::bum::BroadcastResult;
    use crate::measure::result::Spread;
    use crate::measure::walk::{WalkResult, WalkStep};

    fn links(bytes: &[[u64; 2]]) -> VariantResult {
        let link = |(n, bytes): (usize, &[u64; 2])| LinkResult {
            name: format!("l{n}"),
            bytes: *bytes,
            ..LinkResult::default()
        };
        VariantResult {
            links: bytes.iter().enumerate().map(link).collect(),
            ..VariantResult::default()
        }
    }

    #[test]
    fn the_spread_is_that_of_the_direction_with_more_bytes() {
        let names = ["l0".to_owned(), "l1".to_owned()];
        let found = links(&[[900, 5], [100, 50]]);
        let part = |least, most| spread(&names, least, most, &found).held;
        assert!(part(Some(0.1), None) && !part(Some(0.11), None));
        assert!(part(None, Some(0.1)) && !part(None, Some(0.09)));
        assert_eq!(spread(&names, Some(0.1), None, &found).measured.as_deref(), Some("0.100"));
        assert!(!spread(&names, None, Some(0.5), &links(&[[0, 0], [0, 0]])).held, "no traffic");
        assert!(!spread(&names, None, Some(0.5), &links(&[[1, 1]])).held, "a link is missing");
    }

    #[test]
    fn tunnels_are_those_counted() {
        let mut found = VariantResult::default();
        assert!(!tunnels(&TunnelCount::All(0), &found).held, "no tunnels at all");
        let six = TunnelResult { hosts: 4, tunnels: 6, ..TunnelResult::default() };
        found.tunnels.insert("four".into(), six);
        assert!(tunnels(&TunnelCount::All(6), &found).held);
        assert!(!tunnels(&TunnelCount::All(12), &found).held);
        let each = |n| TunnelCount::Each(BTreeMap::from([("four".to_owned(), n)]));
        assert!(tunnels(&each(6), &found).held && !tunnels(&each(5), &found).held);
    }

    fn tried(copies: f64, delivered: u64) -> VariantResult {
        let copies = Spread { min: copies, median: copies, max: copies };
        let one = BroadcastResult {
            sent: 4,
            expected: 12,
            delivered,
            copies,
            ..BroadcastResult::default()
        };
        let kinds = ["arp", "broadcast", "multicast"].map(|kind| (kind.to_owned(), one.clone()));
        VariantResult {
            broadcasts: BTreeMap::from([("red".to_owned(), BTreeMap::from(kinds))]),
            reachable: BTreeMap::from([("red".to_owned(), (12, 12))]),
            ..VariantResult::default()
        }
    }

    #[test]
    fn copies_must_be_the_same_every_time() {
        let wanted = |arp, broadcast| CopyCount { within: "red".into(), arp, broadcast };
        assert!(copies(&wanted(None, Some(3)), &tried(3.0, 12)).held);
        assert!(!copies(&wanted(Some(1), Some(3)), &tried(3.0, 12)).held);
        let mut uneven = tried(3.0, 12);
        let kinds = uneven.broadcasts.get_mut("red").unwrap();
        kinds.get_mut("broadcast").unwrap().copies.max = 4.0;
        assert!(!copies(&wanted(None, Some(3)), &uneven).held);
        assert!(!copies(&wanted(None, Some(3)), &VariantResult::default()).held);
    }

    #[test]
    fn broadcast_is_all_or_none() {
        assert!(broadcast("red", &tried(1.0, 12)).held);
        assert!(!broadcast("red", &tried(1.0, 11)).held);
        assert!(no_broadcast("red", &tried(0.0, 0)).held);
        assert!(!no_broadcast("red", &tried(0.0, 1)).held);
        let mut blind = tried(0.0, 0);
        blind.broadcasts.get_mut("red").unwrap().values_mut().for_each(|kind| kind.missed = 1);
        assert!(!no_broadcast("red", &blind).held, "a delivery may be among what was missed");
        let mut dead = tried(0.0, 0);
        dead.reachable.insert("red".into(), (0, 12));
        assert!(!no_broadcast("red", &dead).held, "a dead network keeps broadcasts out too");
    }

    #[test]
    fn a_walk_holds_where_every_step_does() {
        let step = |seen: &str| WalkStep {
            what: "asks".into(),
            theory: "to 239.0.3.96".into(),
            seen: seen.into(),
        };
        let with = |steps| VariantResult {
            walks: vec![WalkResult { from: "a".into(), to: "b".into(), steps }],
            ..VariantResult::default()
        };
        assert!(walk("a", "b", &with(vec![step("to 239.0.3.96")])).held);
        assert!(!walk("a", "b", &with(vec![step("to 239.0.3.96"), step("none")])).held);
        assert!(!walk("a", "b", &with(vec![])).held);
        assert!(!walk("b", "a", &with(vec![step("to 239.0.3.96")])).held);
    }
}
