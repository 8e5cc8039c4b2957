//! The tunnels' own headers.

use super::link::group;
use crate::dissect::field::{Description, Show, field};

/// GRE with all optional fields.
pub const GRE: Description = Description {
    protocol: "gre",
    title: "GRE",
    source: "RFC 2784 section 2, RFC 2890 section 2",
    fields: &[
        field("c", "C", 1, Show::Number, "checksum present"),
        field("", "0", 1, Show::Number, "routing of RFC 1701; set: drop"),
        field("k", "K", 1, Show::Number, "key present"),
        field("s", "S", 1, Show::Number, "sequence number present"),
        field("", "0", 2, Show::Number, "source route and recursion of RFC 1701; set: drop"),
        field("", "Reserved", 7, Show::Number, "sent 0, ignored"),
        field("ver", "Ver", 3, Show::Number, "0; 1 is PPTP's and dropped"),
        field("protocol_type", "Protocol Type", 16, Show::EtherType, "what is inside"),
        field("checksum", "Checksum (if C)", 16, Show::Hex, "over GRE header and payload")
            .when("c"),
        field("reserved1", "Reserved1 (if C)", 16, Show::Number, "sent 0").when("c"),
        field("key", "Key (if K)", 32, Show::Number, "names the tunnel or tenant; 0 is a key")
            .when("k"),
        field("seq", "Sequence Number (if S)", 32, Show::Number, "counts packets from 0").when("s"),
    ],
    groups: &[group("flags_ver", 0, 16, Show::Hex)],
    tail: None,
};

/// NVGRE: GRE with its key split.
pub const NVGRE: Description = Description {
    protocol: "nvgre",
    title: "NVGRE",
    source: "RFC 7637 section 3.2",
    fields: &[
        field("c", "0", 1, Show::Number, "C: no checksum, ever"),
        field("", "R", 1, Show::Number, "0"),
        field("k", "1", 1, Show::Number, "K: the key is always there"),
        field("s", "0", 1, Show::Number, "S: no sequence number, ever"),
        field("", "Reserved0", 9, Show::Number, "sent 0, ignored"),
        field("ver", "Ver", 3, Show::Number, "0"),
        field("protocol_type", "Protocol Type 0x6558", 16, Show::EtherType, "always Ethernet"),
        field(
            "vsid",
            "Virtual Subnet ID (VSID)",
            24,
            Show::Number,
            "the tenant network: 0x1000 to 0xfffffe",
        ),
        field("flow_id", "FlowID", 8, Show::Number, "hash of the inner flow; 0 where none is made"),
    ],
    groups: &[
        group("flags_ver", 0, 16, Show::Hex),
        group("key", 32, 32, Show::Number),
        group("key_hex", 32, 32, Show::Hex),
    ],
    tail: None,
};

