//! Bytes per packet, and what fits.

use super::finding::Finding;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::MtuResult;

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
