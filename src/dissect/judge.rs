//! What a receiver makes of the frames of a capture, one after the other.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::field::bits;
use super::settings::Settings;
use super::walk::{Hints, Layer, Start, Tunnel, walk};
use crate::encap::receive::{Delivered, Protocol, Receiver, Verdict, receive_ssh};
use crate::wire::ethernet::{Mac, ethertype};
use crate::wire::ipv4::protocol;
use crate::wire::{stt, udp};

/// Fragmented packets remembered, to know later fragments by their first one.
const MAX_FRAGMENTED: usize = 4096;

/// One frame taken apart and judged.
#[derive(Debug)]
pub struct Judged {
    /// Its layers.
    pub layers: Vec<Layer>,
    /// The outermost encapsulation, where there is one.
    pub encap: Option<&'static str>,
    /// The ids of its network, by their names.
    pub ids: Vec<(&'static str, Value)>,
    /// What becomes of it; nothing where there is no encapsulation.
    pub verdict: Option<Verdict>,
}

/// What names a fragmented packet: addresses, protocol and id.
type Fragmented = (String, String, u64, u64);

/// Receivers with their memory of fragments, segments and sequence numbers.
#[derive(Debug, Default)]
pub struct Judge {
    settings: Settings,
    receivers: Vec<((Protocol, bool), Receiver)>,
    fragmented: HashMap<Fragmented, Protocol>,
}

impl Judge {
    /// Receivers that have seen nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Judge { settings, receivers: Vec::new(), fragmented: HashMap::new() }
    }

    /// Takes a frame of a link type apart and judges it; `now` is the time since any fixed start.
    pub fn judge(&mut self, now: Duration, link: u32, bytes: &[u8]) -> Judged {
        let start = start(link, bytes);
        let layers = walk(bytes, start, self.hints());
        if start == Start::Ssh {
            let verdict = receive_ssh(bytes, self.settings.ssh_mode);
            let ids = delivered(&verdict).map(|it| ("channel", json!(it.network)));
            let ids = ids.into_iter().collect();
            return Judged { layers, encap: Some("ssh"), ids, verdict: Some(verdict) };
        }
        let found = self.settings.protocol.or_else(|| self.detect(&layers, bytes));
        let Some(protocol) = found else {
            return Judged { layers, encap: None, ids: Vec::new(), verdict: None };
        };
        let has_key = || {
            let tunnel = layers.iter().find(|l| matches!(l.protocol, "gre" | "nvgre"));
            tunnel.and_then(|l| l.value("k")).and_then(Value::as_u64) == Some(1)
        };
        let keyed = matches!(protocol, Protocol::Gre | Protocol::Gretap)
            && self.settings.keyed.unwrap_or_else(has_key);
        let verdict = match start {
            Start::Packet { at, ethertype } => {
                let packet = bytes.get(at..).unwrap_or_default();
                let [high, low] = ethertype.to_be_bytes();
                let frame = [&[0; 12][..], &[high, low], packet].concat();
                self.receiver(protocol, keyed).receive(now, &frame)
            }
            _ => self.receiver(protocol, keyed).receive(now, bytes),
        };
        let ids = ids(protocol, &layers, &verdict);
        Judged { encap: Some(name(protocol, &layers)), layers, ids, verdict: Some(verdict) }
    }

    /// Takes a frame of a link type apart, without judging it.
    #[must_use]
    pub fn layers(&self, link: u32, bytes: &[u8]) -> Vec<Layer> {
        walk(bytes, start(link, bytes), self.hints())
    }

    fn hints(&self) -> Hints {
        let tunnel = match self.settings.protocol {
            Some(Protocol::Vxlan) => Some(Tunnel::Vxlan),
            Some(Protocol::VxlanGpe) => Some(Tunnel::VxlanGpe),
            Some(Protocol::Geneve) => Some(Tunnel::Geneve),
            Some(Protocol::Stt) => Some(Tunnel::Stt),
            _ => None,
        };
        let nvgre = match self.settings.protocol {
            Some(Protocol::Nvgre) => Some(true),
            Some(Protocol::Gre | Protocol::Gretap) => Some(false),
            _ => None,
        };
        Hints { port: self.settings.port().zip(tunnel), nvgre }
    }

