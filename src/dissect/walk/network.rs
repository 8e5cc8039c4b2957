//! IP, what it carries, and their checksums.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Next, Tunnel, Walk};
use crate::dissect::headers::{ARP, DESTINATION_OPTIONS, FRAGMENT, ICMP, IPV4, IPV6, TCP, UDP};
use crate::dissect::names;
use crate::wire::ethernet::ethertype;
use crate::wire::ipv4::protocol;
use crate::wire::udp::port;
use crate::wire::{checksum, ipv6_options, stt};

/// Source and destination of the packet around.
pub(super) type Addresses = (IpAddr, IpAddr);

impl Walk<'_> {
    pub(super) fn network(&mut self, ethertype: u16) -> Next {
        match ethertype {
            ethertype::IPV4 => self.ipv4(),
            ethertype::IPV6 => self.ipv6(),
            ethertype::ARP => {
                self.header(&ARP);
                Next::Data
            }
            ethertype::TEB => Next::Ethernet,
            _ => Next::Data,
        }
    }

    /// Holds that the packet is of the version that was announced.
    fn version(&mut self, wanted: u64) -> bool {
        let version = self.number("version");
        if version != wanted {
            self.malformed(format!("version {version} where IPv{wanted} was announced"));
        }
        version == wanted
    }

    fn addresses(&self) -> Option<Addresses> {
        let address = |key| self.layers.last()?.value(key)?.as_str()?.parse().ok();
        Some((address("src")?, address("dst")?))
    }

    fn ipv4(&mut self) -> Next {
        let start = self.at;
        if !self.header(&IPV4) || !self.version(4) {
            return Next::End;
        }
        let header = usize::try_from(self.number("ihl")).unwrap_or(0);
        let total = usize::try_from(self.number("total_len")).unwrap_or(0);
        let Some(options) = header.checked_sub(20) else {
            self.malformed(format!("a header of {header} bytes, below 20"));
            return Next::End;
        };
        if !self.extend(options, "the header with its options") {
            return Next::End;
        }
        let covered = self.bytes.get(start..start + header).unwrap_or_default();
        let right = checksum::is_right(checksum::sum(covered, 0));
        self.note("checksum_status", status(right));
        self.pseudo = self.addresses();
        match total.checked_sub(header) {
            None => self.malformed(format!("total length {total}, below the header's {header}")),
            Some(payload) => {
                self.limit(payload);
            }
        }
        if self.number("mf") == 1 || self.number("frag_off") != 0 {
            self.note("fragment", json!(true));
            return Next::Data;
        }
        Next::Upper(u8::try_from(self.number("proto")).unwrap_or(0))
    }

    fn ipv6(&mut self) -> Next {
        if !self.header(&IPV6) || !self.version(6) {
            return Next::End;
        }
        self.pseudo = self.addresses();
        self.limit(usize::try_from(self.number("payload_len")).unwrap_or(0));
        Next::Upper(u8::try_from(self.number("next_header")).unwrap_or(0))
    }

    pub(super) fn upper(&mut self, number: u8) -> Next {
        match number {
            0 | protocol::ROUTING | protocol::DESTINATION_OPTIONS => self.options(),
            protocol::FRAGMENT => {
                if self.header(&FRAGMENT) {
                    self.note("fragment", json!(true));
                }
                Next::Data
            }
            protocol::IPIP | protocol::IPV6 => {
                let inner =
                    if number == protocol::IPIP { ethertype::IPV4 } else { ethertype::IPV6 };
                self.enter(Next::Type(inner))
            }
            protocol::GRE => self.gre(),
            protocol::UDP => self.udp(),
            protocol::TCP => self.tcp(),
            protocol::ICMP => self.icmp(None),
            protocol::ICMPV6 => self.icmp(self.pseudo),
            _ => Next::Data,
        }
    }

    /// Goes into a tunnel, unless there were too many.
    pub(super) fn enter(&mut self, inner: Next) -> Next {
        self.tunnels += 1;
        if self.tunnels > super::MAX_TUNNELS {
            self.note("too_deep", json!(true));
            return Next::Data;
        }
        inner
    }

    fn options(&mut self) -> Next {
        let bytes = self.left();
        if !self.header(&DESTINATION_OPTIONS) {
            return Next::End;
        }
        let length = 6 + 8 * usize::try_from(self.number("hdr_ext_len")).unwrap_or(0);
        if !self.extend(length, "the options header") {
            return Next::End;
        }
        let whole = bytes.get(..length + 2).unwrap_or_default();
        self.note("hex", json!(names::hex(whole)));
        if let Ok(Some(limit)) = ipv6_options::encap_limit(whole) {
            self.note("encap_limit", json!(limit));
        }
        Next::Upper(u8::try_from(self.number("next_header")).unwrap_or(0))
    }

    fn udp(&mut self) -> Next {
        let datagram = self.left();
        if !self.header(&UDP) {
            return Next::End;
        }
        let length = usize::try_from(self.number("len")).unwrap_or(0);
        let Some(payload) = length.checked_sub(8) else {
            self.malformed(format!("length {length}, below the header's 8"));
            return Next::End;
        };
        let whole = self.limit(payload);
        if self.number("checksum") == 0 {
            self.note("checksum_status", json!("zero"));
        } else if let (true, Some(covered)) = (whole, datagram.get(..length)) {
            self.transport_checksum(protocol::UDP, covered);
        }
        match self.by_port(u16::try_from(self.number("dport")).unwrap_or(0), false) {
            Some(tunnel) => Next::Tunnel(tunnel),
            None => Next::Data,
        }
    }

    fn tcp(&mut self) -> Next {
        let segment = self.left();
        let to = segment.get(2..4).and_then(|two| two.first_chunk());
        let to = to.map_or(0, |two| u16::from_be_bytes(*two));
        if let Some(tunnel) = self.by_port(to, true) {
            return Next::Tunnel(tunnel);
        }
        if !self.header(&TCP) {
            return Next::End;
        }
        let Some(options) = (4 * self.number("doff")).checked_sub(20) else {
            self.malformed("a data offset below 5");
            return Next::End;
        };
        if !self.extend(usize::try_from(options).unwrap_or(0), "the header with its options") {
            return Next::End;
        }
        self.transport_checksum(protocol::TCP, segment);
        Next::Data
    }

    fn icmp(&mut self, pseudo: Option<Addresses>) -> Next {
        let message = self.left();
        if !self.header(&ICMP) {
            return Next::End;
        }
        if pseudo.is_some() {
            self.transport_checksum(protocol::ICMPV6, message);
        } else {
            let right = checksum::is_right(checksum::sum(message, 0));
            self.note("checksum_status", status(right));
        }
        Next::Data
    }

    /// Tells whether the checksum over the pseudo header and `covered` is right.
    pub(super) fn transport_checksum(&mut self, protocol: u8, covered: &[u8]) {
        let Ok(length) = u32::try_from(covered.len()) else { return };
        let pseudo = match self.pseudo {
            Some((IpAddr::V4(src), IpAddr::V4(dst))) => {
                checksum::pseudo_v4(src, dst, protocol, length)
            }
            Some((IpAddr::V6(src), IpAddr::V6(dst))) => {
                checksum::pseudo_v6(src, dst, protocol, length)
            }
            _ => return,
        };
        let right = checksum::is_right(checksum::sum(covered, pseudo));
        self.note("checksum_status", status(right));
    }

    fn by_port(&self, to: u16, tcp: bool) -> Option<Tunnel> {
        let told = self.hints.port.filter(|(told, _)| *told == to).map(|(_, tunnel)| tunnel);
        let known = match to {
            port::VXLAN => Some(Tunnel::Vxlan),
            port::VXLAN_GPE => Some(Tunnel::VxlanGpe),
            port::GENEVE => Some(Tunnel::Geneve),
            stt::PORT => Some(Tunnel::Stt),
            _ => None,
        };
        told.or(known).filter(|tunnel| (*tunnel == Tunnel::Stt) == tcp)
    }
}

pub(super) fn status(right: bool) -> Value {
    json!(if right { "ok" } else { "bad" })
}
