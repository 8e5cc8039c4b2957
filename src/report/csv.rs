//! One figure per line, for spreadsheets and scripts (RFC 4180, line feeds).

use super::figures::{baseline, cpu_per_gb, flow, loss, packet_rate, paired, spread};
use super::number::real;
use crate::measure::result::{FlowResult, RunResult, Spread, VariantResult};

/// The first line. Figures are plain numbers in the unit named; empty where there is none.
pub const HEADER: &str = "variant,encap,datapath,fabric,baseline,flow,figure,unit,median,min,max,ratio_median,ratio_min,ratio_max";

/// All figures of a run, one per line under [`HEADER`].
#[must_use]
pub fn csv(run: &RunResult) -> String {
    let mut out = String::from(HEADER);
    out.push('\n');
    for variant in &run.variants {
        for flow_result in &variant.flows {
            let plain = baseline(run, variant).and_then(|b| flow(b, &flow_result.label));
            flow_lines(&mut out, variant, flow_result, plain);
        }
        size_lines(&mut out, variant);
    }
    out
}

fn flow_lines(
    out: &mut String,
    variant: &VariantResult,
    flow: &FlowResult,
    plain: Option<&FlowResult>,
) {
    let mut line = |figure, unit, value: Option<Spread>, ratio: Option<Spread>| {
        if let Some(value) = value {
            push(out, variant, &flow.label, figure, unit, value, ratio);
        }
    };
    let unit = if flow.kind == "rr" { "1/s" } else { "bit/s" };
    line("rate", unit, super::figures::good(flow).next().map(|_| flow.rate), flow.ratio);
    let cpu = plain.and_then(|p| paired(flow, p, cpu_per_gb));
    line("cpu_per_gb", "s/GB", flow.cpu_per_gb, cpu);
    line("engine_cpu_per_gb", "s/GB", flow.engine_cpu_per_gb, None);
    if flow.kind == "udp" {
        let ratio = plain.and_then(|p| paired(flow, p, packet_rate));
        line("packet_rate", "1/s", spread(flow, packet_rate), ratio);
        line("loss", "1", spread(flow, loss), None);
    }
    if let Some(l) = &flow.latency {
        for (figure, value) in [
            ("latency_p50", l.p50),
            ("latency_p90", l.p90),
            ("latency_p99", l.p99),
            ("latency_max", l.max),
        ] {
            line(figure, "us", Spread::of([value]), None);
        }
    }
}

fn size_lines(out: &mut String, variant: &VariantResult) {
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
        if let Some(value) = value.and_then(|v| Spread::of([v])) {
            push(out, variant, "", figure, unit, value, None);
        }
    }
}

fn push(
    out: &mut String,
    variant: &VariantResult,
    flow: &str,
    figure: &str,
    unit: &str,
    value: Spread,
    ratio: Option<Spread>,
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
    let three = |s: Option<Spread>| {
        s.map_or([const { String::new() }; 3], |s| [s.median, s.min, s.max].map(number))
    };
    let fields: Vec<String> =
        names.iter().map(|n| quote(n)).chain(three(Some(value))).chain(three(ratio)).collect();
    out.push_str(&fields.join(","));
    out.push('\n');
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
