//! What an encapsulation leaves of the underlay's MTU, and how that is computed.

use std::fmt::Write;

use super::Variant;
use crate::encap::headers;
use crate::ids::Encap;
use crate::lab::{Carrier, EngineSettings, IpVersion, overhead as of_carrier};

/// Bytes that `encap` adds to each packet with a carrier's settings; 0 where packets have no fixed
/// place in the underlay's.
pub(super) fn overhead(encap: Encap, carrier: &Carrier) -> u32 {
    of_carrier(encap, carrier).unwrap_or(0)
}

/// Largest inner IP packet: `underlay - overhead` for tunnels, and `underlay` for tags, since a
/// port that takes tags takes them outside its MTU. 0 where nothing fits.
pub(super) const fn inner(encap: Encap, underlay: u32, overhead: u32) -> u32 {
    if encap.is_tag() { underlay } else { underlay.saturating_sub(overhead) }
}

/// How the inner MTU comes about, e.g. `1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450`.
pub(super) fn arithmetic(
    encap: Encap,
    version: IpVersion,
    settings: &EngineSettings,
    underlay: u32,
    inner: u32,
) -> String {
    let all = headers(encap, version == IpVersion::Ipv6, &settings.extras());
    let headers = all.iter().filter(|(bytes, _)| *bytes > 0);
    let mut text = underlay.to_string();
    for (bytes, name) in headers {
        let _ = if encap.is_tag() {
            write!(text, ", the {bytes}-byte {name} goes outside it")
        } else {
            write!(text, " - {bytes} {name}")
        };
    }
    if inner != underlay {
        let _ = write!(text, " = {inner}");
    }
    text
}

impl Variant {
    /// The headers that [`Variant::overhead`] is the sum of, outermost first: bytes and names.
    #[must_use]
    pub fn headers(&self) -> Vec<(u32, &'static str)> {
        let all = headers(self.encap, self.underlay == IpVersion::Ipv6, &self.engine.extras());
        all.into_iter().filter(|(bytes, _)| *bytes > 0).collect()
    }

    /// How the inner MTU comes about, e.g. `1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450`.
    #[must_use]
    pub fn mtu_arithmetic(&self) -> String {
        let (underlay, inner) = (self.underlay_mtu, self.inner_mtu);
        arithmetic(self.encap, self.underlay, &self.engine, underlay, inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_of_the_standards() {
        let carrier = Carrier::default();
        let inner = |encap, underlay| inner(encap, underlay, overhead(encap, &carrier));
        assert_eq!(overhead(Encap::Vxlan, &carrier), 50);
        assert_eq!(overhead(Encap::Vlan, &carrier), 4);
        for (encap, bytes) in [
            (Encap::Geneve, 50),
            (Encap::Gre, 28),
            (Encap::Gretap, 42),
            (Encap::Nvgre, 42),
            (Encap::Stt, 72),
            (Encap::Qinq, 8),
        ] {
            assert_eq!(overhead(encap, &carrier), bytes, "{encap}");
        }
        assert_eq!(inner(Encap::Vxlan, 1500), 1450);
        assert_eq!(inner(Encap::Vxlan, 9000), 8950);
        assert_eq!(inner(Encap::Vlan, 1500), 1500);
        assert_eq!(inner(Encap::None, 1500), 1500);
        assert_eq!(inner(Encap::Vxlan, 40), 0);
        let usual = EngineSettings::default();
        let text = |encap, inner| arithmetic(encap, IpVersion::Ipv4, &usual, 1500, inner);
        assert_eq!(
            text(Encap::Vxlan, 1450),
            "1500 - 20 IPv4 - 8 UDP - 8 VXLAN - 14 Ethernet = 1450"
        );
        assert_eq!(text(Encap::Vlan, 1500), "1500, the 4-byte 802.1Q tag goes outside it");
        assert_eq!(
            text(Encap::Qinq, 1500),
            "1500, the 4-byte 802.1ad tag goes outside it, the 4-byte 802.1Q tag goes outside it"
        );
        assert_eq!(text(Encap::None, 1500), "1500");
        let all = EngineSettings { csum: true, seq: true, ..EngineSettings::default() };
        assert_eq!(
            arithmetic(Encap::Gretap, IpVersion::Ipv6, &all, 1500, 1430),
            "1500 - 40 IPv6 - 16 GRE - 14 Ethernet = 1430"
        );
    }
}
