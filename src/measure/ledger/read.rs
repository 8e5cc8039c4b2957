//! A packet read from the outside in: the headers around the VM's frame, and which frame it is.

use super::{Header, Layer};
use crate::wire::ethernet::{self, ethertype};
use crate::wire::{ipv4, ipv6, tcp, vlan};

/// Bytes by which the calls' packets are told from all others.
pub type Token = [u8; 16];

/// Which of the VM's frames a packet holds: the number in a datagram; or sequence number and length of a
/// TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A datagram's number.
    Datagram(u64),
    /// A TCP segment.
    Segment {
        /// Sequence number of its first byte.
        sequence: u32,
        /// Bytes of payload.
        length: u32,
    },
}

/// What a packet holds of a VM's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which frame.
    pub key: Key,
    /// The headers around it, from the outside in.
    pub headers: Vec<Header>,
    /// Whether the VM's own Ethernet header is in the packet. Where it is not, its bytes have to be
    /// taken off the frame's.
    pub ethernet: bool,
}

/// Whether a packet holds the token.
pub fn holds(packet: &[u8], token: &Token) -> bool {
    packet.windows(token.len()).any(|window| window == token)
}

/// Reads a packet by its layers; `mac` is the VM's own address, by which its Ethernet header is known
/// again. `None` where the layers do not lead to a datagram or segment with the token.
///
/// What an unknown or broken header hides is not guessed.
pub fn entry(packet: &[u8], layers: &[Layer], mac: [u8; 6], token: &Token) -> Option<Entry> {
    let is_ip = |layer: &Layer| matches!(layer.protocol, "ipv4" | "ipv6");
    let ip = layers.iter().rposition(is_ip)?;
    let upper =
        layers.get(ip + 1..)?.iter().find(|layer| matches!(layer.protocol, "udp" | "tcp"))?;
    let inside = layers.get(..=ip)?;
    if inside.iter().any(|layer| layer.malformed) || upper.malformed {
        return None;
    }
    let payload = packet.get(upper.offset + upper.length..ip_end(packet, layers.get(ip)?)?)?;
    let key = if upper.protocol == "udp" {
        let number = payload.strip_prefix(token)?.first_chunk::<8>()?;
        Key::Datagram(u64::from_be_bytes(*number))
    } else {
        if !holds(payload, token) {
            return None;
        }
        let header = tcp::Header::parse(packet.get(upper.offset..)?).ok()?;
        Key::Segment { sequence: header.seq, length: u32::try_from(payload.len()).ok()? }
    };
    // Tags may stand between the VM's Ethernet header and its packet.
    let tags = layers.get(..ip)?.iter().rev().take_while(|layer| layer.protocol == "vlan").count();
    let link = (ip - tags).checked_sub(1).and_then(|at| Some((at, layers.get(at)?)));
    let own = link.filter(|(_, layer)| {
        let source = packet.get(layer.offset + mac.len()..).is_some_and(|p| p.starts_with(&mac));
        layer.protocol == "ethernet" && source
    });
    let mut headers = named(packet, layers.get(..ip)?);
    if let Some((at, _)) = own {
        headers.remove(at);
    }
    Some(Entry { key, headers, ethernet: own.is_some() })
}

/// Where the innermost IP packet ends, by its own word.
fn ip_end(packet: &[u8], layer: &Layer) -> Option<usize> {
    let header = packet.get(layer.offset..)?;
    let length = match layer.protocol {
        "ipv4" => usize::from(ipv4::Header::parse(header).ok()?.total_len),
        _ => ipv6::LEN + usize::from(ipv6::Header::parse(header).ok()?.payload_len),
    };
    Some(layer.offset + length)
}

/// The headers by the names that people know them by. An `EtherType` behind tags belongs to the
/// Ethernet header, wherever it stands.
pub fn named(packet: &[u8], layers: &[Layer]) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    let mut open: Option<usize> = None;
    for layer in layers {
        let name = match layer.protocol {
            "ethernet" => "Ethernet",
            "vlan" => super::tag(packet, layer.offset),
            "ipv4" => "IPv4",
            "ipv6" => "IPv6",
            "ipv6-options" => "IPv6 options",
            "udp" => "UDP",
            "tcp" => "TCP",
            "gre" => "GRE",
            "nvgre" => "GRE (NVGRE)",
            "vxlan" => "VXLAN",
            "geneve" => "Geneve",
            "stt-segment" => "TCP-like",
            "stt" => "STT",
            other => other,
        };
        let mut length = layer.length;
        match layer.protocol {
            "ethernet" => open = (length < ethernet::LEN).then_some(headers.len()),
            "vlan" if length > vlan::LEN => {
                if let Some(around) = open.take().and_then(|at| headers.get_mut(at)) {
                    around.length += length - vlan::LEN;
                    length = vlan::LEN;
                }
            }
            _ => {}
        }
        headers.push(Header::of(name, length));
    }
    headers
}

/// The name of the tag whose TPID stands at `at`.
pub fn tag(packet: &[u8], at: usize) -> &'static str {
    match packet.get(at..).and_then(<[u8]>::first_chunk::<2>).map(|two| u16::from_be_bytes(*two)) {
        Some(ethertype::S_TAG) => "802.1ad",
        _ => "802.1Q",
    }
}
