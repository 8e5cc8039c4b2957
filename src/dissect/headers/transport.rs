//! UDP and TCP.

use super::link::group;
use crate::dissect::field::{Description, Show, field};

/// UDP.
pub const UDP: Description = Description {
    protocol: "udp",
    title: "UDP",
    source: "RFC 768",
    fields: &[
        field("sport", "Source Port", 16, Show::Number, "of a tunnel: hash of the inner flow"),
        field("dport", "Destination Port", 16, Show::Number, "names the tunnel protocol"),
        field("len", "Length", 16, Show::Number, "bytes of header and payload"),
        field("checksum", "Checksum", 16, Show::Hex, "0: none was computed"),
    ],
    groups: &[],
    tail: None,
};

/// TCP without options.
pub const TCP: Description = Description {
    protocol: "tcp",
    title: "TCP",
    source: "RFC 9293 section 3.1",
    fields: &[
        field("sport", "Source Port", 16, Show::Number, "the sender's"),
        field("dport", "Destination Port", 16, Show::Number, "the service"),
        field("seq", "Sequence Number", 32, Show::Number, "of the first byte"),
        field("ack", "Acknowledgment Number", 32, Show::Number, "the next byte awaited"),
        field("doff", "DOff", 4, Show::Number, "4-byte words of this header"),
        field("", "Rsvd", 4, Show::Number, "0"),
        field("cwr", "C", 1, Show::Number, "CWR: the window was reduced"),
        field("ece", "E", 1, Show::Number, "ECE: congestion was met"),
        field("urg", "U", 1, Show::Number, "URG"),
        field("ack_flag", "A", 1, Show::Number, "ACK: the acknowledgment is valid"),
        field("psh", "P", 1, Show::Number, "PSH: deliver now"),
        field("rst", "R", 1, Show::Number, "RST: reset"),
        field("syn", "S", 1, Show::Number, "SYN: begins"),
        field("fin", "F", 1, Show::Number, "FIN: ends"),
        field("window", "Window", 16, Show::Number, "bytes that may come"),
        field("checksum", "Checksum", 16, Show::Hex, "over pseudo header, header and data"),
        field("urgent", "Urgent Pointer", 16, Show::Number, "where urgent data end"),
    ],
    groups: &[group("tcp_flags", 104, 8, Show::Hex)],
    tail: None,
};
