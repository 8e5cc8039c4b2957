//! How many bytes each encapsulation costs.

use crate::ids::Encap;

/// What an encapsulation is asked to add beside its plain header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// GRE carries a key. (NVGRE always does and is not asked.)
    pub key: bool,
    /// GRE carries a checksum.
    pub checksum: bool,
    /// GRE carries sequence numbers.
    pub sequence: bool,
    /// Bytes of Geneve options, 0 to 252.
    pub geneve_options: u32,
    /// IP packets without an Ethernet header in Geneve (or VXLAN-GPE, counted as VXLAN).
    pub bare_ip: bool,
    /// A tunnel encapsulation limit in the outer IPv6 header (RFC 2473 section 5.1); IP in IP and GRE only.
    pub encap_limit: bool,
    /// The inner frame keeps a VLAN tag.
    pub inner_tag: bool,
}

/// One header: its bytes and its name.
pub type Named = (u32, &'static str);

const NOTHING: Named = (0, "");

/// The headers between the largest underlay IP packet and the largest inner IP packet, outermost
/// first; for tags, which grow the frame and not the packet, the tags. Entries of 0 bytes are none.
///
/// STT is counted for a frame that fits one segment. SSH is a stream: its packets have no fixed
/// place in the underlay's, and it has no headers here, as no encapsulation has none.
#[must_use]
pub const fn headers(encap: Encap, ipv6_underlay: bool, extras: &Extras) -> [Named; 6] {
    let ip = if ipv6_underlay { (40, "IPv6") } else { (20, "IPv4") };
    let limit =
        if ipv6_underlay && extras.encap_limit { (8, "encapsulation limit") } else { NOTHING };
    let gre =
        (4 + 4 * (extras.key as u32 + extras.checksum as u32 + extras.sequence as u32), "GRE");
    let udp = (8, "UDP");
    let ethernet = if extras.bare_ip { NOTHING } else { (14, "Ethernet") };
    let tag = if extras.inner_tag && !extras.bare_ip { (4, "802.1Q tag") } else { NOTHING };
    let options = (extras.geneve_options, "Geneve options");
    match encap {
        Encap::None | Encap::Ssh => [NOTHING; 6],
        Encap::Vlan => [(4, "802.1Q tag"), NOTHING, NOTHING, NOTHING, NOTHING, NOTHING],
        Encap::Qinq => [(4, "802.1ad tag"), (4, "802.1Q tag"), NOTHING, NOTHING, NOTHING, NOTHING],
        Encap::Ipip | Encap::SixInFour => [ip, limit, NOTHING, NOTHING, NOTHING, NOTHING],
        Encap::Gre => [ip, limit, gre, NOTHING, NOTHING, NOTHING],
        Encap::Gretap => [ip, limit, gre, (14, "Ethernet"), tag, NOTHING],
        Encap::Nvgre => [ip, (8, "GRE with VSID"), (14, "Ethernet"), tag, NOTHING, NOTHING],
        Encap::Vxlan => [ip, udp, (8, "VXLAN"), ethernet, tag, NOTHING],
        Encap::Geneve => [ip, udp, (8, "Geneve"), options, ethernet, tag],
        Encap::Stt => [ip, (20, "TCP-like"), (18, "STT"), (14, "Ethernet"), tag, NOTHING],
    }
}

/// The sum of [`headers`] in bytes.
#[must_use]
pub const fn overhead(encap: Encap, ipv6_underlay: bool, extras: &Extras) -> u32 {
    let headers = headers(encap, ipv6_underlay, extras);
    let (mut sum, mut at) = (0, 0);
    while at < headers.len() {
        sum += headers[at].0;
        at += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_plain_headers() {
        for (encap, v4, v6) in [
            (Encap::None, 0, 0),
            (Encap::Vlan, 4, 4),
            (Encap::Qinq, 8, 8),
            (Encap::Ipip, 20, 40),
            (Encap::SixInFour, 20, 40),
            (Encap::Gre, 24, 44),
            (Encap::Gretap, 38, 58),
            (Encap::Nvgre, 42, 62),
            (Encap::Vxlan, 50, 70),
            (Encap::Geneve, 50, 70),
            (Encap::Stt, 72, 92),
            (Encap::Ssh, 0, 0),
        ] {
            assert_eq!(overhead(encap, false, &Extras::default()), v4, "{encap} over IPv4");
            assert_eq!(overhead(encap, true, &Extras::default()), v6, "{encap} over IPv6");
        }
    }

    #[test]
    fn the_table_of_options() {
        let key = Extras { key: true, ..Extras::default() };
        let two = Extras { checksum: true, ..key };
        let all = Extras { sequence: true, ..two };
        assert_eq!(overhead(Encap::Gre, false, &key), 28);
        assert_eq!(overhead(Encap::Gre, false, &two), 32);
        assert_eq!(overhead(Encap::Gre, false, &all), 36);
        assert_eq!(overhead(Encap::Gre, true, &all), 56);
        assert_eq!(overhead(Encap::Gretap, false, &key), 42);
        assert_eq!(overhead(Encap::Gretap, true, &all), 70);
        let options = Extras { geneve_options: 252, ..Extras::default() };
        assert_eq!(overhead(Encap::Geneve, false, &options), 302);
        assert_eq!(overhead(Encap::Geneve, true, &options), 322);
        let bare = Extras { bare_ip: true, ..Extras::default() };
        assert_eq!(overhead(Encap::Geneve, false, &bare), 36);
        assert_eq!(overhead(Encap::Vxlan, true, &bare), 56);
        let limit = Extras { encap_limit: true, ..Extras::default() };
        assert_eq!(overhead(Encap::SixInFour, true, &limit), 48);
        assert_eq!(overhead(Encap::Gre, true, &limit), 52);
        assert_eq!(overhead(Encap::Ipip, false, &limit), 20);
        let tag = Extras { inner_tag: true, ..Extras::default() };
        assert_eq!(overhead(Encap::Vxlan, false, &tag), 54);
    }
}
