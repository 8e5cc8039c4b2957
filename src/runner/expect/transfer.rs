//! What a bulk transfer came to, and what left the host meanwhile.

use super::finding::Finding;
use crate::lab::Transfer;
use crate::measure::result::{TransferResult, VariantResult};

/// It passes, or stalls after the handshake.
pub(super) fn transfer(end: Transfer, found: &VariantResult) -> Finding {
    let Some(transfer) = &found.transfer else { return missing() };
    let TransferResult { connected, bytes, delivered, seconds, .. } = transfer;
    let (held, theory) = match end {
        Transfer::Passes => (delivered == bytes, format!("{bytes} B")),
        Transfer::Stalls => (*connected && *delivered == 0, "0 B".to_owned()),
    };
    let handshake = if *connected { "connected" } else { "not connected" };
    Finding::new(held, format!("{handshake}, {seconds:.2} s"))
        .figures(theory, format!("{delivered} B"))
}

/// One send of at least so many bytes left the host.
pub(super) fn large_send(at_least: u32, found: &VariantResult) -> Finding {
    let Some(sends) = found.transfer.as_ref().map(|transfer| &transfer.sends) else {
        return missing();
    };
    let decoded = sends.decoded == sends.packets && sends.packets > 0;
    let detail = format!(
        "{} frames are {} packets on a cable, of which {} decode as {}",
        sends.frames, sends.packets, sends.decoded, found.encap
    );
    Finding::new(sends.largest >= u64::from(at_least) && decoded, detail)
        .figures(format!("≥ {at_least} B"), format!("{} B", sends.largest))
}

/// So many TCP connections were opened to the tunnel's port.
pub(super) fn handshakes(count: u32, found: &VariantResult) -> Finding {
    let Some(sends) = found.transfer.as_ref().map(|transfer| &transfer.sends) else {
        return missing();
    };
    let alive = sends.decoded > 0;
    Finding::new(
        alive && sends.handshakes == u64::from(count),
        format!("over {} packets of {}", sends.decoded, found.encap),
    )
    .figures(format!("{count} SYN"), format!("{} SYN", sends.handshakes))
}

fn missing() -> Finding {
    Finding::unknown("no transfer was tried here")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::SendResult;

    fn found(connected: bool, delivered: u64, sends: SendResult) -> VariantResult {
        let transfer = TransferResult {
            connected,
            bytes: 100,
            delivered,
            seconds: 1.0,
            sends,
            ..TransferResult::default()
        };
        VariantResult { transfer: Some(transfer), ..VariantResult::default() }
    }

    #[test]
    fn a_stalled_transfer_has_had_its_handshake() {
        let of = |connected, delivered| found(connected, delivered, SendResult::default());
        assert!(transfer(Transfer::Passes, &of(true, 100)).held);
        assert!(!transfer(Transfer::Passes, &of(true, 99)).held);
        assert!(transfer(Transfer::Stalls, &of(true, 0)).held);
        assert!(!transfer(Transfer::Stalls, &of(true, 99)).held);
        assert!(!transfer(Transfer::Stalls, &of(false, 0)).held, "a dead path does not stall");
        assert!(!transfer(Transfer::Passes, &VariantResult::default()).held);
    }

    #[test]
    fn sends_count_only_where_they_decode() {
        let sends =
            SendResult { frames: 2, packets: 45, decoded: 45, largest: 65_000, handshakes: 0 };
        let good = found(true, 100, sends.clone());
        assert!(large_send(60_000, &good).held && handshakes(0, &good).held);
        assert!(!large_send(65_001, &good).held && !handshakes(1, &good).held);
        let alien = found(true, 100, SendResult { decoded: 44, ..sends.clone() });
        assert!(!large_send(60_000, &alien).held);
        let none = found(true, 100, SendResult { decoded: 0, ..sends });
        assert!(!handshakes(0, &none).held, "nothing of the tunnel was seen");
    }
}
