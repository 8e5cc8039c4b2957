//! The packet of each encapsulation, drawn to scale.

use maud::{Markup, html};

use super::super::number::plural;
use crate::measure::result::{RunResult, VariantResult};

/// A header on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    name: String,
    bytes: u32,
    /// Style class: its place in the stack.
    class: &'static str,
}

fn layer(name: impl Into<String>, bytes: u32, class: &'static str) -> Layer {
    Layer { name: name.into(), bytes, class }
}

/// Bytes of the inner packet that are drawn; it goes on beyond the cut.
const PAYLOAD: u32 = 22;

/// The headers of a variant's packet, as they were planned. Where a result does not name them, or others than add up
/// to its overhead, that is one block.
fn layers(variant: &VariantResult) -> Vec<Layer> {
    let overhead = variant.mtu.overhead_computed;
    let headers = &variant.mtu.headers;
    let sum = headers.iter().map(|h| h.bytes).fold(0, u32::saturating_add);
    let mut inside = false;
    let named = headers.iter().map(|header| {
        let name = header.name.as_str();
        let (name, class) = match name {
            "IPv4" | "IPv6" => (format!("outer {name}"), "l3"),
            "encapsulation limit" => (name.to_owned(), "l3"),
            "UDP" | "TCP-like" => (name.to_owned(), "l4"),
            "Ethernet" => {
                inside = true;
                (format!("inner {name}"), "inner")
            }
            _ if inside => (format!("inner {name}"), "inner"),
            _ => (name.to_owned(), "tunnel"),
        };
        layer(name, header.bytes, class)
    });
    let mut added: Vec<Layer> = named.collect();
    if sum != overhead {
        (added, inside) = (vec![layer("encapsulation", overhead, "tunnel")], false);
    }
    let outer = if inside { "outer Ethernet" } else { "Ethernet" };
    // The frame's own Ethernet header, which a plain packet has as well.
    std::iter::once(layer(outer, 14, "l2")).chain(added).filter(|l| l.bytes > 0).collect()
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
    use crate::measure::result::{HeaderResult, MtuResult};

    fn names(overhead: u32, headers: &[(&str, u32)]) -> Vec<String> {
        let header =
            |(name, bytes): &(&str, u32)| HeaderResult { name: (*name).into(), bytes: *bytes };
        let headers = headers.iter().map(header).collect();
        let mtu = MtuResult { overhead_computed: overhead, headers, ..MtuResult::default() };
        let variant = VariantResult { encap: "x".into(), mtu, ..VariantResult::default() };
        layers(&variant).into_iter().map(|l| l.name).collect()
    }

    #[test]
    fn headers_are_those_of_the_plan_or_one_block() {
        let vxlan = [("IPv4", 20), ("UDP", 8), ("VXLAN", 8), ("Ethernet", 14)];
        assert_eq!(
            names(50, &vxlan),
            ["outer Ethernet", "outer IPv4", "UDP", "VXLAN", "inner Ethernet"]
        );
        let options = [
            ("IPv6", 40),
            ("UDP", 8),
            ("Geneve", 8),
            ("Geneve options", 12),
            ("Ethernet", 14),
            ("802.1Q tag", 4),
        ];
        let named = names(86, &options);
        assert_eq!(named[4], "Geneve options");
        assert_eq!(named.last().map(String::as_str), Some("inner 802.1Q tag"));
        let gre = [("IPv4", 20), ("GRE with key, checksum and sequence", 16)];
        assert_eq!(
            names(36, &gre),
            ["Ethernet", "outer IPv4", "GRE with key, checksum and sequence"]
        );
        assert_eq!(names(54, &vxlan), ["Ethernet", "encapsulation"]);
        assert_eq!(names(50, &[]), ["Ethernet", "encapsulation"]);
        assert_eq!(names(0, &[]), ["Ethernet"]);
        assert_eq!(names(4, &[("802.1Q tag", 4)]), ["Ethernet", "802.1Q tag"]);
    }
}
