//! The packet of each encapsulation, drawn to scale.

use maud::{Markup, html};

use super::super::number::plural;
use crate::measure::result::{RunResult, VariantResult};

/// A header on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer {
    name: &'static str,
    bytes: u32,
    /// Style class: its place in the stack.
    class: &'static str,
}

const fn layer(name: &'static str, bytes: u32, class: &'static str) -> Layer {
    Layer { name, bytes, class }
}

/// The frame's own Ethernet header, which a plain packet has as well.
const ETHERNET: Layer = layer("Ethernet", 14, "l2");
const IPV4: Layer = layer("outer IPv4", 20, "l3");
const IPV6: Layer = layer("outer IPv6", 40, "l3");
const UDP: Layer = layer("UDP", 8, "l4");
const GRE: Layer = layer("GRE", 4, "tunnel");
const GRE_KEY: Layer = layer("GRE with key", 8, "tunnel");
const VXLAN: Layer = layer("VXLAN", 8, "tunnel");
const GENEVE: Layer = layer("Geneve", 8, "tunnel");
const TAG: Layer = layer("802.1Q", 4, "tunnel");
const INNER: Layer = layer("inner Ethernet", 14, "inner");
/// TCP-like header and STT frame header with its padding (draft-davie-stt-08 sections 3.1 and 3.2).
const STT: [Layer; 2] = [layer("TCP-like", 20, "l4"), layer("STT", 18, "tunnel")];

/// Bytes of the inner packet that are drawn; it goes on beyond the cut.
const PAYLOAD: u32 = 22;

/// What an encapsulation puts between a frame's Ethernet header and the inner IP packet, in the
/// forms it comes in; the form whose bytes add up to the overhead of the run is the one drawn.
fn forms(encap: &str) -> Vec<Vec<Layer>> {
    let over_ip = |rest: &[Layer]| {
        [IPV4, IPV6].map(|ip| std::iter::once(ip).chain(rest.iter().copied()).collect()).to_vec()
    };
    match encap {
        "none" => vec![vec![]],
        "vlan" => vec![vec![TAG]],
        "qinq" => vec![vec![layer("802.1ad", 4, "tunnel"), TAG]],
        "ipip" | "6in4" => over_ip(&[]),
        "gre" => [over_ip(&[GRE]), over_ip(&[GRE_KEY])].concat(),
        "gretap" => [over_ip(&[GRE, INNER]), over_ip(&[GRE_KEY, INNER])].concat(),
        "nvgre" => over_ip(&[GRE_KEY, INNER]),
        "vxlan" => over_ip(&[UDP, VXLAN, INNER]),
        "geneve" => over_ip(&[UDP, GENEVE, INNER]),
        "stt" => over_ip(&[STT[0], STT[1], INNER]),
        _ => vec![],
    }
}

/// The headers of a variant's packet. An overhead that no known form has is drawn as one block.
fn layers(variant: &VariantResult) -> Vec<Layer> {
    let overhead = variant.mtu.overhead_computed;
    let form = forms(&variant.encap)
        .into_iter()
        .find(|f| f.iter().map(|l| l.bytes).sum::<u32>() == overhead)
        .unwrap_or_else(|| vec![layer("encapsulation", overhead, "tunnel")]);
    let outer = if form.contains(&INNER) { layer("outer Ethernet", 14, "l2") } else { ETHERNET };
    std::iter::once(outer).chain(form).filter(|l| l.bytes > 0).collect()
}

/// One drawing per encapsulation in the run, all to one scale.
pub fn anatomy(run: &RunResult) -> Markup {
    let mut seen: Vec<(&VariantResult, Vec<Layer>)> = Vec::new();
    for variant in &run.variants {
        let layers = layers(variant);
        if !seen.iter().any(|(v, l)| v.encap == variant.encap && *l == layers) {
            seen.push((variant, layers));
        }
    }
    let sum = |layers: &[Layer]| layers.iter().map(|l| f64::from(l.bytes)).sum::<f64>();
    let scale = seen.iter().map(|(_, l)| sum(l)).fold(0.0, f64::max) + f64::from(PAYLOAD);
    html! {
        @for (variant, layers) in &seen {
            div.packet {
                h3 {
                    @if variant.encap == "none" { "plain" } @else {
                        (variant.encap)
                        span.how { " " (plural(u64::from(variant.mtu.overhead_computed), "byte")) " more than plain" }
                    }
                }
                div.stack role="img" aria-label=(described(layers)) {
                    @for l in layers {
                        div.seg.small[l.bytes < 6].(l.class) style=(width(f64::from(l.bytes), scale)) {
                            span.name { (l.name) } b { (l.bytes) }
                        }
                    }
                    div.seg.payload style=(width(scale - sum(layers), scale)) {
                        span.name { "inner IP packet" } b { "…" }
                    }
                }
                ul.legend aria-hidden="true" {
                    @for l in layers { li { span.key.(l.class) {} (l.name) " " b { (l.bytes) " B" } } }
                    li { span.key.payload {} "inner IP packet" }
                }
            }
        }
    }
}

fn width(bytes: f64, scale: f64) -> String {
    format!("width:{:.2}%", bytes * 100.0 / scale)
}

fn described(layers: &[Layer]) -> String {
    let parts: Vec<String> =
        layers.iter().map(|l| format!("{} {} bytes", l.name, l.bytes)).collect();
    format!("{}, then the inner IP packet", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::MtuResult;

    fn names(encap: &str, overhead: u32) -> Vec<&'static str> {
        let mtu = MtuResult { overhead_computed: overhead, ..MtuResult::default() };
        let variant = VariantResult { encap: encap.into(), mtu, ..VariantResult::default() };
        layers(&variant).iter().map(|l| l.name).collect()
    }

    #[test]
    fn headers_add_up_to_the_overhead_or_are_one_block() {
        assert_eq!(
            names("vxlan", 50),
            ["outer Ethernet", "outer IPv4", "UDP", "VXLAN", "inner Ethernet"]
        );
        assert_eq!(names("vxlan", 70)[1], "outer IPv6");
        assert_eq!(names("gre", 28), ["Ethernet", "outer IPv4", "GRE with key"]);
        assert_eq!(names("vxlan", 54), ["Ethernet", "encapsulation"]);
        assert_eq!(names("none", 0), ["Ethernet"]);
        assert_eq!(names("stt", 72).len(), 5);
    }
}
