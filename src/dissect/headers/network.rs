//! IP and ICMP.

use super::link::group;
use crate::dissect::field::{Description, Show, field};

/// IPv4 without options.
pub const IPV4: Description = Description {
    protocol: "ipv4",
    title: "IPv4",
    source: "RFC 791 section 3.1",
    fields: &[
        field("version", "Ver", 4, Show::Number, "4"),
        field("ihl", "IHL", 4, Show::Units(4), "bytes of this header; 20 without options"),
        field("dscp", "DSCP", 6, Show::Number, "service class (RFC 2474)"),
        field("ecn", "ECN", 2, Show::Number, "congestion: 0 not capable, 1 and 2 capable, 3 met"),
        field("total_len", "Total Length", 16, Show::Number, "bytes of header and payload"),
        field("id", "Identification", 16, Show::Number, "joins fragments; else means nothing"),
        field("", "R", 1, Show::Number, "reserved, 0"),
        field("df", "D", 1, Show::Number, "DF: routers must not fragment it"),
        field("mf", "M", 1, Show::Number, "MF: more fragments follow"),
        field("frag_off", "Fragment Offset", 13, Show::Number, "place in the whole, in 8 bytes"),
        field("ttl", "TTL", 8, Show::Number, "routers it may still pass"),
        field("proto", "Protocol", 8, Show::Protocol, "what follows"),
        field("checksum", "Header Checksum", 16, Show::Hex, "over this header"),
        field("src", "Source Address", 32, Show::Address, "where it starts; outside: the VTEP"),
        field("dst", "Destination Address", 32, Show::Address, "where it ends"),
    ],
    groups: &[group("tos", 8, 8, Show::Hex)],
    tail: None,
};

/// IPv6.
pub const IPV6: Description = Description {
    protocol: "ipv6",
    title: "IPv6",
    source: "RFC 8200 section 3",
    fields: &[
        field("version", "Ver", 4, Show::Number, "6"),
        field("dscp", "DSCP", 6, Show::Number, "service class (RFC 2474)"),
        field("ecn", "ECN", 2, Show::Number, "congestion: 0 not capable, 1 and 2 capable, 3 met"),
        field("flow_label", "Flow Label", 20, Show::Number, "flow hash for ECMP (RFC 6438), or 0"),
        field("payload_len", "Payload Length", 16, Show::Number, "bytes after this header"),
        field("next_header", "Next Header", 8, Show::Protocol, "what follows"),
        field("hop_limit", "Hop Limit", 8, Show::Number, "routers it may still pass"),
        field("src", "Source Address", 128, Show::Address, "where it starts; outside: the VTEP"),
        field("dst", "Destination Address", 128, Show::Address, "where it ends"),
    ],
    groups: &[group("tc", 4, 8, Show::Hex)],
    tail: None,
};

/// An IPv6 extension header that counts its own length.
pub const DESTINATION_OPTIONS: Description = Description {
    protocol: "ipv6-options",
    title: "IPv6 options",
    source: "RFC 8200 section 4; the tunnel encapsulation limit: RFC 2473 section 4.1.1",
    fields: &[
        field("next_header", "Next Header", 8, Show::Protocol, "what follows"),
        field("hdr_ext_len", "Hdr Ext Len", 8, Show::Number, "8-byte units beyond the first"),
    ],
    groups: &[],
    tail: Some("Options"),
};

/// The IPv6 fragment header.
pub const FRAGMENT: Description = Description {
    protocol: "ipv6-fragment",
    title: "IPv6 fragment header",
    source: "RFC 8200 section 4.5",
    fields: &[
        field("next_header", "Next Header", 8, Show::Protocol, "what the whole packet holds"),
        field("", "Reserved", 8, Show::Number, "0"),
        field("frag_off", "Fragment Offset", 13, Show::Number, "place in the whole, in 8 bytes"),
        field("", "Res", 2, Show::Number, "0"),
        field("mf", "M", 1, Show::Number, "more fragments follow"),
        field("id", "Identification", 32, Show::Number, "joins the fragments"),
    ],
    groups: &[],
    tail: None,
};

/// The start of ICMP and `ICMPv6` messages.
pub const ICMP: Description = Description {
    protocol: "icmp",
    title: "ICMP",
    source: "RFC 792, RFC 4443 section 2.1",
    fields: &[
        field("type", "Type", 8, Show::Number, "kind of message"),
        field("code", "Code", 8, Show::Number, "kind within the kind"),
        field("checksum", "Checksum", 16, Show::Hex, "over the message (v6: and a pseudo header)"),
        field("rest", "Rest of Header", 32, Show::Hex, "by type: echo id and number, MTU"),
    ],
    groups: &[],
    tail: None,
};
