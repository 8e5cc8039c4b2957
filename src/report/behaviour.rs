//! What single packets and bulk transfers came to, in sentences; each is computed from the result
//! it stands in.

use super::number::{count, plural};
use super::transfers;
use crate::measure::result::{ProbeResult, RunResult, VariantResult};

/// One line per probe, and per variant what else was tried in it. Whether payload can be read is
/// told where one of the variants hides it.
#[must_use]
pub fn sentences(run: &RunResult) -> Vec<String> {
    let mut out = Vec::new();
    let hides =
        |v: &VariantResult| v.payload.as_ref().is_some_and(|p| p.delivered > 0 && p.readable == 0);
    let secrecy = run.variants.iter().any(hides);
    for v in &run.variants {
        out.extend(v.probes.iter().map(|p| probe(v, p)));
        out.extend(told(v));
        out.extend(transfers::sentence(v));
        out.extend(v.fragments.map(|fragments| {
            format!(
                "{}: hosts made {} over the rounds.",
                v.name,
                plural(fragments, "outer fragment")
            )
        }));
        out.extend(payload(v).filter(|_| secrecy));
    }
    out
}

fn probe(variant: &VariantResult, probe: &ProbeResult) -> String {
    let mut line = format!(
        "{}, {}: {} of {} delivered",
        variant.name,
        probe.what,
        count(probe.delivered),
        count(probe.sent)
    );
    if probe.elsewhere > 0 {
        line += &format!(", {} at other VMs", count(probe.elsewhere));
    }
    for (answer, times) in &probe.answers {
        line += &format!(", {} answered {answer}", count(*times));
    }
    if let Some(mtu) = probe.told {
        line += &format!(" with an MTU of {}", count(mtu));
    }
    for (reason, times) in &probe.drops {
        line += &format!(", {} dropped as {reason}", count(*times));
    }
    line + "."
}

fn told(variant: &VariantResult) -> Option<String> {
    let told = &variant.mtu.told;
    let each = told.iter().map(|(ip, mtu)| match mtu {
        0 => format!("nothing by {ip}"),
        mtu => format!("{} bytes by {ip}", count(*mtu)),
    });
    let each: Vec<_> = each.collect();
    (!told.is_empty()).then(|| {
        format!(
            "{}: a VM that sends packets of {} bytes is told {}.",
            variant.name,
            count(variant.mtu.underlay),
            each.join(", ")
        )
    })
}

fn payload(variant: &VariantResult) -> Option<String> {
    let payload = variant.payload.as_ref().filter(|p| p.delivered > 0)?;
    let mut line = format!("{}: what VMs send ", variant.name);
    line += if payload.readable > 0 {
        "can be read on the underlay"
    } else {
        "cannot be found on the underlay, though it arrives"
    };
    if let Some(share) = payload.underlay_per_inner {
        line += &format!(
            "; the underlay carried {share:.3} bytes, both ways, per byte of their frames"
        );
    }
    Some(line + ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_told_with_answers_and_drops() {
        let sent = ProbeResult {
            what: "vxlan packet from h1 for h3".into(),
            sent: 10,
            answers: [("port-unreachable".to_owned(), 6)].into(),
            drops: [("bad_checksum".to_owned(), 2)].into(),
            ..ProbeResult::default()
        };
        let variant = VariantResult { name: "vxlan".into(), ..VariantResult::default() };
        assert_eq!(
            probe(&variant, &sent),
            "vxlan, vxlan packet from h1 for h3: 0 of 10 delivered, 6 answered port-unreachable, \
             2 dropped as bad_checksum."
        );
    }
}
