//! What overhead costs a TCP stream on a link of limited rate, by arithmetic.

use crate::ids::Encap;

/// Ethernet header without tag and FCS, in bytes.
const ETHERNET: u32 = 14;
/// IPv4 header without options (RFC 791), in bytes.
const IPV4: u32 = 20;
/// IPv6 header (RFC 8200), in bytes.
const IPV6: u32 = 40;
/// IPv6 fragment header, in bytes.
const FRAGMENT: u32 = 8;
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

/// The same where VMs send packets of `vm_mtu` bytes that do not fit `underlay_mtu` with their headers, and
/// hosts fragment the outer packet (RFC 791 section 3.2, RFC 8200 section 4.5): each piece but the last
/// carries a multiple of 8 bytes, and has an Ethernet and an IP header of its own.
#[must_use]
pub fn fragmented_ceiling(
    vm_mtu: u32,
    overhead: u32,
    underlay_mtu: u32,
    ipv6: bool,
) -> Option<f64> {
    let (ip, header) = if ipv6 { (IPV6, IPV6 + FRAGMENT) } else { (IPV4, IPV4) };
    let payload = vm_mtu.checked_sub(IPV4 + TCP).filter(|payload| *payload > 0)?;
    let carried = vm_mtu.checked_add(overhead)?.checked_sub(ip)?;
    let piece = underlay_mtu.checked_sub(header)? / 8 * 8;
    if carried + ip <= underlay_mtu || piece == 0 {
        return None;
    }
    let wire = carried + carried.div_ceil(piece) * (ETHERNET + header);
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
        let pieces = |vm, overhead, ipv6| fragmented_ceiling(vm, overhead, 1500, ipv6).unwrap();
        // 1550 bytes of outer packet: 20 of its header, 1480 and 50 of what it carries.
        assert!((pieces(1500, 50, false) - 1448.0 / (1530.0 + 2.0 * 34.0)).abs() < 1e-12);
        assert!((pieces(1500, 70, true) - 1448.0 / (1530.0 + 2.0 * 62.0)).abs() < 1e-12);
        assert_eq!(fragmented_ceiling(1450, 50, 1500, false), None, "it fits");
        near(1500, 0, Encap::None, 1448.0 / 1514.0);
        near(1500, 4, Encap::Vlan, 1448.0 / 1518.0);
        near(1450, 50, Encap::Vxlan, 1398.0 / 1514.0);
        assert_eq!(goodput_ceiling(52, 0, Encap::None), None);
        assert_eq!(goodput_ceiling(1500, 0, Encap::Stt), None);
    }
}