    fn receiver(&mut self, protocol: Protocol, keyed: bool) -> &mut Receiver {
        let key = (protocol, keyed);
        let at = match self.receivers.iter().position(|(of, _)| *of == key) {
            Some(at) => at,
            None => {
                let config = self.settings.config(protocol, keyed);
                self.receivers.push((key, Receiver::new(config)));
                self.receivers.len() - 1
            }
        };
        &mut self.receivers[at].1
    }

    /// The outermost encapsulation of a frame.
    fn detect(&mut self, layers: &[Layer], bytes: &[u8]) -> Option<Protocol> {
        let first = layers.first()?;
        let dst =
            first.value("dst").and_then(Value::as_str).and_then(|dst| dst.parse::<Mac>().ok());
        let is_tagged = layers.get(1).is_some_and(|layer| layer.protocol == "vlan");
        if !is_tagged && dst.is_some_and(Mac::is_bridge_reserved) {
            return Some(Protocol::Stp);
        }
        let tunnel = layers.iter().enumerate().find_map(|(at, layer)| match layer.protocol {
            "ipv4" | "ipv6" | "ipv6-options" | "ipv6-fragment" => {
                self.behind_ip(layer, layers.get(at + 1), bytes)
            }
            _ => None,
        });
        let tags = first.value("ethertype").is_some() && first.length == 12
            || first.value("ethertype").and_then(Value::as_str).is_some_and(|it| it == "0x8100");
        tunnel.or((is_tagged || tags).then_some(Protocol::Vlan))
    }

