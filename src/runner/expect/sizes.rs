//! Bytes per packet, and what fits.

use super::finding::Finding;
use super::speed::{bounds, within};
use crate::measure::result::VariantResult;

/// Each packet grows by so many bytes, computed and counted.
pub(super) fn overhead(bytes: u32, found: &VariantResult) -> Finding {
    let computed = found.mtu.overhead_computed;
    match found.mtu.overhead_counted {
        Some(counted) => Finding::new(
            computed == bytes && (counted - f64::from(bytes)).abs() < 0.5,
            format!("over {} packets", found.mtu.counted_packets),
        )
        .figures(format!("{computed} B"), format!("{counted:.2} B")),
        None => Finding::unknown(format!("computed {computed} B, not counted")),
    }
}

/// So large a packet passes, and no larger one.
pub(super) fn largest(mtu: u32, found: &VariantResult) -> Finding {
    let inner = found.mtu.inner;
    match found.mtu.probed {
        Some(probed) => Finding::new(probed == mtu && inner == mtu, "")
            .figures(format!("{inner} B"), format!("{probed} B")),
        None => Finding::unknown("it was not probed"),
    }
}

/// Senders of packets that do not fit are told this MTU, in every IP version they have.
pub(super) fn told(mtu: u32, found: &VariantResult) -> Finding {
    let told = &found.mtu.told;
    if told.is_empty() {
        return Finding::unknown("VMs here send no packets that do not fit");
    }
    let each = told.iter().map(|(ip, mtu)| match mtu {
        0 => format!("{ip}: nothing"),
        mtu => format!("{ip}: {mtu} B"),
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let theory = format!("{} B", found.mtu.inner);
    Finding::new(told.values().all(|found| *found == mtu), "").figures(theory, each)
}

/// What part of the computed ceiling must be felt, in words.
pub(super) fn goodput_words(at_least: Option<f64>, at_most: Option<f64>) -> String {
    let bounds = bounds(at_least, at_most);
    format!("on the shaped link one TCP stream gets {bounds} of the goodput that headers leave")
}

/// Goodput felt on the shaped link over what arithmetic leaves of it.
pub(super) fn goodput(
    at_least: Option<f64>,
    at_most: Option<f64>,
    found: &VariantResult,
) -> Finding {
    let Some(felt) = found.mtu.goodput_felt else {
        return Finding::unknown("it was not felt");
    };
    let Some(ceiling) = found.mtu.goodput_ceiling.filter(|ceiling| *ceiling > 0.0) else {
        return Finding::unknown("no ceiling can be computed for this carrier");
    };
    let part = felt / ceiling;
    let percent = |share: f64| format!("{:.1} % of the rate", share * 100.0);
    Finding::new(
        within(part, at_least, at_most),
        format!("felt {}, computed {}", percent(felt), percent(ceiling)),
    )
    .figures(bounds(at_least, at_most), format!("{part:.3}"))
}

/// In how many packets a full frame must cross links, in words.
pub(super) fn pieces_words(count: u32) -> String {
    match count {
        1 => "a frame that fills the VM's MTU crosses the underlay in one packet".to_owned(),
        n => format!("a frame that fills the VM's MTU crosses the underlay in {n} packets"),
    }
}

/// Every frame that fills the VM's MTU crosses each link in so many packets, by the byte ledger: datagrams as
/// large as that, or the segments of a TCP burst.
pub(super) fn pieces(count: u32, found: &VariantResult) -> Finding {
    let of = |pass: &str| {
        let links = found.ledger.iter().filter(|row| row.hop.contains(" → ") && row.frames > 0);
        links.filter(|row| row.pass == pass).collect::<Vec<_>>()
    };
    let rows = ["full datagrams", "burst"].map(of);
    let Some(rows) = rows.iter().find(|rows| !rows.is_empty()) else {
        return Finding::unknown("no full frame was weighed on a link here");
    };
    let held = rows.iter().all(|row| row.packets == row.frames * u64::from(count));
    let frames: u64 = rows.iter().map(|row| row.frames).sum();
    let packets: u64 = rows.iter().map(|row| row.packets).sum();
    Finding::new(held, format!("{packets} packets for {frames} frames, over all links"))
        .figures(count, format!("{:.2}", packets as f64 / frames as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{LedgerRow, MtuResult};

    #[test]
    fn goodput_is_held_against_the_ceiling() {
        let mut found = VariantResult::default();
        let held = |found: &VariantResult, least, most| goodput(least, most, found).held;
        assert!(!held(&found, Some(0.1), None), "nothing was felt");
        found.mtu.goodput_felt = Some(0.54);
        assert!(!held(&found, Some(0.1), None), "nothing to hold it against");
        found.mtu.goodput_ceiling = Some(0.9);
        assert!(held(&found, Some(0.59), Some(0.61)));
        assert!(!held(&found, Some(0.61), None) && !held(&found, None, Some(0.59)));
        assert_eq!(goodput(Some(0.5), None, &found).measured.as_deref(), Some("0.600"));
    }

    #[test]
    fn full_frames_cross_in_so_many_packets_on_every_link() {
        let row = |pass: &str, hop: &str, frames, packets| LedgerRow {
            pass: pass.into(),
            hop: hop.into(),
            frames,
            packets,
            ..LedgerRow::default()
        };
        let mut found = VariantResult::default();
        assert!(!pieces(1, &found).held);
        found.ledger = vec![row("datagrams", "a → b", 9, 9), row("burst", "vm", 5, 7)];
        assert!(!pieces(1, &found).held, "neither full nor on a link");
        found.ledger.push(row("burst", "a → b", 5, 5));
        assert!(pieces(1, &found).held && !pieces(2, &found).held);
        found.ledger.push(row("full datagrams", "a → b", 4, 8));
        assert!(pieces(2, &found).held && !pieces(1, &found).held);
        found.ledger.push(row("full datagrams", "b → c", 4, 7));
        assert!(!pieces(2, &found).held, "one frame too few on the second link");
    }

    #[test]
    fn overhead_holds_only_where_theory_and_count_agree() {
        let mtu = MtuResult {
            overhead_computed: 50,
            overhead_counted: Some(50.0),
            ..MtuResult::default()
        };
        let mut found = VariantResult { mtu, ..VariantResult::default() };
        assert!(overhead(50, &found).held);
        assert!(!overhead(42, &found).held);
        found.mtu.overhead_counted = Some(54.0);
        let apart = overhead(50, &found);
        assert!(!apart.held);
        assert_eq!(
            (apart.theory.as_deref(), apart.measured.as_deref()),
            (Some("50 B"), Some("54.00 B"))
        );
        found.mtu.overhead_counted = None;
        assert!(!overhead(50, &found).held);
    }

    #[test]
    fn every_ip_version_must_be_told() {
        let mut found = VariantResult::default();
        assert!(!told(1450, &found).held);
        found.mtu.told.insert("ipv4".into(), 1450);
        assert!(told(1450, &found).held && !told(1400, &found).held);
        found.mtu.told.insert("ipv6".into(), 0);
        assert!(!told(1450, &found).held);
    }

    #[test]
    fn the_largest_packet_is_the_one_computed_and_probed() {
        let mut found = VariantResult::default();
        found.mtu.inner = 1450;
        assert!(!largest(1450, &found).held);
        found.mtu.probed = Some(1450);
        assert!(largest(1450, &found).held && !largest(1400, &found).held);
        found.mtu.probed = Some(1400);
        assert!(!largest(1450, &found).held && !largest(1400, &found).held);
    }
}
