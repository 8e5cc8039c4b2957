//! Packets taken apart as the byte ledger wants it.

use overlab::dissect::{Judge, Settings};
use overlab::measure::ledger::Layer;

/// Takes packets apart, those of an encapsulation by its name where it needs one.
pub fn dissect(encap: &str) -> impl Fn(&[u8]) -> Vec<Layer> {
    let mut settings = Settings::default();
    // The plain path has no encapsulation to be named.
    let _ = settings.set(&format!("encap={encap}"));
    let judge = Judge::new(settings);
    move |packet| {
        let layers = judge.layers(1, packet).into_iter().map(|layer| Layer {
            protocol: layer.protocol,
            offset: layer.offset,
            length: layer.length,
            malformed: layer.malformed.is_some(),
        });
        layers.collect()
    }
}
