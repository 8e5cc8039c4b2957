//! Names of numbers, for people.

use std::fmt::Write;

/// Lower-case hexadecimal digits without blanks.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Name of an `EtherType` (IANA "IEEE 802 Numbers").
#[must_use]
pub const fn ethertype(number: u64) -> Option<&'static str> {
    Some(match number {
        0x0000 => "GRE keepalive",
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x22EB => "ERSPAN III",
        0x6558 => "transparent Ethernet bridging",
        0x8100 => "802.1Q tag",
        0x86DD => "IPv6",
        0x8847 => "MPLS",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE session",
        0x88A8 => "802.1ad service tag",
        0x88BE => "ERSPAN",
        0x88CC => "LLDP",
        0x8909 => "Cisco MetaData",
        0x9000 => "loopback test",
        0x9100 => "stacked tag of old equipment",
        1..0x0600 => "length of an 802.3 frame",
        _ => return None,
    })
}

/// Name of an IP protocol (IANA "Protocol Numbers").
#[must_use]
pub const fn protocol(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "hop-by-hop options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4 in IP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6 in IP",
        43 => "routing header",
        44 => "fragment header",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        59 => "nothing follows",
        60 => "destination options",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        _ => return None,
    })
}

/// Name of a VXLAN-GPE next protocol (draft-ietf-nvo3-vxlan-gpe-12 section 3.2).
#[must_use]
pub const fn gpe(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "IPv4",
        2 => "IPv6",
        3 => "Ethernet",
        4 => "NSH",
        _ => return None,
    })
}
