//! One figure per line, for spreadsheets and scripts (RFC 4180, line feeds).

use super::cost;
use super::figures::{
    Compared, baseline, compared_by, cpu_per_gb, engine_cpu_per_gb, flow, load_rate, loss,
    over_rounds, packet_rate, paired,
};
use super::number::real;
use crate::measure::result::{CostPart, FlowResult, RunResult, VariantResult};

/// The first line. Figures are plain numbers in the unit named; empty where there is none.
pub const HEADER: &str = "variant,encap,datapath,fabric,baseline,flow,figure,unit,median,min,max,ratio_median,ratio_min,ratio_max,rounds,low,high,ratio_low,ratio_high,complete";

/// All figures of a run, one per line under [`HEADER`].
#[must_use]
pub fn csv(run: &RunResult) -> String {
    let mut lines = Lines { text: format!("{HEADER}\n"), complete: run.complete };
    for variant in &run.variants {
        for flow_result in &variant.flows {
            let plain = baseline(run, variant).and_then(|b| flow(b, &flow_result.label));
            flow_lines(&mut lines, variant, flow_result, plain);
        }
        size_lines(&mut lines, variant);
        ledger_lines(&mut lines, variant);
    }
    lines.text
}

/// Lines so far. Each says whether the run came to its end, since lines are taken out of their files.
struct Lines {
    text: String,
    complete: bool,
}

fn flow_lines(
    out: &mut Lines,
    variant: &VariantResult,
    flow: &FlowResult,
    plain: Option<&FlowResult>,
) {
    let mut line = |figure: &str, unit: &str, value: Option<Compared>, ratio: Option<Compared>| {
        if let Some(value) = value {
            push(out, variant, &flow.label, figure, unit, value, ratio);
        }
    };
    let over = |figure| over_rounds(flow, figure);
    let paired = |figure| plain.and_then(|p| paired(flow, p, figure));
    let rate = compared_by(&flow.kind);
    let unit = if flow.kind == "rr" { "1/s" } else { "bit/s" };
    line("rate", unit, over(rate), paired(rate));
    if flow.cpu_per_gb.is_some() {
        line("cpu_per_gb", "s/GB", over(cpu_per_gb), paired(cpu_per_gb));
    }
    if flow.engine_cpu_per_gb.is_some() {
        line("engine_cpu_per_gb", "s/GB", over(engine_cpu_per_gb), None);
    }
    for part in flow.cost.iter().flat_map(|_| CostPart::ALL) {
        let [per_gb, per_packet] = cost::over_rounds(flow, part);
        line(&format!("cpu_per_gb_{}", part.name()), "s/GB", per_gb, None);
        line(&format!("cpu_per_packet_{}", part.name()), "ns", per_packet, None);
    }
    if flow.kind == "udp" {
        line("packet_rate", "1/s", over(packet_rate), paired(packet_rate));
        line("loss", "1", over(loss), None);
    }
    if flow.load.is_some() {
        line("load_rate", "bit/s", over(load_rate), paired(load_rate));
    }
    if let Some(l) = &flow.latency {
        for (figure, value) in [
            ("latency_p50", l.p50),
            ("latency_p90", l.p90),
            ("latency_p99", l.p99),
            ("latency_max", l.max),
        ] {
            line(figure, "us", Compared::of(&[value]), None);
        }
    }
}

fn size_lines(out: &mut Lines, variant: &VariantResult) {
    let mtu = &variant.mtu;
    let isolation = variant.isolation.as_ref();
    let figures = [
        ("underlay_mtu", "B", Some(f64::from(mtu.underlay))),
        ("inner_mtu", "B", Some(f64::from(mtu.inner))),
        ("inner_mtu_probed", "B", mtu.probed.map(f64::from)),
        ("overhead_computed", "B", Some(f64::from(mtu.overhead_computed))),
        ("overhead_counted", "B", mtu.overhead_counted),
        ("goodput_ceiling", "1", mtu.goodput_ceiling),
        ("goodput_felt", "1", mtu.goodput_felt),
        ("isolation_probes", "1", isolation.map(|i| real(i.probes))),
        ("isolation_leaks", "1", isolation.map(|i| real(i.leaks))),
        ("isolation_control_expected", "1", isolation.map(|i| real(i.expected_own))),
        ("isolation_control_delivered", "1", isolation.map(|i| real(i.delivered_own))),
    ];
    for (figure, unit, value) in figures {
        if let Some(value) = value.and_then(|v| Compared::of(&[v])) {
            push(out, variant, "", figure, unit, value, None);
        }
    }
    for (figure, unit, value) in super::versus::figures(variant) {
        if let Some(value) = Compared::of(&[value]) {
            push(out, variant, "", figure, unit, value, None);
        }
    }
}

/// The byte ledger: what was sent and the hop stand where flows do.
fn ledger_lines(out: &mut Lines, variant: &VariantResult) {
    for row in &variant.ledger {
        let hop = format!("{} at {}", row.pass, row.hop);
        let mut line = |figure: &str, unit, value| {
            if let Some(value) = Compared::of(&[value]) {
                push(out, variant, &hop, figure, unit, value, None);
            }
        };
        line("ledger_frames", "1", real(row.frames));
        line("ledger_packets", "1", real(row.packets));
        line("ledger_inner", "B", real(row.inner));
        for layer in &row.layers {
            line(&format!("ledger_header {}", layer.name), "B", signed(layer.bytes));
        }
        line("ledger_outer", "B", real(row.outer));
        line("ledger_difference", "B", signed(row.difference()));
        line("ledger_lost", "1", real(row.lost.saturating_add(row.lost_behind)));
    }
}

fn signed(bytes: i64) -> f64 {
    bytes as f64
}

fn push(
    out: &mut Lines,
    variant: &VariantResult,
    flow: &str,
    figure: &str,
    unit: &str,
    value: Compared,
    ratio: Option<Compared>,
) {
    let names = [
        &variant.name,
        &variant.encap,
        &variant.datapath,
        &variant.fabric,
        variant.baseline.as_deref().unwrap_or(""),
        flow,
        figure,
        unit,
    ];
    let three = |c: Option<Compared>| {
        let spread = c.map(|c| c.spread);
        spread.map_or([const { String::new() }; 3], |s| [s.median, s.min, s.max].map(number))
    };
    let ends = |c: Option<Compared>| {
        let interval = c.and_then(|c| c.interval);
        interval.map_or([const { String::new() }; 2], |i| [i.low, i.high].map(number))
    };
    let names = names.iter().map(|n| quote(n));
    let fields = names.chain(three(Some(value))).chain(three(ratio));
    let once = ["latency", "ledger"].iter().any(|kind| figure.starts_with(kind));
    let rounds = if flow.is_empty() || once { String::new() } else { value.rounds.to_string() };
    let fields = fields.chain([rounds]).chain(ends(Some(value))).chain(ends(ratio));
    let fields = fields.chain([out.complete.to_string()]);
    let fields: Vec<String> = fields.collect();
    out.text.push_str(&fields.join(","));
    out.text.push('\n');
}

fn number(figure: f64) -> String {
    if figure.is_finite() { figure.to_string() } else { String::new() }
}

/// A field in quotes where it needs them (RFC 4180 section 2).
fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_need_quotes_get_them() {
        assert_eq!(quote("plain"), "plain");
        assert_eq!(quote("a,b"), "\"a,b\"");
        assert_eq!(quote("say \"x\""), "\"say \"\"x\"\"\"");
    }
}
