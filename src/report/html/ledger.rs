//! Where the bytes on the wire go: headers beside what the VMs sent, from the byte ledger.

use maud::{Markup, html};

use super::super::ledger::{Group, groups};
use super::super::number::{digits, fixed};
use crate::measure::result::{LedgerLayer, RunResult};

/// Bytes of VMs' frames that the bars are about.
const PER: f64 = 1000.0;

/// A bar for each pass of each variant, as it left the sending host; `None` where nothing has headers.
pub fn ledger(run: &RunResult) -> Option<Markup> {
    let groups: Vec<Group<'_>> = run
        .variants
        .iter()
        .flat_map(groups)
        .filter(|g| g.row().place == 1 && g.row().inner > 0 && g.row().headers() > 0)
        .collect();
    let most =
        groups.iter().map(|g| real(g.row().headers()) / real(g.row().inner)).fold(0.0, f64::max);
    (most > 0.0).then(|| {
        html! {
            p.how {
                "Bytes of headers for every 1,000 bytes of the VMs' frames, as they left the sending host, all to one scale. "
                "What carriers of IP packets leave out of the frame, its Ethernet header, is taken off."
                @if groups.iter().any(|g| g.row().layers.iter().any(|l| l.name == "STT")) {
                    " STT takes a burst's frames of up to 64 KB whole: their own headers are in them once."
                }
            }
            div.scales { @for group in &groups { (bar(group, most)) } }
        }
    })
}

fn bar(group: &Group<'_>, most: f64) -> Markup {
    let row = group.row();
    let share = |bytes: i64| real(bytes) / real(row.inner);
    let width = share(row.headers()) / most;
    let added: i64 = row.layers.iter().filter(|l| l.bytes > 0).map(|l| l.bytes).sum();
    // What is left out is taken off all of them alike.
    let part = |l: &LedgerLayer| 100.0 * width * real(l.bytes) / real(added);
    let of_wire = 100.0 * real(row.headers()) / real(row.outer);
    html! {
        div.weighed {
            p {
                b { (group.variant) } " · " (what(&row.pass)) ": "
                b { (digits(PER * share(row.headers()))) " B" } ", "
                (fixed(of_wire, 1)) " % of the wire "
                @if row.adds_up() { span.good { "✓" } } @else { span.bad { "✗ does not add up" } }
            }
            div.stack aria-hidden="true" {
                @for l in row.layers.iter().filter(|l| l.bytes > 0) {
                    div.seg.(class(&l.name)) style=(format!("width:{:.2}%", part(l))) title=(l.name) {}
                }
            }
            ul.legend {
                @for l in &row.layers {
                    @let sign = if l.bytes < 0 { "−" } else { "" };
                    li { span.key.(class(&l.name)) {} (l.name) " " (sign) (digits(PER * share(l.bytes).abs())) " B" }
                }
            }
        }
    }
}

fn what(pass: &str) -> &str {
    match pass {
        "burst" => "TCP burst",
        "stream" => "encrypted stream",
        other => other,
    }
}

/// Style class of a header: its place in the stack.
fn class(name: &str) -> &'static str {
    match name {
        "Ethernet" => "l2",
        "IPv4" | "IPv6" | "IPv6 fragment" | "IPv6 options" => "l3",
        "UDP" | "TCP" | "TCP-like" => "l4",
        "inner Ethernet" => "inner",
        _ => "tunnel",
    }
}

fn real(bytes: impl TryInto<i64>) -> f64 {
    bytes.try_into().unwrap_or(i64::MAX) as f64
}
