//! What every engine does.

use std::net::IpAddr;

use super::DropReason;
use crate::ids::Encap;

/// What an encapsulated packet travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The inner frame's own Ethernet header; the engine's bytes go after the two MAC addresses.
    Frame,
    /// A UDP datagram to this port; the engine's bytes start its payload.
    Udp {
        /// Destination port.
        port: u16,
    },
    /// An IP packet of this protocol; the engine's bytes start its payload.
    Ip {
        /// IP protocol number.
        protocol: u8,
    },
    /// TCP-like segments of STT; the engine's bytes start the STT frame.
    Stt {
        /// Destination port.
        port: u16,
    },
}

/// What is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerKind {
    /// An Ethernet frame without FCS.
    Ethernet,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
}

/// A packet to be encapsulated.
#[derive(Debug, Clone, Copy)]
pub struct Inner<'a> {
    /// What it is.
    pub kind: InnerKind,
    /// Its bytes in order, in two pieces (headers and payload; the second may be empty).
    pub parts: [&'a [u8]; 2],
    /// Hash of its flow, equal for all packets of one flow.
    pub flow: u32,
}

/// What the transport below told of a received packet.
#[derive(Debug, Clone, Copy)]
pub struct Outer {
    /// Source address.
    pub source: IpAddr,
    /// TOS or traffic class byte.
    pub tos: u8,
}

/// A packet taken out of its tunnel header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decap {
    /// The tenant network's id; 0 where the encapsulation has none.
    pub network: u64,
    /// What is inside.
    pub kind: InnerKind,
    /// Where the inner packet starts in the bytes given; it reaches to their end.
    pub offset: usize,
}

/// Work on an inner frame that is left to the far end: its checksum, and possibly its segmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offload {
    /// Whether the inner packet is IPv4 (else IPv6).
    pub ipv4: bool,
    /// Whether it is TCP (else UDP). Its checksum field holds the pseudo header's folded sum.
    pub tcp: bool,
    /// Where the TCP or UDP header starts in the inner frame.
    pub l4: usize,
    /// Payload bytes per segment; 0 where the frame is one packet.
    pub mss: u16,
}

/// One encapsulation with its settings.
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// Which one it is.
    fn encap(&self) -> Encap;

    /// What its packets travel in.
    fn transport(&self) -> Transport;

    /// Bytes [`Engine::header`] writes.
    fn header_len(&self) -> usize;

    /// Writes the header that goes before (for [`Transport::Frame`]: into) `inner`, to the start
    /// of `out`, which holds at least [`Engine::header_len`] bytes.
    ///
    /// # Errors
    /// The reason why this packet may not travel in this encapsulation.
    fn header(&self, network: u64, inner: &Inner<'_>, out: &mut [u8]) -> Result<(), DropReason>;

    /// Reads the header at the start of what the transport carried.
    ///
    /// # Errors
    /// The reason to drop it.
    fn decap(&self, payload: &[u8], outer: &Outer) -> Result<Decap, DropReason>;

    /// Whether a tag goes in front of those that a VM's frame has already. Other engines of tags are
    /// access ports, which take no tagged frames.
    fn stacks_tags(&self) -> bool {
        false
    }

    /// Whether an inner frame may travel with its checksum and segmentation left to the far end.
    fn carries_offload(&self) -> bool {
        false
    }

    /// As [`Engine::header`], for a frame with work left to the far end.
    ///
    /// # Errors
    /// As [`Engine::header`]; [`DropReason::BadOffload`] where the format cannot say it.
    fn header_offload(
        &self,
        _network: u64,
        _inner: &Inner<'_>,
        _offload: &Offload,
        _out: &mut [u8],
    ) -> Result<(), DropReason> {
        Err(DropReason::BadOffload)
    }

    /// The work that the far end left on a packet that [`Engine::decap`] accepted.
    ///
    /// # Errors
    /// [`DropReason::BadOffload`] where it does not fit the packet.
    fn offload(&self, _payload: &[u8]) -> Result<Option<Offload>, DropReason> {
        Ok(None)
    }
}