/// VXLAN.
pub const VXLAN: Description = Description {
    protocol: "vxlan",
    title: "VXLAN",
    source: "RFC 7348 section 5",
    fields: &[
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("i", "I", 1, Show::Number, "the VNI is valid; clear: drop"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("", "R", 1, Show::Number, "sent 0, ignored"),
        field("reserved1", "Reserved", 24, Show::Bytes, "sent 0, ignored (group policy uses it)"),
        field("vni", "VXLAN Network Identifier (VNI)", 24, Show::Number, "the tenant network"),
        field("reserved2", "Reserved", 8, Show::Number, "sent 0, ignored"),
    ],
    groups: &[group("flags", 0, 8, Show::Hex)],
    tail: None,
};

/// VXLAN with a next protocol.
pub const VXLAN_GPE: Description = Description {
    protocol: "vxlan-gpe",
    title: "VXLAN-GPE",
    source: "draft-ietf-nvo3-vxlan-gpe-12 section 3",
    fields: &[
        field("", "R", 1, Show::Number, "sent 0"),
        field("", "R", 1, Show::Number, "sent 0"),
        field("ver", "Ver", 2, Show::Number, "0; others are dropped"),
        field("i", "I", 1, Show::Number, "the VNI is valid; clear: drop"),
        field("p", "P", 1, Show::Number, "the next protocol is valid; clear: Ethernet"),
        field("b", "B", 1, Show::Number, "a copy of replicated BUM traffic"),
        field("o", "O", 1, Show::Number, "operations and management, no tenant's data"),
        field("reserved", "Reserved", 16, Show::Number, "sent 0"),
        field(
            "next_protocol",
            "Next Protocol",
            8,
            Show::Number,
            "1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH",
        ),
        field("vni", "VXLAN Network Identifier (VNI)", 24, Show::Number, "the tenant network"),
        field("reserved2", "Reserved", 8, Show::Number, "sent 0"),
    ],
    groups: &[group("flags", 0, 8, Show::Hex), group("reserved1", 8, 24, Show::Bytes)],
    tail: None,
};

/// Geneve.
pub const GENEVE: Description = Description {
    protocol: "geneve",
    title: "Geneve",
    source: "RFC 8926 section 3.4",
    fields: &[
        field("ver", "Ver", 2, Show::Number, "0; others are dropped"),
        field("opt_len_bytes", "Opt Len", 6, Show::Units(4), "bytes of options, counted in words"),
        field("o", "O", 1, Show::Number, "control packet, no tenant's data"),
        field("c", "C", 1, Show::Number, "there is a critical option"),
        field("rsvd", "Rsvd.", 6, Show::Number, "sent 0, ignored"),
        field("protocol_type", "Protocol Type", 16, Show::EtherType, "what is inside"),
        field("vni", "Virtual Network Identifier (VNI)", 24, Show::Number, "the tenant network"),
        field("reserved", "Reserved", 8, Show::Number, "sent 0, ignored"),
    ],
    groups: &[],
    tail: Some("Variable-Length Options"),
};

/// One option of Geneve.
pub const GENEVE_OPTION: Description = Description {
    protocol: "geneve-option",
    title: "Geneve option",
    source: "RFC 8926 section 3.5",
    fields: &[
        field("class", "Option Class", 16, Show::Hex, "who defines the type"),
        field("critical", "C", 1, Show::Number, "unknown: drop the packet"),
        field("", "Type", 7, Show::Number, "kind of option"),
        field("r", "Rsv", 3, Show::Number, "sent 0, ignored"),
        field("len_bytes", "Length", 5, Show::Units(4), "bytes of data, counted in words"),
    ],
    groups: &[group("type", 16, 8, Show::Hex)],
    tail: Some("Option Data"),
};

/// The segment header of STT, which looks like TCP's.
pub const STT_SEGMENT: Description = Description {
    protocol: "stt-segment",
    title: "STT segment",
    source: "draft-davie-stt-08 section 3.2",
    fields: &[
        field("sport", "Source Port", 16, Show::Number, "hash of the inner flow"),
        field("dport", "Destination Port", 16, Show::Number, "7471"),
        field(
            "frame_len",
            "Frame Length",
            16,
            Show::Number,
            "bytes of the whole STT frame (TCP: sequence, high half)",
        ),
        field(
            "segment_offset",
            "Segment Offset",
            16,
            Show::Number,
            "where this payload belongs (TCP: sequence, low half)",
        ),
        field(
            "frame_id",
            "Frame id",
            32,
            Show::Hex,
            "the same in all segments of a frame (TCP: acknowledgment)",
        ),
        field("doff", "DOff", 4, Show::Number, "words of this header: 5"),
        field("", "Rsvd", 4, Show::Number, "0"),
        field("tcp_flags", "Flags", 8, Show::Hex, "ACK on all, PSH on the last; ignored"),
        field("window", "Window", 16, Show::Number, "sent 0, ignored"),
        field("checksum", "Checksum", 16, Show::Hex, "TCP's, of this segment"),
        field("urg", "Urgent Pointer", 16, Show::Number, "sent 0, ignored"),
    ],
    groups: &[],
    tail: None,
};

/// The frame header of STT, in the first segment only.
pub const STT: Description = Description {
    protocol: "stt",
    title: "STT frame",
    source: "draft-davie-stt-08 section 3.1",
    fields: &[
        field("version", "Version", 8, Show::Number, "0; others are dropped"),
        field("", "Resv", 4, Show::Number, "sent 0, ignored"),
        field("tcp", "T", 1, Show::Number, "inner is TCP (else UDP)"),
        field("ipv4", "V", 1, Show::Number, "inner is IPv4 (else IPv6)"),
        field("csum_partial", "P", 1, Show::Number, "inner checksum is left to the far end"),
        field("csum_verified", "C", 1, Show::Number, "inner checksum was verified by the sender"),
        field(
            "l4_offset",
            "L4 Offset",
            8,
            Show::Number,
            "inner TCP or UDP header, from the inner frame's start",
        ),
        field("reserved", "Reserved", 8, Show::Number, "sent 0, ignored"),
        field(
            "mss",
            "Max. Segment Size",
            16,
            Show::Number,
            "to cut the inner packet to; 0: it is one",
        ),
        field("pcp", "PCP", 3, Show::Number, "priority of the tag"),
        field("v", "V", 1, Show::Number, "there is a tag"),
        field("vid", "VLAN id", 12, Show::Number, "of the tag to be put on"),
        field("context_id", "Context id", 64, Show::Hex, "the tenant network"),
        field("padding", "Padding", 16, Show::Number, "aligns the inner IP header"),
    ],
    groups: &[group("flags", 8, 8, Show::Hex)],
    tail: None,
};

/// A data message of OpenSSH's device forwarding.
pub const SSH_DATA: Description = Description {
    protocol: "ssh",
    title: "SSH channel data",
    source: "OpenSSH PROTOCOL section 2.3, RFC 4254 section 5.2",
    fields: &[
        field("msg", "94", 8, Show::Number, "90 open, 91 confirmation, 92 failure, 94 data"),
        field("channel", "Recipient Channel", 32, Show::Number, "one channel is one network"),
        field("string_len", "String Length", 32, Show::Number, "bytes that follow"),
        field(
            "address_family",
            "Address Family (mode 1)",
            32,
            Show::Number,
            "2 IPv4, 24 IPv6; absent in Ethernet mode",
        ),
    ],
    groups: &[],
    tail: None,
};
