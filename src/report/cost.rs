//! Where the processor time of a flow goes: sender, encapsulation, decapsulation, receiver and the rest.

use super::figures::{Compared, baseline, flow, good, labels};
use super::number::{NONE, Unit, digits, fixed, real};
use super::overlay::Sheet;
use super::packets;
use crate::measure::result::{CostPart, FlowCost, FlowResult, RunResult, VariantResult};

/// A column for each part, but those that only few variants have.
const ALWAYS: [CostPart; 6] = [
    CostPart::Sender,
    CostPart::Encapsulate,
    CostPart::Decapsulate,
    CostPart::Receiver,
    CostPart::Rest,
    CostPart::All,
];

/// The title of the table.
pub const TITLE: &str = "Where the processor time goes";

/// Costs of a flow in all variants that have some.
pub fn of<'a>(run: &'a RunResult, label: &str) -> Vec<(&'a VariantResult, &'a FlowCost)> {
    let cost = |v: &'a VariantResult| Some((v, flow(v, label)?.cost.as_ref()?));
    run.variants.iter().filter_map(cost).collect()
}

/// Nanoseconds per packet of each part, and seconds per gigabyte of all; a row for each flow and variant.
#[must_use]
pub fn sheet(run: &RunResult) -> Sheet {
    let all: Vec<(&str, &VariantResult, &FlowCost)> = labels(run)
        .into_iter()
        .flat_map(|label| of(run, label).into_iter().map(move |(v, cost)| (label, v, cost)))
        .collect();
    let there = |part: &CostPart| {
        ALWAYS.contains(part) || all.iter().any(|(_, _, cost)| cost.part(*part).is_some())
    };
    let parts: Vec<CostPart> = CostPart::ALL.into_iter().filter(there).collect();
    let mut head = vec!["Variant", "Flow"];
    head.extend(parts.iter().map(|part| column(*part)));
    head.push("All, s/GB");
    let row = |&(label, v, cost): &(&str, &VariantResult, &FlowCost)| {
        let mut row = vec![v.name.clone(), label.to_owned()];
        row.extend(parts.iter().map(|part| cell(cost, *part)));
        let all = cost.part(CostPart::All).map(|all| digits(all.per_gb.median));
        row.push(all.unwrap_or(NONE.to_owned()));
        row
    };
    Sheet { title: TITLE, head, rows: all.iter().map(row).collect() }
}

/// Seconds per gigabyte of one part over the rounds that count, and nanoseconds per packet.
#[must_use]
pub fn over_rounds(flow: &FlowResult, part: CostPart) -> [Option<Compared>; 2] {
    let packet = flow.cost.as_ref().and_then(|cost| cost.packet_bytes);
    let each = good(flow).filter_map(|r| Some(part.seconds(r)? * 1e9 / real(r.bytes)));
    let per_gb: Vec<f64> = each.filter(|s| s.is_finite()).collect();
    // Seconds per 10^9 bytes are nanoseconds per byte.
    let per_packet = |bytes: f64| per_gb.iter().map(|s| s * bytes).collect::<Vec<_>>();
    [Compared::of(&per_gb), packet.and_then(|bytes| Compared::of(&per_packet(bytes)))]
}

/// What a part is called in tables and drawings.
#[must_use]
pub const fn column(part: CostPart) -> &'static str {
    match part {
        CostPart::Sender => "Sender",
        CostPart::Encapsulate => "Encapsulate",
        CostPart::Decapsulate => "Decapsulate",
        CostPart::Tunnel => "OpenSSH",
        CostPart::Switches => "Switches",
        CostPart::Receiver => "Receiver",
        CostPart::Rest => "Rest",
        CostPart::All => "All, ns",
    }
}

