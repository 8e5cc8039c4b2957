//! The tunnel headers.

use serde_json::{Value, json};

use super::network::status;
use super::{Next, Tunnel, Walk};
use crate::dissect::headers::{
    GENEVE, GENEVE_OPTION, GRE, NVGRE, SSH_DATA, STT, STT_SEGMENT, VXLAN, VXLAN_GPE,
};
use crate::dissect::names;
use crate::wire::ethernet::ethertype;
use crate::wire::ipv4::protocol;
use crate::wire::vxlan_gpe::next_protocol;
use crate::wire::{gre, nvgre, ssh};

/// Bytes of Cisco's `MetaData` shim: an `EtherType`, version and length, and what it says.
const CISCO_METADATA: usize = 8;

impl Walk<'_> {
    pub(super) fn tunnel(&mut self, tunnel: Tunnel) -> Next {
        match tunnel {
            Tunnel::Vxlan => {
                if !self.header(&VXLAN) {
                    return Next::End;
                }
                self.enter(Next::Ethernet)
            }
            Tunnel::VxlanGpe => self.vxlan_gpe(),
            Tunnel::Geneve => self.geneve(),
            Tunnel::Stt => self.stt(),
        }
    }

    fn vxlan_gpe(&mut self) -> Next {
        if !self.header(&VXLAN_GPE) {
            return Next::End;
        }
        let told = self.number("p") == 1;
        let next = u8::try_from(self.number("next_protocol")).unwrap_or(0);
        let inner = match next {
            _ if !told => Next::Ethernet,
            next_protocol::IPV4 => Next::Type(ethertype::IPV4),
            next_protocol::IPV6 => Next::Type(ethertype::IPV6),
            next_protocol::ETHERNET => Next::Ethernet,
            _ => Next::Data,
        };
        if self.number("ver") != 0 {
            self.malformed("an unknown version");
            return Next::Data;
        }
        self.enter(inner)
    }

    fn geneve(&mut self) -> Next {
        if !self.header(&GENEVE) {
            return Next::End;
        }
        if self.number("ver") != 0 {
            self.malformed("an unknown version");
            return Next::Data;
        }
        let length = usize::try_from(self.number("opt_len_bytes")).unwrap_or(0);
        let options = self.left().get(..length).unwrap_or_else(|| self.left());
        let (list, wrong) = list(options);
        self.note("options", list);
        if let Some(wrong) = wrong {
            self.malformed(wrong);
        }
        if !self.extend(length, "the options") {
            return Next::End;
        }
        let inner = u16::try_from(self.number("protocol_type")).unwrap_or(0);
        self.enter(Next::Type(inner))
    }

    pub(super) fn gre(&mut self) -> Next {
        let packet = self.left();
        let vsid = nvgre::Header::parse(packet).ok();
        let is_nvgre = |header: nvgre::Header| self.hints.nvgre.unwrap_or(!header.is_reserved());
        let description = if vsid.is_some_and(is_nvgre) { &NVGRE } else { &GRE };
        if !self.header(description) {
            return Next::End;
        }
        if self.number("ver") != 0 {
            self.malformed("an unknown version");
            return Next::Data;
        }
        if gre::Header::parse(packet).is_ok_and(|header| header.checksum.is_some()) {
            let right = gre::checksum_is_right(packet);
            self.note("checksum_status", status(right));
        }
        if let Some(Value::Number(key)) = self.layers.last().and_then(|layer| layer.value("key"))
            && description.protocol == GRE.protocol
        {
            let hex = json!(format!("0x{:08x}", key.as_u64().unwrap_or(0)));
            self.note("key_hex", hex);
        }
        let mut inner = u16::try_from(self.number("protocol_type")).unwrap_or(0);
        if inner == gre::KEEPALIVE {
            self.note("keepalive", json!(true));
            return Next::Data;
        }
        if inner == ethertype::CISCO_METADATA
            && let Some([high, low, 1, 1, ..]) = self.left().first_chunk::<CISCO_METADATA>()
        {
            inner = u16::from_be_bytes([*high, *low]);
            self.plain("cisco-metadata", CISCO_METADATA);
        }
        self.enter(Next::Type(inner))
    }

    fn stt(&mut self) -> Next {
        let segment = self.left();
        if !self.header(&STT_SEGMENT) {
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
        let (whole, at) = (self.number("frame_len"), self.number("segment_offset"));
        if at != 0 {
            return Next::Data;
        }
        let first = u64::try_from(self.left().len()).unwrap_or(u64::MAX) < whole;
        if !self.header(&STT) {
            return Next::End;
        }
        if self.number("version") != 0 {
            self.malformed("an unknown version");
            return Next::Data;
        }
        if first {
            self.note("first_of_several", json!(true));
        }
        self.enter(Next::Ethernet)
    }

    /// A decrypted channel message; the fixed part of data messages is shown field by field.
    pub(super) fn ssh(&mut self) -> Next {
        let payload = self.left();
        let message = match ssh::Message::parse(payload) {
            Ok(message) => message,
            Err(why) => {
                self.rest("ssh");
                self.malformed(why.to_string());
                return Next::End;
            }
        };
        let ssh::Message::Data { content, .. } = message else {
            self.rest("ssh");
            let told = match message {
                ssh::Message::Open { channel, window, max_packet, mode, unit } => vec![
                    ("msg", json!(90)),
                    ("type", json!("tun@openssh.com")),
                    ("channel", json!(channel)),
                    ("window", json!(window)),
                    ("max_packet", json!(max_packet)),
                    ("mode", json!(mode)),
                    ("unit", json!(unit)),
                ],
                ssh::Message::Confirmation { recipient, channel, window, max_packet } => vec![
                    ("msg", json!(91)),
                    ("recipient", json!(recipient)),
                    ("channel", json!(channel)),
                    ("window", json!(window)),
                    ("max_packet", json!(max_packet)),
                ],
                ssh::Message::Failure { recipient, reason, .. } => {
                    vec![
                        ("msg", json!(92)),
                        ("recipient", json!(recipient)),
                        ("reason", json!(reason)),
                    ]
                }
                ssh::Message::Data { .. } => Vec::new(),
            };
            for (key, value) in told {
                self.note(key, value);
            }
            return Next::End;
        };
        let inner = match ssh::Content::parse(content, ssh::MODE_POINT_TO_POINT) {
            Ok(ssh::Content::Ipv4(_)) => Next::Type(ethertype::IPV4),
            Ok(ssh::Content::Ipv6(_)) => Next::Type(ethertype::IPV6),
            _ => Next::Ethernet,
        };
        self.header(&SSH_DATA);
        if matches!(inner, Next::Ethernet) {
            // There is no address family before a frame.
            self.at -= 4;
            if let Some(layer) = self.last() {
                layer.length -= 4;
                layer.fields.retain(|field| field.field.key != "address_family");
            }
        }
        self.enter(inner)
    }
}

/// Geneve's options as a list, and what is wrong with them.
fn list(mut options: &[u8]) -> (Value, Option<String>) {
    let mut list = Vec::new();
    while !options.is_empty() {
        let read = GENEVE_OPTION.read(options);
        let length = usize::try_from(read.number("len_bytes").unwrap_or(0)).unwrap_or(0);
        let Some(data) = options.get(4..4 + length) else {
            let there = options.len().saturating_sub(4);
            let wrong = format!("an option of {length} bytes where {there} are left of Opt Len");
            return (Value::Array(list), Some(wrong));
        };
        let mut option = serde_json::Map::new();
        for found in read.fields.iter().filter(|found| !found.field.key.is_empty()) {
            option.insert(found.field.key.into(), found.value.clone());
        }
        option.extend(GENEVE_OPTION.groups(options).map(|(key, value)| (key.into(), value)));
        option.insert("data".into(), json!(names::hex(data)));
        list.push(Value::Object(option));
        options = options.get(4 + length..).unwrap_or_default();
    }
    (Value::Array(list), None)
}
