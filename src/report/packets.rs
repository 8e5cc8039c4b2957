//! UDP flows that differ in the size of their datagrams only, and what a packet and a byte of them cost.

use super::figures::{flow, labels};
use super::number::{digits, fixed};
use crate::measure::result::{CostPart, FlowResult, RunResult, VariantResult};

/// Flows that differ in their size only.
pub struct Set<'a> {
    /// Their label without the size.
    pub name: String,
    /// The labels of all of them, in the order of the lab.
    pub labels: Vec<&'a str>,
}

/// The sets of a run; none where no two flows are alike but for their size.
pub fn sets(run: &RunResult) -> Vec<Set<'_>> {
    let mut sets: Vec<Set<'_>> = Vec::new();
    for label in labels(run) {
        let found = run.variants.iter().find_map(|v| flow(v, label));
        let Some(name) = found.and_then(without_size) else { continue };
        match sets.iter_mut().find(|set| set.name == name) {
            Some(set) => set.labels.push(label),
            None => sets.push(Set { name, labels: vec![label] }),
        }
    }
    sets.retain(|set| set.labels.len() > 1);
    sets
}

/// `udp 64 B a→b` as `udp a→b`.
fn without_size(flow: &FlowResult) -> Option<String> {
    let size = format!(" {} B ", flow.size.filter(|_| flow.kind == "udp")?);
    let (before, behind) = flow.label.split_once(&size)?;
    Some(format!("{before} {behind}"))
}

/// What the smallest and the largest datagrams cost in each variant, per packet and per byte.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let carried = run.variants.iter().any(|v| v.baseline.is_some());
    let told = |v: &&VariantResult| !carried || v.baseline.is_some();
    let each = sets(run).into_iter().flat_map(|set| {
        run.variants.iter().filter(told).filter_map(move |v| sentence(v, &set)).collect::<Vec<_>>()
    });
    each.collect()
}

fn sentence(variant: &VariantResult, set: &Set<'_>) -> Option<String> {
    let cost = |label: &&str| {
        let flow = flow(variant, label)?;
        let per_packet = flow.cost.as_ref()?.part(CostPart::All)?.per_packet?.median;
        Some((flow.size?, per_packet))
    };
    let mut found: Vec<(u64, f64)> = set.labels.iter().filter_map(cost).collect();
    found.sort_by_key(|(size, _)| *size);
    let ([(small, cost), .., (large, dear)], true) = (found.as_slice(), found.len() > 1) else {
        return None;
    };
    let per_byte = (cost / *small as f64) / (dear / *large as f64);
    per_byte.is_finite().then(|| {
        format!(
            "{}, {}: datagrams of {small} bytes cost {} ns a packet, those of {large} bytes {} ns; a byte costs {} \
             times as much in the small ones.",
            variant.name,
            set.name,
            digits(*cost),
            digits(*dear),
            fixed(per_byte, 1),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_datagrams_stand_beside_each_other() {
        let mut run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        let told = sentences(&run);
        assert_eq!(told.len(), 2, "one for each carrier: {told:#?}");
        let start =
            "vxlan, udp red/vm1→red/vm2: datagrams of 64 bytes cost 1,253 ns a packet, those of";
        assert!(told[1].starts_with(start), "{told:#?}");
        run.variants.iter_mut().flat_map(|v| &mut v.flows).for_each(|f| f.cost = None);
        assert!(sentences(&run).is_empty());
    }
}
