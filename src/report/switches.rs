//! What was found out about switches: who forwarded, how MAC tables grew, and what strayed.

use std::collections::BTreeSet;

use super::number::{count, plural};
use super::overlay::Sheet;
use crate::measure::result::RunResult;

/// Ports that are named in one row.
const PORTS: usize = 6;

/// Entries of every table while VMs began to speak; tables that grew alike share a row.
pub(super) fn growth(run: &RunResult) -> Sheet {
    let mut rows = Vec::new();
    for variant in &run.variants {
        let steps = &variant.table_growth;
        let nodes: BTreeSet<&String> = steps.iter().flat_map(|step| step.entries.keys()).collect();
        let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
        for node in nodes {
            let each = steps.iter().map(|step| {
                let entries = step.entries.get(node).copied().unwrap_or_default();
                format!("{}→{}", count(step.vms), count(entries))
            });
            let each = each.collect::<Vec<_>>().join(", ");
            match alike.iter_mut().find(|(grown, _)| *grown == each) {
                Some((_, nodes)) => nodes.push(node),
                None => alike.push((each, vec![node])),
            }
        }
        rows.extend(
            alike
                .into_iter()
                .map(|(each, nodes)| vec![variant.name.clone(), nodes.join(", "), each]),
        );
    }
    Sheet {
        title: "MAC tables while VMs began to speak",
        head: vec!["Variant", "Nodes", "VMs that had spoken → entries"],
        rows,
    }
}

/// Unicast frames at ports that they are not for.
pub(super) fn strays(run: &RunResult) -> Sheet {
    let tenants = run.variants.iter().flat_map(|v| v.strays.iter().map(move |s| (v, s)));
    let rows = tenants.map(|(variant, (tenant, seen))| {
        let mut ports: Vec<String> =
            seen.ports.iter().take(PORTS).map(|(port, n)| format!("{port} {n}")).collect();
        let more = seen.ports.len() - ports.len();
        if more > 0 {
            ports.push(format!("{more} more"));
        }
        vec![
            variant.name.clone(),
            tenant.clone(),
            format!("{} of {}", count(seen.delivered), count(seen.sent)),
            count(seen.strays),
            count(seen.watched),
            ports.join(", "),
        ]
    });
    Sheet {
        title: "Unicast frames at ports that they are not for",
        head: vec!["Variant", "Tenant", "Reached", "Strays", "Ports watched", "Where"],
        rows: rows.collect(),
    }
}

/// Who forwarded, where it was not the kernel's bridge as it comes.
pub(super) fn who_forwards(run: &RunResult) -> Option<String> {
    let of = |kind: &str| -> Vec<&str> {
        let those = run.variants.iter().filter(|variant| variant.switching == kind);
        those.map(|variant| variant.name.as_str()).collect()
    };
    let (ours, filtering) = (of("switch"), of("vlan-bridge"));
    if !ours.is_empty() {
        let them = plural(ours.len() as u64, "variant");
        return Some(format!(
            "The switches of {} ({them}) were this program's, in user space, for this kernel's bridges \
             cannot do what the lab asks of them; all variants on bridged fabrics had the same.",
            ours.join(", ")
        ));
    }
    let first = filtering.first()?;
    Some(format!("The switches of {first} were Linux bridges with VLAN filtering."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::VariantResult;
    use crate::measure::tables::TableCount;

    fn run(variant: VariantResult) -> RunResult {
        let text = include_str!("../../tests/fixtures/result.json");
        let mut run: RunResult = serde_json::from_str(text).unwrap();
        run.variants = vec![variant];
        run
    }

    #[test]
    fn every_node_has_its_growth() {
        let step = |vms, entries: &[(&str, u64)]| TableCount {
            vms,
            entries: entries.iter().map(|(node, n)| ((*node).to_owned(), *n)).collect(),
        };
        let steps =
            vec![step(4, &[("leaf1", 4)]), step(8, &[("leaf1", 8), ("leaf2", 2), ("leaf3", 2)])];
        let found =
            VariantResult { name: "vlan".into(), table_growth: steps, ..Default::default() };
        let sheet = growth(&run(found));
        let rows = [["vlan", "leaf1", "4→4, 8→8"], ["vlan", "leaf2, leaf3", "4→0, 8→2"]];
        assert_eq!(sheet.rows, rows);
    }

    #[test]
    fn switches_of_this_program_are_named() {
        let of = |kind: &str| {
            let switching = kind.to_owned();
            who_forwards(&run(VariantResult {
                name: "vlan".into(),
                switching,
                ..Default::default()
            }))
        };
        assert!(of("switch").is_some_and(|text| text.contains("vlan (1 variant)")));
        assert!(of("vlan-bridge").is_some_and(|text| text.contains("VLAN filtering")));
        assert_eq!((of("bridge"), of("")), (None, None));
    }
}
