//! What an encapsulation costs, byte by byte.

use std::fmt::Write;

use super::{PlanError, Variant};
use crate::ids::Encap;

/// The headers between the underlay MTU and the inner IP packet over IPv4, outermost first:
///
/// - none: nothing
/// - VLAN: the 4-byte tag (IEEE 802.1Q clause 9.4)
/// - VXLAN: 20 IPv4 + 8 UDP + 8 VXLAN + 14 inner Ethernet = 50 (RFC 7348 section 5)
/// - Geneve: the same with 8 Geneve without options = 50 (RFC 8926 section 3)
/// - GRE with a key: 20 IPv4 + 4 GRE + 4 key = 28, with Ethernet inside 42 (RFC 2784, RFC 2890)
/// - NVGRE: 20 IPv4 + 8 GRE with VSID + 14 inner Ethernet = 42 (RFC 7637 section 3.2)
/// - STT: 20 IPv4 + 20 TCP-like + 18 STT + 14 inner Ethernet = 72 for a packet that fits one
///   segment (draft-davie-stt-08 section 3)
///
/// `None` for what labs cannot carry.
const fn headers(encap: Encap) -> Option<&'static [(u32, &'static str)]> {
    match encap {
        Encap::None => Some(&[]),
        Encap::Vlan => Some(&[(4, "802.1Q tag")]),
        Encap::Vxlan => Some(&[(20, "IPv4"), (8, "UDP"), (8, "VXLAN"), (14, "Ethernet")]),
        Encap::Geneve => Some(&[(20, "IPv4"), (8, "UDP"), (8, "Geneve"), (14, "Ethernet")]),
        Encap::Gre => Some(&[(20, "IPv4"), (4, "GRE"), (4, "key")]),
        Encap::Gretap => Some(&[(20, "IPv4"), (4, "GRE"), (4, "key"), (14, "Ethernet")]),
        Encap::Nvgre => Some(&[(20, "IPv4"), (8, "NVGRE"), (14, "Ethernet")]),
        Encap::Stt => Some(&[(20, "IPv4"), (20, "TCP-like"), (18, "STT"), (14, "Ethernet")]),
        _ => None,
    }
}

/// Bytes that `encap` adds to each packet.
///
/// # Errors
/// [`PlanError::NotCarried`] where there is no arithmetic for it.
pub(super) fn overhead(encap: Encap) -> Result<u32, PlanError> {
    let headers = headers(encap).ok_or(PlanError::NotCarried { encap })?;
    Ok(headers.iter().map(|(bytes, _)| bytes).sum())
}

/// Largest inner IP packet: `underlay - overhead` for tunnels, and `underlay` for tags, since a
/// port that takes tags takes them outside its MTU. 0 where nothing fits.
pub(super) const fn inner(encap: Encap, underlay: u32, overhead: u32) -> u32 {
    if encap.is_tag() { underlay } else { underlay.saturating_sub(overhead) }
}

/// How the inner MTU comes about, e.g. `1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450`.
pub(super) fn arithmetic(encap: Encap, underlay: u32, inner: u32) -> String {
    let headers = headers(encap).unwrap_or_default();
    let mut text = underlay.to_string();
    if encap.is_tag() {
        for (bytes, name) in headers {
            let _ = write!(text, ", the {bytes}-byte {name} goes outside it");
        }
        return text;
    }
    for (bytes, name) in headers {
        let _ = write!(text, " - {bytes} {name}");
    }
    if !headers.is_empty() {
        let _ = write!(text, " = {inner}");
    }
    text
}

impl Variant {
    /// How the inner MTU comes about, e.g. `1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450`.
    #[must_use]
    pub fn mtu_arithmetic(&self) -> String {
        arithmetic(self.encap, self.underlay_mtu, self.inner_mtu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_of_the_standards() {
        let inner = |encap, underlay| inner(encap, underlay, overhead(encap).unwrap());
        assert_eq!(overhead(Encap::Vxlan), Ok(50));
        assert_eq!(overhead(Encap::Vlan), Ok(4));
        for (encap, bytes) in [
            (Encap::Geneve, 50),
            (Encap::Gre, 28),
            (Encap::Gretap, 42),
            (Encap::Nvgre, 42),
            (Encap::Stt, 72),
        ] {
            assert_eq!(overhead(encap), Ok(bytes), "{encap}");
        }
        assert_eq!(inner(Encap::Vxlan, 1500), 1450);
        assert_eq!(inner(Encap::Vxlan, 9000), 8950);
        assert_eq!(inner(Encap::Vlan, 1500), 1500);
        assert_eq!(inner(Encap::None, 1500), 1500);
        assert_eq!(inner(Encap::Vxlan, 40), 0);
        assert_eq!(
            arithmetic(Encap::Vxlan, 1500, 1450),
            "1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450"
        );
        assert_eq!(
            arithmetic(Encap::Vlan, 1500, 1500),
            "1500, the 4-byte 802.1Q tag goes outside it"
        );
        assert_eq!(arithmetic(Encap::None, 1500, 1500), "1500");
    }
}
