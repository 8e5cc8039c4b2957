//! Where the processor time goes, as bars of parts: a chart for each flow, a bar for each variant.

use maud::{Markup, PreEscaped, html};

use super::super::cost;
use super::super::figures::labels;
use super::super::number::digits;
use super::stack::{Stack, stacks};
use super::style::GREYS;
use crate::measure::result::{CostPart, FlowCost, RunResult};

/// The table, and a chart for each flow.
pub fn costs(run: &RunResult, table: &Markup) -> Markup {
    html! {
        p.how {
            "Nanoseconds of processor time that all threads of a stage took, per packet delivered, each as a cable \
             would carry it; without other programs. Medians over the rounds."
        }
        (table)
        div.charts { @for label in labels(run) { @if let Some(chart) = chart(run, label) { (chart) } } }
    }
}

/// One flow's bars; parts are told apart by colour and stand in the order of the legend.
fn chart(run: &RunResult, label: &str) -> Option<Markup> {
    let all = cost::of(run, label);
    let per_packet = |cost: &FlowCost, part| {
        Some(cost.part(part)?.per_packet?.median).filter(|ns| ns.is_finite() && *ns >= 0.0)
    };
    let parts = || CostPart::ALL.into_iter().filter(|part| *part != CostPart::All);
    let list: Vec<Stack> = all
        .iter()
        .filter_map(|(v, cost)| {
            let label = digits(per_packet(cost, CostPart::All)?);
            let parts = parts().filter_map(|part| Some((per_packet(cost, part)?, color(part))));
            Some(Stack { name: v.name.clone(), parts: parts.collect(), label })
        })
        .collect();
    let title = format!("{label}: processor time per packet");
    let svg = stacks(&title, "ns per packet", &list)?;
    let shown = |part: &CostPart| all.iter().any(|(_, cost)| cost.part(*part).is_some());
    Some(html! {
        figure {
            figcaption {
                strong { (title) } " "
                span.how {
                    @for part in parts().filter(shown) {
                        span.part { span.key.{ "v" (color(part)) } {} (cost::column(part)) } " "
                    }
                }
            }
            (PreEscaped(svg))
        }
    })
}

/// The number of a part's colour.
const fn color(part: CostPart) -> u8 {
    match part {
        CostPart::Sender => GREYS,
        CostPart::Encapsulate => GREYS + 1,
        CostPart::Tunnel | CostPart::Switches => GREYS + 4,
        CostPart::Decapsulate => GREYS + 2,
        CostPart::Receiver => GREYS + 3,
        CostPart::Rest | CostPart::All => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flow_with_costs_is_drawn() {
        let mut run: RunResult =
            super::super::super::read(include_str!("../../../tests/fixtures/result.json")).unwrap();
        let label = "tcp red/vm1→red/vm2";
        let drawn = chart(&run, label).unwrap().0;
        assert!(drawn.contains("tcp red/vm1→red/vm2: processor time per packet"), "{drawn}");
        assert!(drawn.contains("Encapsulate") && !drawn.contains("OpenSSH"), "{drawn}");
        run.variants.iter_mut().flat_map(|v| &mut v.flows).for_each(|f| f.cost = None);
        assert!(chart(&run, label).is_none());
    }
}
