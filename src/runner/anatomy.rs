//! A captured packet taken apart for the report.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::Value;

use crate::dissect::names::hex;
use crate::dissect::{Judge, Layer, Settings};
use crate::ids::Encap;
use crate::measure::ledger;
use crate::measure::result::{Anatomy, AnatomyLayer};
use crate::plan::Variant;

/// Link type of Ethernet in capture files.
const ETHERNET: u32 = 1;
/// Bytes of a packet that are kept: all headers, and where the payload begins.
const KEPT: usize = 192;

/// The layers of one packet of the underlay.
pub(super) fn anatomy(variant: &Variant, packet: &[u8]) -> Anatomy {
    let judged = judge(variant).judge(Duration::ZERO, ETHERNET, packet);
    let kept = packet.get(..KEPT.min(packet.len())).unwrap_or_default();
    Anatomy { frame: hex(kept), layers: judged.layers.iter().map(layer).collect() }
}

/// Whether packets are of the variant's encapsulation: the layer behind the outer IP header, or the
/// tag, is its own.
pub(super) fn decodes(variant: &Variant) -> impl Fn(&[u8]) -> bool {
    // Only headers are looked at, so what the receivers remember does not matter.
    let judge = RefCell::new(judge(variant));
    let names: &'static [&'static str] = match variant.encap {
        Encap::Gre | Encap::Gretap | Encap::Nvgre => &["gre", "nvgre"],
        Encap::Vlan | Encap::Qinq => &["vlan"],
        Encap::Vxlan => &["vxlan"],
        Encap::Geneve => &["geneve"],
        Encap::Stt => &["stt-segment"],
        _ => &[],
    };
    move |packet| {
        let headers = packet.get(..KEPT.min(packet.len())).unwrap_or_default();
        let judged = judge.borrow_mut().judge(Duration::ZERO, ETHERNET, headers);
        let ip = judged.layers.iter().filter(|layer| layer.protocol.starts_with("ipv")).count();
        let bare = names.is_empty() && ip > 1;
        bare || judged.layers.iter().any(|layer| names.contains(&layer.protocol))
    }
}

/// Takes packets of a variant apart, for its ledger.
pub(super) fn dissect(variant: &Variant) -> impl Fn(&[u8]) -> Vec<ledger::Layer> {
    let judge = judge(variant);
    move |packet| {
        let each = judge.layers(ETHERNET, packet).into_iter().map(|layer| ledger::Layer {
            protocol: layer.protocol,
            offset: layer.offset,
            length: layer.length,
            malformed: layer.malformed.is_some(),
        });
        each.collect()
    }
}

fn judge(variant: &Variant) -> Judge {
    Judge::new(settings(variant))
}

/// A receiver of the variant's encapsulation on its port.
fn settings(variant: &Variant) -> Settings {
    let mut settings = Settings::default();
    let encap = format!("encap={}", variant.encap);
    let port = format!("port={}", variant.port);
    for setting in [encap, port] {
        // The plain path and OpenSSH's TCP have none, and are taken apart as they are.
        if let Err(error) = settings.set(&setting) {
            tracing::debug!(error, "packets of {} are taken apart without it", variant.name);
        }
    }
    settings
}

fn layer(layer: &Layer) -> AnatomyLayer {
    let fields = layer.fields.iter().filter(|found| !found.field.key.is_empty());
    let fields = fields.map(|found| (found.field.key.to_owned(), text(&found.value)));
    let more = layer.more.iter().map(|(key, value)| ((*key).to_owned(), text(value)));
    AnatomyLayer {
        protocol: layer.protocol.to_owned(),
        offset: layer.offset,
        length: layer.length,
        fields: fields.chain(more).collect(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
