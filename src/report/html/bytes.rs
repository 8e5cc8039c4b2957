//! Captured packets, byte by byte: each layer in its colour, with its name and fields.

use maud::{Markup, html};

use crate::measure::result::{Anatomy, AnatomyLayer, RunResult};

/// Bytes of the last layer that are shown; the rest is payload like them.
const TAIL: usize = 32;

/// The captured packet of every variant that has one; `None` where none has.
pub fn bytes(run: &RunResult) -> Option<Markup> {
    let found: Vec<_> =
        run.variants.iter().filter_map(|v| Some((&v.name, v.anatomy.as_ref()?))).collect();
    (!found.is_empty()).then(|| {
        html! {
            p.how {
                "One packet of each variant as it left the sending host. A layer's colour is that of its header above; what is cut off is payload."
            }
            @for (name, anatomy) in found {
                div.packet {
                    h3 { (name) }
                    (packet(anatomy))
                }
            }
        }
    })
}

/// The bytes of a packet, and its layers below them.
pub fn packet(anatomy: &Anatomy) -> Markup {
    html! {
        p.bytes {
            @for (layer, hex) in shown(anatomy) {
                span.(class(anatomy, layer)) title=(layer.protocol) { (hex) } " "
            }
        }
        details {
            summary { "Layers and their fields" }
            dl {
                @for layer in &anatomy.layers {
                    dt {
                        span.key.(class(anatomy, layer)) {} (layer.protocol) " "
                        small { "from byte " (layer.offset) ", " (layer.length) " B" }
                    }
                    dd { (fields(layer)) }
                }
            }
        }
    }
}

/// Each layer with its bytes in hexadecimal digits, in pairs.
fn shown(anatomy: &Anatomy) -> Vec<(&AnatomyLayer, String)> {
    let digits = anatomy.frame.as_bytes();
    let mut out = Vec::new();
    for (n, layer) in anatomy.layers.iter().enumerate() {
        let last = n + 1 == anatomy.layers.len();
        let length = if last { layer.length.min(TAIL) } else { layer.length };
        let start = layer.offset.saturating_mul(2).min(digits.len());
        let end = layer.offset.saturating_add(length).saturating_mul(2).min(digits.len());
        let part = digits.get(start..end).unwrap_or_default();
        let mut pairs: Vec<_> = part.chunks(2).map(String::from_utf8_lossy).collect();
        if pairs.len() < layer.length {
            pairs.push("…".into());
        }
        out.push((layer, pairs.join(" ")));
    }
    out
}

fn fields(layer: &AnatomyLayer) -> String {
    let each = layer.fields.iter().map(|(name, value)| format!("{name} {value}"));
    each.collect::<Vec<_>>().join(", ")
}

/// Style class of a layer: its place in the stack.
fn class(anatomy: &Anatomy, layer: &AnatomyLayer) -> &'static str {
    let tunnel = |protocol: &str| {
        ["gre", "nvgre", "vxlan", "vxlan-gpe", "geneve", "geneve-option", "stt", "vlan", "ssh"]
            .contains(&protocol)
    };
    let before = anatomy.layers.iter().take_while(|other| other.offset < layer.offset);
    let inside = |other: &AnatomyLayer| tunnel(&other.protocol) && other.protocol != "vlan";
    let ip = |other: &AnatomyLayer| other.protocol.starts_with("ipv");
    match layer.protocol.as_str() {
        "data" | "padding" => "payload",
        protocol if tunnel(protocol) => "tunnel",
        _ if before.clone().any(inside) || before.clone().any(ip) && ip(layer) => "inner",
        "ethernet" => "l2",
        protocol if protocol.starts_with("ipv") => "l3",
        _ => "l4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(protocol: &str, offset: usize, length: usize) -> AnatomyLayer {
        AnatomyLayer { protocol: protocol.into(), offset, length, fields: Vec::new() }
    }

    #[test]
    fn layers_have_their_bytes_and_colours() {
        let anatomy = Anatomy {
            frame: "00112233445566778899".into(),
            layers: vec![
                layer("ethernet", 0, 2),
                layer("ipv4", 2, 1),
                layer("udp", 3, 1),
                layer("vxlan", 4, 1),
                layer("ethernet", 5, 2),
                layer("data", 7, 90),
            ],
        };
        let shown = shown(&anatomy);
        assert_eq!(shown[0].1, "00 11");
        assert_eq!(shown[5].1, "77 88 99 …");
        let classes: Vec<_> = anatomy.layers.iter().map(|l| class(&anatomy, l)).collect();
        assert_eq!(classes, ["l2", "l3", "l4", "tunnel", "inner", "payload"]);
    }

    #[test]
    fn bytes_that_are_not_there_are_not_shown() {
        let anatomy =
            Anatomy { frame: "0".into(), layers: vec![layer("x", usize::MAX, usize::MAX)] };
        assert_eq!(shown(&anatomy)[0].1, "…");
    }
}
