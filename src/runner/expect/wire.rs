//! What can be seen on the underlay.

use super::finding::Finding;
use crate::lab::{Secrecy, SentChecksum};
use crate::measure::result::VariantResult;

/// What VMs send can be read on the underlay, or not.
pub(super) fn payload(secrecy: Secrecy, found: &VariantResult) -> Finding {
    let Some(payload) = &found.payload else {
        return Finding::unknown("the underlay was not searched for what VMs send");
    };
    let alive = payload.delivered > 0;
    let (held, theory) = match secrecy {
        Secrecy::Readable => (payload.readable > 0, "> 0 packets with it"),
        Secrecy::Hidden => (payload.readable == 0, "0 packets with it"),
    };
    Finding::new(held && alive, format!("{} datagrams arrived", payload.delivered))
        .figures(theory, format!("{} packets with it", payload.readable))
}

/// The outer UDP checksum of a captured packet.
pub(super) fn checksum(sent: SentChecksum, found: &VariantResult) -> Finding {
    let layers = found.anatomy.iter().flat_map(|anatomy| &anatomy.layers);
    let Some(udp) = layers.clone().find(|layer| layer.protocol == "udp") else {
        return Finding::unknown("no packet in UDP was captured");
    };
    let value = |key: &str| udp.fields.iter().find(|(name, _)| name == key).map(|(_, text)| text);
    let Some(field) = value("checksum") else {
        return Finding::unknown("the packet's checksum could not be read");
    };
    let number = u64::from_str_radix(field.trim_start_matches("0x"), 16).unwrap_or(u64::MAX);
    let (held, theory) = match sent {
        SentChecksum::Zero => (number == 0, "0x0000"),
        SentChecksum::Right => (number != 0, "not 0x0000"),
    };
    Finding::new(held, "").figures(theory, format!("0x{number:04x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{Anatomy, AnatomyLayer, PayloadResult};

    #[test]
    fn silence_is_not_secrecy() {
        let with = |delivered, readable| {
            let payload = PayloadResult { delivered, readable, underlay_per_inner: None };
            VariantResult { payload: Some(payload), ..VariantResult::default() }
        };
        assert!(payload(Secrecy::Hidden, &with(9, 0)).held);
        assert!(!payload(Secrecy::Hidden, &with(0, 0)).held, "nothing arrived either");
        assert!(!payload(Secrecy::Hidden, &with(9, 1)).held);
        assert!(payload(Secrecy::Readable, &with(9, 1)).held);
        assert!(!payload(Secrecy::Readable, &with(9, 0)).held);
        assert!(!payload(Secrecy::Hidden, &VariantResult::default()).held);
    }

    #[test]
    fn a_checksum_is_read_from_the_captured_packet() {
        let with = |text: &str| {
            let fields = vec![("checksum".to_owned(), text.to_owned())];
            let layer = AnatomyLayer { protocol: "udp".into(), fields, ..AnatomyLayer::default() };
            let anatomy = Anatomy { layers: vec![layer], ..Anatomy::default() };
            VariantResult { anatomy: Some(anatomy), ..VariantResult::default() }
        };
        assert!(checksum(SentChecksum::Zero, &with("0x0000")).held);
        assert!(!checksum(SentChecksum::Zero, &with("0x12ab")).held);
        assert!(checksum(SentChecksum::Right, &with("0x12ab")).held);
        assert!(!checksum(SentChecksum::Right, &with("0x0000")).held);
        assert!(!checksum(SentChecksum::Right, &VariantResult::default()).held);
    }
}
