//! Ethernet and what lives in it.

use crate::dissect::field::{Description, Group, Show, field};

/// Ethernet II.
pub const ETHERNET: Description = Description {
    protocol: "ethernet",
    title: "Ethernet II",
    source: "IEEE 802.3 clause 3, RFC 894",
    fields: &[
        field("dst", "Destination MAC", 48, Show::Mac, "to whom; group bit set for BUM"),
        field("src", "Source MAC", 48, Show::Mac, "from whom; what bridges and VTEPs learn from"),
        field("ethertype", "EtherType", 16, Show::EtherType, "what follows; below 0x0600 a length"),
    ],
    groups: &[],
    tail: None,
};

/// One tag.
pub const VLAN: Description = Description {
    protocol: "vlan",
    title: "802.1Q tag",
    source: "IEEE 802.1Q clause 9",
    fields: &[
        field("tpid", "TPID", 16, Show::Hex, "0x8100 customer tag, 0x88a8 service tag (802.1ad)"),
        field("pcp", "PCP", 3, Show::Number, "priority, 0 to 7"),
        field("dei", "D", 1, Show::Number, "DEI: drop this one first"),
        field("vid", "VLAN id (VID)", 12, Show::Number, "the VLAN: 1 to 4094; 0 is priority only"),
    ],
    groups: &[],
    tail: None,
};

/// ARP for IPv4 over Ethernet.
pub const ARP: Description = Description {
    protocol: "arp",
    title: "ARP",
    source: "RFC 826",
    fields: &[
        field("hardware", "Hardware type", 16, Show::Number, "1 is Ethernet"),
        field("protocol_type", "Protocol type", 16, Show::EtherType, "of the addresses"),
        field("hardware_len", "HLen", 8, Show::Number, "bytes of a MAC address"),
        field("protocol_len", "PLen", 8, Show::Number, "bytes of an IP address"),
        field("operation", "Operation", 16, Show::Number, "1 request, 2 reply"),
        field("sender_mac", "Sender MAC", 48, Show::Mac, "who asks or answers"),
        field("sender_ip", "Sender IP", 32, Show::Address, "its address"),
        field("target_mac", "Target MAC", 48, Show::Mac, "zero in a request"),
        field("target_ip", "Target IP", 32, Show::Address, "the address asked for"),
    ],
    groups: &[],
    tail: None,
};

/// A bridge's configuration message, behind Ethernet and LLC.
pub const BPDU: Description = Description {
    protocol: "stp",
    title: "Spanning tree BPDU",
    source: "IEEE 802.1D-2004 clause 9.3",
    fields: &[
        field("protocol_id", "Protocol id", 16, Show::Number, "always 0"),
        field("version", "Version", 8, Show::Number, "0 STP, 2 RSTP, 3 MSTP"),
        field("type", "Type", 8, Show::Hex, "0x00 config, 0x80 topology change, 0x02 rapid"),
        field("flags", "Flags", 8, Show::Hex, "0x01 topology change, 0x80 its acknowledgment"),
        field("root_prio", "Root priority", 16, Show::Number, "lower is better"),
        field("root_mac", "Root MAC", 48, Show::Mac, "decides between equal priorities"),
        field("root_cost", "Root path cost", 32, Show::Number, "of the sender's way to the root"),
        field("bridge_prio", "Bridge priority", 16, Show::Number, "the sender's"),
        field("bridge_mac", "Bridge MAC", 48, Show::Mac, "the sender's"),
        field("port_id", "Port id", 16, Show::Hex, "the sender's port"),
        field("msg_age_256ths", "Message age", 16, Show::Number, "in 1/256 s"),
        field("max_age_256ths", "Max age", 16, Show::Number, "in 1/256 s; older is forgotten"),
        field("hello_256ths", "Hello time", 16, Show::Number, "in 1/256 s between BPDUs"),
        field(
            "fwd_delay_256ths",
            "Forward delay",
            16,
            Show::Number,
            "in 1/256 s, listening and learning",
        ),
    ],
    groups: &[],
    tail: None,
};

/// Kept here so that the groups of other files read alike.
pub(super) const fn group(key: &'static str, at: usize, bits: usize, show: Show) -> Group {
    Group { key, at, bits, show }
}