fn cell(cost: &FlowCost, part: CostPart) -> String {
    let way = matches!(part, CostPart::Encapsulate | CostPart::Decapsulate);
    match cost.part(part) {
        Some(found) => found.per_packet.map_or(NONE.to_owned(), |ns| digits(ns.median)),
        None if way && cost.part(CostPart::Tunnel).is_some() => "OpenSSH".to_owned(),
        None if way => "kernel".to_owned(),
        None => NONE.to_owned(),
    }
}

/// How the first TCP flow's time divides in each variant, and where the kernel's part is.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let tcp = |label: &&str| run.variants.iter().filter_map(|v| flow(v, label)).any(is_tcp);
    let first = labels(run).into_iter().filter(tcp).find(|label| !of(run, label).is_empty());
    let mut out: Vec<String> = first.iter().flat_map(|label| divided(run, label)).collect();
    out.extend(packets::sentences(run));
    let kernel: Vec<&str> = labels(run)
        .into_iter()
        .map(|label| of(run, label))
        .max_by_key(Vec::len)
        .into_iter()
        .flatten()
        .filter(|(_, cost)| cell(cost, CostPart::Encapsulate) == "kernel")
        .map(|(v, _)| v.name.as_str())
        .collect();
    if !kernel.is_empty() {
        out.push(format!(
            "In {} the kernel carries the packets, on no threads of its own but on the time of whoever sends \
             or receives, and in interrupts: that is within sender, receiver and rest.",
            kernel.join(", ")
        ));
    }
    out
}

fn is_tcp(flow: &FlowResult) -> bool {
    flow.kind == "tcp"
}

/// `tcp a→b: of 1,210 ns per packet in vxlan encapsulating took 340 ns (28 %) and decapsulating ..`.
fn divided(run: &RunResult, label: &str) -> Vec<String> {
    let per_packet = |cost: &FlowCost, part| Some(cost.part(part)?.per_packet?.median);
    let line = |(v, cost): (&VariantResult, &FlowCost)| {
        let all = per_packet(cost, CostPart::All).filter(|ns| *ns > 0.0)?;
        let of_all = |part| {
            let ns = per_packet(cost, part)?;
            Some(format!("{} ns ({} %)", digits(ns), fixed(ns / all / Unit::PERCENT.per, 0)))
        };
        let plain = baseline(run, v).and_then(|plain| flow(plain, label)?.cost.as_ref());
        let plain = plain.and_then(|cost| per_packet(cost, CostPart::All));
        let beside = plain.map(|ns| format!("; all of it is {} ns on the plain path", digits(ns)));
        Some(format!(
            "{label}: of {} ns per packet in {} encapsulating took {} and decapsulating {}{}.",
            digits(all),
            v.name,
            of_all(CostPart::Encapsulate)?,
            of_all(CostPart::Decapsulate)?,
            beside.unwrap_or_default(),
        ))
    };
    of(run, label).into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_side_by_side_and_the_kernel_is_told_of() {
        let run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        let table = sheet(&run);
        assert_eq!(
            table.head,
            [
                "Variant",
                "Flow",
                "Sender",
                "Encapsulate",
                "Decapsulate",
                "Receiver",
                "Rest",
                "All, ns",
                "All, s/GB"
            ]
        );
        let row = |variant: &str| table.rows.iter().find(|row| row[0] == variant).unwrap().clone();
        assert_eq!(row("plain-l3")[3..5], ["kernel", "kernel"]);
        assert!(row("vxlan")[3].parse::<f64>().unwrap() > 0.0, "{:?}", row("vxlan"));
        let told = sentences(&run);
        assert!(
            told[0].contains(" per packet in vlan encapsulating took ")
                && told[0].contains("on the plain path"),
            "{told:#?}"
        );
        assert!(told.last().unwrap().starts_with("In plain-l2, plain-l3 the kernel"), "{told:#?}");
    }

    #[test]
    fn older_results_have_no_costs() {
        let mut run = super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        run.variants.iter_mut().flat_map(|v| &mut v.flows).for_each(|f| f.cost = None);
        assert!(sheet(&run).rows.is_empty() && sentences(&run).is_empty());
    }
}
