//! What flows cost in processor time, by who pays.

use std::time::Duration;

use super::together;
use crate::lab::Flow;
use crate::measure::result::{CostPart, FlowCost, FlowRound, PartCost, Spread};
use crate::plan::{Plan, PlannedFlow, Variant};

/// Costs over the rounds that count, of bulk flows that share their processors with no other flow. `packet` is
/// the payload of a packet in bytes.
pub(super) fn cost<'a>(
    flow: &PlannedFlow,
    rounds: impl Iterator<Item = &'a FlowRound> + Clone,
    packet: Option<f64>,
) -> Option<FlowCost> {
    if matches!(flow.flow, Flow::Rr(_)) || flow.together.is_some() {
        return None;
    }
    let gigabytes = |round: &FlowRound| round.bytes as f64 / 1e9;
    let part = |part: CostPart| {
        let each = |round: &FlowRound| Some(part.seconds(round)? / gigabytes(round));
        let per_gb = Spread::of(rounds.clone().filter_map(each))?;
        // Seconds per 10^9 bytes are nanoseconds per byte.
        let per_packet = packet.map(|bytes| Spread {
            min: per_gb.min * bytes,
            median: per_gb.median * bytes,
            max: per_gb.max * bytes,
        });
        Some(PartCost { part, per_gb, per_packet })
    };
    let parts: Vec<PartCost> = CostPart::ALL.into_iter().filter_map(part).collect();
    (!parts.is_empty()).then_some(FlowCost { packet_bytes: packet, parts })
}

/// Notes what other programs took of the machine's `processors` within a round's window of `span`.
pub(super) fn others(round: &mut FlowRound, span: Duration, processors: usize) {
    let machine = processors as f64 * round.seconds.min(span.as_secs_f64());
    if let Some(cpu) = &mut round.cpu {
        cpu.others = round.foreign.map(|share| share * machine);
    }
}

/// Payload bytes of a packet of the flow at this place of the plan; of a sum where all its flows agree.
pub(super) fn packet(plan: &Plan, variant: &Variant, at: usize) -> Option<f64> {
    let members = together::members(plan, at);
    let mut each = members.iter().map(|flow| flow.packet_payload(variant));
    match each.next() {
        None => plan.flows.get(at)?.packet_payload(variant),
        Some(first) => first.filter(|_| each.all(|other| other == first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::CpuParts;

    #[test]
    fn costs_are_told_by_part_and_by_packet() {
        let lab =
            "{ title: t, topology: { single-switch: { hosts: 2 } }, carrier: { encap: vxlan },
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
            traffic: [{ udp: { from: red/a, to: red/b, for: 1s, size: [1000, 4000] } },
                      { together: [{ tcp: { from: red/a, to: red/b, for: 1s } },
                                   { tcp: { from: red/b, to: red/a, for: 1s } }] },
                      { rr: { from: red/a, to: red/b, for: 1s } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let vxlan = plan.variants.iter().find(|v| v.name == "vxlan").unwrap();
        let packets: Vec<_> = (0..6).map(|at| packet(&plan, vxlan, at)).collect();
        // 4,000 bytes and a header of 8 are three fragments of at most 1,424 bytes.
        let expected = [1000.0, 4000.0 / 3.0, 1398.0, 1398.0, 1398.0].map(Some);
        assert_eq!(packets, [&expected[..], &[None]].concat());

        let cpu = CpuParts { sender: Some(1.0), encap: Some(0.5), ..CpuParts::default() };
        let round = FlowRound {
            bytes: 2_000_000_000,
            cpu_seconds: 4.0,
            cpu: Some(cpu),
            ..FlowRound::default()
        };
        let of = |at: usize| cost(&plan.flows[at], [&round].into_iter(), packets[at]);
        let found = of(0).unwrap();
        let names: Vec<_> = found.parts.iter().map(|p| p.part.name()).collect();
        assert_eq!(names, ["sender", "encapsulate", "rest", "all"]);
        let rest = found.part(CostPart::Rest).unwrap();
        assert_eq!((rest.per_gb.median, rest.per_packet.unwrap().median), (1.25, 1250.0));
        let mut beside = FlowRound { seconds: 1.5, foreign: Some(0.25), ..round.clone() };
        others(&mut beside, Duration::from_secs(1), 2);
        assert_eq!(CostPart::Rest.seconds(&beside), Some(2.0));
        assert!(of(2).is_some() && of(3).is_none() && of(5).is_none());
    }
}