    /// What an IP header announces, looking at the layer behind it.
    fn behind_ip(&mut self, ip: &Layer, next: Option<&Layer>, bytes: &[u8]) -> Option<Protocol> {
        let number = |key: &str| ip.value(key).and_then(Value::as_u64);
        let text = |key: &str| ip.value(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let upper = number("proto").or_else(|| number("next_header"))?;
        let name = (text("src"), text("dst"), upper, number("id").unwrap_or(0));
        let is_fragment = ip.value("fragment").is_some();
        if is_fragment && number("frag_off") != Some(0) {
            return self.fragmented.get(&name).copied();
        }
        let found = match u8::try_from(upper).ok()? {
            protocol::IPIP => Some(Protocol::Ipip),
            protocol::IPV6 => Some(Protocol::SixInFour),
            protocol::GRE => Some(gre(next, bytes, ip.offset + ip.length)),
            protocol::UDP | protocol::TCP => {
                // The ports are the first words of both, also in a first fragment.
                let to = bits(bytes, (ip.offset + ip.length) * 8 + 16, 16)?;
                let to = u16::try_from(to).ok()?;
                by_port(to, u8::try_from(upper) == Ok(protocol::TCP)).or_else(|| {
                    (self.settings.port() == Some(to)).then_some(self.settings.protocol)?
                })
            }
            _ => None,
        };
        if let (true, Some(protocol)) = (is_fragment, found)
            && self.fragmented.len() < MAX_FRAGMENTED
        {
            self.fragmented.insert(name, protocol);
        }
        found
    }
}

fn by_port(to: u16, tcp: bool) -> Option<Protocol> {
    match to {
        udp::port::VXLAN if !tcp => Some(Protocol::Vxlan),
        udp::port::VXLAN_GPE if !tcp => Some(Protocol::VxlanGpe),
        udp::port::GENEVE if !tcp => Some(Protocol::Geneve),
        stt::PORT if tcp => Some(Protocol::Stt),
        _ => None,
    }
}

/// Which of the three users of GRE a packet is.
fn gre(layer: Option<&Layer>, bytes: &[u8], at: usize) -> Protocol {
    let inner = bits(bytes, at * 8 + 16, 16);
    match layer.map(|layer| layer.protocol) {
        Some("nvgre") => Protocol::Nvgre,
        _ if inner == Some(u64::from(ethertype::TEB)) => Protocol::Gretap,
        _ => Protocol::Gre,
    }
}

/// What a captured frame of a link type starts with (registry of tcpdump.org).
fn start(link: u32, bytes: &[u8]) -> Start {
    let word = |at: usize| bits(bytes, at * 8, 16).and_then(|word| u16::try_from(word).ok());
    let by_version = |at: usize| match bits(bytes, at * 8, 4) {
        Some(4) => Start::Packet { at, ethertype: ethertype::IPV4 },
        Some(6) => Start::Packet { at, ethertype: ethertype::IPV6 },
        _ => Start::Unknown,
    };
    match link {
        1 => Start::Ethernet,
        0 | 108 => by_version(4),
        12 | 101 | 228 | 229 => by_version(0),
        113 => word(14).map_or(Start::Unknown, |it| Start::Packet { at: 16, ethertype: it }),
        276 => word(0).map_or(Start::Unknown, |it| Start::Packet { at: 20, ethertype: it }),
        147 => Start::Ssh,
        _ => Start::Unknown,
    }
}

/// What was delivered, in whatever way.
#[must_use]
pub const fn delivered(verdict: &Verdict) -> Option<&Delivered> {
    match verdict {
        Verdict::Decap(packet) | Verdict::Policy(_, packet) | Verdict::Reflect(packet) => {
            Some(packet)
        }
        _ => None,
    }
}

fn name(protocol: Protocol, layers: &[Layer]) -> &'static str {
    let service = || layers.get(1).and_then(|l| l.value("tpid")?.as_str()) == Some("0x88a8");
    match protocol {
        Protocol::Vlan if service() => "qinq",
        Protocol::Vlan => "vlan",
        Protocol::Qinq => "qinq",
        Protocol::Stp => "stp",
        Protocol::Ipip => "ipip",
        Protocol::SixInFour => "6in4",
        Protocol::Gre => "gre",
        Protocol::Gretap => "gretap",
        Protocol::Nvgre => "nvgre",
        Protocol::Vxlan => "vxlan",
        Protocol::VxlanGpe => "vxlan-gpe",
        Protocol::Geneve => "geneve",
        Protocol::Stt => "stt",
        Protocol::Ssh => "ssh",
    }
}

/// The ids of the outermost encapsulation.
fn ids(protocol: Protocol, layers: &[Layer], verdict: &Verdict) -> Vec<(&'static str, Value)> {
    let of = |layer: &[&str], field: &str| {
        layers.iter().find(|l| layer.contains(&l.protocol))?.value(field).cloned()
    };
    let pairs = match protocol {
        Protocol::Vlan | Protocol::Qinq => vec![("vid", of(&["vlan"], "vid"))],
        Protocol::Gre | Protocol::Gretap => vec![("key", of(&["gre", "nvgre"], "key"))],
        Protocol::Nvgre => {
            vec![("vsid", of(&["nvgre"], "vsid")), ("flow_id", of(&["nvgre"], "flow_id"))]
        }
        Protocol::Vxlan => vec![("vni", of(&["vxlan"], "vni"))],
        Protocol::VxlanGpe => vec![("vni", of(&["vxlan-gpe"], "vni"))],
        Protocol::Geneve => vec![("vni", of(&["geneve"], "vni"))],
        Protocol::Stt => {
            let whole = delivered(verdict).map(|it| json!(format!("0x{:016x}", it.network)));
            vec![("context", whole.or_else(|| of(&["stt"], "context_id")))]
        }
        Protocol::Stp | Protocol::Ipip | Protocol::SixInFour | Protocol::Ssh => Vec::new(),
    };
    pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}
