//! Why a packet was not carried.

use std::fmt;

use crate::wire::Malformed;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet was not carried. A drop never ends anything: it is counted by its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// All reasons, in the order of their numbers (`reason as usize`).
            pub const ALL: &'static [DropReason] = &[$(DropReason::$name,)*];

            /// The name in counters, reports and `dissect`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The frame or packet ends before its headers do.
    Truncated = "truncated",
    /// A version field holds a version that is not implemented.
    BadVersion = "bad_version",
    /// A bit that must be set is not, or one that must be clear is set.
    BadFlags = "bad_flags",
    /// A checksum is present and wrong.
    BadChecksum = "bad_checksum",
    /// A length field contradicts the format or the bytes received.
    BadLength = "bad_length",
    /// The tenant network's id is one that its standard reserves (VID 0 and 4095, VSID 0 to 4095).
    ReservedId = "reserved_id",
    /// The tenant network's id is not configured here.
    UnknownNetwork = "unknown_network",
    /// A control message (GRE keepalive, Geneve O bit), for the control function and no tenant.
    Control = "control",
    /// A GRE sequence number at or before the last one (RFC 2890 section 2.2).
    OutOfSequence = "out_of_sequence",
    /// A critical Geneve option that is not known here (RFC 8926 section 3.5).
    CriticalOption = "critical_option",
    /// Offload settings that contradict the packet they come with.
    BadOffload = "bad_offload",
    /// A segment or fragment that overlaps one already here.
    Overlap = "overlap",
    /// A frame or datagram whose other segments or fragments never came.
    Incomplete = "incomplete",
    /// No room to wait for the other segments or fragments.
    ReassemblyFull = "reassembly_full",
    /// An outer fragment where fragments are not put together.
    Fragment = "fragment",
    /// The outer destination is none of our addresses or groups.
    NotForUs = "not_for_us",
    /// The outer source is not a configured peer.
    UnknownPeer = "unknown_peer",
    /// The inner packet is of a type this tunnel does not carry.
    UnknownProtocol = "unknown_protocol",
    /// The inner frame carries a VLAN tag where none is allowed.
    InnerTag = "inner_tag",
    /// The inner source address is a group address, zero, or our own.
    BadSource = "bad_source",
    /// The inner packet has no hop left to live.
    TtlZero = "ttl_zero",
    /// The inner packet is larger than what fits the underlay.
    TooBig = "too_big",
    /// The destination is unknown and the network is not flooded.
    UnknownDestination = "unknown_destination",
    /// The destination is on the port it came from, or it came from the overlay and would go back into it.
    SplitHorizon = "split_horizon",
    /// More source addresses behind a switch's port than it may have.
    MacLimit = "mac_limit",
    /// An outer CE mark on an inner packet that is not ECN-capable (RFC 6040 section 4.2).
    EcnCongestion = "ecn_congestion",
    /// A group or link-local destination that bridges keep to themselves.
    Reserved = "reserved",
    /// The socket below did not take it (its buffer was full).
    UnderlayFull = "underlay_full",
    /// The VM's port did not take it.
    PortFull = "port_full",
    /// The socket below refused it with an error.
    UnderlayError = "underlay_error",
}

impl From<Malformed> for DropReason {
    fn from(why: Malformed) -> Self {
        match why {
            Malformed::Truncated | Malformed::NoRoom => DropReason::Truncated,
            Malformed::Version => DropReason::BadVersion,
            Malformed::Length => DropReason::BadLength,
            Malformed::Flags => DropReason::BadFlags,
            Malformed::Value => DropReason::UnknownProtocol,
            Malformed::Checksum => DropReason::BadChecksum,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
