//! What overhead costs a TCP stream on a link of limited rate, by arithmetic.

use crate::ids::Encap;

/// Ethernet header without tag and FCS, in bytes.
const ETHERNET: u32 = 14;
/// IPv4 header without options (RFC 791), in bytes.
const IPV4: u32 = 20;
/// TCP header with the timestamp option padded to a word (RFC 9293, RFC 7323 appendix A), in bytes.
const TCP: u32 = 20 + 12;

/// TCP payload over bytes counted by the shaper, for one stream of full segments over IPv4.
///
/// Payload per packet is `inner_mtu` less 20 (IPv4) and 32 (TCP with timestamps, which Linux uses).
/// A token bucket filter counts what its queue is handed: the Ethernet header (14 bytes) and all
/// behind it, so `14 + inner_mtu + overhead`; not FCS, preamble and gap (another 24 bytes on a
/// real cable), and headers of a super-frame once per segment. Acknowledgements travel the other
/// way and do not count. A VLAN tag counts when it is in the frame, as our engine writes it; the
/// kernel's VLAN device carries it beside the frame, where tbf does not see it.
///
/// `overhead` is bytes added per packet, as in [`crate::plan::Variant::overhead`]. `None` where
/// inner and outer packets are not one to one (`stt`, `ssh`), or where no payload fits.
#[must_use]
pub fn goodput_ceiling(inner_mtu: u32, overhead: u32, encap: Encap) -> Option<f64> {
    if matches!(encap, Encap::Stt | Encap::Ssh) {
        return None;
    }
    let payload = inner_mtu.checked_sub(IPV4 + TCP).filter(|payload| *payload > 0)?;
    let wire = inner_mtu.checked_add(overhead)?.checked_add(ETHERNET)?;
    Some(f64::from(payload) / f64::from(wire))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_match_the_arithmetic_by_hand() {
        let near = |inner, overhead, encap, expected: f64| {
            let ceiling = goodput_ceiling(inner, overhead, encap).unwrap();
            assert!((ceiling - expected).abs() < 1e-12, "{encap}: {ceiling}");
        };
        near(1500, 0, Encap::None, 1448.0 / 1514.0);
        near(1500, 4, Encap::Vlan, 1448.0 / 1518.0);
        near(1450, 50, Encap::Vxlan, 1398.0 / 1514.0);
        assert_eq!(goodput_ceiling(52, 0, Encap::None), None);
        assert_eq!(goodput_ceiling(1500, 0, Encap::Stt), None);
    }
}
